package daemon

import (
	"context"
	"sync"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

// hushLimit bounds how long it may take to tell the radio to stop scanning.
const hushLimit = 2 * time.Second

// ears share what one radio hears among all who listen: a till that looks for
// customers, and operators who look around. The radio scans while anybody
// listens, and each of them gets every sighting.
type ears struct {
	radio link.Radio // nil if there is none

	turn sync.Mutex // held while scanning is switched on or off
	stop func()     // ends the reading; nil while nobody listens. Held with turn

	mu  sync.Mutex
	all map[*ear]struct{}
}

// ear is one listener. It keeps the newest sightings; who is slow misses the
// oldest.
type ear struct{ ring *link.SightingRing }

func newEars(r link.Radio) *ears { return &ears{radio: r, all: make(map[*ear]struct{})} }

// open begins to listen. The radio must be there. The error is the radio's;
// then nobody listens who did not before.
func (e *ears) open(ctx context.Context) (*ear, error) {
	e.turn.Lock()
	defer e.turn.Unlock()
	if e.stop == nil {
		if err := e.radio.Scan(ctx, true); err != nil {
			return nil, err
		}
	}
	one := &ear{ring: link.NewSightingRing()}
	e.mu.Lock()
	e.all[one] = struct{}{}
	e.mu.Unlock()
	if e.stop == nil {
		e.read(context.WithoutCancel(ctx))
	}
	return one, nil
}

// close stops listening. The last one to go ends the scan.
func (e *ears) close(ctx context.Context, one *ear) error {
	e.turn.Lock()
	defer e.turn.Unlock()
	e.mu.Lock()
	delete(e.all, one)
	left := len(e.all)
	e.mu.Unlock()
	if left > 0 || e.stop == nil {
		return nil
	}
	e.stop()
	e.stop = nil
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), hushLimit)
	defer cancel()
	return e.radio.Scan(ctx, false)
}

// read hands out what the radio hears until stop is called.
func (e *ears) read(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	e.stop = func() { cancel(); <-done }
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			seen, err := e.radio.NextSighting(ctx)
			if err != nil {
				pause(ctx, adapterPause)
				continue
			}
			e.push(seen)
		}
	}()
}

func (e *ears) push(seen link.Sighting) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for one := range e.all {
		one.ring.Push(seen)
	}
}

// next returns the oldest sighting that was not taken yet, or waits for one
// until ctx ends.
func (o *ear) next(ctx context.Context) (link.Sighting, error) { return o.ring.Next(ctx) }
