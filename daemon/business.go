package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

// registerLimit bounds how long a till waits for the backend before it opens
// a payment as offline.
const registerLimit = 2 * time.Second

// saleRequest is what a caller asks a till to ask for.
type saleRequest struct {
	call       store.Call
	amount     int64
	currency   string
	reference  string
	policy     store.Policy
	timeout    time.Duration
	tag        preauth.ID
	tipAllowed bool
	tipMax     int64
}

// openSale stores a payment and begins to look for customers. The same call
// again returns the same payment; another one while a payment is open is
// refused with errInProgress.
func (d *Device) openSale(ctx context.Context, q saleRequest) (store.Sale, error) {
	if s, known, err := d.knownSale(ctx, q.call); known || err != nil {
		return s, err
	}
	who, err := d.enrolled()
	if err != nil {
		return store.Sale{}, err
	}
	if err := d.mayOpen(ctx, who, q); err != nil {
		return store.Sale{}, err
	}
	id := preauth.ID(uuid.Must(uuid.NewV7()))
	online, err := d.register(ctx, id, q.policy)
	if err != nil {
		return store.Sale{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if s, known, err := d.knownSale(ctx, q.call); known || err != nil {
		return s, err // the same call, at the same time, was first
	}
	if open, is, err := d.store.OpenSale(ctx); err != nil {
		return store.Sale{}, err
	} else if is {
		return open, fmt.Errorf("payment %s is %s: %w", open.ID, open.State, errInProgress)
	}
	now := d.now() // a wall clock that is behind makes no money look old
	q.call.Subject = id
	s := store.Sale{
		Sale:   payment.Sale{ID: id, State: payment.Open, Rev: 1, UpdatedAt: now},
		Amount: q.amount, Currency: q.currency, Reference: q.reference, Policy: q.policy,
		TipAllowed: q.tipAllowed, TipMax: q.tipMax, Tag: q.tag, Online: online,
		CreatedAt: now, Deadline: now.Add(q.timeout),
	}
	c := &store.Change{
		Sale: &s, Call: &q.call, Asks: d.till.ackedRows(ctx),
		Events: d.saleEvents(s, store.Ask{}, []payment.Note{{Kind: payment.NoteOpened}}),
	}
	if err := d.commit(ctx, c); err != nil {
		return store.Sale{}, err
	}
	d.till.begin(id, q.timeout)
	d.report(id, "", s.State, "")
	d.till.forgetAcked(c.Asks)
	d.till.forgetDials()
	d.till.nudgeAll()
	return s, nil
}

// knownSale finds the payment that an earlier, equal call made.
func (d *Device) knownSale(ctx context.Context, call store.Call) (store.Sale, bool, error) {
	c, known, err := d.knownCall(ctx, call)
	if err != nil || !known {
		return store.Sale{}, false, err
	}
	s, err := d.store.Sale(ctx, c.Subject)
	return s, true, err
}

// mayOpen says why a payment cannot be asked for now.
func (d *Device) mayOpen(ctx context.Context, who *self, q saleRequest) error {
	if d.opt.Radio == nil {
		return d.noRadio()
	}
	e, err := d.exposure(ctx, who)
	if err != nil {
		return err
	}
	if q.policy != store.RequireOnline {
		return e.Check(q.currency, q.amount)
	}
	return nil
}

// register tells the backend of the payment, unless it is to stay offline. It
// reports whether the till is online for this payment.
func (d *Device) register(ctx context.Context, id preauth.ID, policy store.Policy) (bool, error) {
	if policy == store.ForceOffline {
		return false, nil
	}
	if policy == store.PreferOnline && !d.sync.Online() {
		return false, nil
	}
	bounded, cancel := context.WithTimeout(ctx, registerLimit)
	defer cancel()
	err := d.sync.RegisterPayment(bounded, id)
	if err != nil && policy == store.RequireOnline {
		if bounded.Err() != nil && ctx.Err() == nil { // our own limit, not the caller's
			err = fmt.Errorf("no answer within %s: %w", registerLimit, syncer.ErrOffline)
		}
		return false, err
	}
	return err == nil, nil
}

// told reads a payment of which everything was told: who stores a step tells of
// it before the lock is free.
func (d *Device) told(ctx context.Context, id preauth.ID) (store.Sale, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.store.Sale(ctx, id)
}

// awaitSale waits until the payment has left OPEN and AWAITING.
func (d *Device) awaitSale(ctx context.Context, id preauth.ID) (store.Sale, error) {
	for {
		changed := d.hub.changed.wait()
		s, err := d.told(ctx, id)
		if err != nil {
			return s, err
		}
		if s.State != payment.Open && s.State != payment.Awaiting {
			return s, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return s, ctx.Err()
		}
	}
}

// withdraw cancels a payment that nobody has paid yet, and remembers the call
// if there is one. Cancelling again is harmless.
func (d *Device) withdraw(ctx context.Context, id preauth.ID, call *store.Call) (store.Sale, error) {
	s, err := d.store.Sale(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return s, fmt.Errorf("%s: %w", id, errNoPayment)
	}
	if err != nil {
		return s, err
	}
	if call != nil {
		call.Subject = id
	}
	if s.State != payment.Cancelled {
		stepped, err := d.stepSale(ctx, id, saleStep{in: payment.BusinessInput{Event: payment.Withdraw}, call: call})
		if err == nil {
			return stepped, nil
		}
		now, errNow := d.store.Sale(ctx, id)
		if errNow != nil || now.State != payment.Cancelled {
			return s, err
		}
		s = now // another call was faster
	}
	if call == nil {
		return s, nil
	}
	return s, d.remember(ctx, *call)
}

// paymentOfSale returns the payment as the API shows it.
func (d *Device) paymentOfSale(ctx context.Context, s store.Sale) (*paymentv1.Payment, error) {
	var winner store.Ask
	if !s.Winner.Zero() {
		var err error
		if winner, err = d.store.Ask(ctx, s.Winner); err != nil {
			return nil, err
		}
	}
	return d.saleProto(s, winner, saleSynced(s)), nil
}

// saleSynced reports whether the backend has the last word on the payment.
func saleSynced(s store.Sale) bool {
	switch s.State {
	case payment.Open, payment.Awaiting, payment.Provisional:
		return false
	}
	return true
}

// nudgeAll has every session look for something to ask.
func (t *till) nudgeAll() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, p := range t.payers {
		if p != nil {
			p.nudge.fire()
		}
	}
	t.wake.fire()
}
