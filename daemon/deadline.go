package daemon

import (
	"context"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// declineGrace is for another customer to turn up after the last decline.
const declineGrace = 3 * time.Second

// timer says when the till's open payment ends. Its times carry a monotonic
// reading: somebody who sets the clock neither ends the payment nor keeps it
// open. Guarded by the till's mu.
type timer struct {
	sale     preauth.ID
	deadline time.Time
	noes     int       // when everybody had said no
	denied   time.Time // when that was noticed
}

// remaining is how much is left of the time between two stored moments. They
// were taken by trusted time, as now is, of which the clock may have been moved
// since: what is left is nothing at the least and all of it at the most.
func remaining(from, to, now time.Time) time.Duration {
	return max(0, min(to.Sub(now), to.Sub(from)))
}

// timed runs f with the timer of a sale, which begins when the sale is opened
// or, after a restart, at the first call, with what is left by trusted time.
func (t *till) timed(sale store.Sale, f func(*timer)) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.timer.sale != sale.ID {
		t.timer = timer{sale: sale.ID, deadline: time.Now().Add(remaining(sale.CreatedAt, sale.Deadline, t.d.now()))}
	}
	f(&t.timer)
}

// begin starts the timer of a sale that was just opened, by a clock that nobody
// sets.
func (t *till) begin(sale preauth.ID, lasts time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.timer = timer{sale: sale, deadline: time.Now().Add(lasts)}
}

// deadline is when an unanswered payment ends.
func (t *till) deadline(sale store.Sale) (at time.Time) {
	t.timed(sale, func(m *timer) { at = m.deadline })
	return at
}

// ends returns when, and how, an unanswered payment ends.
func (t *till) ends(ctx context.Context, sale store.Sale) (at time.Time, ev payment.BusinessEvent, err error) {
	asks, err := t.d.store.AsksOf(ctx, sale.ID)
	if err != nil {
		return time.Time{}, "", err
	}
	noes := allDeclined(asks)
	t.timed(sale, func(m *timer) {
		if noes != m.noes {
			m.noes, m.denied = noes, time.Now()
		}
		at, ev = m.deadline, payment.TimedOut
		if grace := m.denied.Add(declineGrace); noes > 0 && sale.State == payment.Open && grace.Before(at) {
			at, ev = grace, payment.AllDeclined
		}
	})
	return at, ev, nil
}

// allDeclined returns how many times customers said no, 0 unless everybody
// who was asked has. A customer whose link was lost may still come back, and
// an answer that was not good is no answer.
func allDeclined(asks []store.Ask) (noes int) {
	saidNo := make(map[preauth.ID]bool)
	for _, a := range asks {
		if a.Cancel == payment.ReasonDeclined {
			saidNo[a.Customer] = true
			noes++
		}
	}
	for _, a := range asks {
		if !saidNo[a.Customer] {
			return 0
		}
	}
	return noes
}

// refused reports whether the customer said no, or gave an answer that was
// not good.
func refused(a store.Ask) bool {
	return a.Cancel == payment.ReasonDeclined || a.Cancel == payment.ReasonRefused
}
