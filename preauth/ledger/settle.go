package ledger

import (
	"fmt"
	"slices"
	"time"
)

// A Result is what an operation on a hold did: the hold afterwards, the
// transfers to append, and each claim that stands otherwise than before and
// so needs a new verdict, in order of arrival.
type Result struct {
	Hold      Hold
	Transfers []Transfer
	Changed   []Claim

	// Disputed says that a Cancel came too late to reverse a paid claim by
	// itself. No claim was changed.
	Disputed bool
}

// Claim decides a voucher that arrived now and has not been claimed before.
// c.Outcome is Cancelled if a valid Cancel of its request is known already,
// Rejected with a reason if the caller refuses it for what the till could
// have checked, and zero otherwise.
//
// Vouchers are paid in order of arrival: from the hold, then from what is
// left of the guarantee for that till, and the remainder is not paid. What
// arrives after settle_by is too late. The Cancels that the voucher itself
// carries must have been applied before.
//
// The error wraps ErrAmount or ErrClaimed.
func (h Hold) Claim(c Claim, now time.Time) (Result, error) {
	if c.Total <= 0 {
		return Result{}, fmt.Errorf("claim of %d %s: %w", c.Total, h.Currency, ErrAmount)
	}
	if h.find(c.Request) >= 0 {
		return Result{}, fmt.Errorf("claim %x: %w", c.Request[:4], ErrClaimed)
	}
	b := newBooks(h)
	b.closeAfter(now)
	c.Paid, c.Guaranteed = 0, 0
	b.hold.Claims = append(b.hold.Claims, c)
	at := &b.hold.Claims[len(b.hold.Claims)-1]
	switch {
	case c.Outcome == Cancelled:
		at.Reason = ""
	case b.hold.Closed:
		at.Outcome, at.Reason = Rejected, TooLate
	case c.Outcome == Rejected:
	default:
		at.Outcome, at.Reason = Rejected, Exhausted
		b.capture(at)
		b.guarantee(at)
	}
	return b.result(), nil
}

// Cancel applies a valid Cancel of one request. It dominates in either
// order: a claim that was paid is reversed, and its outcome is Cancelled
// whatever it was. What the reversal frees pays unpaid remainders in order
// of arrival, then repays the issuer; the rest is held again, or returns to
// the customer if the hold is closed. A Cancel of the request a hold is
// bound to closes the hold, claimed or not.
//
// A paid claim whose settle_by is more than Grace ago is not reversed but
// disputed.
func (h Hold) Cancel(request [32]byte, now time.Time) Result {
	b := newBooks(h)
	b.closeAfter(now)
	i := h.find(request)
	if i >= 0 && h.Claims[i].Outcome == Settled && now.After(h.SettleBy.Add(Grace)) {
		r := b.result()
		r.Disputed = true
		return r
	}
	if i >= 0 {
		b.reverse(&b.hold.Claims[i])
		b.spread()
	}
	if h.BoundTo == request && request != ([32]byte{}) {
		b.hold.Closed = true
	}
	b.settleRest()
	return b.result()
}

// Close releases what is held if settle_by has passed, and changes nothing
// before.
func (h Hold) Close(now time.Time) Result {
	b := newBooks(h)
	b.closeAfter(now)
	return b.result()
}

// books are the hold while one operation is at work on it.
type books struct {
	before    []Claim
	hold      Hold
	transfers []Transfer
}

func newBooks(h Hold) *books {
	before := h.Claims
	h.Claims = slices.Clone(h.Claims)
	return &books{before: before, hold: h}
}

func (b *books) result() Result {
	r := Result{Hold: b.hold, Transfers: b.transfers}
	for i, c := range b.hold.Claims {
		if i >= len(b.before) || b.before[i] != c {
			r.Changed = append(r.Changed, c)
		}
	}
	return r
}

// move appends a transfer, unless there is nothing to move.
func (b *books) move(reason Reason, from, to Account, amount int64, request [32]byte) {
	if amount > 0 {
		b.transfers = append(b.transfers, Transfer{
			Reason: reason, From: from, To: to,
			Amount: amount, Currency: b.hold.Currency, Request: request,
		})
	}
}

// capture pays what is unpaid of c from the hold.
func (b *books) capture(c *Claim) {
	pay := min(c.Shortfall(), b.hold.Held())
	b.move(Capture, b.hold.held(), business(c), pay, c.Request)
	c.Paid += pay
	c.settle()
}

// guarantee pays what is unpaid of c from what is left for its till.
func (b *books) guarantee(c *Claim) {
	pay := min(c.Shortfall(), b.hold.Guarantee-b.hold.GuaranteeUsed(c.Till))
	b.move(Guarantee, Account{Kind: Issuer}, business(c), pay, c.Request)
	c.Guaranteed += max(pay, 0)
	c.settle()
}

// repay gives the issuer back what it paid for c, from the hold.
func (b *books) repay(c *Claim) {
	back := min(c.Guaranteed, b.hold.Held())
	b.move(Repay, b.hold.held(), Account{Kind: Issuer}, back, c.Request)
	c.Guaranteed -= back
	c.Paid += back
}

// reverse takes everything back that c was paid.
func (b *books) reverse(c *Claim) {
	b.move(Reverse, business(c), b.hold.held(), c.Paid, c.Request)
	b.move(Reverse, business(c), Account{Kind: Issuer}, c.Guaranteed, c.Request)
	c.Paid, c.Guaranteed = 0, 0
	c.Outcome, c.Reason = Cancelled, ""
}

// spread gives what a reversal freed to those who are still owed. Remainders
// come first, all of them, because they are a till's loss; only then is the
// issuer repaid. A guarantee that the reversal freed serves the same till's
// other vouchers, so that the order of arrival does not decide whether a
// till gets what it was promised.
func (b *books) spread() {
	for i := range b.hold.Claims {
		if c := &b.hold.Claims[i]; c.owed() > 0 {
			b.capture(c)
		}
	}
	for i := range b.hold.Claims {
		if c := &b.hold.Claims[i]; c.owed() > 0 {
			b.guarantee(c)
		}
	}
	for i := range b.hold.Claims {
		b.repay(&b.hold.Claims[i])
	}
}

func (b *books) closeAfter(now time.Time) {
	if now.After(b.hold.SettleBy) {
		b.hold.Closed = true
	}
	b.settleRest()
}

// settleRest returns what is held to the customer once the hold is closed.
func (b *books) settleRest() {
	if !b.hold.Closed {
		return
	}
	rest := b.hold.Held()
	b.move(Release, b.hold.held(), b.hold.instrument(), rest, [32]byte{})
	b.hold.Released += rest
}

func (c *Claim) settle() {
	if c.Settled() > 0 {
		c.Outcome, c.Reason = Settled, ""
	}
}

func business(c *Claim) Account { return Account{Kind: Business, ID: c.Business} }
