package sim

import (
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

func (in Dial) apply(c *Core, now time.Time) {
	d := c.device(in.ID)
	if d == nil {
		return
	}
	if d.dialled+d.dials >= link.LinksMax {
		c.emit(DialFailed{ID: in.ID, Dial: in.Dial, Reason: "too many links"})
		return
	}
	d.dials++
	rounds := time.Duration(dialRounds)
	if in.Discover {
		rounds = discoverRounds
	}
	c.agenda.plan(now.Add(rounds*c.cond.Interval+2*c.cond.Latency), func(now time.Time) {
		d.dials--
		if c.device(d.id) != nil {
			c.connect(now, d, in)
		}
	})
}

// connect decides whether a dial is answered.
func (c *Core) connect(now time.Time, central *device, in Dial) {
	peripheral := c.connectable(in.Address)
	if peripheral == nil || peripheral == central || !c.reachable(central, peripheral) {
		c.emit(DialFailed{ID: in.ID, Dial: in.Dial, Reason: "no answer"})
		return
	}
	l := &conn{id: LinkID(c.id()), central: central, peripheral: peripheral, anchor: now}
	c.links = append(c.links, l)
	central.dialled++
	peripheral.accepted++
	peripheral.met++
	valueMax := min(central.mtu, peripheral.mtu, defaultMTU) - 3
	c.emit(Up{ID: peripheral.id, Link: l.id, Address: central.address, ValueMax: valueMax})
	c.emit(Up{
		ID: central.id, Link: l.id, Dial: in.Dial, Address: in.Address, ValueMax: valueMax,
		ReadValue: append([]byte(nil), peripheral.adv.ReadValue...),
	})
}

// connectable returns the device that advertises at an address, or nil.
func (c *Core) connectable(address string) *device {
	for _, d := range c.devices {
		if d.address == address && d.audible() {
			return d
		}
	}
	return nil
}

// Peer is one device as others may see it.
type Peer struct {
	// Name is what it joined under.
	Name string
	// Address is its present address.
	Address string
	// Advertising and Scanning say what it does.
	Advertising, Scanning bool
	// Links counts its links.
	Links int
	// Met counts the dials that it has answered since it joined.
	Met int
	// RSSI is how strongly the asking device hears it, in dBm; 0 for itself
	// and if nobody in particular asks.
	RSSI int
}

// Peers returns who is on the air, in the order of joining, as the device
// with the given id sees it; 0 is nobody in particular.
func (c *Core) Peers(of DeviceID) []Peer {
	asking := c.device(of)
	peers := make([]Peer, 0, len(c.devices))
	for _, d := range c.devices {
		p := Peer{Name: d.name, Address: d.address, Advertising: d.adv.On, Scanning: d.scanning, Links: d.dialled + d.accepted, Met: d.met}
		if asking != nil && asking != d {
			p.RSSI = signal(asking, d)
		}
		peers = append(peers, p)
	}
	return peers
}

// Conditions returns what the air is like.
func (c *Core) Conditions() Conditions { return c.cond }
