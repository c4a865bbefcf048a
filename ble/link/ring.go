package link

import (
	"context"
	"fmt"
	"sync"
)

// ringLen is how many sightings a SightingRing keeps.
const ringLen = 64

// SightingRing hands sightings from a radio to NextSighting. It keeps the
// newest 64 and never makes the radio wait. Use NewSightingRing.
type SightingRing struct {
	mu     sync.Mutex
	queue  []Sighting
	wake   chan struct{}
	closed chan struct{}
}

// NewSightingRing returns an empty ring.
func NewSightingRing() *SightingRing {
	return &SightingRing{wake: make(chan struct{}, 1), closed: make(chan struct{})}
}

// Push adds s, and drops the oldest sighting if there are too many.
func (r *SightingRing) Push(s Sighting) {
	r.mu.Lock()
	if len(r.queue) == ringLen {
		copy(r.queue, r.queue[1:])
		r.queue = r.queue[:ringLen-1]
	}
	r.queue = append(r.queue, s)
	r.mu.Unlock()
	r.signal()
}

// Next returns the oldest sighting, or waits for one. The error wraps
// ErrClosed or the context's error.
func (r *SightingRing) Next(ctx context.Context) (Sighting, error) {
	for {
		if s, ok := r.pop(); ok {
			return s, nil
		}
		select {
		case <-r.wake:
		case <-r.closed:
			return Sighting{}, fmt.Errorf("scan: %w", ErrClosed)
		case <-ctx.Done():
			return Sighting{}, ctx.Err()
		}
	}
}

// Clear drops what is waiting, as when scanning stops.
func (r *SightingRing) Clear() {
	r.mu.Lock()
	r.queue = r.queue[:0]
	r.mu.Unlock()
}

// Close ends every Next. It may be repeated.
func (r *SightingRing) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	select {
	case <-r.closed:
	default:
		close(r.closed)
	}
}

func (r *SightingRing) pop() (Sighting, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.queue) == 0 {
		return Sighting{}, false
	}
	s := r.queue[0]
	copy(r.queue, r.queue[1:])
	r.queue = r.queue[:len(r.queue)-1]
	if len(r.queue) > 0 {
		r.signal() // another caller may wait for the rest
	}
	return s, true
}

func (r *SightingRing) signal() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
