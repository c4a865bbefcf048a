package sim

import (
	"context"
	"fmt"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

// acceptMax is how many accepted links may wait for Accept.
const acceptMax = 8

// Radio is a participant of an Air, a link.Radio.
type Radio struct {
	air       *Air
	id        DeviceID
	sightings *link.SightingRing
	accepted  chan *end
	done      chan struct{} // closed with the radio

	// Guarded by air.mu.
	links    map[LinkID]*end
	dials    map[uint64]chan dialled
	lastDial uint64
	lastPeer time.Time
	adv      bool
	scanning bool
	closed   bool
}

// dialled is what became of a dial.
type dialled struct {
	end    *end
	reason string // without end
}

func newRadio(a *Air, id DeviceID) *Radio {
	return &Radio{
		air: a, id: id, sightings: link.NewSightingRing(), accepted: make(chan *end, acceptMax),
		done: make(chan struct{}), links: map[LinkID]*end{}, dials: map[uint64]chan dialled{},
	}
}

// ID names the radio in the Inputs of Air.Do.
func (r *Radio) ID() DeviceID { return r.id }

// do carries out an input of this radio.
func (r *Radio) do(ctx context.Context, in Input) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r.air.mu.Lock()
	defer r.air.mu.Unlock()
	if r.closed {
		return fmt.Errorf("simulated radio: %w", link.ErrClosed)
	}
	switch in := in.(type) {
	case Advertise:
		r.adv = in.Ad.On
	case Scan:
		r.scanning = in.On
	}
	r.air.step(in)
	return nil
}

// Advertise implements link.Radio.
func (r *Radio) Advertise(ctx context.Context, a link.Advertisement) error {
	if len(a.ReadValue) > link.ReadValueMax {
		return fmt.Errorf("read value of %d bytes: %w", len(a.ReadValue), link.ErrTooLong)
	}
	if a.On && len(a.ServiceData) > link.BeaconLen {
		return fmt.Errorf("service data of %d bytes: %w", len(a.ServiceData), link.ErrTooLong)
	}
	a.ServiceData = append([]byte(nil), a.ServiceData...)
	a.ReadValue = append([]byte(nil), a.ReadValue...)
	return r.do(ctx, Advertise{ID: r.id, Ad: a})
}

// Scan implements link.Radio.
func (r *Radio) Scan(ctx context.Context, on bool) error {
	if !on {
		defer r.sightings.Clear()
	}
	return r.do(ctx, Scan{ID: r.id, On: on})
}

// NextSighting implements link.Radio.
func (r *Radio) NextSighting(ctx context.Context) (link.Sighting, error) {
	return r.sightings.Next(ctx)
}

// Dial implements link.Radio.
func (r *Radio) Dial(ctx context.Context, address string, discover bool) (link.Link, error) {
	answer := make(chan dialled, 1)
	r.air.mu.Lock()
	r.lastDial++
	id := r.lastDial
	r.dials[id] = answer
	r.air.mu.Unlock()
	if err := r.do(ctx, Dial{ID: r.id, Dial: id, Address: address, Discover: discover}); err != nil {
		r.forget(id, answer)
		return nil, fmt.Errorf("dial %s: %w", address, err)
	}
	select {
	case a := <-answer:
		if a.end == nil {
			return nil, fmt.Errorf("dial %s: %s: %w", address, a.reason, link.ErrLost)
		}
		return a.end, nil
	case <-ctx.Done():
		r.forget(id, answer)
		return nil, fmt.Errorf("dial %s: %w", address, ctx.Err())
	case <-r.done:
		r.forget(id, answer)
		return nil, fmt.Errorf("dial %s: %w", address, link.ErrClosed)
	}
}

// forget gives up a dial, and a link that came of it meanwhile.
func (r *Radio) forget(id uint64, answer chan dialled) {
	r.air.mu.Lock()
	delete(r.dials, id)
	r.air.mu.Unlock()
	select {
	case a := <-answer:
		if a.end != nil {
			a.end.Close("dial given up")
		}
	default:
	}
}

// Accept implements link.Radio.
func (r *Radio) Accept(ctx context.Context) (link.Link, error) {
	select {
	case <-r.done:
		return nil, fmt.Errorf("accept: %w", link.ErrClosed)
	default:
	}
	select {
	case e := <-r.accepted:
		return e, nil
	case <-r.done:
		return nil, fmt.Errorf("accept: %w", link.ErrClosed)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Status implements link.Radio.
func (r *Radio) Status() link.Status {
	r.air.mu.Lock()
	defer r.air.mu.Unlock()
	s := link.Status{
		Adapter: "sim", Up: !r.closed, Scanning: r.scanning, Advertising: r.adv,
		Links: len(r.links), LastPeer: r.lastPeer,
	}
	if d := r.air.core.device(r.id); d != nil {
		s.Address = d.address
	}
	if r.closed {
		s.Reason, s.Detail = "ADAPTER_DOWN", "the simulated radio is closed"
	}
	return s
}

// Close implements link.Radio.
func (r *Radio) Close() error {
	r.air.mu.Lock()
	defer r.air.mu.Unlock()
	if r.closed {
		return nil
	}
	r.shut()
	r.air.step(Leave{ID: r.id})
	delete(r.air.radios, r.id)
	return nil
}

// shut ends everything that waits on the radio. The caller holds air.mu.
func (r *Radio) shut() {
	r.closed = true
	close(r.done)
	r.sightings.Close()
	for id, e := range r.links {
		delete(r.links, id)
		e.finish(link.ErrClosed, "radio closed")
	}
}

// notice takes an output of the core. The caller holds air.mu, so it must not
// block.
func (r *Radio) notice(out Output) {
	switch out := out.(type) {
	case Heard:
		r.lastPeer = time.Now()
		r.sightings.Push(out.Sighting)
	case Up:
		r.lastPeer = time.Now()
		r.up(out)
	case DialFailed:
		r.answer(out.Dial, dialled{reason: out.Reason})
	case Arrived:
		if e := r.links[out.Link]; e != nil {
			e.inbox <- out.Value // has room, see end.Send
		}
	case Down:
		if e := r.links[out.Link]; e != nil {
			delete(r.links, out.Link)
			e.finish(link.ErrLost, out.Reason)
		}
	}
}

// up takes a new link: the first of the two ends makes both.
func (r *Radio) up(out Up) {
	e := r.air.halves[out.Link]
	if e == nil {
		e = newPair(out.Link)
		r.air.halves[out.Link] = e.peer
	} else {
		delete(r.air.halves, out.Link)
	}
	e.radio, e.address, e.valueMax, e.readValue = r, out.Address, out.ValueMax, out.ReadValue
	r.links[out.Link] = e
	if out.Dial != 0 {
		r.answer(out.Dial, dialled{end: e})
		return
	}
	select {
	case r.accepted <- e:
	default: // nobody accepts
		r.air.refused = append(r.air.refused, e)
	}
}

func (r *Radio) answer(dial uint64, a dialled) {
	if answer := r.dials[dial]; answer != nil {
		delete(r.dials, dial)
		answer <- a
		return
	}
	if a.end != nil {
		r.air.refused = append(r.air.refused, a.end)
	}
}
