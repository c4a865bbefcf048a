package preauth

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// Limit bounds offline payments in one currency, in minor units.
type Limit struct {
	PaymentMax int64 // one payment, tip included
	TotalMax   int64 // all payments not settled yet
	// CounterpartyMax is for the part of that sum with one device of the other
	// side; 0 for no bound but TotalMax.
	CounterpartyMax int64
}

// Velocity bounds how often a device pays, or is paid by, one device of the
// other side with no network. The zero value is no bound.
type Velocity struct {
	Max    int64
	Within time.Duration
}

// ErrVelocity: not a number of payments and a time.
var ErrVelocity = refusal("FIELD_INVALID", `not written as in "10/1h"`)

// ParseVelocity reads a velocity such as "10/1h", or "0" for no bound. The
// error wraps ErrVelocity.
func ParseVelocity(text string) (Velocity, error) {
	if text == "0" {
		return Velocity{}, nil
	}
	number, span, _ := strings.Cut(text, "/")
	most, err := strconv.ParseUint(number, 10, 32)
	within, errSpan := time.ParseDuration(span)
	if err != nil || errSpan != nil || most == 0 || within <= 0 || within > velocityLongest {
		return Velocity{}, fmt.Errorf("velocity %q: %w", text, ErrVelocity)
	}
	return Velocity{Max: int64(most), Within: within}, nil
}

// Limits is what bounds the offline payments of a device.
type Limits struct {
	Currencies map[string]Limit // a currency that is missing takes none
	// CountMax is the most payments not settled yet. In a device's own
	// setting, 0 leaves it as it is.
	CountMax   int64
	Velocities []Velocity // every one of them counts
	// OfflineMax is how long the device deals offline since the backend has
	// answered; 0 for as long as its trust bundle may be old.
	OfflineMax time.Duration
	// StaleBundle allows a trust bundle up to BundleOldest: all that is taken
	// by one older than BundleMaxAge is at risk.
	StaleBundle bool
}

// LimitsOf returns the limits that are in force at now, trusted time with that
// floor: those of the certificate, each lowered by the device's own setting
// and never raised by it, and beyond that what people have allowed.
func LimitsOf(cert *peerv1.DeviceCert, own Limits, allowed []Allowance, now, floor time.Time) Limits {
	in := func(kind AllowanceKind) bool {
		return slices.ContainsFunc(allowed, func(a Allowance) bool { return a.Kind == kind && a.InForce(cert, now, floor) })
	}
	l := signedLimits(cert, in(AllowEmergency))
	if !in(AllowOwnLimits) {
		l.lower(own)
	}
	l.StaleBundle = in(AllowStaleBundle)
	return l
}

// signedLimits are the limits that a certificate grants.
func signedLimits(cert *peerv1.DeviceCert, emergency bool) Limits {
	l := Limits{
		Currencies: make(map[string]Limit, len(cert.GetCaps())),
		CountMax:   int64(cert.GetStoredCountMax()), OfflineMax: time.Duration(cert.GetOfflineMaxMs()) * time.Millisecond,
	}
	for _, c := range cert.GetCaps() {
		one := Limit{PaymentMax: c.PaymentMax, TotalMax: c.TotalMax, CounterpartyMax: c.CounterpartyMax}
		if emergency { // 0 is no other than the normal one
			one.PaymentMax, one.TotalMax = max(c.PaymentMax, c.EmergencyPaymentMax), max(c.TotalMax, c.EmergencyTotalMax)
		}
		l.Currencies[c.Currency] = one
	}
	if n := cert.GetVelocityMax(); n > 0 {
		l.Velocities = []Velocity{{Max: int64(n), Within: time.Duration(cert.VelocityMs) * time.Millisecond}}
	}
	return l
}

// lower applies a device's own setting.
func (l *Limits) lower(own Limits) {
	for currency, o := range own.Currencies {
		signed, ok := l.Currencies[currency]
		if !ok {
			continue
		}
		l.Currencies[currency] = Limit{
			PaymentMax: min(signed.PaymentMax, o.PaymentMax), TotalMax: min(signed.TotalMax, o.TotalMax),
			CounterpartyMax: tighter(signed.CounterpartyMax, o.CounterpartyMax),
		}
	}
	if own.CountMax > 0 {
		l.CountMax = min(l.CountMax, own.CountMax)
	}
	l.Velocities = append(l.Velocities, own.Velocities...)
	l.OfflineMax = tighter(l.OfflineMax, own.OfflineMax)
}

// tighter is the lower of two bounds; 0 is none.
func tighter[N int64 | time.Duration](a, b N) N {
	if a == 0 || b == 0 {
		return a + b
	}
	return min(a, b)
}

// BundleMaxAge is how old the trust bundle may be.
func (l Limits) BundleMaxAge() time.Duration {
	if l.StaleBundle {
		return BundleOldest
	}
	return BundleMaxAge
}
