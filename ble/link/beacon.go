package link

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
)

// BeaconLen is the length of the service data in an advertisement. With the
// flags and the 128-bit UUID it fills the 31 bytes of a legacy advertisement.
const BeaconLen = 10

// DefaultBaseHandle is the handle of the service declaration behind go-ble's
// own services.
const DefaultBaseHandle = 16

// errBeacon says that service data is not that of a Beacon.
var errBeacon = errors.New("not a beacon")

// Flags of a Beacon.
const (
	resume   = 1 // EID is recognised by the till of an unfinished payment
	targeted = 2 // EID is recognised by the till whose tag was read
	critical = 8 // a later version's: who does not know it cannot deal with the device
)

// EID is a customer's identifier of the moment, rotated with its address.
type EID [6]byte

// Beacon is the content of an advertisement:
//
//	[ver:4|flags:4] [eid:6] [base_handle:2, little-endian] [txpower:1]
type Beacon struct {
	// Version is the highest protocol version that the device speaks, 1..15.
	Version uint8

	// Resume says that the device has an unfinished payment and that EID was
	// made by ResumeEID.
	Resume bool

	// Targeted says that the customer read a tag at one till and wants no
	// other: EID was made by ResumeEID with the tag's id as key.
	Targeted bool

	// Critical says that a device that knows no more flags than these cannot
	// deal with the customer: a later version will say what else there is.
	Critical bool

	// EID tells two devices apart, and nothing else.
	EID EID

	// BaseHandle is the attribute handle of the service declaration.
	BaseHandle uint16

	// TxPower is the transmit power in dBm.
	TxPower int8
}

// Encode returns the 10 bytes of b.
func (b Beacon) Encode() []byte {
	out := make([]byte, BeaconLen)
	out[0] = b.Version << 4
	if b.Resume {
		out[0] |= resume
	}
	if b.Targeted {
		out[0] |= targeted
	}
	if b.Critical {
		out[0] |= critical
	}
	copy(out[1:7], b.EID[:])
	binary.LittleEndian.PutUint16(out[7:9], b.BaseHandle)
	out[9] = byte(b.TxPower)
	return out
}

// DecodeBeacon returns the Beacon in an advertisement's service data, or
// an error if there is none. The one flag it neither knows nor takes for
// critical is ignored: it may come with a later version, and the handshake
// carries the bytes themselves.
func DecodeBeacon(data []byte) (Beacon, error) {
	if len(data) != BeaconLen {
		return Beacon{}, fmt.Errorf("%d bytes of service data: %w", len(data), errBeacon)
	}
	b := Beacon{
		Version:    data[0] >> 4,
		Resume:     data[0]&resume != 0,
		Targeted:   data[0]&targeted != 0,
		Critical:   data[0]&critical != 0,
		EID:        EID(data[1:7]),
		BaseHandle: binary.LittleEndian.Uint16(data[7:9]),
		TxPower:    int8(data[9]),
	}
	if b.Version == 0 {
		return Beacon{}, fmt.Errorf("version 0: %w", errBeacon)
	}
	return b, nil
}

// ResumeEID returns the EID by which the till that holds key recognises the
// device; r is random and fresh for each rotation.
func ResumeEID(key [16]byte, r [3]byte) EID {
	mac := hmac.New(sha256.New, key[:])
	mac.Write([]byte("vbp-adv"))
	mac.Write(r[:])
	var eid EID
	copy(eid[:3], r[:])
	copy(eid[3:], mac.Sum(nil))
	return eid
}

// MatchesResume reports whether eid was made with key. A stranger's EID
// matches by chance once in 2^24.
func MatchesResume(key [16]byte, eid EID) bool {
	want := ResumeEID(key, [3]byte(eid[:3]))
	return hmac.Equal(want[:], eid[:])
}
