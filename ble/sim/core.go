// Package sim is a simulated air: radios that advertise, scan and connect
// without any hardware, for tests, for demonstrations, and for several
// processes on one computer.
//
// It has two parts. Core is pure: Step takes a time and an input and returns
// outputs, chance comes from a seed, and equal inputs give equal outputs. Air
// is the shell around it: it has the clock and gives each participant a
// link.Radio.
//
// The model follows BLE where a payment can notice: a central keeps up to four
// links; a peripheral that is connected is silent; a link is reliable while it
// lasts, so that a lost value costs connection intervals, and a peer that
// cannot be reached at all ends the link after the supervision timeout.
package sim

import (
	"fmt"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

// Constants of the model.
const (
	// reportEvery is how often a scanner hears each advertiser.
	reportEvery = 100 * time.Millisecond
	// supervision is how long a link lasts whose values do not get through.
	supervision = 2 * time.Second
	// retry is what a lost value costs on a link without an interval.
	retry = 7500 * time.Microsecond
	// perEvent is how many values cross per direction and connection event.
	perEvent = 4
	// dialRounds and discoverRounds are the connection intervals until a new
	// link can be used, with the advertised base handle and without.
	dialRounds     = 4
	discoverRounds = 16
	// rangeDBm is the weakest signal that is received.
	rangeDBm = -90
	// defaultMTU is the ATT MTU that a radio agrees to.
	defaultMTU = 247
)

// DeviceID names a device on the air; it is never used again.
type DeviceID uint64

// LinkID names a link of the air; it is never used again.
type LinkID uint64

// Conditions are what the air is like for everybody on it. The zero value is
// a perfect air without delay.
type Conditions struct {
	// Interval is the connection interval. Zero delivers at once.
	Interval time.Duration

	// LossPerMille is the share of values and advertisements that have to be
	// sent again, 0 to 1,000. With 1,000 nobody hears anybody.
	LossPerMille int

	// Latency is added to the way of each value.
	Latency time.Duration
}

// Core is the state of an air. Use NewCore. It is not safe for concurrent use.
type Core struct {
	cond    Conditions
	rng     splitmix
	devices []*device // in order of joining
	links   []*conn   // in order of coming up
	agenda  agenda
	out     []Output
	nextID  uint64
	cuts    []armed
	reports bool // a round of advertisements is on the agenda
}

// device is one radio on the air.
type device struct {
	id       DeviceID
	name     string
	address  string
	adv      link.Advertisement
	scanning bool
	mtu      int
	x, y     float64          // metres
	rssi     map[DeviceID]int // overrides distance
	dials    int              // under way
	dialled  int              // links it is central of
	accepted int              // links it is peripheral of
	met      int              // links it was ever peripheral of
}

// audible reports whether d sends advertisements.
func (d *device) audible() bool { return d.adv.On && d.accepted == 0 }

// NewCore returns an empty air.
func NewCore(seed uint64, cond Conditions) *Core {
	return &Core{rng: splitmix(seed), cond: cond}
}

// Step carries out what is due by now, then in, and returns what the devices
// notice of it, in order. now must not go backwards.
func (c *Core) Step(now time.Time, in Input) []Output {
	c.out = nil
	for c.agenda.due(now) {
		ev := c.agenda.pop()
		ev.do(ev.at)
	}
	if in != nil {
		in.apply(c, now)
	}
	for c.agenda.due(now) { // what in caused without delay
		ev := c.agenda.pop()
		ev.do(now)
	}
	return c.out
}

// Next returns when Step is to be called again with a nil Input, or false if
// nothing is due.
func (c *Core) Next() (time.Time, bool) { return c.agenda.next() }

func (c *Core) emit(o Output) { c.out = append(c.out, o) }

func (c *Core) id() uint64 {
	c.nextID++
	return c.nextID
}

// device returns the device with the given id, or nil if it has left.
func (c *Core) device(id DeviceID) *device {
	for _, d := range c.devices {
		if d.id == id {
			return d
		}
	}
	return nil
}

// lost decides whether one transmission is lost.
func (c *Core) lost() bool {
	return c.cond.LossPerMille > 0 && c.rng.below(1000) < c.cond.LossPerMille
}

// newAddress returns a static random device address.
func (c *Core) newAddress() string {
	r := c.rng.next()
	return fmt.Sprintf("%02X:%02X:%02X:%02X:%02X:%02X", byte(r)|0xC0, byte(r>>8), byte(r>>16), byte(r>>24), byte(r>>32), byte(r>>40))
}
