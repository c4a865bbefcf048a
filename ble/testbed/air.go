// Package testbed is Bluetooth without a radio: virtual LE controllers and the
// air between them. A controller speaks HCI, so that whatever drives a real
// one drives it: go-ble in the same process, or the kernel through /dev/vhci.
//
// Modelled are legacy advertising and scanning, initiating, several links at a
// time in both roles, buffer credits, fragmentation on the air, the connection
// interval with a budget of packets per event, supervision timeouts, range and
// signal strength per pair.
//
// Not modelled are, of the radio: channels and hopping, collisions, bit errors
// and what is sent again because of them, fading, how long a packet is on the
// air, the windows in which a scanner is deaf, peripheral latency, clock drift.
// Of the controller: encryption, pairing and bonding, resolving addresses, the
// filter accept list, extended and periodic advertising, changes of PHY, a
// limit on the number of links, one that cannot scan and initiate at a time,
// firmware to load, errors and quirks of any vendor, USB. So a time measured
// here is what programs, kernel and connection interval need, which a real air
// adds to; and nothing here says how a phone behaves.
//
// Air decides and does nothing else: time is passed in, packets go out through
// a callback. Bench runs an Air by the clock.
package testbed

import (
	"math/rand/v2"
	"time"
)

// Config says how all controllers of an Air behave. Zero values mean the
// defaults that are named.
type Config struct {
	// Buffers is how many ACL packets a controller holds for its host; 8.
	Buffers int

	// BufferLen is the longest ACL packet that a host may send, in bytes; 251.
	BufferLen int

	// Paced says whether data moves only at connection events, as on a real
	// air. Without it data arrives at once.
	Paced bool

	// PerEvent is how many packets each side sends in a connection event; 6.
	PerEvent int

	// ConnectDelay is the least time from LE Create Connection to its end.
	ConnectDelay time.Duration

	// Group is part of all addresses, so that airs of one machine differ.
	Group uint16

	// Trace, if it is set, is told what happens on the air. It is called with
	// the air locked and must neither wait nor use the air.
	Trace func(Passage)

	// Seed makes the delays of advertising events; equal seeds give equal runs.
	Seed uint64
}

const (
	buffersDefault   = 8
	bufferLenDefault = 251
	perEventDefault  = 6
	rssiDefault      = -50
	unlimited        = 1 << 30
)

// Air is a number of controllers that may hear each other. It is not safe for
// concurrent use, and time must not go backwards.
type Air struct {
	cfg         Config
	now         time.Time
	agenda      agenda
	rng         *rand.Rand
	controllers []*controller
	pairs       map[[2]int]*pair
	deliver     func(controller int, packet []byte)
}

// pair is how two controllers hear each other.
type pair struct {
	cut  bool
	rssi int8
	gen  int // counts changes of cut
}

// NewAir returns an air at time now. Each packet from a controller to its host
// is given to deliver, which owns it then.
func NewAir(cfg Config, now time.Time, deliver func(controller int, packet []byte)) *Air {
	if cfg.Buffers == 0 {
		cfg.Buffers = buffersDefault
	}
	if cfg.BufferLen == 0 {
		cfg.BufferLen = bufferLenDefault
	}
	if cfg.PerEvent == 0 {
		cfg.PerEvent = perEventDefault
	}
	return &Air{
		cfg: cfg, now: now, rng: rand.New(rand.NewPCG(cfg.Seed, 0)), pairs: map[[2]int]*pair{}, deliver: deliver,
	}
}

// Add adds a controller and returns its number, counted from 0.
func (a *Air) Add() int {
	c := newController(a, len(a.controllers))
	a.controllers = append(a.controllers, c)
	return c.id
}

// Packet is an HCI packet, with its type in the first byte, from the host of a
// controller at time now.
func (a *Air) Packet(now time.Time, controller int, packet []byte) {
	a.Advance(now)
	a.controllers[controller].fromHost(packet)
}

// Advance lets happen what is due until now.
func (a *Air) Advance(now time.Time) {
	for {
		e, ok := a.agenda.pop(now)
		if !ok {
			break
		}
		a.now = e.at
		e.run()
	}
	a.now = now
}

// Next returns when something will happen by itself, if anything will.
func (a *Air) Next() (time.Time, bool) { return a.agenda.next() }

// after runs f a while from now.
func (a *Air) after(d time.Duration, f func()) { a.agenda.add(a.now.Add(d), f) }

// between returns how x and y hear each other.
func (a *Air) between(x, y int) *pair {
	key := [2]int{min(x, y), max(x, y)}
	p := a.pairs[key]
	if p == nil {
		p = &pair{rssi: rssiDefault}
		a.pairs[key] = p
	}
	return p
}

// SetRSSI sets the signal strength between two controllers, in dBm.
func (a *Air) SetRSSI(x, y int, rssi int8) { a.between(x, y).rssi = rssi }

// SetRange puts two controllers out of each other's range, or back into it.
// Their links end after their supervision timeout, unless they return sooner.
func (a *Air) SetRange(x, y int, in bool) {
	p := a.between(x, y)
	if p.cut == !in {
		return
	}
	p.cut = !in
	p.gen++
	for _, e := range a.controllers[x].links {
		if e.far.owner.id != y {
			continue
		}
		if in {
			e.link.schedule()
		} else {
			e.link.superviseCut(p)
		}
	}
}

// Inject gives a raw packet to the host of a controller, as hostile or broken
// hardware might.
func (a *Air) Inject(controller int, packet []byte) {
	a.controllers[controller].toHost(append([]byte(nil), packet...))
}

// Mute makes a controller deaf to its host, as when its firmware hangs.
func (a *Air) Mute(controller int) { a.controllers[controller].mute = true }

// Address returns a controller's public address.
func (a *Air) Address(controller int) string {
	return address{bytes: a.controllers[controller].public}.String()
}

// Shown returns the address that a controller advertises with, empty if it
// does not advertise.
func (a *Air) Shown(controller int) string {
	c := a.controllers[controller]
	if !c.adv.on {
		return ""
	}
	return c.address(c.adv.own).String()
}

// Handles returns the connection handles of a controller's links, oldest first.
func (a *Air) Handles(controller int) []uint16 {
	var handles []uint16
	for _, e := range a.controllers[controller].links {
		handles = append(handles, e.handle)
	}
	return handles
}

// Counts returns what a controller has counted.
func (a *Air) Counts(controller int) Counts { return a.controllers[controller].counts }

// Counts are for tests and for finding faults.
type Counts struct {
	Commands   int // commands of the host
	Unknown    int // of these, commands that are not modelled
	Sent       int // ACL packets of the host
	Received   int // ACL packets to the host
	DeadHandle int // ACL packets of the host for a link that is gone
	Overrun    int // ACL packets beyond the buffers it was told of
}
