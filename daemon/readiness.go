package daemon

import (
	"context"
	"fmt"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/store"
)

// checkReadiness says whether a payment could be made with no network, of a
// given amount or of any, and if not every reason with its next step.
func (d *Device) checkReadiness(ctx context.Context, req *paymentv1.CheckReadinessRequest) (*paymentv1.CheckReadinessResponse, error) {
	amount, err := readinessAmount(req)
	if err != nil {
		return nil, err
	}
	found, err := d.obstacles(ctx, amount)
	if err != nil {
		return nil, err
	}
	resp := &paymentv1.CheckReadinessResponse{Ready: len(found) == 0}
	for _, err := range found {
		resp.Problems = append(resp.Problems, problemOf(err))
	}
	return resp, nil
}

// readinessAmount reads what is to be paid: an amount, anything in a currency,
// or anything at all.
func readinessAmount(req *paymentv1.CheckReadinessRequest) (money.Amount, error) {
	a := money.Amount{Currency: req.GetCurrency()}
	switch {
	case req.GetAmount() != "":
		return amountIn(req.GetAmount(), req.GetCurrency())
	case a.Currency != "":
		_, err := money.Digits(a.Currency)
		return a, inField("currency", err)
	}
	return a, nil
}

// problemOf explains a reason why a device is not ready.
func problemOf(err error) *paymentv1.ReadinessProblem {
	reason, _ := reasonOf(err)
	p := &paymentv1.ReadinessProblem{Reason: reason, Detail: err.Error()}
	if e, ok := catalogue.Lookup(reason); ok {
		p.Detail, p.NextStep = message(e, err), e.Next
	}
	return p
}

// obstacles returns everything that keeps the device from an offline payment
// of an amount; a zero amount is any.
func (d *Device) obstacles(ctx context.Context, amount money.Amount) ([]error, error) {
	var found []error
	note := func(err error) {
		if err != nil {
			found = append(found, err)
		}
	}
	note(d.radioUsable())
	stats, err := d.store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	note(storeUsable(stats))
	note(d.clockPlausible())
	who, err := d.enrolled()
	note(err)
	if err != nil {
		return found, nil // nothing else can be judged
	}
	note(who.disowned())
	e, err := d.exposure(ctx, who)
	if err != nil {
		return nil, err
	}
	if d.business() { // a customer device judges nobody by the age of its bundle
		note(who.trust.CheckAge(e.Limits, d.now()))
	}
	found = append(found, overLimits(e, amount)...)
	if d.business() {
		return found, nil
	}
	auths, err := d.spendable(ctx, who)
	if err != nil {
		return nil, err
	}
	note(covered(auths, amount, d.now()))
	return found, nil
}

// radioUsable says why the radio cannot be used, if so.
func (d *Device) radioUsable() error {
	if d.opt.Radio == nil {
		return d.noRadio()
	}
	if s := d.opt.Radio.Status(); !s.Up {
		return &link.AdapterError{Reason: s.Reason, Detail: s.Detail}
	}
	return nil
}

// noRadio says why there is no radio.
func (d *Device) noRadio() error {
	return fmt.Errorf("%w: %w", errNoRadio, &link.AdapterError{Reason: firstOf(d.opt.RadioReason, catalogue.AdapterNotConfigured)})
}

// storeUsable says why the store takes no writes, if so.
func storeUsable(s store.Stats) error {
	if s.Writable {
		return nil
	}
	for _, row := range errorTable {
		if row.reason == s.Reason {
			return row.err
		}
	}
	return fmt.Errorf("%s: %w", s.Reason, store.ErrReadOnly)
}

// clockPlausible says whether the wall clock contradicts the backend.
func (d *Device) clockPlausible() error {
	if !d.clock.Regressed() {
		return nil
	}
	return fmt.Errorf("it is at least %s: %w", d.clock.Floor().UTC().Format(time.RFC3339), errClock)
}

// spendable returns what the device may draw on, as the tills will see it.
func (d *Device) spendable(ctx context.Context, who *self) ([]preauth.Authorization, error) {
	rows, err := d.store.Authorizations(ctx)
	if err != nil {
		return nil, err
	}
	all := make([]preauth.Authorization, len(rows))
	for i, row := range rows {
		all[i] = row.Authorization
	}
	return preauth.Spendable(all, who.trust, d.opt.Keys.Public(), d.now()), nil
}

// covered says why no pre-authorization covers an amount; of several reasons
// the one that is closest to a payment.
func covered(auths []preauth.Authorization, amount money.Amount, now time.Time) error {
	best := fmt.Errorf("%s: %w", firstOf(amount.Currency, "any currency"), preauth.ErrNotAvailable)
	rank := 0
	for _, a := range auths {
		if amount.Currency != "" && a.Cert.Body.Currency != amount.Currency || len(a.Cert.Body.BoundTo) > 0 {
			continue
		}
		r, err := a.Covers(max(1, amount.Minor), now)
		if err == nil {
			return nil
		}
		if r > rank {
			rank, best = r, err
		}
	}
	return best
}
