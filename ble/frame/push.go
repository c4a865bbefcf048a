package frame

import "fmt"

// Input is what a received frame brought; most bring nothing.
type Input struct {
	// Message is a message that is now complete; nil if none is. The caller
	// owns it.
	Message []byte

	// Control is the content of a control frame; nil if it was none.
	Control *Control
}

// Push takes a value that has arrived. After an error the link must be ended:
// the Conn's state is no longer that of the peer. The error wraps ErrFrame,
// ErrSequence, ErrAck, ErrWindow, ErrMessage or ErrEnded.
func (c *Conn) Push(value []byte) (Input, error) {
	if c.over {
		return Input{}, ErrEnded
	}
	p, err := parse(value)
	if err != nil {
		return Input{}, err
	}
	if p.seq != byte(c.counters.Received) {
		return Input{}, fmt.Errorf("%d instead of %d: %w", p.seq, byte(c.counters.Received), ErrSequence)
	}
	c.counters.Received++
	if p.has(flagAck) {
		if err := c.acknowledge(p.ack); err != nil {
			return Input{}, err
		}
	}
	switch p.kind {
	case kindAck:
		c.counters.AcksReceived++
		return Input{}, nil
	case kindControl:
		return c.pushControl(p.payload)
	default:
		return c.pushPiece(p)
	}
}

// acknowledge takes the seq of our newest frame that the peer has received.
func (c *Conn) acknowledge(ack byte) error {
	last := c.counters.Sent - 1
	back := uint64(byte(last) - ack) // how many frames before the last one
	if c.counters.Sent == 0 || back > last || last-back+1 < c.acked {
		return fmt.Errorf("%d after %d of %d frames: %w", ack, c.acked, c.counters.Sent, ErrAck)
	}
	c.acked = last - back + 1
	for len(c.flying) > 0 && c.flying[0] < c.acked {
		c.flying = c.flying[1:]
	}
	return nil
}

func (c *Conn) pushControl(payload []byte) (Input, error) {
	ctl, err := parseControl(payload)
	if err != nil {
		return Input{}, err
	}
	c.over = ctl.ends()
	if ctl.Op == Ping {
		c.ackNow = true
	}
	return Input{Control: &ctl}, nil
}

// pushPiece adds a piece to the message being received.
func (c *Conn) pushPiece(p parsed) (Input, error) {
	// The peer may have sent a full window before it learnt of our last
	// acknowledgement, and no more than that after it.
	if c.owed++; c.owed > Window {
		return Input{}, ErrWindow
	}
	switch {
	case p.has(flagStart) && c.assembly != nil:
		return Input{}, fmt.Errorf("start inside a message: %w", ErrMessage)
	case p.has(flagStart):
		c.assembly, c.want = make([]byte, 0, p.length), p.length
	case c.assembly == nil:
		return Input{}, fmt.Errorf("no start: %w", ErrMessage)
	}
	have := len(c.assembly) + len(p.payload)
	if have > c.want || (have == c.want) != p.has(flagEnd) {
		return Input{}, fmt.Errorf("%d of %d bytes, end %t: %w", have, c.want, p.has(flagEnd), ErrMessage)
	}
	c.assembly = append(c.assembly, p.payload...)
	if !p.has(flagEnd) {
		return Input{}, nil
	}
	message := c.assembly
	c.assembly = nil
	return Input{Message: message}, nil
}
