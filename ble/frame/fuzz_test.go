package frame

import (
	"bytes"
	"testing"
)

// FuzzPush feeds a Conn frames that a stranger made up: the input is split
// into values at their length bytes. Whatever comes, memory stays bounded and
// what is delivered is within the limits.
func FuzzPush(f *testing.F) {
	f.Fuzz(func(t *testing.T, script []byte) {
		c := newConn(t, 100, 0)
		if err := c.Send(make([]byte, MessageMax)); err != nil {
			t.Fatal(err)
		}
		for len(script) > 0 {
			n := min(int(script[0]), len(script)-1)
			value := script[1 : 1+n]
			script = script[1+n:]
			in, err := c.Push(value)
			if err != nil {
				return
			}
			if len(in.Message) > MessageMax || cap(c.assembly) > 2*MessageMax || len(c.flying) > Window || c.owed > Window {
				t.Fatalf("message %d, assembly %d, flying %d, owed %d", len(in.Message), cap(c.assembly), len(c.flying), c.owed)
			}
			for {
				out, ok := c.Next()
				if !ok {
					break
				}
				if len(out) > 100 {
					t.Fatalf("frame of %d bytes", len(out))
				}
			}
		}
	})
}

// FuzzParse checks that every frame that parses means what its bytes say: put
// together again they are the same bytes.
func FuzzParse(f *testing.F) {
	f.Fuzz(func(t *testing.T, value []byte) {
		p, err := parse(value)
		if err != nil {
			return
		}
		again := []byte{p.flags, p.seq}
		if p.has(flagAck) {
			again = append(again, p.ack)
		}
		if p.has(flagStart) {
			again = append(again, byte(p.length), byte(p.length>>8))
		}
		again = append(again, p.payload...)
		if !bytes.Equal(again, value) {
			t.Fatalf("%x became %x", value, again)
		}
	})
}

// FuzzRoundTrip sends a message over a link of any size.
func FuzzRoundTrip(f *testing.F) {
	f.Fuzz(func(t *testing.T, message []byte, valueMax uint16, window uint8) {
		a, err := New(int(valueMax), int(window))
		if err != nil || a.Send(message) != nil {
			return
		}
		b := newConn(t, int(valueMax), 0)
		var got []byte
		for a.Busy() {
			_, at := exchange(t, a, b)
			for _, m := range at {
				got = m
			}
			b.Flush()
		}
		if !bytes.Equal(got, message) {
			t.Fatalf("%d bytes became %d", len(message), len(got))
		}
	})
}

// FuzzControl: a control frame is malformed, or means what its bytes say, and
// the other end of the link reads the same from what is sent of it.
func FuzzControl(f *testing.F) {
	for _, payload := range [][]byte{{1}, {2, 0}, {2, 255}, {3, 1, 1, 1}, {3, 4, 1, 2}, {}, {0}, {1, 0}, {2}, {3, 1, 1}, {4}} {
		f.Add(payload)
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		ctl, err := parseControl(payload)
		if err != nil {
			if ctl != (Control{}) {
				t.Fatalf("%x is refused, and says %+v", payload, ctl)
			}
			return
		}
		if again := ctl.append(nil); !bytes.Equal(again, payload) {
			t.Fatalf("%x became %x", payload, again)
		}
		a, b := newConn(t, ValueMin, 0), newConn(t, ValueMin, 0)
		a.Signal(ctl)
		value, _ := a.Next()
		in, err := b.Push(value)
		if err != nil || in.Control == nil || *in.Control != ctl || in.Message != nil {
			t.Fatalf("%+v arrives as %+v, %v", ctl, in, err)
		}
		if _, more := a.Next(); more || ctl.ends() != (b.over && a.ended) {
			t.Fatalf("after %+v: more %t, over %t", ctl, more, b.over)
		}
	})
}
