package frame

import (
	"encoding/binary"
	"fmt"
)

// ackAt is how many data frames a Conn takes before it acknowledges without
// being asked: half the window, so that a sender seldom has to wait.
const ackAt = Window / 2

// Counters counts frames since the Conn began.
type Counters struct {
	// Sent and Received count all frames.
	Sent, Received uint64

	// AcksSent and AcksReceived count those that only acknowledge.
	AcksSent, AcksReceived uint64
}

// Conn is one end of a link's framing. Use New. It is not safe for concurrent
// use.
type Conn struct {
	valueMax int
	window   int
	counters Counters

	// Sending.
	message []byte // being sent; nil if none
	offset  int    // of its first byte not yet sent
	control []Control
	acked   uint64   // frames of ours that the peer has acknowledged
	flying  []uint64 // data frames not yet acknowledged
	ended   bool     // a Close or Alert was sent

	// Receiving.
	assembly []byte // of the message being received; nil if none
	want     int    // its whole length
	owed     int    // data frames received since our last acknowledgement
	told     uint64 // frames of the peer that we have acknowledged
	ackNow   bool
	over     bool // a Close or Alert was received
}

// New returns the state of a new link whose values have up to valueMax bytes.
// It keeps at most window data frames under way, 1 to Window; 0 means Window.
// Fewer suit a controller with few buffers. The error wraps ErrValue.
func New(valueMax, window int) (*Conn, error) {
	if window == 0 {
		window = Window
	}
	if valueMax < ValueMin || window < 1 || window > Window {
		return nil, fmt.Errorf("values of %d bytes, window %d: %w", valueMax, window, ErrValue)
	}
	return &Conn{valueMax: min(valueMax, ValueMax), window: window}, nil
}

// Send begins to send message, which the caller must leave alone until Busy
// is false. The error wraps ErrTooLong, ErrEmpty or ErrBusy.
func (c *Conn) Send(message []byte) error {
	switch {
	case len(message) > MessageMax:
		return fmt.Errorf("%d bytes: %w", len(message), ErrTooLong)
	case len(message) == 0:
		return ErrEmpty
	case c.message != nil:
		return ErrBusy
	}
	c.message, c.offset = message, 0
	return nil
}

// Busy reports whether a part of the message is still to be sent.
func (c *Conn) Busy() bool { return c.message != nil }

// Signal queues a control frame ahead of what is left of the message. After
// Close or Alert nothing else is sent.
func (c *Conn) Signal(ctl Control) {
	if ctl.ends() {
		c.control = []Control{ctl}
		return
	}
	if len(c.control) == 0 { // one Ping, or the end, is enough
		c.control = append(c.control, ctl)
	}
}

// AckOwed reports whether data frames wait for an acknowledgement that Next
// would not send by itself. The caller should Flush after a short time, in
// case the peer's window is smaller than ours.
func (c *Conn) AckOwed() bool { return c.owed > 0 }

// Flush makes Next acknowledge what has been received.
func (c *Conn) Flush() { c.ackNow = c.ackNow || c.owed > 0 }

// Counters returns what was sent and received so far.
func (c *Conn) Counters() Counters { return c.counters }

// Next returns the next value to send, or false if there is none for now:
// the message and controls are sent, or the window is full.
func (c *Conn) Next() ([]byte, bool) {
	switch {
	case c.ended:
		return nil, false
	case len(c.control) > 0:
		ctl := c.control[0]
		c.control = c.control[1:]
		c.ended = ctl.ends()
		return ctl.append(c.header(flagCtrl, 8)), true
	case c.message != nil && len(c.flying) < c.window:
		return c.nextPiece(), true
	case c.ackNow || c.owed >= ackAt:
		c.counters.AcksSent++
		return c.header(0, 3), true
	}
	return nil, false
}

// nextPiece returns the next piece of the message.
func (c *Conn) nextPiece() []byte {
	flags := byte(0)
	if c.offset == 0 {
		flags = flagStart
	}
	head := 2
	if c.news() {
		head++
	}
	if flags == flagStart {
		head += 2
	}
	rest := c.message[c.offset:]
	n := min(len(rest), c.valueMax-head)
	if n == len(rest) {
		flags |= flagEnd
	}
	c.flying = append(c.flying, c.counters.Sent)
	value := c.header(flags, head+n)
	if flags&flagStart != 0 {
		value = binary.LittleEndian.AppendUint16(value, uint16(len(c.message)))
	}
	value = append(value, rest[:n]...)
	c.offset += n
	if flags&flagEnd != 0 {
		c.message = nil
	}
	return value
}

// news reports whether the peer sent frames that we have not acknowledged.
func (c *Conn) news() bool { return c.told < c.counters.Received }

// header begins a frame of the given size, with an acknowledgement if there
// is news for the peer.
func (c *Conn) header(flags byte, size int) []byte {
	value := make([]byte, 0, size)
	if c.news() {
		flags |= flagAck
	}
	value = append(value, flags, byte(c.counters.Sent))
	c.counters.Sent++
	if flags&flagAck != 0 {
		value = append(value, byte(c.counters.Received-1))
		c.told, c.owed, c.ackNow = c.counters.Received, 0, false
	}
	return value
}
