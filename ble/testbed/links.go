package testbed

import (
	"slices"
	"time"
)

const (
	airLenDefault = 27  // data bytes of an air packet without the extension
	airLenMax     = 251 // and with it
)

// airLink is a connection of two controllers.
type airLink struct {
	air         *Air
	ends        [2]*end // central, peripheral
	anchor      time.Time
	interval    time.Duration
	supervision time.Duration
	scheduled   bool // a connection event with data is planned
}

// end is one side of an airLink.
type end struct {
	link   *airLink
	owner  *controller
	far    *end
	handle uint16
	gone   bool
	queue  []aclData // from the owner's host, waiting for the air
}

// aclData is the content of one ACL packet.
type aclData struct {
	start bool // begins an L2CAP PDU
	data  []byte
}

// acl takes an ACL packet of the host. One for a link that is gone is dropped,
// and no buffer is given back for it: so do real controllers.
func (c *controller) acl(head uint16, data []byte) {
	c.counts.Sent++
	e := c.find(head & 0x0fff)
	if e == nil {
		c.counts.DeadHandle++
		return
	}
	e.queue = append(e.queue, aclData{start: head>>12&3 != 1, data: append([]byte(nil), data...)})
	waiting := 0
	for _, each := range c.links {
		waiting += len(each.queue)
	}
	if waiting > c.air.cfg.Buffers {
		c.counts.Overrun++
	}
	e.link.schedule()
}

// schedule plans the next connection event, if there is something to carry.
func (l *airLink) schedule() {
	if l.scheduled || len(l.ends[0].queue)+len(l.ends[1].queue) == 0 || l.ends[0].gone || l.ends[1].gone {
		return
	}
	if l.air.between(l.ends[0].owner.id, l.ends[1].owner.id).cut {
		return
	}
	if !l.air.cfg.Paced {
		l.carry(unlimited)
		return
	}
	l.scheduled = true
	passed := l.air.now.Sub(l.anchor)
	l.air.after(l.interval-passed%l.interval, func() {
		l.scheduled = false
		if l.air.between(l.ends[0].owner.id, l.ends[1].owner.id).cut {
			return
		}
		l.carry(l.air.cfg.PerEvent)
		l.schedule()
	})
}

// carry moves at most budget air packets each way.
func (l *airLink) carry(budget int) {
	for _, e := range l.ends {
		if !e.gone && !e.far.gone {
			e.carry(budget)
		}
	}
}

// carry sends what the host has queued and gives its buffers back.
func (e *end) carry(budget int) {
	done := uint16(0)
	for len(e.queue) > 0 && budget > 0 {
		p := e.queue[0]
		e.queue = e.queue[1:]
		done++
		e.link.air.trace(Passed, e.owner, e.far.owner, p.data)
		for first := true; first || len(p.data) > 0; first = false {
			n := min(len(p.data), e.owner.airLen)
			e.far.receive(p.start && first, p.data[:n])
			p.data = p.data[n:]
			budget--
		}
	}
	if done > 0 {
		e.owner.event(evCompletedPackets, []byte{1}, le16(e.handle), le16(done))
	}
}

// receive gives one air packet to the host.
func (e *end) receive(start bool, data []byte) {
	flags := uint16(1)
	if start {
		flags = 2
	}
	e.owner.counts.Received++
	e.owner.toHost(slices.Concat([]byte{typeACL}, le16(e.handle|flags<<12), le16(uint16(len(data))), data))
}

// leave takes the end off its controller.
func (e *end) leave() {
	e.gone = true
	e.queue = nil
	e.owner.links = slices.DeleteFunc(e.owner.links, func(x *end) bool { return x == e })
	e.link.air.trace(Left, e.owner, e.far.owner, nil)
}

// end tells the host that the link has ended.
func (e *end) end(reason byte) {
	if e.gone {
		return
	}
	e.leave()
	e.owner.event(evDisconnected, []byte{statusOK}, le16(e.handle), []byte{reason})
}

// terminate ends the link as the host wishes. The other side is told, or finds
// out by its supervision timeout if it is out of range.
func (e *end) terminate(reason byte) {
	cut := e.link.air.between(e.owner.id, e.far.owner.id).cut
	if !cut {
		e.link.carry(unlimited)
	}
	e.end(statusLocalEnded)
	if cut {
		e.far.supervise()
		return
	}
	e.far.end(reason)
}

// vanish ends the link without telling anybody.
func (e *end) vanish() {
	e.leave()
	e.far.supervise()
}

// supervise ends this side after the supervision timeout.
func (e *end) supervise() {
	if !e.gone {
		e.link.air.after(e.link.supervision, func() { e.end(statusTimeout) })
	}
}

// superviseCut ends both sides after the supervision timeout, unless they hear
// each other again.
func (l *airLink) superviseCut(p *pair) {
	gen := p.gen
	l.air.after(l.supervision, func() {
		if p.gen != gen {
			return
		}
		for _, e := range l.ends {
			e.end(statusTimeout)
		}
	})
}

// RequestEncryption lets the other side of a controller's oldest link ask for
// encryption, as a phone does that believes it is bonded. It does nothing if
// there is no link or the host masks the event.
func (a *Air) RequestEncryption(controller int) {
	c := a.controllers[controller]
	if len(c.links) > 0 {
		c.meta(leLongTermKey, le16(c.links[0].handle), make([]byte, 10))
	}
}
