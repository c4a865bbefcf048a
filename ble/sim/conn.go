package sim

import (
	"time"
)

// conn is one connection.
type conn struct {
	id                  LinkID
	central, peripheral *device
	anchor              time.Time // of its connection events
	down                bool
	crossed             int  // values delivered, for a Cut
	doomed              bool // its end by supervision is on the agenda
	// lanes are the two directions: from the central, from the peripheral.
	lanes [2]lane
}

// lane is one direction of a conn.
type lane struct {
	waiting  [][]byte
	since    time.Time // the first value has been waiting since
	planned  bool      // an attempt is on the agenda
	lastDone time.Time // no value may overtake the one before
}

func (l *conn) has(id DeviceID) bool { return l.central.id == id || l.peripheral.id == id }

// peer returns the device on the other side.
func (l *conn) peer(id DeviceID) *device {
	if l.central.id == id {
		return l.peripheral
	}
	return l.central
}

func (l *conn) lane(from DeviceID) *lane {
	if l.central.id == from {
		return &l.lanes[0]
	}
	return &l.lanes[1]
}

// link returns the link with the given id if it is up and the device is on it.
func (c *Core) link(id LinkID, of DeviceID) *conn {
	for _, l := range c.links {
		if l.id == id && l.has(of) {
			return l
		}
	}
	return nil
}

func (in Send) apply(c *Core, now time.Time) {
	l := c.link(in.Link, in.ID)
	if l == nil {
		return
	}
	lane := l.lane(in.ID)
	if len(lane.waiting) == 0 {
		lane.since = now
	}
	lane.waiting = append(lane.waiting, in.Value)
	c.planEvent(now, l, in.ID, lane)
}

// planEvent puts the next connection event of a lane on the agenda.
func (c *Core) planEvent(now time.Time, l *conn, from DeviceID, lane *lane) {
	if lane.planned || len(lane.waiting) == 0 {
		return
	}
	lane.planned = true
	c.agenda.plan(c.nextEvent(now, l), func(now time.Time) {
		lane.planned = false
		if !l.down {
			c.transmit(now, l, from, lane)
		}
	})
}

// nextEvent returns the time of the link's next connection event: now, if
// there is no interval.
func (c *Core) nextEvent(now time.Time, l *conn) time.Time {
	if c.cond.Interval <= 0 {
		return now
	}
	passed := now.Sub(l.anchor) / c.cond.Interval
	return l.anchor.Add((passed + 1) * c.cond.Interval)
}

// transmit sends what fits into one connection event. A lost value holds up
// those behind it, until it gets through or the link is given up.
func (c *Core) transmit(now time.Time, l *conn, from DeviceID, lane *lane) {
	for n := 0; len(lane.waiting) > 0 && (c.cond.Interval <= 0 || n < perEvent); n++ {
		if c.lost() || !c.reachable(l.central, l.peripheral) {
			c.retransmit(now, l, from, lane)
			return
		}
		value := lane.waiting[0]
		lane.waiting[0] = nil
		lane.waiting = lane.waiting[1:]
		lane.since = now
		c.carry(now, l, from, lane, value)
		if l.down {
			return
		}
	}
	c.planEvent(now, l, from, lane)
}

// retransmit plans the next attempt after a loss.
func (c *Core) retransmit(now time.Time, l *conn, from DeviceID, lane *lane) {
	if now.Sub(lane.since) >= supervision {
		c.end(now, l, "supervision timeout")
		return
	}
	later := now
	if c.cond.Interval <= 0 {
		later = now.Add(retry)
	}
	lane.planned = true
	c.agenda.plan(c.nextEvent(later, l), func(now time.Time) {
		lane.planned = false
		if !l.down {
			c.transmit(now, l, from, lane)
		}
	})
}

// carry brings a value that got through to the other side, after the latency.
func (c *Core) carry(now time.Time, l *conn, from DeviceID, lane *lane, value []byte) {
	at := now.Add(c.cond.Latency)
	if at.Before(lane.lastDone) {
		at = lane.lastDone
	}
	lane.lastDone = at
	if !at.After(now) {
		c.arrive(now, l, from, value)
		return
	}
	c.agenda.plan(at, func(now time.Time) {
		if !l.down {
			c.arrive(now, l, from, value)
		}
	})
}

func (c *Core) arrive(now time.Time, l *conn, from DeviceID, value []byte) {
	c.emit(Arrived{ID: l.peer(from).id, Link: l.id, Value: value})
	l.crossed++
	for i, cut := range c.cuts {
		if l.crossed-cut.before[l.id] >= cut.After && cut.names(l) {
			c.cuts = append(c.cuts[:i:i], c.cuts[i+1:]...)
			c.end(now, l, "cut")
			return
		}
	}
}

func (in Hangup) apply(c *Core, now time.Time) {
	if l := c.link(in.Link, in.ID); l != nil {
		c.remove(l)
		c.emit(Down{ID: l.peer(in.ID).id, Link: l.id, Reason: in.Reason})
		c.resume(now, l.peripheral)
	}
}

// end ends a link for both sides.
func (c *Core) end(now time.Time, l *conn, reason string) {
	c.remove(l)
	c.emit(Down{ID: l.central.id, Link: l.id, Reason: reason})
	c.emit(Down{ID: l.peripheral.id, Link: l.id, Reason: reason})
	c.resume(now, l.peripheral)
}

func (c *Core) endLinks(now time.Time, which func(*conn) bool, reason string) {
	for _, l := range append([]*conn(nil), c.links...) {
		if which(l) {
			c.end(now, l, reason)
		}
	}
}

// resume lets a peripheral be heard again whose link has ended.
func (c *Core) resume(now time.Time, d *device) {
	if c.device(d.id) != nil {
		c.announce(now, d)
	}
}

// remove takes a link off the air.
func (c *Core) remove(l *conn) {
	l.down = true
	for i := range c.links {
		if c.links[i] == l {
			c.links = append(c.links[:i:i], c.links[i+1:]...)
			break
		}
	}
	l.central.dialled--
	l.peripheral.accepted--
}

// checkReach gives links whose ends cannot reach each other any more the
// supervision timeout, even if nobody sends.
func (c *Core) checkReach(now time.Time) {
	for _, l := range c.links {
		if l.doomed || c.reachable(l.central, l.peripheral) {
			continue
		}
		l.doomed = true
		c.agenda.plan(now.Add(supervision), func(now time.Time) {
			l.doomed = false
			if !l.down && !c.reachable(l.central, l.peripheral) {
				c.end(now, l, "supervision timeout")
			}
		})
	}
	c.planReports(now)
}
