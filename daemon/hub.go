package daemon

import (
	"context"
	"fmt"
	"slices"
	"sync"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

const (
	ringSize  = 1024   // recent events kept in memory, so that watchers rarely read the store
	behindMax = 10_000 // events after which a slow watcher is ended
	readMax   = 256    // events per read of the store
)

// signal wakes everybody who waits for a change. It never blocks and counts
// nothing: who wakes up looks at the state itself.
type signal struct {
	mu sync.Mutex
	ch chan struct{}
}

// wait returns a channel that is closed at the next fire.
func (s *signal) wait() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch == nil {
		s.ch = make(chan struct{})
	}
	return s.ch
}

// fire wakes those who wait now.
func (s *signal) fire() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ch != nil {
		close(s.ch)
		s.ch = nil
	}
}

// eventLog is where older events are read from.
type eventLog interface {
	Events(ctx context.Context, after uint64, limit int) ([]*paymentv1.Event, error)
}

// hub publishes stored events to watchers. Watchers pull by sequence number,
// so that none of them can delay a payment or miss an event.
type hub struct {
	log     eventLog
	changed signal
	mu      sync.Mutex
	recent  []*paymentv1.Event // contiguous, newest last
	head    uint64
}

func newHub(log eventLog, head uint64) *hub { return &hub{log: log, head: head} }

// publish makes committed events visible, in order.
func (h *hub) publish(events []*paymentv1.Event) {
	if len(events) == 0 {
		return
	}
	h.mu.Lock()
	h.recent = append(h.recent, events...)
	if n := len(h.recent) - ringSize; n > 0 {
		h.recent = append([]*paymentv1.Event(nil), h.recent[n:]...)
	}
	h.head = events[len(events)-1].GetSequence()
	h.mu.Unlock()
	h.changed.fire()
}

// Head is the number of the newest event.
func (h *hub) Head() uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.head
}

// next returns events after a number, oldest first, from memory if they are
// there. The error wraps errWatchExpired for a number that was never given
// out, and errWatchBehind for a watcher that is too slow.
func (h *hub) next(ctx context.Context, after uint64, following bool) ([]*paymentv1.Event, error) {
	h.mu.Lock()
	head, recent := h.head, h.recent
	h.mu.Unlock()
	switch {
	case after > head:
		return nil, fmt.Errorf("event %d, newest is %d: %w", after, head, errWatchExpired)
	case after == head:
		return nil, nil
	case following && head-after > behindMax:
		return nil, fmt.Errorf("%d events behind: %w", head-after, errWatchBehind)
	}
	if len(recent) > 0 && recent[0].GetSequence() <= after+1 {
		return recent[after+1-recent[0].GetSequence():], nil
	}
	events, err := h.log.Events(ctx, after, readMax)
	if i := slices.IndexFunc(events, func(e *paymentv1.Event) bool { return e.GetSequence() > head }); i >= 0 {
		events = events[:i] // what is stored and not published yet comes when it is
	}
	return events, err
}

// watch calls send with every event after a number, in order, until ctx ends
// or send fails.
func (h *hub) watch(ctx context.Context, after uint64, send func(*paymentv1.Event) error) error {
	following := false // a watcher that resumes may be far behind at first
	for {
		changed := h.changed.wait()
		events, err := h.next(ctx, after, following)
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := send(e); err != nil {
				return err
			}
			after = e.GetSequence()
		}
		if len(events) > 0 {
			continue
		}
		following = true
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
