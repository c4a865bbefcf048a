package conformance

import (
	"bytes"
	"strconv"
	"testing"

	"github.com/vipaso/vipasod/ble/frame"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// script writes down what happens to one end of a link.
type script struct {
	*testing.T
	conn *frame.Conn
	c    vectors.Link
}

func newScript(t *testing.T, name string, valueMax, window int) *script {
	t.Helper()
	conn, err := frame.New(valueMax, window)
	if err != nil {
		t.Fatal(err)
	}
	return &script{t, conn, vectors.Link{Name: name, ValueMax: valueMax, Window: window}}
}

// step lets s happen, which must come out with that class.
func (s *script) step(class string, step vectors.Step) vectors.Step {
	s.Helper()
	done := Play(s.conn, step)
	if done.Class != class {
		s.Errorf("%s: step %d is %q, want %q", s.c.Name, len(s.c.Steps)+1, done.Class, class)
	}
	s.c.Steps = append(s.c.Steps, done)
	return done
}

func (s *script) send(class string, message []byte) {
	s.Helper()
	s.step(class, vectors.Step{Send: (*vectors.Hex)(&message)})
}

func (s *script) push(class string, frames ...[]byte) {
	s.Helper()
	for i, f := range frames {
		if i < len(frames)-1 {
			s.step("", vectors.Step{Push: (*vectors.Hex)(&f)})
		} else {
			s.step(class, vectors.Step{Push: (*vectors.Hex)(&f)})
		}
	}
}

// next asks for frames, of which there must be so many.
func (s *script) next(n int) []vectors.Hex {
	s.Helper()
	got := *s.step("", vectors.Step{}).Next
	if len(got) != n {
		s.Errorf("%s: %d frames, want %d", s.c.Name, len(got), n)
	}
	return got
}

// letter is a message of n bytes.
func letter(n int) []byte {
	return bytes.Repeat([]byte("a message of vipaso "), n/20+1)[:n]
}

// carried is both ends of a link over which messages go one way.
func carried(t *testing.T, valueMax, window int, messages ...[]byte) []vectors.Link {
	t.Helper()
	name := linkName(valueMax, window, messages)
	from, to := newScript(t, "sending "+name, valueMax, window), newScript(t, "receiving "+name, valueMax, window)
	for _, m := range messages {
		from.send("", m)
		for round := 0; ; round++ {
			out := *from.step("", vectors.Step{}).Next
			if len(out) == 0 {
				break
			}
			for _, f := range out {
				to.push("", f)
			}
			to.step("", vectors.Step{Flush: true})
			for _, f := range to.next(1) {
				from.push("", f)
			}
		}
		if last := to.lastMessage(); !bytes.Equal(last, m) {
			t.Errorf("%s: %d bytes became %d", name, len(m), len(last))
		}
	}
	return []vectors.Link{from.c, to.c}
}

// lastMessage is the last message that arrived.
func (s *script) lastMessage() (last []byte) {
	for _, step := range s.c.Steps {
		if step.Message != nil {
			last = *step.Message
		}
	}
	return last
}

func linkName(valueMax, window int, messages [][]byte) string {
	name := ""
	for i, m := range messages {
		if i > 0 {
			name += " and "
		}
		name += strconv.Itoa(len(m))
	}
	return name + " bytes in values of " + strconv.Itoa(valueMax) + ", window " + strconv.Itoa(window)
}

// TestMakeFrames makes the vectors of framing.
func TestMakeFrames(t *testing.T) {
	var all []vectors.Link
	for _, valueMax := range []int{20, 182, 244} { // ATT MTU 23, 185 and 247
		for _, n := range []int{1, valueMax - 4, valueMax - 3, 2 * valueMax, 700} {
			all = append(all, carried(t, valueMax, 4, letter(n))...)
		}
	}
	all = append(all, carried(t, 244, 4, letter(4096))...)
	all = append(all, carried(t, 20, 1, letter(60))...)
	all = append(all, carried(t, 20, 4, letter(2500), letter(2500))...) // more than 256 frames
	all = append(all, conversations(t)...)
	all = append(all, violations(t)...)
	keep(t, vectors.KindFrames, "Framing: one end of a link, and what happens to it.", all)
}

// conversations are what else honest sides do.
func conversations(t *testing.T) []vectors.Link {
	control := func(op, code, lo, hi uint8) vectors.Step {
		return vectors.Step{Signal: &vectors.Control{Op: op, Code: code, VersionMin: lo, VersionMax: hi}}
	}
	both := newScript(t, "an acknowledgement travels on a piece", 20, 4)
	both.push("", []byte{1, 0, 30, 0, 'x'}, []byte{0, 1, 'y'})
	both.send("", []byte("answer"))
	both.next(1)
	soon := newScript(t, "two pieces are acknowledged at once, one not", 20, 4)
	soon.push("", []byte{1, 0, 30, 0, 'x'})
	soon.next(0)
	soon.push("", []byte{0, 1, 'y'})
	soon.next(1)
	ping := newScript(t, "PING is acknowledged at once", 20, 4)
	ping.push("", []byte{8, 0, 1})
	ping.next(1)
	ask := newScript(t, "PING, CLOSE, and nothing after it", 20, 4)
	ask.step("", control(1, 0, 0, 0))
	ask.next(1)
	ask.step("", control(2, 1, 0, 0))
	ask.next(1)
	ask.send("", []byte("late"))
	ask.next(0)
	ahead := newScript(t, "ALERT comes before the rest of a message", 20, 4)
	ahead.send("", letter(200))
	ahead.next(4)
	ahead.step("", control(3, 4, 1, 1))
	ahead.next(1)
	told := newScript(t, "CLOSE and ALERT arrive", 20, 4)
	told.push("", []byte{8, 0, 3, 4, 1, 2})
	closed := newScript(t, "CLOSE arrives", 20, 4)
	closed.push("", []byte{8, 0, 2, 1})
	between := newScript(t, "PING arrives inside a message", 20, 4)
	between.push("", []byte{1, 0, 2, 0, 'o'}, []byte{8, 1, 1}, []byte{2, 2, 'k'})
	told.c.Name = "ALERT arrives"
	return []vectors.Link{both.c, soon.c, ping.c, ask.c, ahead.c, told.c, closed.c, between.c}
}

// violations are what ends a link, and messages that cannot be sent.
func violations(t *testing.T) []vectors.Link {
	start := []byte{1, 0, 30, 0, 'x'}
	var all []vectors.Link
	for _, v := range []struct {
		name, class string
		frames      [][]byte
	}{
		{"a frame of one byte", "FRAME", [][]byte{{1}}},
		{"a frame longer than any value", "FRAME", [][]byte{append([]byte{3, 0, 0xfd, 1}, make([]byte, 509)...)}},
		{"an unknown flag", "FRAME", [][]byte{{0x11, 0, 1, 0, 'x'}}},
		{"CTRL with START", "FRAME", [][]byte{{9, 0, 1}}},
		{"CTRL with END", "FRAME", [][]byte{{10, 0, 1}}},
		{"ACK without its byte", "FRAME", [][]byte{{4, 0}}},
		{"START without the length", "FRAME", [][]byte{{1, 0, 5}}},
		{"a piece without a byte", "FRAME", [][]byte{{3, 0, 0, 0}}},
		{"neither flag nor payload", "FRAME", [][]byte{{0, 0}}},
		{"a control without op", "FRAME", [][]byte{{8, 0}}},
		{"an unknown op", "FRAME", [][]byte{{8, 0, 4}}},
		{"a PING with a code", "FRAME", [][]byte{{8, 0, 1, 0}}},
		{"a CLOSE without a code", "FRAME", [][]byte{{8, 0, 2}}},
		{"an ALERT without versions", "FRAME", [][]byte{{8, 0, 3, 1}}},
		{"the first frame is not 0", "SEQUENCE", [][]byte{{3, 1, 1, 0, 'x'}}},
		{"a frame is missing", "SEQUENCE", [][]byte{start, {0, 2, 'y'}}},
		{"a frame comes twice", "SEQUENCE", [][]byte{start, start}},
		{"an acknowledgement of nothing", "ACK", [][]byte{{4, 0, 0}}},
		{"longer than any message", "MESSAGE", [][]byte{{1, 0, 1, 16, 'x'}}},
		{"a piece without START", "MESSAGE", [][]byte{{0, 0, 'x'}}},
		{"START inside a message", "MESSAGE", [][]byte{start, {1, 1, 30, 0, 'x'}}},
		{"END too early", "MESSAGE", [][]byte{start, {2, 1, 'y'}}},
		{"END is missing", "MESSAGE", [][]byte{{1, 0, 1, 0, 'x'}}},
		{"more bytes than announced", "MESSAGE", [][]byte{{3, 0, 1, 0, 'x', 'y'}}},
		{"a fifth piece before an acknowledgement", "WINDOW", [][]byte{start, {0, 1, 'b'}, {0, 2, 'c'}, {0, 3, 'd'}, {0, 4, 'e'}}},
		{"a frame after CLOSE", "ENDED", [][]byte{{8, 0, 2, 0}, {8, 1, 1}}},
		{"a frame after ALERT", "ENDED", [][]byte{{8, 0, 3, 1, 1, 1}, {3, 1, 1, 0, 'x'}}},
	} {
		s := newScript(t, v.name, 244, 4)
		s.push(v.class, v.frames...)
		all = append(all, s.c)
	}
	back := newScript(t, "an acknowledgement goes back", 20, 4)
	back.send("", letter(40))
	back.next(3)
	back.push("ACK", []byte{4, 0, 1}, []byte{4, 1, 0})
	beyond := newScript(t, "an acknowledgement of what was not sent", 20, 4)
	beyond.send("", letter(10))
	beyond.next(1)
	beyond.push("ACK", []byte{4, 0, 1})
	send := newScript(t, "messages that cannot be sent", 20, 4)
	send.send("EMPTY", []byte{})
	send.send("TOO_LONG", letter(4097))
	send.send("", letter(4096))
	send.send("BUSY", letter(1))
	return append(all, back.c, beyond.c, send.c)
}
