// Package hci is a link.Radio on a Bluetooth adapter, through the HCI user
// channel of the Linux kernel and go-ble. It is the only importer of go-ble.
//
// A radio that has failed stays failed: go-ble may hang or leak in ways that
// only the end of the process cures. So this package belongs into a process of
// its own, which ends when Done is closed and is then started again.
//
// Go-ble is used below what it calls a device. Each connection is read by a
// guard, which passes on to go-ble's ATT code what is well formed, short and
// expected, and keeps the rest away. Values never pass through that code.
// Advertisements are built and read here. Commands, dials and transmissions
// have limits in time of our own.
package hci

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux/hci"

	"github.com/vipaso/vipasod/ble/link"
)

// acceptMax is how many accepted links may wait for Accept.
const acceptMax = 4

// Options configures Open.
type Options struct {
	// Adapter is hciN, or addr: and the adapter's address. It is never guessed.
	Adapter string

	// Service, Status, Write and Read are the UUIDs on the air, as in
	// "8f11af12-7361-4e72-a216-930647831153".
	Service, Status, Write, Read string

	// Logger may be nil.
	Logger *slog.Logger
}

// Radio is a link.Radio on one adapter. Use Open.
type Radio struct {
	log     *slog.Logger
	dev     *hci.HCI
	adapter string
	public  string // address
	names   names
	server  *attServer
	tx      *gate
	mtu     int // ours, for all links

	sightings *link.SightingRing
	accepted  chan *conn
	masters   func() *hci.Conn
	dialled   chan *hci.Conn
	done      chan struct{} // closed when failed or closed

	dialing sync.Mutex // one dial at a time; before air

	// air orders the commands that advertise, scan and dial. Lock it before mu.
	air    sync.Mutex
	hushed bool // the controller has refused to advertise what is wished
	deaf   bool // and this one to scan

	mu       sync.Mutex
	err      error // why done is closed
	adv      link.Advertisement
	shown    shown
	centrals int // how many have connected so far
	scanning bool
	heardOf  heardOf
	guards   map[*guard]bool
	lastPeer time.Time
	refused  map[string]uint64
}

// Done is closed when the radio has failed or was closed.
func (r *Radio) Done() <-chan struct{} { return r.done }

// Err returns why the radio has failed. The error wraps link.ErrAdapter or
// link.ErrClosed; it is nil while the radio can be used.
func (r *Radio) Err() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// fail ends the radio for good. The first reason stands.
func (r *Radio) fail(err error) { r.end(err) }

// end is fail, and reports whether the radio had not ended before.
func (r *Radio) end(err error) bool {
	r.mu.Lock()
	if r.err != nil {
		r.mu.Unlock()
		return false
	}
	r.err = err
	close(r.done)
	guards := make([]*guard, 0, len(r.guards))
	for g := range r.guards {
		guards = append(guards, g)
	}
	r.mu.Unlock()
	r.log.Warn("adapter ended", "adapter", r.adapter, "err", err)
	end := link.ErrLost
	if isClosed(err) {
		end = link.ErrClosed
	}
	for _, g := range guards {
		g.finish(fmt.Errorf("adapter %s: %w", r.adapter, end))
	}
	return true
}

// usable returns the error of a radio that has failed, or of ctx.
func (r *Radio) usable(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.Err()
}

// NextSighting implements link.Radio.
func (r *Radio) NextSighting(ctx context.Context) (link.Sighting, error) {
	return r.sightings.Next(ctx)
}

// Accept implements link.Radio.
func (r *Radio) Accept(ctx context.Context) (link.Link, error) {
	if err := r.Err(); isClosed(err) {
		return nil, err
	}
	select {
	case c := <-r.accepted:
		return c, nil
	case <-r.done:
		return nil, r.Err()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Status implements link.Radio.
func (r *Radio) Status() link.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := link.Status{
		Adapter: r.adapter, Address: r.public, Up: r.err == nil, Scanning: r.scanning, Advertising: r.adv.On, LastPeer: r.lastPeer,
		Refused: maps.Clone(r.refused),
	}
	if r.shown.address != "" {
		s.Address = r.shown.address
	}
	if r.err != nil {
		s.Reason, s.Detail = reasonOf(r.err), r.err.Error()
	}
	for g := range r.guards {
		if g.announced() {
			s.Links++
		}
	}
	return s
}

// Close implements link.Radio.
func (r *Radio) Close() error {
	if r.Err() != nil {
		return nil
	}
	quiet, cancel := context.WithTimeout(context.Background(), closeLimit)
	defer cancel()
	r.Scan(quiet, false)
	r.Advertise(quiet, link.Advertisement{})
	r.mu.Lock()
	guards := make([]*guard, 0, len(r.guards))
	for g := range r.guards {
		guards = append(guards, g)
	}
	r.mu.Unlock()
	for _, g := range guards {
		g.close(fmt.Errorf("radio: %w", link.ErrClosed))
	}
	for _, g := range guards {
		select {
		case <-g.down:
		case <-quiet.Done():
		}
	}
	first := r.end(fmt.Errorf("radio: %w", link.ErrClosed))
	r.sightings.Close()
	if !first { // go-ble panics when it is closed twice
		return nil
	}
	r.within(closeLimit, "close", func() error {
		err := r.dev.Close()
		<-r.dev.Done() // until then it reads a descriptor that may be another's
		return err
	})
	return nil
}

// closeLimit bounds how long Close waits for the adapter.
const closeLimit = time.Second

// remove forgets a connection that has ended.
func (r *Radio) remove(g *guard) {
	r.mu.Lock()
	delete(r.guards, g)
	r.mu.Unlock()
	if g.role == peripheral {
		time.AfterFunc(silentFor, func() { r.show() }) // advertise again
	}
}

// silentFor is how long nothing is advertised after the end of a link. Mostly
// something else is wished for soon: whoever heard the old advertisement
// meanwhile would dial an address that is no more.
const silentFor = 200 * time.Millisecond

// count counts something of a stranger that was refused. What is wrong comes
// from a short list.
func (r *Radio) count(what string) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refused[what]++
	return r.refused[what]
}

func (r *Radio) heard() {
	r.mu.Lock()
	r.lastPeer = time.Now()
	r.mu.Unlock()
}

// names are the UUIDs on the air.
type names struct {
	service, status, write, read ble.UUID
}

func parseNames(o Options) (n names, err error) {
	for _, each := range []struct {
		text string
		uuid *ble.UUID
	}{{o.Service, &n.service}, {o.Status, &n.status}, {o.Write, &n.write}, {o.Read, &n.read}} {
		if *each.uuid, err = ble.Parse(each.text); err != nil || each.uuid.Len() != 16 {
			return n, fmt.Errorf("%q is not a 128-bit UUID: %w", each.text, link.ErrAdapter)
		}
	}
	return n, nil
}
