package preauth

import (
	"fmt"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth/money"
)

// Limit bounds offline payments in one currency, in minor units.
type Limit struct {
	PaymentMax int64 // one payment, tip included
	TotalMax   int64 // all payments not settled yet
}

// Exposure is what a device has out unsettled, and how much it may have.
type Exposure struct {
	Limits   map[string]Limit // by currency; a currency that is missing takes none
	CountMax int64            // most unsettled payments
	Totals   map[string]int64 // unsettled sums by currency
	Count    int64            // unsettled payments
}

// Check refuses a further payment of total that would break a limit. The
// error wraps ErrLimitPayment, ErrLimitTotal or ErrLimitCount.
func (e Exposure) Check(currency string, total int64) error {
	l := e.Limits[currency]
	switch {
	case total > l.PaymentMax && l.PaymentMax == 0:
		return fmt.Errorf("%s %s, and nothing in %s is allowed offline: %w", money.Format(total, currency), currency, currency, ErrLimitPayment)
	case total > l.PaymentMax:
		return fmt.Errorf("%s %s, at most %s: %w", money.Format(total, currency), currency, money.Format(l.PaymentMax, currency), ErrLimitPayment)
	case e.Totals[currency]+total > l.TotalMax:
		return fmt.Errorf("%s %s on top of %s, at most %s: %w", money.Format(total, currency), currency,
			money.Format(e.Totals[currency], currency), money.Format(l.TotalMax, currency), ErrLimitTotal)
	case e.Count >= e.CountMax:
		return fmt.Errorf("%d payments: %w", e.Count, ErrLimitCount)
	}
	return nil
}

// LimitsOf returns the limits a certificate grants, each lowered by the
// device's own setting and never raised by it.
func LimitsOf(cert *peerv1.DeviceCert, own map[string]Limit) map[string]Limit {
	limits := make(map[string]Limit, len(cert.GetCaps()))
	for _, c := range cert.GetCaps() {
		l := Limit{PaymentMax: c.PaymentMax, TotalMax: c.TotalMax}
		if o, ok := own[c.Currency]; ok {
			l.PaymentMax, l.TotalMax = min(l.PaymentMax, o.PaymentMax), min(l.TotalMax, o.TotalMax)
		}
		limits[c.Currency] = l
	}
	return limits
}
