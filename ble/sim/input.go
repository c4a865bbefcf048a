package sim

import (
	"bytes"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

// Input is something that happens to the air.
type Input interface{ apply(c *Core, now time.Time) }

// Output is something that a device notices.
type Output interface{ to() DeviceID }

// Inputs of Step.
type (
	// Join adds a device. Devices stand in a row, half a metre apart, in the
	// order in which they joined.
	Join struct {
		ID   DeviceID // chosen by the caller, new
		Name string
	}
	// Leave removes a device and ends its links.
	Leave struct{ ID DeviceID }
	// Advertise replaces what a device advertises.
	Advertise struct {
		ID DeviceID
		Ad link.Advertisement
	}
	// Scan starts or stops a device's scanning.
	Scan struct {
		ID DeviceID
		On bool
	}
	// Place moves a device, in metres.
	Place struct {
		ID   DeviceID
		X, Y float64
	}
	// SetRSSI fixes the signal strength between two devices in dBm, whatever
	// their distance.
	SetRSSI struct {
		A, B DeviceID
		RSSI int
	}
	// SetMTU sets the ATT MTU that a device agrees to on later links.
	SetMTU struct {
		ID  DeviceID
		MTU int
	}
	// Dial asks for a link to an address; it is answered by Up or DialFailed.
	Dial struct {
		ID       DeviceID
		Dial     uint64 // repeated in the answer
		Address  string
		Discover bool
	}
	// Send gives a value to a link. The Core keeps it.
	Send struct {
		ID    DeviceID
		Link  LinkID
		Value []byte
	}
	// Hangup ends a link.
	Hangup struct {
		ID     DeviceID
		Link   LinkID
		Reason string
	}
	// SetConditions changes the air.
	SetConditions struct{ Conditions Conditions }
	// DropLinks ends all links.
	DropLinks struct{}
	// Cut ends one link of the named device, or of anyone if Name is empty,
	// as soon as After more values have been delivered on it, both directions
	// counted; it then is used up. With After 0 it ends those links now.
	Cut struct {
		Name  string
		After int
	}
)

// Outputs of Step; ID is who notices.
type (
	// Heard is an advertisement.
	Heard struct {
		ID       DeviceID
		Sighting link.Sighting
	}
	// Up is a link that can be used.
	Up struct {
		ID        DeviceID
		Link      LinkID
		Dial      uint64 // 0 if the other side dialled
		Address   string
		ValueMax  int
		ReadValue []byte
	}
	// DialFailed is a dial that came to nothing.
	DialFailed struct {
		ID     DeviceID
		Dial   uint64
		Reason string
	}
	// Arrived is a value.
	Arrived struct {
		ID    DeviceID
		Link  LinkID
		Value []byte
	}
	// Down is the end of a link that this device did not hang up.
	Down struct {
		ID     DeviceID
		Link   LinkID
		Reason string
	}
)

func (o Heard) to() DeviceID      { return o.ID }
func (o Up) to() DeviceID         { return o.ID }
func (o DialFailed) to() DeviceID { return o.ID }
func (o Arrived) to() DeviceID    { return o.ID }
func (o Down) to() DeviceID       { return o.ID }

func (in Join) apply(c *Core, _ time.Time) {
	c.devices = append(c.devices, &device{
		id: in.ID, name: in.Name, address: c.newAddress(), mtu: defaultMTU,
		x: float64(len(c.devices)) / 2, rssi: map[DeviceID]int{},
	})
}

func (in Leave) apply(c *Core, now time.Time) {
	for i, d := range c.devices {
		if d.id == in.ID {
			c.devices = append(c.devices[:i:i], c.devices[i+1:]...)
			break
		}
	}
	c.endLinks(now, func(l *conn) bool { return l.has(in.ID) }, "left the air")
}

func (in Advertise) apply(c *Core, now time.Time) {
	d := c.device(in.ID)
	if d == nil {
		return
	}
	if !bytes.Equal(d.adv.ServiceData, in.Ad.ServiceData) {
		d.address = c.newAddress()
	}
	d.adv = in.Ad
	c.announce(now, d)
}

func (in Scan) apply(c *Core, now time.Time) {
	d := c.device(in.ID)
	if d == nil || d.scanning == in.On {
		return
	}
	d.scanning = in.On
	if !in.On {
		return
	}
	for _, from := range c.devices {
		c.report(from, d)
	}
	c.planReports(now)
}

func (in Place) apply(c *Core, now time.Time) {
	if d := c.device(in.ID); d != nil {
		d.x, d.y = in.X, in.Y
		c.checkReach(now)
	}
}

func (in SetRSSI) apply(c *Core, now time.Time) {
	if a, b := c.device(in.A), c.device(in.B); a != nil && b != nil {
		a.rssi[in.B], b.rssi[in.A] = in.RSSI, in.RSSI
		c.checkReach(now)
	}
}

func (in SetMTU) apply(c *Core, _ time.Time) {
	if d := c.device(in.ID); d != nil {
		d.mtu = in.MTU
	}
}

func (in SetConditions) apply(c *Core, now time.Time) {
	c.cond = in.Conditions
	c.checkReach(now)
}

func (in DropLinks) apply(c *Core, now time.Time) {
	c.endLinks(now, func(*conn) bool { return true }, "dropped")
}

func (in Cut) apply(c *Core, now time.Time) {
	if in.After > 0 {
		before := map[LinkID]int{}
		for _, l := range c.links {
			before[l.id] = l.crossed
		}
		c.cuts = append(c.cuts, armed{Cut: in, before: before})
		return
	}
	c.endLinks(now, func(l *conn) bool { return in.names(l) }, "cut")
}

// armed is a Cut that waits for its value.
type armed struct {
	Cut
	before map[LinkID]int // values that had crossed already
}

// names reports whether the cut is meant for l.
func (in Cut) names(l *conn) bool {
	return in.Name == "" || in.Name == l.central.name || in.Name == l.peripheral.name
}
