package device

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// reverse gives a payment back, or says why not.
func (p *party) reverse(id string) (*paymentv1.Payment, error) {
	resp, err := p.business.ReversePayment(p.rig.ctx, &businessv1.ReversePaymentRequest{RequestId: uuid.NewString(), PaymentId: id})
	return resp.GetPayment(), err
}

// givesBack expects that a payment is given back.
func (p *party) givesBack(id string) {
	p.rig.t.Helper()
	got, err := p.reverse(id)
	p.rig.must(err)
	if got.State != cancelled || got.Reason != "REVERSAL" {
		p.rig.t.Fatalf("given back: %s (%s)", got.State, got.Reason)
	}
}

// buys lets a customer that listens pay a till offline.
func (r *rig) buys(till, customer *party, card, amount string, events <-chan *paymentv1.Event) string {
	r.t.Helper()
	result := till.request(amount, offline)
	asked := r.received(events)
	customer.accept(asked, card)
	if got := r.result(result); got.GetPaymentSuccessful() == nil {
		r.t.Fatal(got)
	}
	customer.reaches(asked.PaymentId, provisional, settledNow)
	return asked.PaymentId
}

// TestReversalOffline: with no network a till gives the money back, and the
// customer who is near can spend it again at once.
func TestReversalOffline(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till, other := r.till("till"), r.till("other")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, other, ann)
		id := r.buys(till, ann, card, "30.00", events)
		till.givesBack(id)
		p := ann.reaches(id, cancelled)
		if p.Reason != "REVERSAL" {
			t.Errorf("%s at the customer, because of %s", p.State, p.Reason)
		}
		if held, spent := ann.held(); held+spent != 0 {
			t.Errorf("%d held, %d spent", held, spent)
		}
		again := r.buys(other, ann, card, "40.00", events)
		till.givesBack(id) // once more is harmless
		r.balanced(map[string]int64{id: 0, again: 4000}, till, other, ann)
	})
}

// TestReversalLater: a customer who is away learns of the reversal when the
// two meet again, after a restart of both, and of two from one till of both.
func TestReversalLater(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)
		first, second := r.buys(till, ann, card, "10.00", events), r.buys(till, ann, card, "5.00", events)
		r.cut = true
		ann.stop()
		till.givesBack(first)
		till.givesBack(second)
		till = till.restart()
		ann = r.start(ann.name, ann.role)
		ann.listen(r.ctx)
		ann.reaches(first, cancelled)
		ann.reaches(second, cancelled)
		if held, spent := ann.held(); held+spent != 0 {
			t.Errorf("%d held, %d spent", held, spent)
		}
		r.balanced(map[string]int64{first: 0, second: 0}, till, ann)
	})
}

// TestReversalAfterSettlement: everything is settled, nobody has anything to
// hand in, and the customer is nowhere near: it learns from the backend that
// the verdict has changed.
func TestReversalAfterSettlement(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		setOffline(true, till, ann)
		id := r.buys(till, ann, card, "30.00", ann.listen(r.ctx))
		r.balanced(map[string]int64{id: 3000}, till, ann)
		till.reaches(id, settledNow)
		ann.reaches(id, settledNow)
		ann.radio.mute()
		till.givesBack(id)
		r.settled(till)
		r.settled(ann)
		p := ann.reaches(id, cancelled)
		if p.Reason != "REVERSAL" {
			t.Errorf("%s at the customer, because of %s", p.State, p.Reason)
		}
		if held, spent := ann.held(); held+spent != 0 {
			t.Errorf("%d held, %d spent", held, spent)
		}
		told := 0
		for _, e := range ann.timeline(id) {
			if e.GetPaymentCancelled().GetReason() == "REVERSAL" {
				told++
			}
		}
		if told != 1 {
			t.Errorf("%d events of the reversal", told)
		}
		r.balanced(map[string]int64{id: 0}, till, ann)
	})
}

// timeline are the events of a payment.
func (p *party) timeline(id string) []*paymentv1.Event {
	p.rig.t.Helper()
	got, err := p.customer.FetchPayment(p.rig.ctx, &paymentv1.FetchPaymentRequest{PaymentId: id})
	p.rig.must(err)
	return got.Timeline
}

// TestReversalIsPolite: a till that looks for the customer of a reversal dials
// strangers a few times, and leaves them alone then.
func TestReversalIsPolite(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		bob, _ := r.payer("bob", "40.00")
		setOffline(true, till, ann, bob)
		id := r.buys(till, ann, card, "30.00", ann.listen(r.ctx))
		ann.stop()
		bob.listen(r.ctx)
		dials := 0
		till.radio.onAnswer(func() { dials++ })
		till.givesBack(id)
		<-time.After(time.Hour) // of virtual time
		synctest.Wait()
		if dials == 0 || dials > 8 {
			t.Errorf("a stranger was dialled %d times within an hour", dials)
		}
		if st, err := till.device.GetStatus(r.ctx, &devicev1.GetStatusRequest{}); err != nil || st.GetStatus().GetOutbox() == 0 {
			t.Errorf("%v, %v", st, err)
		}
	})
}

// TestNotReversible: what was never paid is not given back, and the caller is
// told what to do instead.
func TestNotReversible(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, _ := r.payer("ann", "40.00")
		setOffline(true, till, ann)
		events := ann.listen(r.ctx)
		result := till.request("30.00", offline)
		asked := r.received(events)
		if _, err := till.reverse(asked.PaymentId); reason(err) != "NOT_REVERSIBLE" {
			t.Errorf("an open payment: %v", err)
		}
		ann.decline(asked)
		r.result(result)
		if _, err := till.reverse(asked.PaymentId); reason(err) != "NOT_REVERSIBLE" {
			t.Errorf("a declined payment: %v", err)
		}
		if _, err := till.reverse(uuid.NewString()); reason(err) != "PAYMENT_NOT_FOUND" {
			t.Errorf("an unknown payment: %v", err)
		}
	})
}
