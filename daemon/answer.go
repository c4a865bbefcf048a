package daemon

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// receive handles what a customer sends to the till. An error ends the
// session.
func (t *till) receive(ctx context.Context, p *payer, typ secure.Type, body []byte) error {
	switch typ {
	case secure.Payment:
		var m peerv1.Payment
		if err := preauth.DecodeStrict(body, &m); err != nil {
			return err
		}
		v, err := preauth.Open[*peerv1.Voucher](m.Voucher)
		if err != nil {
			return err
		}
		return t.answer(ctx, p, preauth.Hash(v.Body.RequestHash), voucherAnswer{m.Voucher, m.PreauthCert})
	case secure.Charge:
		c, err := preauth.Open[*peerv1.Charge](body)
		if err != nil {
			return err
		}
		return t.answer(ctx, p, preauth.Hash(c.Body.RequestHash), chargeAnswer{body})
	case secure.Decline:
		dec, err := preauth.Open[*peerv1.Decline](body)
		if err != nil {
			return err
		}
		return t.answer(ctx, p, preauth.Hash(dec.Body.RequestHash), declineAnswer{body})
	case secure.BundlePart:
		return t.d.gatherBundle(ctx, p.peer, body)
	case secure.Pending:
		return nil
	}
	return fmt.Errorf("%s from a customer: %w", typ, secure.ErrProtocol)
}

// judged is what an answer comes to: the event, and the row it belongs to.
// It is called with the lock held and writes nothing.
type judged interface {
	judge(ctx context.Context, d *Device, who *self, p *payer, sale store.Sale, ask *store.Ask) (payment.BusinessInput, error)
}

// answer judges what a customer says to a request, stores the outcome and
// sends it. A request that has an outcome is answered with it before any
// check runs, whatever arrives.
func (t *till) answer(ctx context.Context, p *payer, request preauth.Hash, a judged) error {
	t.d.mu.Lock()
	ask, err := t.d.store.Ask(ctx, request)
	if errors.Is(err, store.ErrNotFound) {
		t.d.mu.Unlock()
		p.send(secure.Unknown, mustEncode(&peerv1.Unknown{RequestHash: request[:]}))
		return nil
	}
	if err != nil {
		t.d.mu.Unlock()
		return err
	}
	sale, err := t.d.store.Sale(ctx, ask.Payment)
	if err == nil && forgotten(sale, ask) {
		t.d.mu.Unlock()
		delete(p.unfinished, ask.Payment)
		p.nudge.fire()
		p.send(secure.Unknown, mustEncode(&peerv1.Unknown{RequestHash: request[:]}))
		return nil
	}
	if err != nil || ask.Answered() {
		t.d.mu.Unlock()
		if err == nil {
			delete(p.unfinished, ask.Payment)
			t.claim(request, p)
			t.repeatOutcome(p, sale, ask)
			t.passBundle(p, sale)
		}
		return err
	}
	if _, no := a.(declineAnswer); !no {
		t.progress.tell(sale.ID, businessv1.ProgressStep_PROGRESS_STEP_AUTHORIZING, t.connected(), "")
	}
	in, err := t.judge(ctx, p, sale, &ask, a)
	if err != nil {
		t.d.mu.Unlock()
		return err
	}
	sale, fx, err := t.d.storeSale(ctx, sale, saleStep{in: in, answered: &ask})
	t.d.mu.Unlock()
	if err != nil {
		return err
	}
	delete(p.unfinished, sale.ID)
	t.claim(request, p)
	t.deliver(ctx, sale, fx)
	t.wake.fire()
	return nil
}

// judge says what an answer to a request comes to. A till whose certificate has
// ended, or that is revoked, since it asked takes nothing, and says so: the
// session is still good for that, and the customer's money is free at once.
func (t *till) judge(ctx context.Context, p *payer, sale store.Sale, ask *store.Ask, a judged) (payment.BusinessInput, error) {
	who, err := t.d.enrolled()
	if errors.Is(err, preauth.ErrExpired) || errors.Is(err, preauth.ErrRevoked) {
		if _, no := a.(declineAnswer); !no {
			t.d.log.Warn("answer refused", "payment", sale.ID.String(), "error", err)
			return payment.BusinessInput{Event: payment.Refuse, Request: ask.Request, Code: preauth.Code(err)}, nil
		}
		who, err = t.d.self.Load(), nil
	}
	if err != nil {
		return payment.BusinessInput{}, err
	}
	return a.judge(ctx, t.d, who, p, sale, ask)
}

// voucherAnswer is a voucher with its certificate.
type voucherAnswer struct{ voucher, cert []byte }

func (v voucherAnswer) judge(ctx context.Context, d *Device, who *self, _ *payer, sale store.Sale, ask *store.Ask) (payment.BusinessInput, error) {
	facts, err := d.facts(ctx, who, *ask)
	if err != nil {
		return payment.BusinessInput{}, err
	}
	facts.Awaited = sale.Policy == store.RequireOnline
	ok, err := facts.CheckVoucher(v.voucher, v.cert)
	if facts.unread != nil { // nothing is refused, or counted as guaranteed, for what was not read
		return payment.BusinessInput{}, facts.unread
	}
	if err != nil {
		d.log.Warn("voucher refused", "payment", sale.ID.String(), "error", err)
		return payment.BusinessInput{Event: payment.Refuse, Request: ask.Request, Code: preauth.Code(err)}, nil
	}
	ask.VoucherBytes, ask.CertBytes = v.voucher, v.cert
	ask.Preauth, ask.Counter = preauth.ID(ok.Cert.Body.PreauthId), ok.Voucher.Body.Counter
	ask.Total, ask.Guaranteed, ask.StoredAt = ok.Total, ok.Guaranteed, d.now()
	in := payment.BusinessInput{
		Event: payment.Paid, Request: ask.Request, Voucher: ok.Voucher.Hash,
		Tip: ok.Voucher.Body.Tip, Guaranteed: ok.Guaranteed,
	}
	if facts.Awaited {
		in.Event = payment.PaidOnline
	}
	return in, nil
}

// chargeAnswer is a Charge, which only the backend can make good.
type chargeAnswer struct{ charge []byte }

func (c chargeAnswer) judge(ctx context.Context, d *Device, who *self, p *payer, sale store.Sale, ask *store.Ask) (payment.BusinessInput, error) {
	facts, err := d.facts(ctx, who, *ask)
	if err != nil {
		return payment.BusinessInput{}, err
	}
	ok, err := facts.CheckCharge(c.charge, p.cert)
	if err != nil {
		d.log.Warn("charge refused", "payment", sale.ID.String(), "error", err)
		return payment.BusinessInput{Event: payment.Refuse, Request: ask.Request, Code: preauth.Code(err)}, nil
	}
	ask.VoucherBytes, ask.Total, ask.StoredAt = c.charge, ok.Body.Amount+ok.Body.Tip, d.now()
	return payment.BusinessInput{Event: payment.PaidOnline, Request: ask.Request, Voucher: ok.Hash, Tip: ok.Body.Tip}, nil
}

// declineAnswer is a customer's no.
type declineAnswer struct{ decline []byte }

func (a declineAnswer) judge(_ context.Context, _ *Device, _ *self, p *payer, _ store.Sale, ask *store.Ask) (payment.BusinessInput, error) {
	r, err := preauth.Open[*peerv1.Request](ask.RequestBytes)
	if err != nil {
		return payment.BusinessInput{}, err
	}
	if preauth.ID(p.cert.Body.DeviceId) != ask.Customer {
		return payment.BusinessInput{}, fmt.Errorf("declined by another customer: %w", preauth.ErrRequest)
	}
	dec, err := preauth.OpenDecline(a.decline, r, p.cert)
	if err != nil {
		return payment.BusinessInput{}, err
	}
	return payment.BusinessInput{Event: payment.CustomerSaidNo, Request: ask.Request, Reason: dec.Body.Reason}, nil
}

// facts is what the till knows when it judges an answer.
type facts struct {
	preauth.Till
	unread error // of the store, while the checks asked it
}

// facts gathers what is known about ask. The store is asked only for what the
// checks come to.
func (d *Device) facts(ctx context.Context, who *self, ask store.Ask) (*facts, error) {
	r, err := preauth.Open[*peerv1.Request](ask.RequestBytes)
	if err != nil {
		return nil, err
	}
	exposure, err := d.exposure(ctx, who)
	if err != nil {
		return nil, err
	}
	f := &facts{Till: preauth.Till{
		Trust: who.trust, Now: d.now(), Request: r, Customer: ask.Customer, Cancelled: ask.Cancel != "", Exposure: exposure,
	}}
	f.Exposure.With = d.dealings(ctx, ask.Customer, ask.Currency, &f.unread)
	f.Seen = func(id preauth.ID, counter uint32) (preauth.Hash, bool) {
		h, ok, err := d.store.VoucherSeen(ctx, id, counter)
		f.unread = errors.Join(f.unread, err)
		return h, ok
	}
	f.Guaranteed = func(id preauth.ID) int64 {
		used, err := d.store.GuaranteeUsed(ctx, id)
		f.unread = errors.Join(f.unread, err)
		return used
	}
	return f, nil
}

// stepSale steps a payment by something that happened at the till or at the
// backend, and sends what follows.
func (d *Device) stepSale(ctx context.Context, id preauth.ID, step saleStep) (store.Sale, error) {
	sale, fx, err := d.storeStep(ctx, id, step)
	if err != nil {
		return sale, err
	}
	d.till.deliver(ctx, sale, fx)
	d.till.wake.fire()
	return sale, nil
}

// storeStep reads, steps and stores a payment under the lock, which is free
// again even if that panics: the server goes on after a call that does.
func (d *Device) storeStep(ctx context.Context, id preauth.ID, step saleStep) (store.Sale, payment.Effects, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.self.Load().Locked && step.in.Event.Cancels() {
		return store.Sale{}, payment.Effects{}, errLocked
	}
	sale, err := d.store.Sale(ctx, id)
	if err != nil {
		return sale, payment.Effects{}, err
	}
	return d.storeSale(ctx, sale, step)
}

// saleStep is an event of a sale with what is stored beside its outcome.
type saleStep struct {
	in       payment.BusinessInput
	answered *store.Ask       // row of the request in speaks of, if it changed beyond the step
	done     payment.ItemKind // outbox item that in came from, if any
	verdict  []byte           // Signed Verdict that in came from, if any
	call     *store.Call      // the caller's request that in came from, if any
}

// storeSale steps sale, and stores it with the requests the step answered,
// its events and its outbox items. The caller holds the lock.
func (d *Device) storeSale(ctx context.Context, sale store.Sale, step saleStep) (store.Sale, payment.Effects, error) {
	in := step.in
	next, fx, err := sale.Sale.Step(in, d.now())
	if err != nil {
		return sale, payment.Effects{}, err
	}
	from := sale.State
	sale.Sale = next
	if step.verdict != nil && in.Request == next.Winner {
		sale.VerdictBytes = step.verdict
	}
	c := &store.Change{Sale: &sale, Call: step.call}
	if step.done != "" {
		c.Done = []store.ItemKey{{Kind: step.done, Request: in.Request}}
	}
	rows, err := d.answeredRows(ctx, next, step.answered, c)
	if err != nil {
		return sale, payment.Effects{}, err
	}
	for _, it := range fx.Outbox {
		if row := outboxRow(sale, rows[it.Request], it, d.now()); !handedIn(c, row.ItemKey) {
			c.Outbox = append(c.Outbox, row)
		}
	}
	c.Events = d.saleEvents(sale, rows[next.Winner], fx.Notes)
	if in.Event == payment.AllDeclined {
		words, err := d.wordsOf(ctx, sale.ID)
		if err != nil {
			return sale, payment.Effects{}, err
		}
		for _, e := range c.Events {
			if cancelled := e.GetPaymentCancelled(); cancelled != nil {
				cancelled.Detail = words
			}
		}
	}
	if err := d.commit(ctx, c); err != nil {
		return sale, payment.Effects{}, err
	}
	d.till.forgetAcked(c.Asks)
	d.till.show(sale, in)
	if from != next.State {
		d.report(sale.ID, from, next.State, next.Reason)
	}
	if in.Event != payment.CustomerSaidNo && in.Event != payment.Refuse && len(c.Outbox) > 0 {
		d.sync.Kick()
	}
	return sale, fx, nil
}

// answeredRows reads the rows of a sale's requests, brings those that the
// step answered up to date and adds them to the change.
func (d *Device) answeredRows(ctx context.Context, next payment.Sale, answered *store.Ask, c *store.Change) (map[preauth.Hash]store.Ask, error) {
	asks, err := d.store.AsksOf(ctx, next.ID)
	if err != nil {
		return nil, err
	}
	rows := make(map[preauth.Hash]store.Ask, len(asks))
	for _, row := range asks {
		now, _ := next.Asked(row.Request)
		before := row.Ask
		if answered != nil && row.Request == answered.Request {
			row = *answered
		}
		if now != before {
			row.Owed = true
			if now.Cancel != "" && before.Cancel == "" {
				row.CancelledAt = time.Now()
			}
			row.Ask = now
			c.Asks = append(c.Asks, row)
		}
		rows[row.Request] = row
	}
	return rows, nil
}

// handedIn reports whether the backend has just answered this very item:
// handing it in again would get the same answer, for ever.
func handedIn(c *store.Change, key store.ItemKey) bool { return slices.Contains(c.Done, key) }

// outboxRow makes an item of the till's outbox, at a trusted time.
func outboxRow(s store.Sale, a store.Ask, it payment.Item, now time.Time) store.Item {
	return store.Item{
		ItemKey: store.ItemKey{Kind: it.Kind, Request: it.Request}, Payment: s.ID,
		Currency: s.Currency, Total: a.Total, CreatedAt: now, Deadline: claimDeadline(a, now),
	}
}

// claimDeadline is when the backend stops taking what the till hands in for a
// request. Without a certificate it is a charge, or a Cancel without a
// voucher.
func claimDeadline(a store.Ask, now time.Time) time.Time {
	if at := settleBy(a.CertBytes); !at.IsZero() {
		return at
	}
	return now.Add(30 * 24 * time.Hour)
}

// settleBy is when the backend stops taking claims on a certificate.
func settleBy(cert []byte) time.Time {
	c, err := preauth.Open[*peerv1.PreauthCert](cert)
	if err != nil {
		return time.Time{}
	}
	return time.UnixMilli(c.Body.SettleByMs)
}
