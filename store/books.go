package store

import (
	"context"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// books is what one stored payment adds to the maintained counters: to the
// holds of a pre-authorization and to the money not settled yet.
type books struct {
	preauth     preauth.ID // zero: no hold
	held, spent int64
	unsettled   Unsettled // zero: settled, or never promised
}

// attemptBooks returns what a customer's attempt adds. Without a voucher it
// adds nothing.
func attemptBooks(state payment.State, voucher preauth.Hash, on preauth.ID, amount, tip, guaranteed int64, currency string) books {
	var b books
	if voucher.Zero() {
		return b
	}
	if !on.Zero() {
		switch state.Funds() {
		case payment.Held:
			b.preauth, b.held = on, amount+tip
		case payment.Spent:
			b.preauth, b.spent = on, amount+tip
		}
	}
	if state == payment.Authorized || state == payment.Provisional {
		b.unsettled = Unsettled{Currency: currency, Count: 1, Total: amount + tip, Guaranteed: guaranteed}
	}
	return b
}

// saleBooks returns what a business's payment adds.
func saleBooks(state payment.State, amount, tip, guaranteed int64, currency string) books {
	if state != payment.Awaiting && state != payment.Provisional {
		return books{}
	}
	return books{unsettled: Unsettled{Currency: currency, Count: 1, Total: amount + tip, Guaranteed: guaranteed}}
}

// rebook replaces old by new in the counters.
func (t *tx) rebook(old, new books) error {
	t.book(old.unsettled, -1)
	t.book(new.unsettled, 1)
	if old.preauth == new.preauth {
		return t.hold(new.preauth, new.held-old.held, new.spent-old.spent)
	}
	if err := t.hold(old.preauth, -old.held, -old.spent); err != nil {
		return err
	}
	return t.hold(new.preauth, new.held, new.spent)
}

// draw books the first voucher of an attempt, which takes the next counter of
// its pre-authorization. The error wraps ErrConflict if that is not counter.
func (t *tx) draw(new books, on preauth.ID, counter uint32, voucher preauth.Hash) error {
	t.book(new.unsettled, 1)
	return t.swap(`UPDATE authorizations SET held = held + ?, spent = spent + ?, counter = counter + 1, prev = ? WHERE id = ? AND counter = ?`,
		new.held, new.spent, fixed(voucher), fixed(on), int64(counter)-1)
}

// book notes a change of the unsettled money; saveHead stores the sum.
func (t *tx) book(u Unsettled, sign int64) {
	if u.Currency == "" {
		return
	}
	sum := t.unsettled[u.Currency]
	sum.Count += sign * u.Count
	sum.Total += sign * u.Total
	sum.Guaranteed += sign * u.Guaranteed
	t.unsettled[u.Currency] = sum
}

// hold changes the holds of a pre-authorization.
func (t *tx) hold(id preauth.ID, held, spent int64) error {
	if held == 0 && spent == 0 {
		return nil
	}
	return t.swap(`UPDATE authorizations SET held = held + ?, spent = spent + ? WHERE id = ?`, held, spent, fixed(id))
}

// saveUnsettled stores a change of the unsettled money.
func (t *tx) saveUnsettled(currency string, u Unsettled) error {
	if u == (Unsettled{}) {
		return nil
	}
	n, err := t.affect(`UPDATE unsettled SET count = count + ?, total = total + ?, guaranteed = guaranteed + ? WHERE currency = ?`,
		u.Count, u.Total, u.Guaranteed, currency)
	if err != nil || n == 1 {
		return err
	}
	return t.exec(`INSERT INTO unsettled (count, total, guaranteed, currency) VALUES (?, ?, ?, ?)`,
		u.Count, u.Total, u.Guaranteed, currency)
}

// Unsettled returns the money not settled yet: for a customer vouchers that
// are AUTHORIZED or PROVISIONAL, for a business payments that are AWAITING or
// PROVISIONAL, by currency in alphabetical order, without currencies that
// have none. oldest is when the oldest of them was created, deadline the
// earliest time by which the backend must have a claim; both are zero if
// there is none.
func (s *Store) Unsettled(ctx context.Context) (sums []Unsettled, oldest, deadline time.Time, err error) {
	ctx, err = s.enter(ctx)
	if err != nil {
		return nil, oldest, deadline, err
	}
	defer s.mu.Unlock()
	sums, err = list(ctx, s, func(r row) (u Unsettled, err error) {
		return u, r.Scan(&u.Currency, &u.Count, &u.Total, &u.Guaranteed)
	}, `SELECT currency, count, total, guaranteed FROM unsettled WHERE count > 0 ORDER BY currency`)
	if err == nil {
		err = s.fillAwaited(ctx, sums)
	}
	if err != nil {
		return nil, oldest, deadline, err
	}
	oldest, err = earliest(ctx, s, oldest, queryOldestAttempt)
	for _, state := range []payment.State{payment.Awaiting, payment.Provisional} {
		if err == nil {
			oldest, err = earliest(ctx, s, oldest, queryOldestSale, string(state))
		}
	}
	if err == nil {
		deadline, err = earliest(ctx, s, deadline, queryDeadline)
	}
	return sums, oldest, deadline, err
}

// The bounds on times hold for all; they and the sign of kind make SQLite
// follow the index that has the order.
const (
	queryOldestAttempt = `SELECT created_at FROM attempts WHERE state IN ('REQUESTED', 'AUTHORIZED', 'PROVISIONAL')
		AND created_at >= 0 AND state <> 'REQUESTED' ORDER BY created_at LIMIT 1`
	queryOldestSale      = `SELECT created_at FROM sales WHERE state = ? AND state IN ('OPEN', 'AWAITING', 'PROVISIONAL') ORDER BY created_at LIMIT 1`
	queryAwaitedSales    = `SELECT currency, amount + tip FROM sales WHERE state = ? AND state IN ('OPEN', 'AWAITING', 'PROVISIONAL')`
	queryAwaitedAttempts = `SELECT currency, amount + tip FROM attempts WHERE state IN ('REQUESTED', 'AUTHORIZED', 'PROVISIONAL')
		AND created_at >= 0 AND state <> 'REQUESTED' AND charge = 1`
	queryDeadline = `SELECT deadline FROM outbox WHERE deadline >= 0 AND +kind = 'CLAIM' ORDER BY deadline LIMIT 1`
)

// earliest returns the time that the query answers, or the one before if that
// is earlier; zero is no time.
func earliest(ctx context.Context, s *Store, before time.Time, query string, args ...any) (time.Time, error) {
	err := s.each(ctx, query, args, func(r row) error {
		var at time.Time
		err := r.Scan(clock{&at})
		if before.IsZero() || at.Before(before) {
			before = at
		}
		return err
	})
	return before, err
}

// fillAwaited adds up what waits for a verdict before anything is given away:
// few payments, at a till one at a time. s.mu is held.
func (s *Store) fillAwaited(ctx context.Context, sums []Unsettled) error {
	add := func(r row) error {
		var currency string
		var total int64
		err := r.Scan(&currency, &total)
		for i := range sums {
			if sums[i].Currency == currency {
				sums[i].Awaited += total
			}
		}
		return err
	}
	if err := s.each(ctx, queryAwaitedAttempts, nil, add); err != nil {
		return err
	}
	return s.each(ctx, queryAwaitedSales, []any{string(payment.Awaiting)}, add)
}
