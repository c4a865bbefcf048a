package hci

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/rand"
	"fmt"
	"slices"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux/hci/cmd"

	"github.com/vipaso/vipasod/ble/link"
)

// Types of fields in an advertisement.
const (
	fieldFlags       = 0x01
	fieldServices128 = 0x07
	fieldData128     = 0x21
)

// discoverableLE is the value of fieldFlags: general discoverable, no BR/EDR.
const discoverableLE = 0x06

// advInterval is how often we advertise, in units of 625 µs: 100 ms.
const advInterval = 160

// shown is what the controller advertises at the moment.
type shown struct {
	on      bool
	data    []byte // service data; set before the first time
	address string // random address that goes with it
}

// Advertise implements link.Radio.
func (r *Radio) Advertise(ctx context.Context, a link.Advertisement) error {
	if len(a.ReadValue) > link.ReadValueMax || a.On && len(a.ServiceData) > link.BeaconLen {
		return fmt.Errorf("service data of %d bytes, read value of %d: %w", len(a.ServiceData), len(a.ReadValue), link.ErrTooLong)
	}
	if err := r.usable(ctx); err != nil {
		return err
	}
	a.ServiceData, a.ReadValue = bytes.Clone(a.ServiceData), bytes.Clone(a.ReadValue)
	r.mu.Lock()
	r.adv = a
	r.mu.Unlock()
	return r.show()
}

// readValue is what the read characteristic shows.
func (r *Radio) readValue() []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.adv.ReadValue
}

// show makes the controller advertise what is wished, unless a central is
// connected. The address changes with the service data, and never in between.
//
// Go-ble is not told that we advertise: it would switch advertising off and on
// by itself, from two goroutines in any order.
func (r *Radio) show() error {
	r.air.Lock()
	defer r.air.Unlock()
	r.mu.Lock()
	want, is, taken, before := r.adv, r.shown, r.taken(), r.centrals
	r.mu.Unlock()
	on := want.On && !taken
	if !r.hushed && on == is.on && (!on || bytes.Equal(want.ServiceData, is.data)) {
		return r.Err()
	}
	if is.on || r.hushed {
		if err := r.hush(); err != nil {
			return err
		}
		is.on = false
	}
	err := error(nil)
	if on {
		err = r.start(&is, want.ServiceData)
	}
	r.mu.Lock()
	came := is.on && r.centrals != before
	is.on = is.on && !came
	r.shown = is
	r.mu.Unlock()
	if came { // before the controller was told, which then goes on, or after, when it has stopped
		return r.hush()
	}
	was := r.hushed
	if r.hushed = refusedBy(err); r.hushed {
		if !was {
			r.log.Warn("advertising refused", "err", err)
		}
		return &link.AdapterError{Reason: reasonDown, Detail: err.Error()}
	}
	return err
}

// hush stops advertising, if there was any. The caller holds air.
func (r *Radio) hush() error {
	if err := r.send(&cmd.LESetAdvertiseEnable{}, nil); err != nil && !refusedBy(err) {
		return err
	}
	return nil
}

// start advertises data. The caller holds air.
func (r *Radio) start(is *shown, data []byte) error {
	if is.data == nil || !bytes.Equal(data, is.data) {
		is.data = nil // until the controller has all of it
		if err := r.rotate(is); err != nil {
			return err
		}
		if err := r.describe(data); err != nil {
			return err
		}
		is.data = data
	}
	err := r.send(&cmd.LESetAdvertiseEnable{AdvertisingEnable: 1}, nil)
	is.on = err == nil
	return err
}

// taken reports whether a central is connected. The caller holds mu.
func (r *Radio) taken() bool {
	for g := range r.guards {
		if g.role == peripheral {
			return true
		}
	}
	return false
}

// rotate takes a new random address. A controller refuses it while it scans.
func (r *Radio) rotate(is *shown) error {
	address, err := resolvable()
	if err != nil {
		return err
	}
	r.mu.Lock()
	scans := r.scanning
	r.mu.Unlock()
	if scans {
		if err := r.send(&cmd.LESetScanEnable{}, nil); err != nil && !refusedBy(err) {
			return err
		}
		defer r.send(&cmd.LESetScanEnable{LEScanEnable: 1}, nil)
	}
	if err := r.send(&cmd.LESetRandomAddress{RandomAddress: address}, nil); err != nil {
		return err
	}
	is.address = fmt.Sprintf("%02X:%02X:%02X:%02X:%02X:%02X", address[5], address[4], address[3], address[2], address[1], address[0])
	return nil
}

// describe sets parameters and data of the advertisement.
func (r *Radio) describe(data []byte) error {
	parameters := cmd.LESetAdvertisingParameters{
		AdvertisingIntervalMin: advInterval, AdvertisingIntervalMax: advInterval, OwnAddressType: 1, AdvertisingChannelMap: 7,
	}
	if err := r.send(&parameters, nil); err != nil {
		return err
	}
	adv := advertisement(r.names.service, data)
	c := cmd.LESetAdvertisingData{AdvertisingDataLength: uint8(len(adv))}
	copy(c.AdvertisingData[:], adv)
	if err := r.send(&c, nil); err != nil {
		return err
	}
	answer := scanResponse(r.names.service)
	s := cmd.LESetScanResponseData{ScanResponseDataLength: uint8(len(answer))}
	copy(s.ScanResponseData[:], answer)
	return r.send(&s, nil)
}

// advertisement returns the 31 bytes of an advertisement.
func advertisement(service ble.UUID, data []byte) []byte {
	return slices.Concat(
		[]byte{2, fieldFlags, discoverableLE},
		[]byte{byte(1 + len(service) + len(data)), fieldData128}, service, data,
	)
}

// scanResponse names the service, for centrals that filter by it.
func scanResponse(service ble.UUID) []byte {
	return slices.Concat([]byte{byte(1 + len(service)), fieldServices128}, service)
}

// resolvable returns a fresh resolvable private address, the lowest byte
// first, made with a key that nobody keeps.
func resolvable() (a [6]byte, err error) {
	var key, block [16]byte
	rand.Read(key[:])
	rand.Read(a[3:])
	a[5] = a[5]&0x3f | 0x40
	cipher, err := aes.NewCipher(key[:])
	if err != nil {
		return a, err
	}
	block[13], block[14], block[15] = a[5], a[4], a[3]
	cipher.Encrypt(block[:], block[:])
	a[0], a[1], a[2] = block[15], block[14], block[13]
	return a, nil
}
