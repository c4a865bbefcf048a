package testbed

import (
	"time"
)

const (
	advIntervalDefault = 1280 * time.Millisecond
	advIntervalMin     = 20 * time.Millisecond
	// advDelayMax is what the specification adds at random to each interval.
	advDelayMax = 10 * time.Millisecond
	dataMax     = 31 // bytes of an advertisement
)

// Types of advertising, as in LE Set Advertising Parameters.
const (
	advConnectable = 0x00
	advDirected    = 0x01
	advScannable   = 0x02
	advSilent      = 0x03 // neither
	advDirectedLow = 0x04
	reportScanned  = 0x04 // in a report: a scan response
)

// advertiser is a controller's advertising.
type advertiser struct {
	on       bool
	kind     byte
	own      byte // address type
	interval time.Duration
	data     []byte
	answer   []byte // scan response
	gen      int    // counts starts and stops
}

// scanner is a controller's scanning.
type scanner struct {
	on      bool
	active  bool
	oncePer bool // report equal advertisements once
	seen    map[string]bool
}

func (c *controller) setAdvParameters(op uint16, p []byte) {
	if c.adv.on {
		c.complete(op, []byte{statusDisallowed})
		return
	}
	c.adv.interval = max(time.Duration(at16(p))*advUnit, advIntervalMin)
	c.adv.kind, c.adv.own = p[4], p[5]
	c.done(op)
}

func (c *controller) setAdvData(op uint16, p []byte) {
	n := int(p[0])
	if n > dataMax {
		c.complete(op, []byte{statusInvalid})
		return
	}
	data := append([]byte(nil), p[1:1+n]...)
	if op == 0x2008 {
		c.adv.data = data
	} else {
		c.adv.answer = data
	}
	c.done(op)
}

// advertise starts or stops.
func (c *controller) advertise(on bool) {
	if on == c.adv.on {
		return
	}
	c.adv.on = on
	c.adv.gen++
	if on {
		c.advEvent(c.adv.gen)
	}
}

// advEvent sends one advertisement and plans the next, unless advertising was
// changed since.
func (c *controller) advEvent(gen int) {
	if c.adv.gen != gen || !c.adv.on {
		return
	}
	for _, o := range c.air.controllers {
		if o == c || c.air.between(c.id, o.id).cut {
			continue
		}
		o.hear(c)
		if o.initiates(c) {
			c.air.connect(o, c)
			return
		}
	}
	delay := time.Duration(c.air.rng.Int64N(int64(advDelayMax)))
	c.air.after(c.adv.interval+delay, func() { c.advEvent(gen) })
}

// hear reports an advertisement of from, if c is scanning.
func (c *controller) hear(from *controller) {
	if !c.scan.on {
		return
	}
	kind := from.adv.kind
	if kind == advDirectedLow {
		kind = advDirected
	}
	c.report(from, kind, from.adv.data)
	if c.scan.active && (kind == advConnectable || kind == advScannable) {
		c.report(from, reportScanned, from.adv.answer)
	}
}

func (c *controller) report(from *controller, kind byte, data []byte) {
	who := from.address(from.adv.own)
	key := string(who.bytes[:]) + string(kind) + string(data)
	if c.scan.oncePer && c.scan.seen[key] {
		return
	}
	c.scan.seen[key] = true
	rssi := c.air.between(c.id, from.id).rssi
	c.meta(leAdvertising, []byte{1, kind, who.kind()}, who.bytes[:], []byte{byte(len(data))}, data, []byte{byte(rssi)})
}

func (c *controller) setScanParameters(op uint16, p []byte) {
	if c.scan.on {
		c.complete(op, []byte{statusDisallowed})
		return
	}
	c.scan.active = p[0] == 1
	c.done(op)
}

func (c *controller) setScan(op uint16, p []byte) {
	c.scan.on, c.scan.oncePer, c.scan.seen = p[0] == 1, p[1] == 1, map[string]bool{}
	c.done(op)
}
