package store

import (
	"context"
	"errors"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// The columns of an attempt, in the order of attemptValues and scanAttempt:
// those that stay, and those that a step may change. An update names only
// these, since SQLite rewrites every index of a column that it names.
const (
	attemptFixed   = `request, payment, business, created_at, latest`
	attemptChanges = `state, rev, voucher, charge, cancel, receipt, notified, doubtful, settled, reason, updated_at,
		request_bytes, voucher_bytes, receipt_bytes, cancel_bytes, decline_bytes, verdict_bytes,
		amount, tip, currency, guaranteed, preauth, counter, instrument, delegated, resume_key, code, online,
		settle_by, expires_at, cancel_acked`
	attemptColumns = attemptFixed + `, ` + attemptChanges
)

func attemptValues(a *Attempt) []any {
	return []any{
		fixed(a.Request), fixed(a.Payment), fixed(a.Business), ms(a.CreatedAt), a.Latest,
		string(a.State), a.Rev, optional(a.Voucher),
		a.Charge, a.Cancel, a.Receipt, a.Notified, a.Doubtful, a.Settled, a.Reason, ms(a.UpdatedAt),
		a.RequestBytes, a.VoucherBytes, a.ReceiptBytes, a.CancelBytes, a.DeclineBytes, a.VerdictBytes,
		a.Amount, a.Tip, a.Currency, a.Guaranteed, optional(a.Preauth), a.Counter, optional(a.Instrument), a.Delegated,
		a.ResumeKey[:], a.Code, a.Online, ms(a.SettleBy), ms(a.ExpiresAt), a.CancelAcked,
	}
}

func scanAttempt(r row) (Attempt, error) {
	var a Attempt
	err := r.Scan(into{a.Request[:]}, into{a.Payment[:]}, into{a.Business[:]}, clock{&a.CreatedAt}, &a.Latest,
		&a.State, &a.Rev, into{a.Voucher[:]},
		&a.Charge, &a.Cancel, &a.Receipt, &a.Notified, &a.Doubtful, &a.Settled, &a.Reason, clock{&a.UpdatedAt},
		&a.RequestBytes, &a.VoucherBytes, &a.ReceiptBytes, &a.CancelBytes, &a.DeclineBytes, &a.VerdictBytes,
		&a.Amount, &a.Tip, &a.Currency, &a.Guaranteed, into{a.Preauth[:]}, &a.Counter, into{a.Instrument[:]}, &a.Delegated,
		into{a.ResumeKey[:]}, &a.Code, &a.Online, clock{&a.SettleBy}, clock{&a.ExpiresAt}, &a.CancelAcked)
	return a, err
}

// attemptBefore is what a commit needs to know of the attempt that it
// replaces.
type attemptBefore struct {
	books
	rev         int64
	voucher     preauth.Hash
	cancelOrder int64
	cancelAcked bool
}

func scanAttemptBefore(r row) (attemptBefore, error) {
	var b attemptBefore
	var state payment.State
	var on preauth.ID
	var amount, tip, guaranteed int64
	var currency string
	err := r.Scan(&b.rev, &state, into{b.voucher[:]}, into{on[:]}, &amount, &tip, &guaranteed, &currency,
		&b.cancelOrder, &b.cancelAcked)
	b.books = attemptBooks(state, b.voucher, on, amount, tip, guaranteed, currency)
	return b, err
}

// saveAttempt stores an attempt over its revision before, with what that does
// to holds and counters.
func (t *tx) saveAttempt(a *Attempt) error {
	old, err := one(t.ctx, t.s, scanAttemptBefore, `SELECT rev, state, voucher, preauth, amount, tip, guaranteed, currency,
		cancel_order, cancel_acked FROM attempts WHERE request = ?`, fixed(a.Request))
	if err != nil && !errors.Is(err, ErrNotFound) {
		return err
	}
	if old.rev != a.Rev-1 {
		return ErrConflict
	}
	next := *a
	next.CancelAcked = a.CancelAcked || old.cancelAcked
	next.Latest = true // of an insertion
	order := old.cancelOrder
	if order == 0 && len(a.CancelBytes) > 0 {
		order = t.head.changes
	}
	if a.Rev == 1 {
		err = t.insertAttempt(&next, order)
	} else {
		err = t.swap(`UPDATE attempts SET (`+attemptChanges+`, cancel_order) = (`+marks(count(attemptChanges))+`, ?) WHERE request = ? AND rev = ?`,
			append(attemptValues(&next)[count(attemptFixed):], order, fixed(a.Request), a.Rev-1)...)
	}
	if err != nil {
		return err
	}
	return t.rebookAttempt(old, &next)
}

// insertAttempt stores a new attempt and makes it the latest of its payment.
func (t *tx) insertAttempt(a *Attempt, order int64) error {
	err := t.exec(execNotLatest, fixed(a.Payment), fixed(a.Business))
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO attempts (`+attemptColumns+`, cancel_order) VALUES (`+marks(count(attemptColumns))+`, ?)`,
		append(attemptValues(a), order)...)
}

// rebookAttempt moves holds and counters along.
func (t *tx) rebookAttempt(old attemptBefore, a *Attempt) error {
	next := attemptBooks(a.State, a.Voucher, a.Preauth, a.Amount, a.Tip, a.Guaranteed, a.Currency)
	if old.voucher.Zero() && !a.Voucher.Zero() && !a.Preauth.Zero() {
		return t.draw(next, a.Preauth, a.Counter, a.Voucher)
	}
	return t.rebook(old.books, next)
}

const (
	queryAttempt    = `SELECT ` + attemptColumns + ` FROM attempts WHERE request = ?`
	queryAttemptsOf = `SELECT ` + attemptColumns + ` FROM attempts WHERE payment = ? ORDER BY n DESC`
	// The index is of those that wait for the backend, too.
	queryUnfinished = `SELECT ` + attemptColumns + ` FROM attempts
		WHERE state IN ('REQUESTED', 'AUTHORIZED', 'PROVISIONAL') AND state <> 'PROVISIONAL' AND created_at >= 0 ORDER BY created_at`
	queryHeld = `SELECT ` + attemptColumns + ` FROM attempts
		WHERE state IN ('AUTHORIZED', 'PROVISIONAL', 'REJECTED') AND settle_by > 0 AND settle_by < ? ORDER BY settle_by`
	queryGuaranteedAt = `SELECT coalesce(sum(guaranteed), 0) FROM attempts WHERE preauth = ? AND business = ? AND guaranteed > 0`
	execNotLatest     = `UPDATE attempts SET latest = 0 WHERE payment = ? AND business = ? AND latest = 1`
)

// Attempt returns the attempt of that request. The error wraps ErrNotFound.
func (s *Store) Attempt(ctx context.Context, request preauth.Hash) (Attempt, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return Attempt{}, err
	}
	defer s.mu.Unlock()
	return one(ctx, s, scanAttempt, queryAttempt, fixed(request))
}

// AttemptsOf returns the attempts at a payment, whoever asked, newest first.
func (s *Store) AttemptsOf(ctx context.Context, paymentID preauth.ID) ([]Attempt, error) {
	return s.attempts(ctx, queryAttemptsOf, fixed(paymentID))
}

// UnfinishedAttempts returns the attempts that a person or a till has yet to
// answer, REQUESTED or AUTHORIZED, oldest first. Those that are PROVISIONAL
// wait for nobody near, and after a day offline there may be a thousand.
func (s *Store) UnfinishedAttempts(ctx context.Context) ([]Attempt, error) {
	return s.attempts(ctx, queryUnfinished)
}

// HeldPast returns the attempts that still hold money although their
// settle_by is before signed, a time of the backend, oldest first.
func (s *Store) HeldPast(ctx context.Context, signed time.Time) ([]Attempt, error) {
	return s.attempts(ctx, queryHeld, ms(signed))
}

// GuaranteedAt returns how much of the guarantee of a pre-authorization this
// customer's vouchers to one till, by its device id, have used, in minor
// units; cancelled ones count, as they do at the till.
func (s *Store) GuaranteedAt(ctx context.Context, preauthID, business preauth.ID) (int64, error) {
	return s.number(ctx, queryGuaranteedAt, fixed(preauthID), fixed(business))
}

func (s *Store) attempts(ctx context.Context, query string, args ...any) ([]Attempt, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return list(ctx, s, scanAttempt, query, args...)
}
