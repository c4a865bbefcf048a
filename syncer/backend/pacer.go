package backend

import (
	"sync"
	"time"
)

// turn is the time the server reckons with per call when it hands out times
// to come back.
const turn = 5 * time.Millisecond

// A pacer bounds the calls at work and gives every refused caller a time of
// its own to come back, so that a crowd does not return as a crowd.
type pacer struct {
	slots chan struct{}
	now   func() time.Time

	mu   sync.Mutex
	next time.Time // first time not given out
}

func newPacer(concurrent int, now func() time.Time) *pacer {
	if concurrent <= 0 {
		concurrent = 64
	}
	return &pacer{slots: make(chan struct{}, concurrent), now: now}
}

// enter takes a slot, or returns how long to wait before asking again.
func (p *pacer) enter() (leave func(), wait time.Duration) {
	select {
	case p.slots <- struct{}{}:
		return func() { <-p.slots }, 0
	default:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if first := now.Add(turn * time.Duration(cap(p.slots))); p.next.Before(first) {
		p.next = first
	}
	wait = p.next.Sub(now)
	p.next = p.next.Add(turn)
	return nil, wait
}
