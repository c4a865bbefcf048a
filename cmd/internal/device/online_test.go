package device

import (
	"testing"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
)

// TestCharge: with the till online, a customer without a pre-authorization and
// without a network pays on the spot.
func TestCharge(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "")
		events := ann.listen(r.ctx)
		setOffline(true, ann)
		result := till.ask(&businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "5.00", Currency: "USD", Tip: &businessv1.TipPolicy{},
		})
		asked := r.received(events)
		if !asked.Online {
			t.Fatal("the till is online and the request does not say so")
		}
		call := acceptance(asked, card)
		call.Tip = "0.01"
		if _, err := ann.customer.AcceptPayment(r.ctx, call); reason(err) != "TIP_NOT_ALLOWED" {
			t.Errorf("a tip that is not taken: %v", err)
		}
		if n := ann.vouchers(asked.PaymentId); n != 0 {
			t.Fatalf("%d charges signed with a tip that is not taken", n)
		}
		ann.accept(asked, card)
		if got := r.result(result); got.GetPaymentSuccessful() == nil || got.Payment.State != settledNow {
			t.Fatal(got)
		}
		ann.reaches(asked.PaymentId, settledNow)
		r.balanced(map[string]int64{asked.PaymentId: 500}, till, ann)
	})
}

// TestOnlineRequired: without a verdict in time the payment fails, and by then
// the till's own Cancel is stored: nobody is paid, whoever hands in what.
func TestOnlineRequired(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, ann)
		result := till.ask(&businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "5.00", Currency: "USD",
			Policy: businessv1.Policy_POLICY_REQUIRE_ONLINE, Timeout: durationpb.New(2e9),
		})
		asked := r.received(events)
		setOffline(true, till) // between the request and the answer
		ann.customer.AcceptPayment(r.ctx, acceptance(asked, card))
		got := r.result(result)
		if got.GetPaymentCancelled().GetReason() != "ONLINE_REQUIRED" {
			t.Fatal(got)
		}
		asks, err := till.node.Store.OwedAsks(r.ctx)
		r.must(err)
		cancels := 0
		for _, a := range asks {
			if a.Cancel == "ONLINE_REQUIRED" {
				cancels++
			}
		}
		if n, err := till.node.Store.OutboxSize(r.ctx); cancels != 1 || n == 0 || err != nil {
			t.Errorf("%d cancels stored, %d items to hand in, %v", cancels, n, err)
		}
		ann.reaches(asked.PaymentId, cancelled)
		if held, _ := ann.held(); held != 0 {
			t.Errorf("%d held", held)
		}
		r.balanced(map[string]int64{asked.PaymentId: 0}, ann, till)
	})
}

// TestBound: a customer with a network pays a till without one from funds that
// were set aside for this request alone: all of it is guaranteed.
func TestBound(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "")
		events := ann.listen(r.ctx)
		setOffline(true, till)
		result := till.request("5.00", offline)
		asked := r.received(events)
		ann.accept(asked, card)
		got := r.result(result)
		if p := got.GetPaymentSuccessful(); p.GetGuaranteed() != "5.00" || p.GetAtRisk() != "0.00" {
			t.Fatal(got)
		}
		r.balanced(map[string]int64{asked.PaymentId: 500}, ann, till)
	})
}

// TestWhoeverSyncsFirst: one payment is paid once, whether till, customer or
// a customer who lost the race is first to reach the backend.
func TestWhoeverSyncsFirst(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, annCard := r.payer("ann", "40.00")
		bob, bobCard := r.payer("bob", "40.00")
		toAnn, toBob := ann.listen(r.ctx), bob.listen(r.ctx)
		for i, order := range [][]*party{{till, ann, bob}, {ann, till, bob}, {bob, ann, till}} {
			setOffline(true, till, ann, bob)
			result := till.request("5.00", offline)
			asked, lost := r.received(toAnn), r.received(toBob)
			ann.accept(asked, annCard)
			if got := r.result(result); got.GetPaymentSuccessful() == nil {
				t.Fatal(got)
			}
			bob.customer.AcceptPayment(r.ctx, acceptance(lost, bobCard)) // too late
			bob.reaches(lost.PaymentId, otherPaid)
			for _, p := range order {
				setOffline(false, p)
				r.settled(p)
			}
			if got := r.paid(asked.PaymentId); got != 500 {
				t.Errorf("order %d: %d paid", i, got)
			}
			till.reaches(asked.PaymentId, settledNow)
			ann.reaches(asked.PaymentId, settledNow)
		}
		r.balanced(nil, till, ann, bob)
		if held, spent := ann.held(); held != 0 || spent != 1500 {
			t.Errorf("ann: held %d, spent %d", held, spent)
		}
		if held, spent := bob.held(); held != 0 || spent != 0 {
			t.Errorf("bob: held %d, spent %d", held, spent)
		}
	})
}
