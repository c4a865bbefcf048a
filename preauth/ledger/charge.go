package ledger

import (
	"fmt"
	"time"
)

// A Charge is a payment straight from an instrument, decided while the
// customer waits. It has no hold, so nothing of it is ever left over.
type Charge struct {
	Claim
	Instrument [16]byte
	Currency   string
	Received   time.Time
}

// Take pays c in full out of an instrument whose balance is free.
//
// The error wraps ErrAmount or ErrInsufficient.
func (c Charge) Take(free int64) (Charge, Transfer, error) {
	if err := covers(c.Total, free, c.Currency); err != nil {
		return c, Transfer{}, fmt.Errorf("charge: %w", err)
	}
	c.Paid, c.Outcome = c.Total, Settled
	return c, Transfer{
		Reason: ChargeNow, From: Account{Kind: Instrument, ID: c.Instrument}, To: business(&c.Claim),
		Amount: c.Total, Currency: c.Currency, Request: c.Request,
	}, nil
}

// Undo applies a valid Cancel. A paid charge returns to its instrument; one
// taken more than Grace ago is disputed instead, and nothing is changed.
func (c Charge) Undo(now time.Time) (undone Charge, back []Transfer, disputed bool) {
	if c.Outcome == Settled {
		if now.After(c.Received.Add(Grace)) {
			return c, nil, true
		}
		back = []Transfer{{
			Reason: Reverse, From: business(&c.Claim), To: Account{Kind: Instrument, ID: c.Instrument},
			Amount: c.Paid, Currency: c.Currency, Request: c.Request,
		}}
	}
	c.Paid, c.Outcome, c.Reason = 0, Cancelled, ""
	return c, back, false
}
