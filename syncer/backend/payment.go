package backend

import (
	"context"
	"fmt"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// Received is the state of a request about which nothing has been decided.
const Received = "RECEIVED"

// A Payment is everything the books know under one payment id.
type Payment struct {
	ID       preauth.ID
	Requests []PaymentRequest // oldest first
}

// A PaymentRequest is one Request of a payment and what became of it.
type PaymentRequest struct {
	Hash     preauth.Hash
	Till     preauth.ID
	Business string // its name
	Currency string
	Total    int64 // amount plus tip of its voucher or charge, or what was asked for
	Paid     int64 // what the business got
	State    string
	Reason   string    // of a rejection
	Decided  time.Time // of the newest verdict, zero if there is none
}

// Payment returns what is known of a payment. A payment that a till has
// registered and not handed in yet has no requests.
//
// The error wraps ErrNotFound.
func (a Admin) Payment(ctx context.Context, id preauth.ID) (Payment, error) {
	p := Payment{ID: id}
	err := a.Store.Read(ctx, func(t Tx) error {
		all, err := t.requestsOf(id)
		if err != nil {
			return err
		}
		for _, r := range all {
			line, err := t.paymentRequest(r)
			if err != nil {
				return err
			}
			p.Requests = append(p.Requests, line)
		}
		if len(all) > 0 {
			return nil
		}
		if ok, err := t.registered(id); err != nil || ok {
			return err
		}
		return fmt.Errorf("payment %s: %w", id, ErrNotFound)
	})
	return p, err
}

func (t Tx) paymentRequest(r request) (PaymentRequest, error) {
	b, _, err := t.business(r.business)
	if err != nil {
		return PaymentRequest{}, err
	}
	line := PaymentRequest{
		Hash: r.hash, Till: r.till, Business: b.Name, Currency: r.currency, Total: r.total, State: Received,
	}
	v, ok, err := t.verdict(r.verdict)
	if ok {
		line.State, line.Reason, line.Paid, line.Decided = string(v.outcome), v.reason, v.paid+v.guaranteed, v.at
	}
	return line, err
}
