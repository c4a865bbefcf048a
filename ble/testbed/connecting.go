package testbed

import (
	"slices"
	"time"
)

// initiator is a controller's attempt to connect.
type initiator struct {
	on     bool
	since  time.Time
	peer   address
	own    byte   // address type
	timing []byte // interval, latency and supervision timeout, as sent
	gen    int
}

func (c *controller) createConnection(op uint16, p []byte) {
	if c.init.on {
		c.status(op, statusDisallowed)
		return
	}
	c.init = initiator{
		on: true, since: c.air.now, peer: address{[6]byte(p[6:12]), p[5] == 1}, own: p[12],
		timing: slices.Concat(p[15:17], p[17:19], p[19:21]), gen: c.init.gen + 1,
	}
	c.status(op, statusOK)
}

func (c *controller) cancelConnection(op uint16, _ []byte) {
	if !c.init.on {
		c.complete(op, []byte{statusDisallowed})
		return
	}
	c.init.on = false
	c.done(op)
	c.meta(leConnected, []byte{statusNoConnection}, make([]byte, 17))
}

// initiates reports whether c connects to the advertisement of from.
func (c *controller) initiates(from *controller) bool {
	connectable := from.adv.kind == advConnectable || from.adv.kind == advDirected || from.adv.kind == advDirectedLow
	return c.init.on && connectable && c.init.peer == from.address(from.adv.own) &&
		c.air.now.Sub(c.init.since) >= c.air.cfg.ConnectDelay
}

// connect makes a link between an initiator and the advertiser it has heard.
func (a *Air) connect(central, peripheral *controller) {
	central.init.on = false
	peripheral.adv.on = false
	peripheral.adv.gen++
	timing := central.init.timing
	l := &airLink{
		air: a, anchor: a.now,
		interval:    time.Duration(at16(timing)) * intervalUnit,
		supervision: time.Duration(at16(timing[4:])) * timeoutUnit,
	}
	from, to := central.address(central.init.own), peripheral.address(peripheral.adv.own)
	l.ends[0] = &end{link: l, owner: central, handle: central.newHandle()}
	l.ends[1] = &end{link: l, owner: peripheral, handle: peripheral.newHandle()}
	l.ends[0].far, l.ends[1].far = l.ends[1], l.ends[0]
	a.trace(Linked, central, peripheral, nil)
	for role, e := range l.ends {
		e.owner.links = append(e.owner.links, e)
		peer := to
		if role == 1 {
			peer = from
		}
		e.owner.meta(leConnected, []byte{statusOK}, le16(e.handle), []byte{byte(role), peer.kind()}, peer.bytes[:], timing, []byte{0})
	}
}
