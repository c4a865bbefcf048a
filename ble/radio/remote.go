package radio

import (
	"context"
	"fmt"
	"sync"

	"github.com/vipaso/vipasod/ble/link"
	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

// remote is a link of a radio in another process.
type remote struct {
	cc        *clientConn
	id        uint64
	address   string
	valueMax  int
	readValue []byte
	inbox     chan []byte
	done      chan struct{}
	once      sync.Once
	err       error // set before done is closed
}

func newRemote(cc *clientConn, up *radiov1.LinkUp) *remote {
	return &remote{
		cc: cc, id: up.GetLinkId(), address: clip(up.GetAddress()), valueMax: int(up.GetValueMax()),
		readValue: up.GetReadValue(), inbox: make(chan []byte, queueMax), done: make(chan struct{}),
	}
}

// ValueMax implements link.Link.
func (r *remote) ValueMax() int { return r.valueMax }

// PeerReadValue implements link.Link.
func (r *remote) PeerReadValue() []byte { return r.readValue }

// Address implements link.Link.
func (r *remote) Address() string { return r.address }

// Done implements link.Link.
func (r *remote) Done() <-chan struct{} { return r.done }

// Send implements link.Link.
func (r *remote) Send(ctx context.Context, value []byte) error {
	if len(value) > r.valueMax {
		return fmt.Errorf("%d bytes where %d fit: %w", len(value), r.valueMax, link.ErrTooLong)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case <-r.done:
		return r.ended()
	default:
	}
	if err := r.cc.write(valueFrame(r.id, value)); err != nil {
		return fmt.Errorf("link to %s: %w: %w", r.address, err, link.ErrLost)
	}
	return nil
}

// Receive implements link.Link.
func (r *remote) Receive(ctx context.Context) ([]byte, error) {
	select {
	case value := <-r.inbox:
		return value, nil
	default:
	}
	select {
	case value := <-r.inbox:
		return value, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-r.done:
	}
	select { // what arrived before the end
	case value := <-r.inbox:
		return value, nil
	default:
		return nil, r.ended()
	}
}

func (r *remote) ended() error { return fmt.Errorf("link to %s: %w", r.address, r.err) }

// Close implements link.Link.
func (r *remote) Close(reason string) error {
	if !r.leave() {
		return nil
	}
	r.finish(fmt.Errorf("%s: %w", clip(reason), link.ErrClosed))
	r.cc.write(linkDownFrame(r.id, reason)) // if it fails, all links end
	return nil
}

// lose ends the link because the other side, or the radio, did.
func (r *remote) lose(why error) {
	if r.leave() {
		r.finish(fmt.Errorf("%w: %w", why, link.ErrLost))
	}
}

// leave takes the link off its connection. It returns false if it is off
// already.
func (r *remote) leave() bool {
	r.cc.mu.Lock()
	defer r.cc.mu.Unlock()
	if r.cc.links[r.id] != r {
		return false
	}
	delete(r.cc.links, r.id)
	return true
}

func (r *remote) finish(err error) {
	r.once.Do(func() {
		r.err = err
		close(r.done)
	})
}
