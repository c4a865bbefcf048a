package device

import (
	"fmt"
	"testing"

	"github.com/google/uuid"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/ble/sim"
)

// TestLinkLostBeforeAccept: the customer is asked again for the same payment,
// in a new session, and can accept then.
func TestLinkLostBeforeAccept(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)
		result := till.request("2.00", offline)
		asked := r.received(events)
		r.air.DropLinks()
		again := r.received(events)
		if again.PaymentId != asked.PaymentId {
			t.Fatalf("asked for %s after %s", again.PaymentId, asked.PaymentId)
		}
		ann.accept(again, card)
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		if n := ann.vouchers(asked.PaymentId); n != 1 {
			t.Errorf("%d vouchers", n)
		}
		r.balanced(map[string]int64{asked.PaymentId: 200}, till, ann)
	})
}

// TestLinkLostAfterAccept cuts the link after every value that crosses it from
// the moment of acceptance: the same voucher goes out again when the two meet
// again, both sides come to agree, and the payment is paid once.
func TestLinkLostAfterAccept(t *testing.T) {
	for n := range 13 {
		t.Run(fmt.Sprint(n+1), func(t *testing.T) { cutAfter(t, n+1) })
	}
}

func cutAfter(t *testing.T, n int) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "100.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)
		result := till.request("1.00", offline)
		asked := r.received(events)
		r.air.CutLinkOf("ann", n)
		resp, err := ann.customer.AcceptPayment(r.ctx, acceptance(asked, card))
		for err != nil { // an acknowledgement was cut: nothing is signed, and the till asks again
			if v := ann.vouchers(asked.PaymentId); v != 0 {
				t.Fatalf("%d vouchers and an error: %v", v, err)
			}
			resp, err = ann.customer.AcceptPayment(r.ctx, acceptance(r.received(events), card))
		}
		if s := resp.Payment.State; s != authorized && s != provisional {
			t.Fatal(s)
		}
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		if p := ann.reaches(asked.PaymentId, provisional); p.GetReceipt() == nil {
			t.Error("no receipt")
		}
		if v := ann.vouchers(asked.PaymentId); v != 1 {
			t.Errorf("%d vouchers", v)
		}
		if held, _ := ann.held(); held != 100 {
			t.Errorf("%d held", held)
		}
		r.balanced(map[string]int64{asked.PaymentId: 100}, till, ann)
		if held, spent := ann.held(); held != 0 || spent != 100 {
			t.Errorf("held %d, spent %d", held, spent)
		}
	})
}

// TestCustomerRestarts stops and starts the customer at each point of a
// payment.
func TestCustomerRestarts(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		ann = ann.restart() // before any request
		setOffline(true, till, ann)
		result := till.request("2.00", offline)
		asked := r.received(ann.listen(r.ctx))

		ann = ann.restart() // after the request was shown
		setOffline(true, ann)
		if p := ann.payment(asked.PaymentId); p.State != expired {
			t.Errorf("a request outlived the restart as %s", p.State)
		}
		events := ann.listen(r.ctx)
		asked = r.received(events)

		stop := r.silence()
		paid := ann.accept(asked, card)
		if paid.State != authorized {
			t.Fatalf("without a till: %s", paid.State)
		}
		ann = ann.restart() // after the voucher was stored, which the till has never seen
		setOffline(true, ann)
		if p := ann.payment(asked.PaymentId); p.State != authorized {
			t.Fatalf("after the restart: %s", p.State)
		}
		stop()
		// Nobody listens: the voucher goes out by itself.
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		ann.reaches(asked.PaymentId, provisional, settledNow)
		ann = ann.restart() // after the receipt
		if p := ann.payment(asked.PaymentId); p.State != provisional && p.State != settledNow {
			t.Errorf("after the receipt and a restart: %s", p.State)
		}
		r.balanced(map[string]int64{asked.PaymentId: 200}, till, ann)
	})
}

// silence keeps everybody from hearing anybody until the returned function is
// called.
func (r *rig) silence() func() {
	r.air.SetConditions(sim.Conditions{LossPerMille: 1000})
	return func() { r.air.SetConditions(sim.Conditions{}) }
}

// TestTillRestarts stops and starts the till at each point of a payment.
func TestTillRestarts(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)
		till.request("2.00", offline)
		asked := r.received(events)

		till = till.restart() // after the request was shown: the payment goes on
		setOffline(true, till)
		again := r.received(events)
		if again.PaymentId != asked.PaymentId {
			t.Fatalf("asked for %s after %s", again.PaymentId, asked.PaymentId)
		}
		resume := r.silence()
		if paid := ann.accept(again, card); paid.State != authorized {
			t.Fatalf("without a till: %s", paid.State)
		}
		till = till.restart() // a voucher is on its way
		setOffline(true, till)
		resume()
		till.reaches(asked.PaymentId, provisional, settledNow)
		ann.reaches(asked.PaymentId, provisional, settledNow)
		if v := ann.vouchers(asked.PaymentId); v != 1 {
			t.Errorf("%d vouchers", v)
		}
		r.balanced(map[string]int64{asked.PaymentId: 200}, till, ann)
	})
}

// TestOutcomeIsOwed: a till whose customer has gone with a voucher in doubt
// hands out its receipt, or its cancel, when the customer comes back: after a
// restart of both, and with no payment open.
func TestOutcomeIsOwed(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "100.00")
		setOffline(true, till, ann)
		paid, seen := map[string]int64{}, map[paymentv1.PaymentState]bool{}
		for n := 1; !seen[provisional] || !seen[cancelled]; n++ {
			if n > 12 {
				t.Fatalf("no cut parts the voucher from its answer: %v", seen)
			}
			result := till.request("1.00", offline)
			asked := r.received(ann.listen(r.ctx))
			ann.radio.mute() // once the link is lost they do not meet again
			r.air.CutLinkOf("ann", n)
			if p := ann.accept(asked, card); p.State != authorized {
				t.Fatalf("cut after %d: %s before both outcomes were owed: %v", n, p.State, seen)
			}
			want := provisional
			_, err := till.business.CancelPayment(r.ctx, &businessv1.CancelPaymentRequest{RequestId: uuid.NewString(), PaymentId: asked.PaymentId})
			if err == nil {
				want = cancelled
			}
			if got := r.result(result); (got.GetPaymentSuccessful() != nil) != (want == provisional) {
				t.Fatalf("cut after %d, cancelled %t: %v", n, want == cancelled, got)
			}
			if !seen[want] {
				till, ann = till.restart(), ann.restart()
				setOffline(true, till, ann)
			}
			ann.radio.unmute()
			if want == provisional { // after a restart a device may be online for a moment
				ann.reaches(asked.PaymentId, provisional, settledNow)
			} else {
				ann.reaches(asked.PaymentId, cancelled)
			}
			seen[want] = true
			if want == provisional {
				paid[asked.PaymentId] = 100
			} else {
				paid[asked.PaymentId] = 0
			}
		}
		if held, spent := ann.held(); held+spent != sum(paid) {
			t.Errorf("%d held, %d spent, %d paid", held, spent, sum(paid))
		}
		r.balanced(paid, till, ann)
	})
}

func sum(paid map[string]int64) (n int64) {
	for _, v := range paid {
		n += v
	}
	return n
}
