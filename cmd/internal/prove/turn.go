package prove

import (
	"errors"
	"fmt"
	"slices"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// pace is how eagerly devices call the backend again.
var pace = outbox.Pace{Max: time.Minute}

// owner is a device with what its outbox is about: a till or a wallet.
type owner interface {
	end
	base() *device
	fill(*outbox.Item) error
	judge(outbox.Item, preauth.Verdict) error
	postpone([]outbox.Item) error
	aged(signed time.Time) error // the backend's time is known
}

// call is one call to the backend: asked, worked on, answered, three steps
// between which anything may happen.
type call struct {
	d       *device
	refresh bool
	after   int64         // of a refresh: how far changed verdicts were read
	items   []outbox.Item // of a batch, claims and Cancels
	asked   []outbox.Item // of a query

	worked  bool
	trust   *backendv1.RefreshResponse
	results *backendv1.SubmitResponse
	answers *backendv1.QueryResponse
}

// begin composes what a device sends next; everything, also what is not due,
// if it is in haste.
func begin(o owner, refresh, haste bool) error {
	d := o.base()
	if refresh {
		after, err := d.st.VerdictsTo(ctx)
		d.sync = &call{d: d, refresh: true, after: after}
		return err
	}
	now := d.trusted()
	if haste {
		now = now.AddDate(5000, 0, 0)
	}
	rows, err := d.st.DueItems(ctx, now, outbox.BatchItems)
	if err != nil {
		return err
	}
	items := make([]outbox.Item, 0, len(rows))
	for _, row := range rows {
		it := outbox.Item{
			Key: outbox.Key(row.ItemKey), Payment: row.Payment, Deadline: row.Deadline, Total: row.Total,
			Currency: row.Currency, CreatedAt: row.CreatedAt, Tries: row.Tries, NextTry: row.NextTry, Error: row.Error,
		}
		if err := o.fill(&it); err != nil {
			return d.w.check.broken("%s: outbox item %s cannot be handed in: %v", d.name, it.Key.Kind, err)
		}
		items = append(items, it)
	}
	b := outbox.Compose(items)
	if len(b.Broken) > 0 {
		return d.w.check.broken("%s: broken outbox item: %v", d.name, b.Broken[0].Err)
	}
	switch {
	case len(b.Submit) > 0:
		d.sync = &call{d: d, items: b.Submit}
	case len(b.Query) > 0:
		d.sync = &call{d: d, asked: b.Query}
	}
	return nil
}

// work lets the backend take a call. It may die in between: each item is a
// transaction of its own, so the first ones count and the answer is lost.
func (w *world) work(c *call) error {
	there, back := w.office.reach()
	if !there {
		w.tell(c.d.name, "backend", "call gets lost", preauth.Hash{})
		w.harm["call to the backend lost"]++
		c.drop()
		return nil
	}
	c.worked = true
	var err error
	switch {
	case c.refresh:
		c.trust, err = w.office.refresh(c.d.person, c.d.trust.Epoch(), c.after)
	case len(c.items) > 0:
		err = w.handIn(c)
	default:
		hashes := make([]preauth.Hash, len(c.asked))
		for i, it := range c.asked {
			hashes[i] = it.Key.Request
		}
		c.answers, err = w.office.query(c.d.person, hashes)
	}
	if isBroken(err) {
		return err
	}
	if err != nil || !back || !w.office.up() {
		w.tell("backend", c.d.name, "answer gets lost", preauth.Hash{})
		w.harm["answer of the backend lost"]++
		c.drop()
	}
	return nil
}

// drop ends a call that gets no answer.
func (c *call) drop() {
	if c.d.sync == c {
		c.d.sync = nil
	}
}

func (w *world) handIn(c *call) error {
	items := wire(c.items)
	for _, it := range c.items {
		w.tell(c.d.name, "backend", string(it.Key.Kind), it.Key.Request)
	}
	if !w.quiet && w.dice.chance(40) { // dies in the middle of a batch
		if _, err := w.office.submit(c.d.person, items[:w.dice.IntN(len(items)+1)]); err != nil {
			return err
		}
		return w.office.crash()
	}
	if f := w.office.fails(); f != faultNone { // of one of the items
		n := w.dice.IntN(len(items))
		if f == faultKept {
			n++
		}
		if _, err := w.office.submit(c.d.person, items[:n]); err != nil {
			return err
		}
		return w.office.crash()
	}
	if !w.quiet && w.dice.chance(50) { // arrives twice
		if _, err := w.office.submit(c.d.person, items); err != nil {
			return err
		}
	}
	var err error
	c.results, err = w.office.submit(c.d.person, items)
	return err
}

func wire(items []outbox.Item) []*backendv1.Item {
	all := make([]*backendv1.Item, len(items))
	for i, it := range items {
		all[i] = &backendv1.Item{
			Request: it.Request, PreauthCert: it.PreauthCert, Voucher: it.Voucher,
			Charge: it.Charge, Receipt: it.Receipt, Cancel: it.Cancel,
		}
	}
	return all
}

// finish takes the answer of a call.
func finish(o owner) error {
	d := o.base()
	c := d.sync
	d.sync = nil
	var signed *backendv1.SignedTime
	switch {
	case c.trust != nil:
		signed = c.trust.Time
	case c.results != nil:
		signed = c.results.Time
	default:
		signed = c.answers.Time
	}
	if err := hear(o, time.UnixMilli(signed.ServerTimeMs)); err != nil {
		return err
	}
	switch {
	case c.trust != nil:
		return refreshed(o, c.trust)
	case c.results != nil:
		results := make([]outbox.Result, len(c.results.Results))
		for i, r := range c.results.Results {
			results[i] = outbox.Result{Verdict: r.Verdict, Error: r.Error}
		}
		totals := make([]outbox.Total, len(c.results.Totals))
		for i, t := range c.results.Totals {
			totals[i] = outbox.Total{Currency: t.Currency, Outcome: peerv1.Outcome(t.Outcome), Count: t.Count, Sum: t.Sum, Settled: t.Settled}
		}
		decisions, _, err := outbox.Decide(d.trust, c.items, results, totals)
		if err != nil {
			return d.w.check.broken("%s: books differ: %v", d.name, err)
		}
		return settle(o, decisions)
	}
	decisions, stray := outbox.DecideQuery(d.trust, c.asked, c.answers.Verdicts)
	if stray != nil {
		return d.w.check.broken("%s: %v", d.name, stray)
	}
	return settle(o, decisions)
}

// settle stores decisions: verdicts one by one, what stays together.
func settle(o owner, decisions []outbox.Decision) error {
	d := o.base()
	var stay []outbox.Item
	for _, one := range decisions {
		if one.Err == nil {
			one.Err = o.judge(one.Item, one.Verdict)
			if one.Err != nil && !errors.Is(one.Err, payment.ErrState) {
				return one.Err
			}
			if one.Err != nil {
				return d.w.check.broken("%s: verdict without an edge: %v", d.name, one.Err)
			}
		}
		if one.Err != nil {
			if reason := outbox.Reason(one.Err); reason != "" {
				d.w.tell(d.name, "", fmt.Sprintf("%s stays: %v", one.Item.Key.Kind, one.Err), one.Item.Key.Request)
			}
			stay = append(stay, pace.Postpone(one.Item, one.Err, d.trusted(), d.w.dice.Uint64()))
		}
	}
	if len(stay) == 0 {
		return nil
	}
	return o.postpone(stay)
}

// hear takes a fresh time of the backend.
func hear(o owner, at time.Time) error {
	d := o.base()
	if d.clock.hear(at, d.w.now) {
		e := &paymentv1.Event{Event: &paymentv1.Event_DeviceChanged{DeviceChanged: &paymentv1.DeviceChanged{What: "CLOCK_FLOOR_LOWERED"}}}
		if err := d.commit(&store.Change{FloorLowered: true, Events: []*paymentv1.Event{e}}, preauth.Hash{}); err != nil {
			return err
		}
	}
	return o.aged(at)
}

// refreshed takes verdicts that have changed, a newer trust bundle and what is
// voided.
func refreshed(o owner, r *backendv1.RefreshResponse) error {
	d := o.base()
	t, err := preauth.OpenTrust(d.identity.RootKey, r.TrustBundle)
	if err != nil {
		return d.w.check.broken("%s: bundle: %v", d.name, err)
	}
	if err := rejudge(o, t, r.Verdicts); err != nil {
		return err
	}
	c := &store.Change{VerdictsTo: &r.VerdictsTo}
	for _, b := range r.Voided {
		if a, err := d.st.Authorization(ctx, preauth.ID(b)); err == nil && !a.Voided {
			a.Voided = true
			c.Put = append(c.Put, a)
		}
	}
	id := d.newest(t)
	id.Locked = false
	return d.become(id, c)
}

// rejudge judges verdicts that replaced others, on claims that may be done.
func rejudge(o owner, t preauth.Trust, verdicts [][]byte) error {
	var claims []outbox.Item
	for _, b := range verdicts {
		v, err := t.Verdict(b)
		if err != nil {
			return o.base().w.check.broken("%s: changed verdict: %v", o.base().name, err)
		}
		it := outbox.Item{Key: outbox.Key{Kind: payment.ItemClaim, Request: preauth.Hash(v.Body.RequestHash)}}
		o.base().w.tell("backend", o.base().name, "changed to "+v.Body.Outcome.String(), it.Key.Request)
		if err := o.fill(&it); err != nil {
			return o.base().w.check.broken("%s: changed verdict on what it does not know: %v", o.base().name, err)
		}
		claims = append(claims, it)
	}
	decisions, stray := outbox.DecideQuery(t, claims, verdicts)
	if stray != nil {
		return o.base().w.check.broken("%s: %v", o.base().name, stray)
	}
	return settle(o, decisions)
}

// newest is the device's identity with the newer one of its own bundle and t.
func (d *device) newest(t preauth.Trust) store.Identity {
	id := d.identity
	if t.Epoch() > d.trust.Epoch() || t.Epoch() == d.trust.Epoch() && t.SignedAt().After(d.trust.SignedAt()) {
		id.TrustBundle = t.Bundle.Bytes
	}
	return id
}

// keep writes when items are tried next.
func (d *device) keep(items []outbox.Item) error {
	rows := make([]store.Item, len(items))
	for i, it := range items {
		rows[i] = store.Item{ItemKey: store.ItemKey(it.Key), Tries: it.Tries, NextTry: it.NextTry, Error: it.Error}
	}
	if d.full {
		return fmt.Errorf("%s: %w", d.name, store.ErrFull)
	}
	return d.st.Retry(ctx, rows)
}

func (t *till) aged(time.Time) error               { return nil }
func (t *till) postpone(items []outbox.Item) error { return t.keep(items) }
func (c *wallet) aged(signed time.Time) error      { return c.releaseBefore(signed) }

// givenUp reports whether a Charge that the backend does not know could not be
// taken any more, by the backend's time since it said so first.
func (c *wallet) givenUp(a store.Attempt) bool {
	if !a.Charge || a.State != payment.Authorized {
		return false
	}
	now := c.floor()
	since, asked := c.unknown[a.Request]
	if !asked || now.Before(since) {
		c.unknown[a.Request] = now
		return false
	}
	return !now.Before(since.Add(time.Hour))
}

// postpone gives up questions about a hold that settle_by has ended, and a
// Charge that nobody knows when none could be taken any more.
func (c *wallet) postpone(items []outbox.Item) error {
	var done []store.ItemKey
	stay := slices.Clone(items[:0])
	for _, it := range items {
		ended := false
		if it.Error == "" && it.Key.Kind == payment.ItemClaim {
			a, err := c.st.Attempt(ctx, it.Key.Request)
			if err == nil && c.givenUp(a) {
				if err := c.step(a.Request, payment.CustomerInput{Event: payment.SettleByPassed}, nil); err != nil {
					return err
				}
				a, err = c.st.Attempt(ctx, it.Key.Request)
			}
			ended = err == nil && a.State == payment.Released
		}
		if ended {
			done = append(done, store.ItemKey(it.Key))
		} else {
			stay = append(stay, it)
		}
	}
	if len(done) > 0 {
		if err := c.commit(&store.Change{Done: done}, preauth.Hash{}); err != nil {
			return err
		}
	}
	return c.keep(stay)
}
