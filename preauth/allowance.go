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
// also when the floor has moved on by as much.
type Allowance struct {
	Kind         AllowanceKind
	Since, Until time.Time // trusted time
	Floor        time.Time // of trusted time, at Since
}

// Ended reports whether its time is over at now, trusted time with that floor.
func (a Allowance) Ended(now, floor time.Time) bool {
	return max(now.Sub(a.Since), floor.Sub(a.Floor)) >= a.Until.Sub(a.Since)
}

// InForce reports whether a counts at now for the device with that
// certificate. An emergency ends with what the present certificate says.
func (a Allowance) InForce(cert *peerv1.DeviceCert, now, floor time.Time) bool {
	return !a.Ended(now, floor) && (a.Kind != AllowEmergency || now.Sub(a.Since) < emergencyMax(cert))
}

// Emergency returns an emergency from now on, trusted time with that floor,
// for as long as is asked, or else as the certificate allows. before are those
// that the backend has not heard of: from the first of them on they last no
// longer than one may.
// The error wraps ErrEmergencyNotSigned or ErrEmergencyUsed.
func Emergency(cert *peerv1.DeviceCert, before []Allowance, now, floor time.Time, asked time.Duration) (Allowance, error) {
	left := emergencyMax(cert)
	if left == 0 {
		return Allowance{}, ErrEmergencyNotSigned
	}
	for _, a := range before {
		if a.Kind == AllowEmergency {
			left = min(left, emergencyMax(cert)-max(now.Sub(a.Since), floor.Sub(a.Floor)))
		}
	}
	if left <= 0 {
		return Allowance{}, ErrEmergencyUsed
	}
	return Allow(AllowEmergency, now, floor, min(asked, left)), nil
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
