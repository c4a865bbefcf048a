package preauth

import (
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// Reasons why an emergency cannot be declared.
var (
	// ErrEmergencyNotSigned: the certificate knows no emergency.
	ErrEmergencyNotSigned = refusal("EMERGENCY_NOT_SIGNED", "the backend has signed no emergency limits")
	// ErrEmergencyUsed: it has lasted as long as it may before the backend
	// hears of it.
	ErrEmergencyUsed = refusal("EMERGENCY_USED", "the emergency has lasted as long as it may")
)

// AllowanceKind is what people can allow beyond a rule. Stored by name.
type AllowanceKind string

// The kinds.
const (
	AllowStaleBundle AllowanceKind = "STALE_BUNDLE" // a trust bundle up to BundleOldest
	AllowOwnLimits   AllowanceKind = "OWN_LIMITS"   // above the device's own limits, up to the signed ones
	AllowEmergency   AllowanceKind = "EMERGENCY"    // the signed emergency limits
)

// Allowance is what a person has allowed on a device for a while. It ends with
// trusted time and, so that a clock that is set back does not make it longer,
// also when the floor has moved on by as much, or was lowered.
type Allowance struct {
	Kind         AllowanceKind
	Since, Until time.Time // trusted time
	Floor        time.Time // of trusted time, at Since
	Told         bool      // the backend knows of it as it is
}

// floorLowered is by how much an answer of the backend lowers the floor if it
// is more than answers that cross.
const floorLowered = 5 * time.Minute

// Ended reports whether its time is over at now, trusted time with that floor.
// It is over, too, if the floor was lowered since: no time that is measured
// from its beginning means anything then.
func (a Allowance) Ended(now, floor time.Time) bool {
	return a.passed(now, floor) >= a.Until.Sub(a.Since) || floor.Before(a.Floor.Add(-floorLowered))
}

// passed is how long ago it began.
func (a Allowance) passed(now, floor time.Time) time.Duration {
	return max(now.Sub(a.Since), floor.Sub(a.Floor))
}

// InForce reports whether a counts at now for the device with that
// certificate. An emergency ends with what the present certificate says.
func (a Allowance) InForce(cert *peerv1.DeviceCert, now, floor time.Time) bool {
	return !a.Ended(now, floor) && (a.Kind != AllowEmergency || a.passed(now, floor) < emergencyMax(cert))
}

// Emergency returns an emergency from now on, trusted time with that floor,
// for as long as is asked, or else as the certificate allows. before are the
// earlier ones, heard is when the backend last answered: from the first on
// that is not over for the backend they all last no longer than one may.
// The error wraps ErrEmergencyNotSigned or ErrEmergencyUsed.
func Emergency(cert *peerv1.DeviceCert, before []Allowance, now, floor, heard time.Time, asked time.Duration) (Allowance, error) {
	left := emergencyMax(cert)
	if left == 0 {
		return Allowance{}, ErrEmergencyNotSigned
	}
	for _, a := range before {
		if a.Kind == AllowEmergency && !a.overFor(heard) {
			left = min(left, emergencyMax(cert)-a.passed(now, floor))
		}
	}
	if left <= 0 {
		return Allowance{}, ErrEmergencyUsed
	}
	return Allow(AllowEmergency, now, floor, min(asked, left)), nil
}

// overFor reports whether the backend, which last answered at heard, knows of
// it and that it is over. To be told while it is open is not enough: without
// another answer a second one could follow on it. An answer sets trusted time,
// so that it also settles what the clock said when it began.
func (a Allowance) overFor(heard time.Time) bool {
	return a.Told && a.Ended(heard, heard)
}

// Allow returns an allowance for a while from now on, trusted time with that
// floor.
func Allow(kind AllowanceKind, now, floor time.Time, during time.Duration) Allowance {
	return Allowance{Kind: kind, Since: now, Until: now.Add(during), Floor: floor}
}

// emergencyMax is the longest emergency of a certificate; 0 if it has none, or
// nothing that would be allowed then.
func emergencyMax(cert *peerv1.DeviceCert) time.Duration {
	for _, c := range cert.GetCaps() {
		if c.EmergencyPaymentMax > 0 || c.EmergencyTotalMax > 0 {
			return time.Duration(cert.EmergencyMaxMs) * time.Millisecond
		}
	}
	return 0
}
