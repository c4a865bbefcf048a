package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/syncer/backend"
)

// believe asks everybody about a payment.
func (s *stage) believe(ctx context.Context, sale *sale, admin backend.Admin) (belief, error) {
	b := belief{sale: sale, payers: map[string]*paymentv1.Payment{}}
	for _, p := range s.parties() {
		all, err := p.payments(ctx)
		if err != nil {
			return b, fmt.Errorf("%s lists payments: %w", p.name, err)
		}
		for _, one := range all {
			switch {
			case one.GetPaymentId() != sale.id:
			case p == sale.at:
				b.till = one
			case p.isTill():
			case b.payers[p.key] == nil:
				b.payers[p.key] = one
			}
		}
	}
	var err error
	b.backend, err = outcomes(ctx, sale.id, admin)
	return b, err
}

// outcomes are the backend's words on a payment's requests.
func outcomes(ctx context.Context, payment string, admin backend.Admin) (string, error) {
	id, err := preauth.ParseID(payment)
	if err != nil {
		return "", err
	}
	p, err := admin.Payment(ctx, id)
	if errors.Is(err, backend.ErrNotFound) {
		return "-", nil
	}
	var words []string
	for _, r := range p.Requests {
		word := r.State
		if r.Paid > 0 {
			word += " " + money.Format(r.Paid, r.Currency)
		}
		words = append(words, word)
	}
	slices.Sort(words) // requests that arrived in one batch have no order
	return strings.Join(words, ", "), err
}

// accounts joins what customers' devices say of each pre-authorization with
// the ledger.
func (s *stage) accounts(l ledger, beliefs []belief) []account {
	var all []account
	for _, p := range s.customers() {
		if p.forgot {
			continue
		}
		for n, h := range p.allHolds() {
			a := account{label: fmt.Sprintf("%s-preauth-%d", p.key, n+1), currency: h.GetCurrency(), reserve: l.holds[h.GetPreAuthorizationId()]}
			s.check(errors.Join(a.read(h), a.addRejected(h.GetPreAuthorizationId(), beliefs, p.key)), "%s", a.label)
			all = append(all, a)
		}
	}
	return all
}

// read takes the device's amounts.
func (a *account) read(h *customerv1.PreAuthorization) error {
	var errs []error
	for _, f := range []struct {
		text string
		to   *int64
	}{{h.GetLimit(), &a.limit}, {h.GetSpent(), &a.spent}, {h.GetHeld(), &a.held}, {h.GetRemaining(), &a.free}} {
		m, err := money.Parse(f.text, h.GetCurrency())
		*f.to = m.Minor
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// addRejected adds up the customer's rejected payments from the
// pre-authorization.
func (a *account) addRejected(id string, beliefs []belief, customer string) error {
	for _, b := range beliefs {
		p := b.payers[customer]
		if p.GetPreAuthorizationId() != id || p.GetState() != paymentv1.PaymentState_PAYMENT_STATE_REJECTED {
			continue
		}
		m, err := money.Parse(p.GetTotal(), p.GetCurrency())
		if err != nil {
			return err
		}
		a.rejected += m.Minor
	}
	return nil
}

// asked is the amount with its tip.
func asked(b belief) string {
	if tip := b.till.GetTip(); strings.Trim(tip, "0.") != "" {
		return b.till.GetAmount() + "+" + tip + " " + b.till.GetCurrency()
	}
	return b.sale.amount
}

// show is a payment's state in the table.
func show(p *paymentv1.Payment) string {
	if p == nil {
		return "-"
	}
	return stateName(p.GetState())
}
