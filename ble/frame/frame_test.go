package frame

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func newConn(t testing.TB, valueMax, window int) *Conn {
	t.Helper()
	c, err := New(valueMax, window)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// exchange moves frames between a and b until neither has any, and returns
// the messages that each received.
func exchange(t testing.TB, a, b *Conn) (atA, atB [][]byte) {
	t.Helper()
	move := func(from, to *Conn, got *[][]byte) bool {
		value, ok := from.Next()
		if !ok {
			return false
		}
		if len(value) > from.valueMax {
			t.Fatalf("frame of %d bytes where %d fit", len(value), from.valueMax)
		}
		in, err := to.Push(value)
		if err != nil {
			t.Fatalf("push %x: %v", value, err)
		}
		if in.Message != nil {
			*got = append(*got, in.Message)
		}
		return true
	}
	for {
		moved := move(a, b, &atB)
		if !move(b, a, &atA) && !moved {
			return atA, atB
		}
	}
}

func TestWire(t *testing.T) {
	a := newConn(t, ValueMin, 0)
	if err := a.Send([]byte("sixteen bytes and more")); err != nil {
		t.Fatal(err)
	}
	want := [][]byte{
		append([]byte{flagStart, 0, 22, 0}, "sixteen bytes an"...),
		append([]byte{flagEnd, 1}, "d more"...),
	}
	for i, w := range want {
		got, ok := a.Next()
		if !ok || !bytes.Equal(got, w) {
			t.Errorf("frame %d is %q, want %q", i, got, w)
		}
	}
	if _, ok := a.Next(); ok || a.Busy() {
		t.Error("there is more to send after the last piece")
	}
}

func TestWindow(t *testing.T) {
	for window := 1; window <= Window; window++ {
		a, b := newConn(t, ValueMin, window), newConn(t, ValueMin, 0)
		if err := a.Send(make([]byte, 1000)); err != nil {
			t.Fatal(err)
		}
		flying := 0
		for {
			value, ok := a.Next()
			if !ok {
				break
			}
			flying++
			if _, err := b.Push(value); err != nil {
				t.Fatal(err)
			}
		}
		if flying != window {
			t.Errorf("window %d: %d frames without acknowledgement", window, flying)
		}
		ack, ok := b.Next()
		if ok != (window >= ackAt) {
			t.Errorf("window %d: acknowledged unasked: %t", window, ok)
		}
		if !ok {
			b.Flush()
			ack, _ = b.Next()
		}
		if _, err := a.Push(ack); err != nil {
			t.Fatal(err)
		}
		if _, ok := a.Next(); !ok || b.AckOwed() {
			t.Errorf("window %d: an acknowledgement did not make room", window)
		}
	}
}

func TestAckRidesOnData(t *testing.T) {
	a, b := newConn(t, 100, 0), newConn(t, 100, 0)
	if err := errors.Join(a.Send([]byte("question")), b.Send([]byte("answer"))); err != nil {
		t.Fatal(err)
	}
	question, _ := a.Next()
	if _, err := b.Push(question); err != nil {
		t.Fatal(err)
	}
	answer, _ := b.Next()
	if answer[0] != flagStart|flagEnd|flagAck || answer[2] != 0 {
		t.Errorf("answer begins %x, want it to acknowledge 0", answer[:3])
	}
	if in, err := a.Push(answer); err != nil || string(in.Message) != "answer" || len(a.flying) != 0 {
		t.Errorf("got %q, %v with %d frames unacknowledged", in.Message, err, len(a.flying))
	}
	if n := b.Counters(); n.AcksSent != 0 || n.Sent != 1 {
		t.Errorf("counters %+v, want no frame for the acknowledgement", n)
	}
}

func TestControl(t *testing.T) {
	for _, want := range []Control{{Op: Ping}, {Op: Close, Code: 7}, {Op: Alert, Code: 3, VersionMin: 1, VersionMax: 2}} {
		a, b := newConn(t, ValueMin, 0), newConn(t, ValueMin, 0)
		if err := a.Send(make([]byte, 500)); err != nil {
			t.Fatal(err)
		}
		for { // fill the window: a control frame must get past it
			value, ok := a.Next()
			if !ok {
				break
			}
			if _, err := b.Push(value); err != nil {
				t.Fatal(err)
			}
		}
		a.Signal(want)
		value, ok := a.Next()
		if !ok {
			t.Fatalf("%+v is not sent", want)
		}
		in, err := b.Push(value)
		if err != nil || in.Control == nil || *in.Control != want {
			t.Errorf("got %+v, %v, want %+v", in.Control, err, want)
		}
		if !want.ends() {
			continue
		}
		if value, ok := a.Next(); ok {
			t.Errorf("%x sent after %+v", value, want)
		}
		if _, err := b.Push([]byte{flagAck, value[1] + 1, 0}); !errors.Is(err, ErrEnded) {
			t.Errorf("frame after %+v: %v", want, err)
		}
	}
}

func TestPingIsAcknowledgedAtOnce(t *testing.T) {
	a, b := newConn(t, ValueMin, 0), newConn(t, ValueMin, 0)
	for range 300 { // past the wrap of seq
		a.Signal(Control{Op: Ping})
		exchange(t, a, b)
	}
	if n := b.Counters(); n.AcksSent != 300 || n.Received != 300 {
		t.Errorf("counters %+v, want 300 acknowledgements of 300 pings", n)
	}
}

func TestEndReplacesPing(t *testing.T) {
	a := newConn(t, ValueMin, 0)
	a.Signal(Control{Op: Ping})
	a.Signal(Control{Op: Close, Code: 1})
	a.Signal(Control{Op: Ping})
	value, _ := a.Next()
	if !bytes.Equal(value, []byte{flagCtrl, 0, byte(Close), 1}) {
		t.Errorf("first frame %x, want the close", value)
	}
	if value, ok := a.Next(); ok {
		t.Errorf("%x after the close", value)
	}
}

func TestHostile(t *testing.T) {
	long := strings.Repeat("x", ValueMax+1)
	tests := []struct {
		name   string
		frames []string
		err    error
	}{
		{"empty value", []string{""}, ErrFrame},
		{"no seq", []string{"\x03"}, ErrFrame},
		{"longer than any attribute", []string{long}, ErrFrame},
		{"unknown flag", []string{"\x13\x00\x01\x00x"}, ErrFrame},
		{"ack missing", []string{"\x04\x00"}, ErrFrame},
		{"length cut short", []string{"\x03\x00\x01"}, ErrFrame},
		{"control with start", []string{"\x09\x00\x01\x00\x01"}, ErrFrame},
		{"control with end", []string{"\x0a\x00\x01"}, ErrFrame},
		{"control without op", []string{"\x08\x00"}, ErrFrame},
		{"control of unknown op", []string{"\x08\x00\x09"}, ErrFrame},
		{"ping with a body", []string{"\x08\x00\x01\x00"}, ErrFrame},
		{"close without code", []string{"\x08\x00\x02"}, ErrFrame},
		{"alert without versions", []string{"\x08\x00\x03\x01"}, ErrFrame},
		{"start without payload", []string{"\x01\x00\x05\x00"}, ErrFrame},
		{"middle without payload", []string{"\x01\x00\x05\x00x", "\x00\x01"}, ErrFrame},
		{"end without payload", []string{"\x01\x00\x01\x00x"}, ErrMessage},
		{"length zero", []string{"\x03\x00\x00\x00x"}, ErrMessage},
		{"length above the limit", []string{"\x01\x00\x01\x10x"}, ErrMessage},
		{"end too early", []string{"\x03\x00\x05\x00x"}, ErrMessage},
		{"end too late", []string{"\x01\x00\x02\x00x", "\x00\x01y"}, ErrMessage},
		{"more than announced", []string{"\x01\x00\x02\x00x", "\x02\x01yz"}, ErrMessage},
		{"middle without start", []string{"\x00\x00x"}, ErrMessage},
		{"end without start", []string{"\x02\x00x"}, ErrMessage},
		{"second start", []string{"\x01\x00\x05\x00x", "\x01\x01\x05\x00x"}, ErrMessage},
		{"seq does not start at 0", []string{"\x03\x01\x01\x00x"}, ErrSequence},
		{"seq repeated", []string{"\x03\x00\x01\x00x", "\x03\x00\x01\x00x"}, ErrSequence},
		{"seq skipped", []string{"\x03\x00\x01\x00x", "\x03\x02\x01\x00x"}, ErrSequence},
		{"ack of what was not sent", []string{"\x04\x00\x00"}, ErrAck},
		{"ack of later frames", []string{"\x04\x00\xff"}, ErrAck},
		{"window exceeded", []string{"\x01\x00\x09\x00x", "\x00\x01x", "\x00\x02x", "\x00\x03x", "\x00\x04x"}, ErrWindow},
		{"data after close", []string{"\x08\x00\x02\x00", "\x03\x01\x01\x00x"}, ErrEnded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newConn(t, 100, 0)
			for i, f := range tt.frames {
				in, err := c.Push([]byte(f))
				if i < len(tt.frames)-1 {
					if err != nil {
						t.Fatalf("frame %d: %v", i, err)
					}
					continue
				}
				if !errors.Is(err, tt.err) || in.Message != nil {
					t.Errorf("got %q, %v, want %v", in.Message, err, tt.err)
				}
			}
		})
	}
}

func TestAckGoesBackwards(t *testing.T) {
	c := newConn(t, ValueMin, 0)
	if err := c.Send(make([]byte, 40)); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		c.Next()
	}
	for i, tt := range []struct {
		ack byte
		err error
	}{{1, nil}, {1, nil}, {2, nil}, {1, ErrAck}} {
		if _, err := c.Push([]byte{flagAck, byte(i), tt.ack}); !errors.Is(err, tt.err) {
			t.Errorf("ack %d: %v, want %v", tt.ack, err, tt.err)
		}
	}
}

func TestAckOfWhatIsToCome(t *testing.T) {
	for ack := 3; ack <= 255; ack++ {
		c := newConn(t, ValueMin, 0)
		if err := c.Send(make([]byte, 40)); err != nil {
			t.Fatal(err)
		}
		for range 3 {
			c.Next()
		}
		if _, err := c.Push([]byte{flagAck, 0, byte(ack)}); !errors.Is(err, ErrAck) {
			t.Errorf("ack %d after 3 frames: %v", ack, err)
		}
	}
}

func TestSendRefuses(t *testing.T) {
	c := newConn(t, ValueMin, 0)
	if err := c.Send(nil); !errors.Is(err, ErrEmpty) {
		t.Errorf("no message: %v", err)
	}
	if err := c.Send(make([]byte, MessageMax+1)); !errors.Is(err, ErrTooLong) {
		t.Errorf("long message: %v", err)
	}
	if err := c.Send(make([]byte, MessageMax)); err != nil {
		t.Errorf("longest message: %v", err)
	}
	if err := c.Send([]byte("x")); !errors.Is(err, ErrBusy) {
		t.Errorf("second message: %v", err)
	}
}

func TestNewRefuses(t *testing.T) {
	for _, tt := range [][2]int{{ValueMin - 1, 1}, {100, -1}, {100, Window + 1}} {
		if _, err := New(tt[0], tt[1]); !errors.Is(err, ErrValue) {
			t.Errorf("New(%d, %d): %v", tt[0], tt[1], err)
		}
	}
}

// TestRoundTrip sends messages both ways over links of all sizes and windows,
// with the frames interleaved at random.
func TestRoundTrip(t *testing.T) {
	messages := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, MessageMax), 0, 4)
	rapid.Check(t, func(rt *rapid.T) {
		a, err := New(rapid.IntRange(ValueMin, ValueMax).Draw(rt, "value max"), rapid.IntRange(1, Window).Draw(rt, "window of a"))
		if err != nil {
			rt.Fatal(err)
		}
		b, err := New(a.valueMax, rapid.IntRange(1, Window).Draw(rt, "window of b"))
		if err != nil {
			rt.Fatal(err)
		}
		ends := [2]*end{{c: a, out: messages.Draw(rt, "from a")}, {c: b, out: messages.Draw(rt, "from b")}}
		for ends[0].left(ends[1]) || ends[1].left(ends[0]) {
			i := rapid.IntRange(0, 1).Draw(rt, "who")
			if err := ends[i].step(ends[1-i]); err != nil {
				rt.Fatal(err)
			}
			if err := ends[1-i].step(ends[i]); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// end is one side of a round trip: what it still has to send, and what
// arrived.
type end struct {
	c    *Conn
	out  [][]byte
	sent [][]byte
	in   [][]byte
}

func (e *end) left(peer *end) bool {
	return len(e.out) > 0 || len(peer.in) < len(e.sent)
}

// step sends one frame, as a shell would whose delayed acknowledgement is due
// whenever nothing else can be sent.
func (e *end) step(peer *end) error {
	if !e.c.Busy() && len(e.out) > 0 {
		if err := e.c.Send(e.out[0]); err != nil {
			return err
		}
		e.sent, e.out = append(e.sent, e.out[0]), e.out[1:]
	}
	value, ok := e.c.Next()
	if !ok {
		e.c.Flush()
		return nil
	}
	in, err := peer.c.Push(value)
	if err != nil || in.Message == nil {
		return err
	}
	peer.in = append(peer.in, in.Message)
	if n := len(peer.in); !bytes.Equal(in.Message, e.sent[n-1]) {
		return errors.New("message was changed on its way")
	}
	return nil
}
