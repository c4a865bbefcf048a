package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

const (
	visitFor   = 10 * time.Minute // in which a till looks for the customer of a reversal among all who are near
	visitPause = 5 * time.Second  // after the first visit; each further pause is twice as long
)

// reverse gives the money of a payment back: the till's Cancel is stored with
// its event and its outbox item, and signed from the row wherever it goes. The
// customer learns it from this till if it is near, else from the backend.
// Giving back again is harmless.
//
// The error wraps errNoPayment, errNotReversible, errReused or errLocked.
func (d *Device) reverse(ctx context.Context, id preauth.ID, call store.Call) (store.Sale, error) {
	if s, known, err := d.knownSale(ctx, call); known || err != nil {
		return s, err
	}
	s, err := d.store.Sale(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return s, fmt.Errorf("%s: %w", id, errNoPayment)
	}
	if err != nil {
		return s, err
	}
	call.Subject = id
	if !reversed(s) {
		d.till.visit()
		stepped, err := d.stepSale(ctx, id, saleStep{in: payment.BusinessInput{Event: payment.Reverse}, call: &call})
		if err == nil {
			return stepped, nil
		}
		now, errNow := d.store.Sale(ctx, id)
		switch {
		case errNow == nil && reversed(now):
			s = now // another call was faster
		case errors.Is(err, payment.ErrState):
			return s, fmt.Errorf("payment %s is %s: %w", id, s.State, errNotReversible)
		default:
			return s, err
		}
	}
	return s, d.remember(ctx, call)
}

// reversed reports whether the till has given the payment back.
func reversed(s store.Sale) bool {
	a, _ := s.Asked(s.Winner)
	return a.Cancel == payment.ReasonReversal
}

// visits are how often a till has looked for the customer of a reversal, and
// when last. A customer that was paid advertises only while a person looks for
// tills, and like everybody: the till has to dial to find out who it is. It
// does so while nothing else is asked, and ever less often.
type visits struct {
	n    int
	last time.Time
}

func (v visits) pause() time.Duration { return visitPause << (v.n - 1) }

func (v visits) due(now time.Time) bool { return v.n == 0 || now.Sub(v.last) >= v.pause() }

// visit lets the till look for customers at once.
func (t *till) visit() {
	t.mu.Lock()
	t.visits = visits{}
	t.mu.Unlock()
}

// visiting notes a visit that begins, and has the till look again when the
// next one is due.
func (t *till) visiting() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.visits = visits{t.visits.n + 1, time.Now()}
	time.AfterFunc(t.visits.pause(), t.wake.fire)
}

func (t *till) mayVisit() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.visits.due(time.Now())
}

// visits reports whether an advertisement is dialled only to see whether it is
// the customer of a reversal.
func (a aim) visits(b link.Beacon) bool { return a.visit && !a.open && !b.Resume && !b.Targeted }

// seeks reports whether the customer of an owed outcome is looked for.
func seeks(o store.Ask, now time.Time) bool {
	return o.Cancel == payment.ReasonReversal && now.Sub(o.CancelledAt) < visitFor
}

// givenBack returns the oldest reversal that p's customer has not been told
// of. There is one for each session: the customer closes when it has stored it.
func (t *till) givenBack(ctx context.Context, p *payer) (store.Ask, bool) {
	owed, err := t.d.store.OwedAsks(ctx)
	if err != nil {
		t.d.log.Error("owed outcomes not read", "error", err)
	}
	for _, o := range owed {
		if o.Cancel == payment.ReasonReversal && o.Customer == preauth.ID(p.cert.Body.DeviceId) && !t.isAcked(o.Request) {
			return o, true
		}
	}
	return store.Ask{}, false
}

// giveBack sends a reversal to its customer.
func (t *till) giveBack(ctx context.Context, p *payer, ask store.Ask) error {
	sale, err := t.d.store.Sale(ctx, ask.Payment)
	if err != nil {
		return err
	}
	t.claim(ask.Request, p)
	t.repeatOutcome(p, sale, ask)
	t.visit() // there may be another one for the same customer
	return nil
}
