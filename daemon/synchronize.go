package daemon

import (
	"cmp"
	"context"
	"strings"
	"sync"

	"google.golang.org/grpc"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/syncer"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// SyncPayments hands everything over and streams what the backend says of each
// item, then the count and sum. With nothing to hand over there is only a
// summary. The error wraps syncer.ErrOffline, syncer.ErrNotEnrolled or
// syncer.ErrTotals; verdicts that were streamed before it stand.
func (h *history) SyncPayments(_ *paymentv1.SyncPaymentsRequest, stream grpc.ServerStreamingServer[paymentv1.SyncPaymentsResponse]) error {
	summary, err := h.syncTelling(stream)
	if err != nil {
		return err
	}
	return stream.Send(&paymentv1.SyncPaymentsResponse{Step: &paymentv1.SyncPaymentsResponse_Summary{Summary: summary}})
}

// syncTelling streams the verdicts. It returns when all of them were sent, or
// one could not be.
func (h *history) syncTelling(stream grpc.ServerStreamingServer[paymentv1.SyncPaymentsResponse]) (sum *paymentv1.SyncSummary, err error) {
	var told verdicts
	sent := make(chan error, 1)
	go func() {
		sent <- told.each(func(v *paymentv1.SyncVerdict) error {
			return stream.Send(&paymentv1.SyncPaymentsResponse{Step: &paymentv1.SyncPaymentsResponse_Verdict{Verdict: v}})
		})
	}()
	defer func() {
		told.end()
		err = cmp.Or(err, <-sent)
	}()
	return h.d.syncNow(stream.Context(), told.add)
}

// verdicts wait for a caller that may be slow to take them: whoever
// synchronizes next, and the device itself does, must not wait for that. There
// are no more than the outbox had items. The zero value is ready.
type verdicts struct {
	changed signal
	mu      sync.Mutex
	waiting []*paymentv1.SyncVerdict
	ended   bool
}

func (q *verdicts) add(v *paymentv1.SyncVerdict) {
	q.mu.Lock()
	q.waiting = append(q.waiting, v)
	q.mu.Unlock()
	q.changed.fire()
}

// end says that no more are added.
func (q *verdicts) end() {
	q.mu.Lock()
	q.ended = true
	q.mu.Unlock()
	q.changed.fire()
}

// take returns those that were added since, and whether that was all.
func (q *verdicts) take() (some []*paymentv1.SyncVerdict, all bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	some, q.waiting = q.waiting, nil
	return some, q.ended
}

// each calls send with every verdict, in order, until they end or send fails.
func (q *verdicts) each(send func(*paymentv1.SyncVerdict) error) error {
	for {
		changed := q.changed.wait()
		some, all := q.take()
		for _, v := range some {
			if err := send(v); err != nil {
				return err
			}
		}
		if all {
			return nil
		}
		<-changed
	}
}

// syncNow hands everything over and calls tell, which does not wait, with each
// verdict. Nothing is asked of the backend that could not be stored.
func (d *Device) syncNow(ctx context.Context, tell func(*paymentv1.SyncVerdict)) (*paymentv1.SyncSummary, error) {
	if err := d.takesWrites(ctx); err != nil {
		return nil, err
	}
	var untold error
	sum, err := d.sync.SyncNow(ctx, func(r syncer.Result) {
		if r.Err != nil || untold != nil {
			return
		}
		v, err := d.verdictProto(ctx, r)
		if untold = err; err == nil {
			tell(v)
		}
	})
	if err != nil {
		return nil, err
	}
	return summaryProto(sum), untold
}

// verdictProto returns a verdict as the API shows it, with the state that has
// followed from it.
func (d *Device) verdictProto(ctx context.Context, r syncer.Result) (*paymentv1.SyncVerdict, error) {
	request, v := r.Item.Key.Request, r.Verdict.Body
	of := d.claimedAttempt
	if d.business() {
		of = d.claimedSale
	}
	c, err := of(ctx, request)
	if err != nil {
		return nil, err
	}
	return &paymentv1.SyncVerdict{
		PaymentId: c.payment.String(), RequestHash: request.String(), Currency: c.currency, State: stateProto(c.state),
		Total: money.Format(c.total, c.currency), SettledAmount: money.Format(v.GetAmount(), c.currency), Reason: v.GetReason(),
	}, nil
}

// claimed is what a verdict is about: what was promised in answer to a
// request or, if nothing was, what the request asked for.
type claimed struct {
	payment  preauth.ID
	state    payment.State
	currency string
	total    int64 // minor units
}

func (d *Device) claimedSale(ctx context.Context, request preauth.Hash) (claimed, error) {
	ask, err := d.store.Ask(ctx, request)
	if err != nil {
		return claimed{}, err
	}
	s, err := d.store.Sale(ctx, ask.Payment)
	c := claimed{s.ID, s.State, s.Currency, s.Amount}
	if len(ask.VoucherBytes) > 0 {
		c.total = ask.Total
	}
	return c, err
}

func (d *Device) claimedAttempt(ctx context.Context, request preauth.Hash) (claimed, error) {
	a, err := d.store.Attempt(ctx, request)
	return claimed{a.Payment, a.State, a.Currency, a.Amount + a.Tip}, err
}

// summaryProto returns count and sum as the API shows them.
func summaryProto(s syncer.Summary) *paymentv1.SyncSummary {
	p := &paymentv1.SyncSummary{Synced: uint32(s.Synced), Remaining: uint32(s.Remaining)}
	for _, t := range s.Totals {
		p.Totals = append(p.Totals, totalProto(t))
	}
	return p
}

func totalProto(t outbox.Total) *paymentv1.SyncTotal {
	return &paymentv1.SyncTotal{
		Currency: t.Currency, Verdict: strings.TrimPrefix(t.Outcome.String(), "OUTCOME_"), Count: t.Count,
		Sum: money.Format(t.Sum, t.Currency), SettledSum: money.Format(t.Settled, t.Currency),
	}
}
