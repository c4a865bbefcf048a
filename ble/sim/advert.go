package sim

import (
	"math"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

// signal returns the strength at which two devices hear each other, in dBm:
// free space with 40 dB lost on the first metre.
func signal(a, b *device) int {
	if rssi, ok := a.rssi[b.id]; ok {
		return rssi
	}
	metres := math.Hypot(a.x-b.x, a.y-b.y)
	if metres < 0.1 {
		metres = 0.1
	}
	return int(math.Round(-40 - 20*math.Log10(metres)))
}

// reachable reports whether values can pass between two devices at all.
func (c *Core) reachable(a, b *device) bool {
	return c.cond.LossPerMille < 1000 && signal(a, b) >= rangeDBm
}

// announce lets every scanner hear d at once, and plans the rest.
func (c *Core) announce(now time.Time, d *device) {
	for _, to := range c.devices {
		c.report(d, to)
	}
	c.planReports(now)
}

// report lets one scanner hear one advertiser, if it can.
func (c *Core) report(from, to *device) {
	if from == to || !from.audible() || !to.scanning || !c.reachable(from, to) || c.lost() {
		return
	}
	rssi := signal(from, to) + c.rng.below(5) - 2 // fading
	c.emit(Heard{ID: to.id, Sighting: link.Sighting{
		Address: from.address, RSSI: rssi, ServiceData: append([]byte(nil), from.adv.ServiceData...),
	}})
}

// planReports puts the next round of advertisements on the agenda, unless
// nobody would send or hear it.
func (c *Core) planReports(now time.Time) {
	if c.reports || !c.anyone(func(d *device) bool { return d.scanning }) || !c.anyone((*device).audible) {
		return
	}
	c.reports = true
	c.agenda.plan(now.Add(reportEvery), func(now time.Time) {
		c.reports = false
		for _, from := range c.devices {
			for _, to := range c.devices {
				c.report(from, to)
			}
		}
		c.planReports(now)
	})
}

func (c *Core) anyone(is func(*device) bool) bool {
	for _, d := range c.devices {
		if is(d) {
			return true
		}
	}
	return false
}
