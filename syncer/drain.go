package syncer

import (
	"context"
	"errors"
	"fmt"
	"slices"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// draining is one pass over the outbox.
type draining struct {
	s        *Syncer
	each     func(Result)
	tried    map[outbox.Key]bool
	counted  map[preauth.Hash]bool // requests in sum.Totals
	sum      Summary
	mismatch error // of the last batch that had one
}

// fresh returns the items that this pass has not tried.
func (d *draining) fresh(due []outbox.Item) []outbox.Item {
	return slices.DeleteFunc(due, func(it outbox.Item) bool { return d.tried[it.Key] })
}

// hand carries one batch to the backend and what it says to the book. On an
// error that is not about single items, those of the batch stay untouched.
func (d *draining) hand(ctx context.Context, b outbox.Batch) error {
	if err := d.settle(ctx, b.Broken); err != nil {
		return err
	}
	if len(b.Submit) > 0 {
		if err := d.submit(ctx, b.Submit); err != nil {
			return err
		}
	}
	if len(b.Query) > 0 {
		return d.query(ctx, b.Query)
	}
	return nil
}

// submit hands items in. If the backend finds the call itself malformed, the
// batch is halved until the item that spoils it stands alone.
func (d *draining) submit(ctx context.Context, items []outbox.Item) error {
	req := handIn(items)
	resp, creds, err := ask(ctx, d.s, batchLimit, func(ctx context.Context, c backendv1.SettlementServiceClient) (*backendv1.SubmitResponse, error) {
		return c.Submit(ctx, req)
	})
	var refused *Refused
	if errors.As(err, &refused) && refused.invalid {
		if half := len(items) / 2; half > 0 {
			if err := d.submit(ctx, items[:half]); err != nil {
				return err
			}
			return d.submit(ctx, items[half:])
		}
		return d.settle(ctx, []outbox.Decision{{Item: items[0], Err: outbox.Refusal(refused.Reason)}})
	}
	if err != nil {
		return err
	}
	decisions, _, err := outbox.Decide(creds.Trust, items, resultsOf(resp), totalsOf(resp))
	if err != nil {
		d.mismatch = fmt.Errorf("batch of %d: %w", len(items), err)
	}
	return d.settle(ctx, decisions)
}

// query asks what became of requests. A device that may not ask keeps its
// questions.
func (d *draining) query(ctx context.Context, items []outbox.Item) error {
	hashes := make([]preauth.Hash, len(items))
	for i, it := range items {
		hashes[i] = it.Key.Request
	}
	verdicts, trust, err := d.s.verdictsOn(ctx, hashes)
	var refused *Refused
	if errors.As(err, &refused) && refused.RetryAfter == 0 {
		decisions := make([]outbox.Decision, len(items))
		for i, it := range items {
			decisions[i] = outbox.Decision{Item: it, Err: outbox.Refusal(refused.Reason)}
		}
		return d.settle(ctx, decisions)
	}
	if err != nil {
		return err
	}
	decisions, stray := outbox.DecideQuery(trust, items, verdicts)
	if stray != nil {
		d.s.log.WarnContext(ctx, "verdict not used", "error", stray)
	}
	return d.settle(ctx, decisions)
}

// settle stores decisions: verdicts one by one, what stays together.
func (d *draining) settle(ctx context.Context, decisions []outbox.Decision) error {
	var stay []outbox.Item
	var done []outbox.Decision
	var failed error
	for _, one := range decisions {
		if one.Err == nil {
			one.Err = d.s.book.Judge(ctx, one.Item, one.Verdict)
			if one.Err != nil && !errors.Is(one.Err, payment.ErrState) {
				failed = fmt.Errorf("judge request %s: %w", one.Item.Key.Request, one.Err)
				break
			}
		}
		d.tried[one.Item.Key] = true
		if one.Err == nil {
			d.sum.Synced++
			done = append(done, one)
		} else {
			stay = append(stay, d.postpone(ctx, one))
		}
		if d.each != nil {
			d.each(Result{Item: one.Item, Verdict: one.Verdict, Err: one.Err})
		}
	}
	d.count(done)
	if len(stay) > 0 {
		d.sum.Remaining += len(stay)
		failed = errors.Join(failed, d.s.book.Postpone(ctx, stay))
	}
	return failed
}

// postpone returns the item as it stays, and logs why the first time.
func (d *draining) postpone(ctx context.Context, one outbox.Decision) outbox.Item {
	err := one.Err
	if errors.Is(err, payment.ErrState) {
		err = fmt.Errorf("%w: %w", outbox.ErrVerdict, err)
	}
	if errors.Is(err, preauth.ErrIssuer) {
		d.s.refreshed = ever // the bundle may be older than the issuer's key
	}
	it := d.s.pace.Postpone(one.Item, err, d.s.now(), d.s.entropy())
	if it.Error != "" && it.Error != one.Item.Error {
		d.s.log.WarnContext(ctx, "kept in the outbox", "payment", it.Payment, "kind", it.Key.Kind, "reason", it.Error, "error", err)
	}
	d.s.waiting[it.Key] = it.NextTry
	return it
}

// count adds each request to the summary once, in whatever batch it was.
func (d *draining) count(done []outbox.Decision) {
	done = slices.DeleteFunc(done, func(one outbox.Decision) bool { return d.counted[one.Item.Key.Request] })
	for _, one := range done {
		d.counted[one.Item.Key.Request] = true
	}
	d.sum.Totals = outbox.Add(d.sum.Totals, outbox.Tally(done))
}

func resultsOf(resp *backendv1.SubmitResponse) []outbox.Result {
	results := make([]outbox.Result, len(resp.Results))
	for i, r := range resp.Results {
		results[i] = outbox.Result{Verdict: r.Verdict, Error: r.Error}
	}
	return results
}

func totalsOf(resp *backendv1.SubmitResponse) []outbox.Total {
	totals := make([]outbox.Total, len(resp.Totals))
	for i, t := range resp.Totals {
		totals[i] = outbox.Total{
			Currency: t.Currency, Outcome: peerv1.Outcome(t.Outcome),
			Count: t.Count, Sum: t.Sum, Settled: t.Settled,
		}
	}
	return totals
}
