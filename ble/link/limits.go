package link

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// limitsLen is the length of an encoded Limits.
const limitsLen = 6

// errLimits says that a read value does not hold Limits.
var errLimits = errors.New("not a read value")

// Limits is what the read characteristic shows, for peers that read it before
// the handshake and for diagnosis:
//
//	version_min(1) version_max(1) features(1) window(1) message_max(2, little-endian)
//
// Later versions may append to it, up to 20 bytes.
type Limits struct {
	// VersionMin and VersionMax are the protocol versions that it speaks.
	VersionMin, VersionMax uint8

	// Features are for later versions; 0.
	Features uint8

	// Window is how many data frames it takes before it has to acknowledge.
	Window uint8

	// MessageMax is the longest message it takes, in bytes.
	MessageMax uint16
}

// Encode returns l as the value of the read characteristic.
func (l Limits) Encode() []byte {
	out := []byte{l.VersionMin, l.VersionMax, l.Features, l.Window}
	return binary.LittleEndian.AppendUint16(out, l.MessageMax)
}

// DecodeLimits returns the Limits in a read value, or an error if it holds none.
func DecodeLimits(value []byte) (Limits, error) {
	if len(value) < limitsLen || len(value) > ReadValueMax {
		return Limits{}, fmt.Errorf("%d bytes: %w", len(value), errLimits)
	}
	l := Limits{
		VersionMin: value[0], VersionMax: value[1], Features: value[2], Window: value[3],
		MessageMax: binary.LittleEndian.Uint16(value[4:6]),
	}
	if l.VersionMin == 0 || l.VersionMin > l.VersionMax {
		return Limits{}, fmt.Errorf("versions %d to %d: %w", l.VersionMin, l.VersionMax, errLimits)
	}
	return l, nil
}
