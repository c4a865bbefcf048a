package main

import (
	"context"
	"fmt"
	"sync"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// eventLog is what a device has told of itself, gap-free over its restarts.
type eventLog struct {
	mu      sync.Mutex
	events  []*paymentv1.Event
	changed chan struct{}
	putBack bool // the store was put back: one leap over what it may have forgotten
	gap     error
}

func newEventLog() *eventLog { return &eventLog{changed: make(chan struct{})} }

// follow adds the device's events until the stream ends.
func (l *eventLog) follow(ctx context.Context, device devicev1.DeviceServiceClient) {
	stream, err := device.WatchEvents(ctx, &devicev1.WatchEventsRequest{AfterSequence: l.last()})
	if err != nil {
		return
	}
	for {
		r, err := stream.Recv()
		if err != nil {
			l.ended(err)
			return
		}
		l.add(r.GetEvent())
	}
}

func (l *eventLog) add(e *paymentv1.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	want := l.newest() + 1
	if l.putBack && e.GetSequence() > want {
		want, l.putBack = e.GetSequence(), false
	}
	if e.GetSequence() != want && l.gap == nil {
		l.gap = fmt.Errorf("event %d came where %d was expected", e.GetSequence(), want)
	}
	l.events = append(l.events, e)
	close(l.changed)
	l.changed = make(chan struct{})
}

// ended notes why a stream ended. That the device ended or was killed is no
// reason: a new stream resumes. What the device says itself is one.
func (l *eventLog) ended(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if reasonOf(err) != "" && l.gap == nil {
		l.gap = fmt.Errorf("after event %d: %w", len(l.events), err)
	}
}

func (l *eventLog) last() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.newest()
}

// newest is the number of the last event. The caller holds mu.
func (l *eventLog) newest() uint64 {
	if len(l.events) == 0 {
		return 0
	}
	return l.events[len(l.events)-1].GetSequence()
}

// snapshot returns all events so far, and a channel that is closed with the
// next one.
func (l *eventLog) snapshot() ([]*paymentv1.Event, <-chan struct{}) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.events[:len(l.events):len(l.events)], l.changed
}

// await returns the first event after a number that matches.
func (l *eventLog) await(ctx context.Context, after uint64, match func(*paymentv1.Event) bool) (*paymentv1.Event, error) {
	for {
		if err := l.sound(); err != nil {
			return nil, err
		}
		events, changed := l.snapshot()
		for _, e := range events {
			if e.GetSequence() > after && match(e) {
				return e, nil
			}
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// sound says whether the log had a gap.
func (l *eventLog) sound() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.gap
}
