package sim

import (
	"context"
	"fmt"
	"sync"

	"github.com/vipaso/vipasod/ble/link"
)

// inboxMax is how many values may be under way or unread in one direction,
// as many as a controller and its host would buffer. Send waits beyond.
const inboxMax = 64

// end is one end of a link, a link.Link.
type end struct {
	id        LinkID
	radio     *Radio
	peer      *end
	address   string
	valueMax  int
	readValue []byte

	room  chan struct{} // holds one element for each value on its way to peer
	inbox chan []byte
	done  chan struct{}

	once   sync.Once
	err    error  // set before done is closed
	reason string // likewise
}

// newPair returns one end of a new link; the other is its peer.
func newPair(id LinkID) *end {
	a, b := newEnd(id), newEnd(id)
	a.peer, b.peer = b, a
	return a
}

func newEnd(id LinkID) *end {
	return &end{
		id: id, room: make(chan struct{}, inboxMax), inbox: make(chan []byte, inboxMax),
		done: make(chan struct{}),
	}
}

// ValueMax implements link.Link.
func (e *end) ValueMax() int { return e.valueMax }

// PeerReadValue implements link.Link.
func (e *end) PeerReadValue() []byte { return e.readValue }

// Address implements link.Link.
func (e *end) Address() string { return e.address }

// Done implements link.Link.
func (e *end) Done() <-chan struct{} { return e.done }

// Send implements link.Link.
func (e *end) Send(ctx context.Context, value []byte) error {
	if len(value) > e.valueMax {
		return fmt.Errorf("%d bytes where %d fit: %w", len(value), e.valueMax, link.ErrTooLong)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-e.done:
		return e.ended()
	default:
	}
	select {
	case e.room <- struct{}{}:
	case <-e.done:
		return e.ended()
	case <-ctx.Done():
		return ctx.Err()
	}
	e.radio.air.Do(Send{ID: e.radio.id, Link: e.id, Value: append([]byte(nil), value...)})
	return nil
}

// Receive implements link.Link.
func (e *end) Receive(ctx context.Context) ([]byte, error) {
	select {
	case value := <-e.inbox:
		return e.take(value), nil
	default:
	}
	select {
	case value := <-e.inbox:
		return e.take(value), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-e.done:
	}
	select { // what arrived before the end
	case value := <-e.inbox:
		return e.take(value), nil
	default:
		return nil, e.ended()
	}
}

// take makes room for another value.
func (e *end) take(value []byte) []byte {
	<-e.peer.room
	return value
}

func (e *end) ended() error {
	return fmt.Errorf("link to %s: %s: %w", e.address, e.reason, e.err)
}

// Close implements link.Link.
func (e *end) Close(reason string) error {
	a := e.radio.air
	a.mu.Lock()
	defer a.mu.Unlock()
	a.hangup(e, reason)
	a.step(nil)
	return nil
}

// finish ends the end for its user.
func (e *end) finish(err error, reason string) {
	e.once.Do(func() {
		e.err, e.reason = err, reason
		close(e.done)
	})
}
