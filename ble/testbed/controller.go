package testbed

import (
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// HCI packet types, the first byte of each packet.
const (
	typeCommand = 0x01
	typeACL     = 0x02
	typeEvent   = 0x04
)

// HCI events.
const (
	evDisconnected     = 0x05
	evRemoteVersion    = 0x0c
	evCommandComplete  = 0x0e
	evCommandStatus    = 0x0f
	evCompletedPackets = 0x13
	evMeta             = 0x3e
)

// Subevents of evMeta.
const (
	leConnected       = 0x01
	leAdvertising     = 0x02
	leUpdated         = 0x03
	leRemoteFeatures  = 0x04
	leLongTermKey     = 0x05
	leMaskDefault     = 0x1f
	firstHandle       = 0x0040
	handlesPerControl = 0x0010
)

// Status codes of HCI.
const (
	statusOK           = 0x00
	statusUnknown      = 0x01 // command
	statusNoConnection = 0x02
	statusTimeout      = 0x08
	statusDisallowed   = 0x0c
	statusInvalid      = 0x12
	statusPeerEnded    = 0x13
	statusLocalEnded   = 0x16
)

// address is a device address as HCI writes it, the lowest byte first.
type address struct {
	bytes  [6]byte
	random bool
}

// String writes the address for people, the highest byte first.
func (a address) String() string {
	b := a.bytes
	return fmt.Sprintf("%02X:%02X:%02X:%02X:%02X:%02X", b[5], b[4], b[3], b[2], b[1], b[0])
}

// kind is the address type on the wire.
func (a address) kind() byte {
	if a.random {
		return 1
	}
	return 0
}

// controller is one virtual controller.
type controller struct {
	air        *Air
	id         int
	public     [6]byte
	random     [6]byte
	leMask     uint64
	adv        advertiser
	scan       scanner
	init       initiator
	links      []*end // oldest first
	nextHandle uint16
	airLen     int // data bytes of one air packet
	counts     Counts
	mute       bool
}

// newController returns controller id with address 00:AA:01, then the group,
// then id.
func newController(a *Air, id int) *controller {
	c := &controller{
		air: a, id: id, public: [6]byte{byte(id), byte(a.cfg.Group), byte(a.cfg.Group >> 8), 1, 0xaa, 0},
		nextHandle: firstHandle + uint16(id)*handlesPerControl,
	}
	c.reset()
	return c
}

// reset forgets all but the address, as HCI Reset does. Links end without a
// word, and the other sides learn it by their supervision timeout.
func (c *controller) reset() {
	c.adv = advertiser{interval: advIntervalDefault, gen: c.adv.gen + 1}
	c.scan, c.init = scanner{}, initiator{gen: c.init.gen + 1}
	c.random, c.leMask, c.airLen = [6]byte{}, leMaskDefault, airLenDefault
	for _, e := range slices.Clone(c.links) {
		e.vanish()
	}
}

// fromHost takes one packet of the host. What is malformed is ignored.
func (c *controller) fromHost(p []byte) {
	switch {
	case c.mute:
	case len(p) >= 4 && p[0] == typeCommand && len(p) == 4+int(p[3]):
		c.command(binary.LittleEndian.Uint16(p[1:]), p[4:])
	case len(p) >= 5 && p[0] == typeACL && len(p) == 5+int(binary.LittleEndian.Uint16(p[3:])):
		c.acl(binary.LittleEndian.Uint16(p[1:]), p[5:])
	}
}

func (c *controller) toHost(p []byte) { c.air.deliver(c.id, p) }

// event sends an HCI event.
func (c *controller) event(code byte, parts ...[]byte) {
	params := slices.Concat(parts...)
	c.toHost(slices.Concat([]byte{typeEvent, code, byte(len(params))}, params))
}

// meta sends an LE event, if the host wants it.
func (c *controller) meta(sub byte, parts ...[]byte) {
	if c.leMask&(1<<(sub-1)) == 0 {
		return
	}
	c.event(evMeta, []byte{sub}, slices.Concat(parts...))
}

// complete answers a command; the first byte of what it returns is its status.
func (c *controller) complete(op uint16, parts ...[]byte) {
	c.event(evCommandComplete, []byte{1}, le16(op), slices.Concat(parts...))
}

// status answers a command whose end is told by an event of its own.
func (c *controller) status(op uint16, status byte) {
	c.event(evCommandStatus, []byte{status, 1}, le16(op))
}

// address returns the own address of a type.
func (c *controller) address(kind byte) address {
	if kind == 1 {
		return address{c.random, true}
	}
	return address{bytes: c.public}
}

// find returns the end of a link by its handle.
func (c *controller) find(handle uint16) *end {
	for _, e := range c.links {
		if e.handle == handle {
			return e
		}
	}
	return nil
}

func (c *controller) newHandle() uint16 {
	for {
		handle := c.nextHandle
		if c.nextHandle++; c.nextHandle >= 0x0e00 {
			c.nextHandle = firstHandle
		}
		if c.find(handle) == nil {
			return handle
		}
	}
}

func le16(v uint16) []byte { return binary.LittleEndian.AppendUint16(nil, v) }

func at16(b []byte) uint16 { return binary.LittleEndian.Uint16(b) }

// intervalUnit is what connection intervals count, timeoutUnit supervision
// timeouts, advUnit advertising intervals.
const (
	intervalUnit = 1250 * time.Microsecond
	timeoutUnit  = 10 * time.Millisecond
	advUnit      = 625 * time.Microsecond
)
