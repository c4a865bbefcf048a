package testbed

import (
	"encoding/binary"
	"slices"
	"time"
)

// handler carries out a command whose parameters have the right length.
type handler struct {
	length int // of the parameters, in bytes
	run    func(c *controller, op uint16, p []byte)
}

// commands are those that are modelled, by opcode.
var commands = map[uint16]handler{
	0x0c03: {0, func(c *controller, op uint16, _ []byte) { c.reset(); c.done(op) }},
	0x0c01: {8, (*controller).accept},             // Set Event Mask
	0x0c63: {8, (*controller).accept},             // Set Event Mask Page 2
	0x0c6d: {2, (*controller).accept},             // Write LE Host Supported
	0x0c56: {1, (*controller).accept},             // Write Simple Pairing Mode
	0x2010: {0, (*controller).accept},             // LE Clear Filter Accept List
	0x2011: {7, (*controller).accept},             // LE Add Device To Filter Accept List
	0x2012: {7, (*controller).accept},             // LE Remove Device From Filter Accept List
	0x1001: {0, reply(9, 0, 0, 9, 0xf1, 5, 0, 0)}, // Read Local Version: 5.0
	0x1002: {0, (*controller).supported},
	0x1003: {0, reply(0, 0, 0, 0, 0x60, 0, 0, 0)}, // Read Local Features: LE, no BR/EDR
	0x1004: {1, func(c *controller, op uint16, p []byte) {
		c.complete(op, []byte{statusOK, p[0]}, make([]byte, 9))
	}},
	0x1005: {0, reply(0, 0, 0, 0, 0, 0, 0)}, // Read Buffer Size: none for BR/EDR
	0x1009: {0, func(c *controller, op uint16, _ []byte) { c.complete(op, []byte{statusOK}, c.public[:]) }},
	0x1405: {2, (*controller).readRSSI},
	0x0406: {3, (*controller).disconnect},
	0x041d: {2, (*controller).remoteVersion},
	0x2001: {8, func(c *controller, op uint16, p []byte) { c.leMask = binary.LittleEndian.Uint64(p); c.done(op) }},
	0x2002: {0, func(c *controller, op uint16, _ []byte) {
		c.complete(op, []byte{statusOK}, le16(uint16(c.air.cfg.BufferLen)), []byte{byte(c.air.cfg.Buffers)})
	}},
	0x2003: {0, reply(0x20, 0, 0, 0, 0, 0, 0, 0)}, // LE Features: data length extension
	0x2005: {6, (*controller).setRandomAddress},
	0x2006: {15, (*controller).setAdvParameters},
	0x2007: {0, reply(0)}, // LE Read Advertising Channel Tx Power
	0x2008: {32, (*controller).setAdvData},
	0x2009: {32, (*controller).setAdvData},
	0x200a: {1, func(c *controller, op uint16, p []byte) { c.advertise(p[0] == 1); c.done(op) }},
	0x200b: {7, (*controller).setScanParameters},
	0x200c: {2, (*controller).setScan},
	0x200d: {25, (*controller).createConnection},
	0x200e: {0, (*controller).cancelConnection},
	0x200f: {0, reply(8)}, // LE Read Filter Accept List Size
	0x2013: {14, (*controller).updateConnection},
	0x2014: {5, (*controller).accept}, // LE Set Host Channel Classification
	0x2016: {2, (*controller).remoteFeatures},
	0x2018: {0, func(c *controller, op uint16, _ []byte) {
		c.complete(op, []byte{statusOK}, binary.LittleEndian.AppendUint64(nil, c.air.rng.Uint64()))
	}},
	0x201a: {18, echoHandle},                                  // LE Long Term Key Request Reply
	0x201b: {2, echoHandle},                                   // and its negative
	0x201c: {0, reply(0xff, 0xff, 0xff, 0xff, 0xff, 3, 0, 0)}, // LE Read Supported States
	0x2022: {6, echoHandle},                                   // LE Set Data Length
	0x2023: {0, func(c *controller, op uint16, _ []byte) {
		c.complete(op, []byte{statusOK}, le16(uint16(c.airLen)), le16(airTimeMax))
	}},
	0x2024: {4, (*controller).suggestLength},
	0x202f: {0, reply(251, 0, 0x48, 8, 251, 0, 0x48, 8)}, // LE Read Maximum Data Length
}

// airTimeMax is how long a packet of 251 bytes lasts, in microseconds.
const airTimeMax = 2120

func (c *controller) command(op uint16, p []byte) {
	c.counts.Commands++
	h, ok := commands[op]
	switch {
	case !ok:
		c.counts.Unknown++
		c.complete(op, []byte{statusUnknown})
	case len(p) != h.length:
		c.complete(op, []byte{statusInvalid})
	default:
		h.run(c, op, p)
	}
}

// reply makes the handler of a command that always says the same.
func reply(params ...byte) func(*controller, uint16, []byte) {
	return func(c *controller, op uint16, _ []byte) { c.complete(op, []byte{statusOK}, params) }
}

// echoHandle answers a command about a link that changes nothing here.
func echoHandle(c *controller, op uint16, p []byte) { c.complete(op, []byte{statusOK}, p[:2]) }

func (c *controller) done(op uint16) { c.complete(op, []byte{statusOK}) }

func (c *controller) accept(op uint16, _ []byte) { c.done(op) }

// supported lists the commands that the kernel asks about before it uses them.
func (c *controller) supported(op uint16, _ []byte) {
	mask := make([]byte, 64)
	for octet, bits := range map[int]byte{0: 0x20, 2: 0x80, 5: 0xc0, 14: 0xa8, 15: 0x22, 24: 0x40, 25: 0xf7, 26: 0xff, 27: 0xaf, 28: 0x0c} {
		mask[octet] = bits
	}
	c.complete(op, []byte{statusOK}, mask)
}

func (c *controller) readRSSI(op uint16, p []byte) {
	e := c.find(at16(p))
	if e == nil {
		c.complete(op, []byte{statusNoConnection}, p, []byte{0})
		return
	}
	c.complete(op, []byte{statusOK}, p, []byte{byte(c.air.between(c.id, e.far.owner.id).rssi)})
}

func (c *controller) setRandomAddress(op uint16, p []byte) {
	if c.adv.on || c.scan.on || c.init.on {
		c.complete(op, []byte{statusDisallowed})
		return
	}
	c.random = [6]byte(p)
	c.done(op)
}

func (c *controller) suggestLength(op uint16, p []byte) {
	n := int(at16(p))
	if n < airLenDefault || n > airLenMax {
		c.complete(op, []byte{statusInvalid})
		return
	}
	c.airLen = n
	c.done(op)
}

func (c *controller) disconnect(op uint16, p []byte) {
	e := c.find(at16(p))
	if e == nil {
		c.status(op, statusNoConnection)
		return
	}
	c.status(op, statusOK)
	e.terminate(p[2])
}

func (c *controller) remoteVersion(op uint16, p []byte) {
	if c.find(at16(p)) == nil {
		c.status(op, statusNoConnection)
		return
	}
	c.status(op, statusOK)
	c.event(evRemoteVersion, []byte{statusOK}, p, []byte{9, 0xf1, 5, 0, 0})
}

func (c *controller) remoteFeatures(op uint16, p []byte) {
	if c.find(at16(p)) == nil {
		c.status(op, statusNoConnection)
		return
	}
	c.status(op, statusOK)
	c.meta(leRemoteFeatures, []byte{statusOK}, p, make([]byte, 8))
}

func (c *controller) updateConnection(op uint16, p []byte) {
	e := c.find(at16(p))
	if e == nil {
		c.status(op, statusNoConnection)
		return
	}
	c.status(op, statusOK)
	interval, latency, timeout := p[4:6], p[6:8], p[8:10]
	e.link.interval = time.Duration(at16(interval)) * intervalUnit
	e.link.supervision = time.Duration(at16(timeout)) * timeoutUnit
	for _, side := range []*end{e, e.far} {
		side.owner.meta(leUpdated, []byte{statusOK}, slices.Concat(le16(side.handle), interval, latency, timeout))
	}
}
