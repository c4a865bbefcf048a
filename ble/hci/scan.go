package hci

import (
	"bytes"
	"context"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux/hci"

	"github.com/vipaso/vipasod/ble/link"
)

// heardMax bounds how many addresses are remembered.
const heardMax = 256

// heardOf remembers of the addresses that were heard what a dial must know.
type heardOf map[string]peer

// peer is what an advertisement said of its sender.
type peer struct {
	public bool   // its address, instead of random
	base   uint16 // handle of its service
}

func (h heardOf) note(address string, p peer) {
	if len(h) >= heardMax {
		clear(h)
	}
	h[address] = p
}

// look returns what is known of an address, or what is usual.
func (h heardOf) look(address string) peer {
	if p, ok := h[address]; ok {
		return p
	}
	return peer{base: link.DefaultBaseHandle}
}

// Scan implements link.Radio.
func (r *Radio) Scan(ctx context.Context, on bool) error {
	if err := r.usable(ctx); err != nil {
		return err
	}
	r.air.Lock()
	defer r.air.Unlock()
	r.mu.Lock()
	was := r.scanning
	r.scanning = on
	r.mu.Unlock()
	if !on {
		r.sightings.Clear()
	}
	if on == was {
		return nil
	}
	return r.enableScan(on)
}

// enableScan switches the controller's scanning. The caller holds air.
func (r *Radio) enableScan(on bool) error {
	err := r.command("scan", func() error {
		if on {
			return r.dev.Scan(true)
		}
		return r.dev.StopScanning()
	})
	was := r.deaf
	if r.deaf = on && refusedBy(err); r.deaf && !was {
		r.log.Warn("scan refused", "err", err)
	}
	if refusedBy(err) {
		return nil
	}
	return err
}

// advertisement takes one advertisement from go-ble, which calls it in a
// goroutine of its own. Nothing but the raw bytes is used: go-ble's parser
// spins or panics on what a stranger may send.
func (r *Radio) advertisement(a ble.Advertisement) {
	defer func() {
		if p := recover(); p != nil {
			r.count("panic of the advertisement parser")
		}
	}()
	raw, ok := a.(*hci.Advertisement)
	if !ok || !raw.Connectable() {
		return
	}
	data, sound := serviceData(raw.Data(), r.names.service)
	if !sound {
		r.count("malformed advertisement")
	}
	if data == nil {
		return
	}
	beacon, err := link.DecodeBeacon(data)
	if err != nil {
		r.count("malformed beacon")
		return
	}
	address := upper(raw.Addr().String())
	r.mu.Lock()
	scans := r.scanning
	if scans {
		r.heardOf.note(address, peer{public: raw.AddressType() == 0, base: beacon.BaseHandle})
	}
	r.mu.Unlock()
	if scans {
		r.heard()
		r.sightings.Push(link.Sighting{Address: address, RSSI: int(int8(raw.RSSI())), ServiceData: bytes.Clone(data)})
	}
}

// serviceData returns the data of a 128-bit service in an advertisement, nil if
// there is none, and whether the fields up to there make sense: they may be
// anything.
func serviceData(adv []byte, service ble.UUID) (data []byte, sound bool) {
	for len(adv) > 0 {
		n := int(adv[0])
		if n == 0 { // the rest is padding
			return nil, len(bytes.Trim(adv, "\x00")) == 0
		}
		if n >= len(adv) {
			return nil, false
		}
		field := adv[1 : 1+n]
		if !fits(field) {
			return nil, false
		}
		if field[0] == fieldData128 && bytes.HasPrefix(field[1:], service) {
			return field[1+len(service):], true
		}
		adv = adv[1+n:]
	}
	return nil, true
}

// fits reports whether the content of a field has a length that its type
// allows.
func fits(field []byte) bool {
	n := len(field) - 1
	switch field[0] {
	case fieldFlags:
		return n == 1
	case 0x02, 0x03: // lists of services of 16 bits
		return n%2 == 0
	case 0x04, 0x05: // 32
		return n%4 == 0
	case 0x06, fieldServices128:
		return n%16 == 0
	case 0x16: // service data, 16
		return n >= 2
	case 0x20: // 32
		return n >= 4
	case fieldData128:
		return n >= 16
	}
	return true
}
