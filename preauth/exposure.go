package preauth

import (
	"fmt"
	"time"

	"github.com/vipaso/vipasod/preauth/money"
)

// Reasons why a device neither pays nor is paid without a network.
var (
	// ErrLimitOffline: the backend has not answered for too long.
	ErrLimitOffline = refusal("LIMIT_OFFLINE_TIME", "too long without the backend")
	// ErrLimitPayment: above the device's bound for one payment, or above that
	// of the certificate.
	ErrLimitPayment = refusal("LIMIT_PAYMENT", "above the limit for one offline payment")
	// ErrLimitTotal: above the device's bound for all unsettled payments.
	ErrLimitTotal = refusal("LIMIT_TOTAL", "above the limit for all unsettled payments")
	// ErrLimitCount: too many unsettled payments.
	ErrLimitCount = refusal("LIMIT_COUNT", "too many unsettled payments")
	// ErrLimitCounterparty: above the bound for all unsettled payments with
	// one device of the other side.
	ErrLimitCounterparty = refusal("LIMIT_COUNTERPARTY", "above the limit for all unsettled payments with one device")
	// ErrLimitVelocity: too many offline payments with one device of the other
	// side in a short time.
	ErrLimitVelocity = refusal("LIMIT_VELOCITY", "too many offline payments with one device")
)

// Exposure is what a device has out unsettled, and how much it may have.
type Exposure struct {
	Limits  Limits
	Totals  map[string]int64 // unsettled sums by currency
	Count   int64            // unsettled payments
	Offline time.Duration    // since the backend last answered
	With    Dealings         // with whom the payment would be
}

// Dealings is the part of an exposure with one device of the other side. The
// zero value is a device that there was nothing with.
type Dealings struct {
	Totals map[string]int64 // unsettled sums by currency
	// Lately returns how many offline payments there were in a time up to now.
	Lately func(within time.Duration) int64
}

// Check refuses a further payment of total that would break a limit. The
// error wraps ErrLimitOffline, ErrLimitPayment, ErrLimitTotal, ErrLimitCount,
// ErrLimitCounterparty or ErrLimitVelocity.
func (e Exposure) Check(currency string, total int64) error {
	for _, err := range e.Obstacles(currency, total) {
		return err
	}
	return nil
}

// Obstacles returns every limit that a further payment of total would break,
// in the order in which Check looks for them.
func (e Exposure) Obstacles(currency string, total int64) []error {
	var found []error
	if most := e.Limits.OfflineMax; most > 0 && e.Offline > most {
		found = append(found, fmt.Errorf("%s, at most %s: %w", e.Offline.Truncate(time.Minute), most, ErrLimitOffline))
	}
	found = append(found, e.sums(currency, total)...)
	if e.With.Lately == nil {
		return found
	}
	for _, v := range e.Limits.Velocities {
		if n := e.With.Lately(v.Within); n >= v.Max {
			found = append(found, fmt.Errorf("%d in %s, at most %d: %w", n, v.Within, v.Max, ErrLimitVelocity))
		}
	}
	return found
}

// sums returns the limits of amounts and counts that total would break.
func (e Exposure) sums(currency string, total int64) []error {
	l := e.Limits.Currencies[currency]
	text := func(minor int64) string { return money.Format(minor, currency) }
	var found []error
	switch {
	case total > l.PaymentMax && l.PaymentMax == 0:
		return []error{fmt.Errorf("%s %s, and nothing in %s is allowed offline: %w", text(total), currency, currency, ErrLimitPayment)}
	case total > l.PaymentMax:
		found = append(found, fmt.Errorf("%s %s, at most %s: %w", text(total), currency, text(l.PaymentMax), ErrLimitPayment))
	}
	if out := e.Totals[currency]; out+total > l.TotalMax {
		found = append(found, fmt.Errorf("%s %s on top of %s, at most %s: %w", text(total), currency, text(out), text(l.TotalMax), ErrLimitTotal))
	}
	if e.Count >= e.Limits.CountMax {
		found = append(found, fmt.Errorf("%d payments: %w", e.Count, ErrLimitCount))
	}
	if out := e.With.Totals[currency]; l.CounterpartyMax > 0 && out+total > l.CounterpartyMax {
		found = append(found, fmt.Errorf("%s %s on top of %s with this device, at most %s: %w",
			text(total), currency, text(out), text(l.CounterpartyMax), ErrLimitCounterparty))
	}
	return found
}
