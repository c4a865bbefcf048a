package backend

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
)

// Default limits of a device, in whole units of each currency. Beside them
// nothing is bounded, and there is no emergency.
const (
	paymentMax  = 50
	totalMax    = 500
	storedCount = 100
)

// capCurrencies always have a cap; those that the operator has set and those
// of the instruments come after them.
var capCurrencies = []string{"USD", "EUR", "GBP", "KES"}

// capsMax is how many caps a certificate may name.
const capsMax = 16

// putLimits fills in what bounds a device.
func putLimits(t Tx, body *peerv1.DeviceCert) error {
	var err error
	if body.Caps, err = caps(t); err != nil {
		return err
	}
	body.StoredCountMax = storedCount
	_, err = t.one(`SELECT stored_count_max, offline_max_ms, velocity_max, velocity_ms, emergency_max_ms FROM device_limits WHERE id = 1`, nil,
		&body.StoredCountMax, &body.OfflineMaxMs, &body.VelocityMax, &body.VelocityMs, &body.EmergencyMaxMs)
	return err
}

// caps are the bounds of every currency that devices deal in.
func caps(t Tx) ([]*peerv1.Cap, error) {
	used, err := t.currencies()
	if err != nil {
		return nil, err
	}
	var all []*peerv1.Cap
	for _, currency := range slices.Concat(capCurrencies, used) {
		if len(all) == capsMax || slices.ContainsFunc(all, func(c *peerv1.Cap) bool { return c.Currency == currency }) {
			continue
		}
		c, err := capIn(t, currency)
		if err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

// capIn is the bound of one currency.
func capIn(t Tx, currency string) (*peerv1.Cap, error) {
	unit, err := unitOf(currency)
	if err != nil {
		return nil, err
	}
	c := &peerv1.Cap{Currency: currency, PaymentMax: paymentMax * unit, TotalMax: totalMax * unit}
	_, err = t.one(`SELECT payment_max, total_max, counterparty_max, emergency_payment_max, emergency_total_max FROM limits WHERE currency = ?`,
		[]any{currency}, &c.PaymentMax, &c.TotalMax, &c.CounterpartyMax, &c.EmergencyPaymentMax, &c.EmergencyTotalMax)
	return c, err
}

// unitOf is one whole unit of a currency in minor units.
func unitOf(currency string) (int64, error) {
	digits, err := money.Digits(currency)
	if err != nil {
		return 0, err
	}
	unit := int64(1)
	for range digits {
		unit *= 10
	}
	return unit, nil
}

// outdated reports whether a certificate says other limits than one that is
// signed now would.
func outdated(t Tx, cert []byte) (bool, error) {
	old, err := preauth.Open[*peerv1.DeviceCert](cert)
	if err != nil {
		return false, err
	}
	now := &peerv1.DeviceCert{}
	if err := putLimits(t, now); err != nil {
		return false, err
	}
	return !bytes.Equal(limitsIn(old.Body), limitsIn(now)), nil
}

// limitsIn is what a certificate says of limits, in a form to compare.
func limitsIn(c *peerv1.DeviceCert) []byte {
	var b []byte
	for _, in := range c.Caps {
		b = fmt.Appendln(b, in.Currency, in.PaymentMax, in.TotalMax, in.CounterpartyMax, in.EmergencyPaymentMax, in.EmergencyTotalMax)
	}
	return fmt.Appendln(b, c.StoredCountMax, c.OfflineMaxMs, c.VelocityMax, c.VelocityMs, c.EmergencyMaxMs)
}

// Limits returns what bounds every device: a certificate with nothing else in
// it.
func (a Admin) Limits(ctx context.Context) (*peerv1.DeviceCert, error) {
	all := &peerv1.DeviceCert{}
	return all, a.Store.Read(ctx, func(t Tx) error { return putLimits(t, all) })
}

// SetLimits changes what bounds every device. change gets what Limits returns,
// with a cap of the currency if there is one, and alters it; devices have it
// when they synchronize next.
//
// The error wraps money.ErrCurrency or ErrInvalid.
func (a Admin) SetLimits(ctx context.Context, currency string, change func(all *peerv1.DeviceCert, in *peerv1.Cap)) error {
	return a.Store.Write(ctx, func(t Tx) error {
		all, in := &peerv1.DeviceCert{}, &peerv1.Cap{}
		if err := putLimits(t, all); err != nil {
			return err
		}
		if currency != "" {
			var err error
			if in, err = capIn(t, currency); err != nil {
				return err
			}
		}
		change(all, in)
		if err := errors.Join(aboveTotal(in), emergencyBelow(in)); err != nil {
			return err
		}
		checked := &peerv1.DeviceCert{
			OfflineMaxMs: all.OfflineMaxMs, VelocityMax: all.VelocityMax, VelocityMs: all.VelocityMs, EmergencyMaxMs: all.EmergencyMaxMs,
		}
		if currency != "" {
			checked.Caps = []*peerv1.Cap{in}
		}
		if err := preauth.CheckLimits(checked); err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if err := t.saveLimits(all, in); err != nil {
			return err
		}
		return t.nextEpoch() // devices renew their certificates when they see another epoch
	})
}

// aboveTotal refuses a part that would be more than the whole of it, which is
// never what was meant. The error wraps ErrInvalid.
func aboveTotal(in *peerv1.Cap) error {
	whole, emergency := in.TotalMax, "total-max" // an emergency total of 0 is no other than the normal one
	if in.EmergencyTotalMax > whole {
		whole, emergency = in.EmergencyTotalMax, "emergency-total-max"
	}
	for _, one := range []struct {
		what        string
		part, whole int64
		of, raise   string
	}{
		{"payment-max", in.PaymentMax, in.TotalMax, "total-max", "total-max"},
		{"counterparty-max", in.CounterpartyMax, in.TotalMax, "total-max", "total-max"},
		{"emergency-payment-max", in.EmergencyPaymentMax, whole, emergency, "emergency-total-max"},
	} {
		if one.part > one.whole {
			return fmt.Errorf("%s would be %s %s, more than %s, which is %s: set it lower, or %s higher: %w", one.what,
				money.Format(one.part, in.Currency), in.Currency, one.of, money.Format(one.whole, in.Currency), one.raise, ErrInvalid)
		}
	}
	return nil
}

// emergencyBelow refuses an emergency that would bound more than a normal day.
// The error wraps ErrInvalid.
func emergencyBelow(in *peerv1.Cap) error {
	for _, one := range []struct {
		what              string
		emergency, normal int64
	}{{"payment-max", in.EmergencyPaymentMax, in.PaymentMax}, {"total-max", in.EmergencyTotalMax, in.TotalMax}} {
		if one.emergency > 0 && one.emergency < one.normal {
			return fmt.Errorf("emergency-%s would be %s %s, less than %s, which is %s: set it higher too, or to 0: %w", one.what,
				money.Format(one.emergency, in.Currency), in.Currency, one.what, money.Format(one.normal, in.Currency), ErrInvalid)
		}
	}
	return nil
}

// saveLimits stores what is not about amounts, and the cap unless it is empty.
func (t Tx) saveLimits(all *peerv1.DeviceCert, in *peerv1.Cap) error {
	err := t.exec(`INSERT INTO device_limits (id, stored_count_max, offline_max_ms, velocity_max, velocity_ms, emergency_max_ms)
		VALUES (1, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET stored_count_max = excluded.stored_count_max,
		offline_max_ms = excluded.offline_max_ms, velocity_max = excluded.velocity_max, velocity_ms = excluded.velocity_ms,
		emergency_max_ms = excluded.emergency_max_ms`,
		all.StoredCountMax, all.OfflineMaxMs, all.VelocityMax, all.VelocityMs, all.EmergencyMaxMs)
	if err != nil || in.Currency == "" {
		return err
	}
	return t.exec(`INSERT OR REPLACE INTO limits (currency, payment_max, total_max, counterparty_max, emergency_payment_max, emergency_total_max)
		VALUES (?, ?, ?, ?, ?, ?)`,
		in.Currency, in.PaymentMax, in.TotalMax, in.CounterpartyMax, in.EmergencyPaymentMax, in.EmergencyTotalMax)
}
