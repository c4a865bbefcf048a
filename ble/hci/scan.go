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
	if refusedBy(err) {
		r.log.Warn("scan refused", "on", on, "err", err)
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
			r.note("advertisement")
		}
	}()
	raw, ok := a.(*hci.Advertisement)
	if !ok || !raw.Connectable() {
		return
	}
	data, ok := serviceData(raw.Data(), r.names.service)
	if !ok {
		return
	}
	beacon, err := link.DecodeBeacon(data)
	if err != nil {
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

// serviceData returns the data of a 128-bit service in an advertisement, which
// may be anything.
func serviceData(adv []byte, service ble.UUID) ([]byte, bool) {
	for len(adv) > 1 {
		n := int(adv[0])
		if n == 0 || n >= len(adv) {
			return nil, false
		}
		field := adv[1 : 1+n]
		if field[0] == fieldData128 && len(field) > len(service) && bytes.Equal(field[1:1+len(service)], service) {
			return field[1+len(service):], true
		}
		adv = adv[1+n:]
	}
	return nil, false
}
