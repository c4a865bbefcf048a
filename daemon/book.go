package daemon

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// Due returns what is to be handed in, with its bytes, earliest deadline
// first.
func (d *Device) Due(ctx context.Context, now time.Time, limit int) ([]outbox.Item, error) {
	rows, err := d.store.DueItems(ctx, now, limit)
	if err != nil {
		return nil, err
	}
	return d.filled(ctx, rows)
}

// filled returns items with their signed objects, without those that have
// none any more.
func (d *Device) filled(ctx context.Context, rows []store.Item) ([]outbox.Item, error) {
	items := make([]outbox.Item, 0, len(rows))
	for _, row := range rows {
		it := outbox.Item{
			Key: outbox.Key(row.ItemKey), Payment: row.Payment, Deadline: row.Deadline, Total: row.Total,
			Currency: row.Currency, CreatedAt: row.CreatedAt, Stored: row.Stored, Tries: row.Tries, NextTry: row.NextTry, Error: row.Error,
		}
		fill := d.fillAttempt
		if d.business() {
			fill = d.fillAsk
		}
		err := fill(ctx, &it)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCorrupt) { // must not keep the others from being paid
			d.log.Error("outbox item cannot be handed in", "kind", it.Key.Kind, "request", it.Key.Request.String(), "error", err)
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("outbox item %s of %s: %w", it.Key.Kind, it.Key.Request, err)
		}
		items = append(items, it)
	}
	return items, nil
}

// Claims returns the claims on those requests, done or not. What the device
// does not know, or has promised nothing for, is left out.
func (d *Device) Claims(ctx context.Context, requests []preauth.Hash) ([]outbox.Item, error) {
	var items []outbox.Item
	for _, h := range requests {
		it := outbox.Item{Key: outbox.Key{Kind: payment.ItemClaim, Request: h}, CreatedAt: d.now()}
		claim := d.claimAttempt
		if d.business() {
			claim = d.claimAsk
		}
		err := claim(ctx, &it)
		if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCorrupt) {
			continue // a store put back from an older copy, or another device's
		}
		if err != nil {
			return nil, fmt.Errorf("claim on %s: %w", h, err)
		}
		if len(it.Voucher)+len(it.Charge) > 0 {
			items = append(items, it)
		}
	}
	return items, nil
}

func (d *Device) claimAsk(ctx context.Context, it *outbox.Item) error {
	ask, err := d.store.Ask(ctx, it.Key.Request)
	if err != nil {
		return err
	}
	it.Payment, it.Total, it.Currency, it.Deadline = ask.Payment, ask.Total, ask.Currency, claimDeadline(ask, d.now())
	return d.fillAsk(ctx, it)
}

func (d *Device) claimAttempt(ctx context.Context, it *outbox.Item) error {
	a, err := d.store.Attempt(ctx, it.Key.Request)
	if err != nil {
		return err
	}
	it.Payment, it.Total, it.Currency, it.Deadline = a.Payment, a.Amount+a.Tip, a.Currency, deadlineOf(a)
	return d.fillAttempt(ctx, it)
}

// fillAsk adds a till's signed objects to an item.
func (d *Device) fillAsk(ctx context.Context, it *outbox.Item) error {
	ask, err := d.store.Ask(ctx, it.Key.Request)
	if err != nil {
		return err
	}
	it.Request = ask.RequestBytes
	if it.Key.Kind == payment.ItemCancel {
		c, err := d.cancelOf(ask)
		it.Cancel = c.Bytes
		return err
	}
	sale, err := d.store.Sale(ctx, ask.Payment)
	if err != nil {
		return err
	}
	if it.PreauthCert = ask.CertBytes; len(ask.CertBytes) > 0 {
		it.Voucher = ask.VoucherBytes
	} else {
		it.Charge = ask.VoucherBytes
	}
	r, err := d.receiptOf(sale, ask)
	it.Receipt = r.Bytes
	return err
}

// fillAttempt adds a customer's signed objects to an item.
func (d *Device) fillAttempt(ctx context.Context, it *outbox.Item) error {
	a, err := d.store.Attempt(ctx, it.Key.Request)
	if err != nil {
		return err
	}
	it.Request = a.RequestBytes
	if it.Key.Kind == payment.ItemCancel {
		it.Cancel = a.CancelBytes
		return nil
	}
	it.Receipt = a.ReceiptBytes
	if a.Charge {
		it.Charge = a.VoucherBytes
		return nil
	}
	auth, err := d.store.Authorization(ctx, a.Preauth)
	if err != nil {
		return err
	}
	it.Voucher, it.PreauthCert = a.VoucherBytes, auth.Cert.Bytes
	return nil
}

// Judge applies the backend's verdict on an item: state, event and the item's
// end are one commit. A verdict that the payment's state has no edge for is
// an error; the item is kept, with it, and shown.
func (d *Device) Judge(ctx context.Context, it outbox.Item, v preauth.Verdict) error {
	if d.business() {
		return d.judgeSale(ctx, it, v)
	}
	return d.judgeAttempt(ctx, it, v)
}

func (d *Device) judgeSale(ctx context.Context, it outbox.Item, v preauth.Verdict) error {
	ask, err := d.store.Ask(ctx, it.Key.Request)
	if err != nil {
		return err
	}
	_, err = d.stepSale(ctx, ask.Payment, saleStep{
		in: payment.OnSaleVerdict(it.Key.Request, v), done: it.Key.Kind, verdict: v.Bytes,
	})
	return err
}

func (d *Device) judgeAttempt(ctx context.Context, it outbox.Item, v preauth.Verdict) error {
	_, err := d.stepAttempt(ctx, it.Key.Request, payment.OnVerdict(v), func(a *store.Attempt, c *store.Change) {
		a.VerdictBytes = v.Bytes
		c.Done = append(c.Done, store.ItemKey(it.Key))
	})
	return err
}

// chargeMargin is how long after a Charge was signed it could at the very
// latest have been taken: the till registered the payment before it asked, and
// the backend takes a Charge within 10 minutes of that.
const chargeMargin = time.Hour

// chargeDoubt is how long a device that reaches the backend can be in doubt
// about a Charge: it asks at once, and again when chargeMargin is over, at the
// pace of the outbox.
const chargeDoubt = 2 * chargeMargin

// givenUp reports whether a Charge that the backend has not known once more
// could not be taken any more. It counts from the first such answer of this
// process, by the backend's time alone: the wall clock that dated the request
// may have been wrong, and a Charge that was given up too early would be shown
// as failed although it was paid.
func (w *wallet) givenUp(a store.Attempt, floor time.Time) bool {
	if !a.Charge || a.State != payment.Authorized {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	since, asked := w.unheard[a.Request]
	if !asked || floor.Before(since) {
		w.unheard[a.Request] = floor
		return false
	}
	if floor.Before(since.Add(chargeMargin)) {
		return false
	}
	delete(w.unheard, a.Request)
	return true
}

// Postpone stores when items are tried next, and why not now. A question
// about a hold that has ended by settle_by, which the backend could not
// answer, is asked no more. A Charge that the backend does not know when it
// could not take it any more ends here: it holds nothing, but it counts.
func (d *Device) Postpone(ctx context.Context, items []outbox.Item) error {
	rows := make([]store.Item, 0, len(items))
	var done []store.ItemKey
	for _, it := range items {
		if !d.business() && it.Error == "" && it.Key.Kind == payment.ItemClaim {
			a, err := d.store.Attempt(ctx, it.Key.Request)
			if err == nil && d.wallet.givenUp(a, d.clock.Floor()) {
				a, err = d.stepAttempt(ctx, a.Request, payment.CustomerInput{Event: payment.SettleByPassed}, nil)
			}
			if err == nil && a.State == payment.Released {
				done = append(done, store.ItemKey(it.Key))
				continue
			}
		}
		rows = append(rows, store.Item{ItemKey: store.ItemKey(it.Key), Tries: it.Tries, NextTry: it.NextTry, Error: it.Error})
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var err error
	if len(done) > 0 {
		err = d.commit(ctx, &store.Change{Done: done})
	}
	d.changed.fire()
	return errors.Join(err, d.judged(d.store.Retry(ctx, rows)))
}
