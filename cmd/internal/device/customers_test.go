package device

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// TestOneOfManyPays: of all who accept at the same time exactly one pays; the
// others hear that another user paid and have their money back. All know it
// within a second of the till.
func TestOneOfManyPays(t *testing.T) {
	t.Run("two", func(t *testing.T) { oneOfManyPays(t, "ann", "bob") })
	t.Run("three", func(t *testing.T) { oneOfManyPays(t, "ann", "bob", "cay") })
}

func oneOfManyPays(t *testing.T, names ...string) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		all := []*party{till}
		var asked []*paymentv1.PaymentRequestReceived
		var events []<-chan *paymentv1.Event
		var cards []string
		for _, name := range names {
			p, card := r.payer(name, "40.00")
			all, cards = append(all, p), append(cards, card)
			events = append(events, p.listen(r.ctx))
		}
		setOffline(true, all...)
		result := till.request("7.00", offline)
		for i := range names {
			asked = append(asked, r.received(events[i]))
		}
		var wg sync.WaitGroup
		for i, p := range all[1:] {
			wg.Go(func() {
				if _, err := p.customer.AcceptPayment(r.ctx, acceptance(asked[i], cards[i])); err != nil && reason(err) == "" {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		winners, id, paid := 0, asked[0].PaymentId, time.Now()
		for i, p := range all[1:] {
			state := p.reaches(id, provisional, otherPaid).State
			held, _ := p.held()
			if state == provisional {
				winners++
				r.await(events[i], "PaymentSuccessful", func(e *paymentv1.Event) bool { return e.GetPaymentSuccessful() != nil })
				if held != 700 {
					t.Errorf("%s has paid and holds %d", p.name, held)
				}
				continue
			}
			r.await(events[i], "AnotherUserPaid", func(e *paymentv1.Event) bool { return e.GetAnotherUserPaid() != nil })
			if held != 0 {
				t.Errorf("%s did not pay and holds %d", p.name, held)
			}
		}
		if late := time.Since(paid); late > time.Second {
			t.Errorf("the customers know it after %s", late)
		}
		if winners != 1 {
			t.Errorf("%d of %d have paid", winners, len(names))
		}
		r.balanced(map[string]int64{id: 700}, all...)
		till.reaches(id, settledNow)
	})
}

// TestDecline: one customer's no leaves the payment to the others; when all
// have said no it ends, a while later, as declined.
func TestDecline(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, _ := r.payer("ann", "40.00")
		bob, card := r.payer("bob", "40.00")
		toAnn, toBob := ann.listen(r.ctx), bob.listen(r.ctx)
		setOffline(true, till, ann, bob)

		result := till.request("2.00", offline)
		first, other := r.received(toAnn), r.received(toBob)
		ann.decline(first)
		if paid := bob.accept(other, card); paid.State != provisional {
			t.Fatalf("after another's no: %s", paid.State)
		}
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		ann.reaches(first.PaymentId, declined)

		result = till.request("3.00", offline)
		second, other := r.received(toAnn), r.received(toBob)
		ann.decline(second)
		ann.decline(second) // again is harmless
		_, err := bob.customer.DeclinePayment(r.ctx, &customerv1.DeclinePaymentRequest{RequestId: uuid.NewString(), PaymentId: other.PaymentId, Reason: "not my table"})
		r.must(err)
		if got := r.result(result).GetPaymentCancelled(); got.GetReason() != "DECLINED" || got.GetDetail() != "not my table" {
			t.Errorf("declined by all: %v", got)
		}
		log, err := till.business.FetchPayment(r.ctx, &paymentv1.FetchPaymentRequest{PaymentId: other.PaymentId})
		r.must(err)
		if last := log.GetTimeline()[len(log.GetTimeline())-1].GetPaymentCancelled(); last.GetReason() != "DECLINED" || last.GetDetail() != "not my table" {
			t.Errorf("in the log: %v", log.GetTimeline())
		}
		r.balanced(map[string]int64{first.PaymentId: 200, second.PaymentId: 0}, till, ann, bob)
	})
}

// TestEndsWithoutMoney: a payment that is withdrawn or runs out of time ends
// on both sides, with the reason.
func TestEndsWithoutMoney(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)

		result := till.request("2.00", offline)
		asked := r.received(events)
		for range 2 { // again is harmless
			if _, err := till.business.CancelPayment(r.ctx, &businessv1.CancelPaymentRequest{RequestId: uuid.NewString(), PaymentId: asked.PaymentId}); err != nil {
				t.Fatal(err)
			}
		}
		if got := r.result(result); got.GetPaymentCancelled().GetReason() != "USER" {
			t.Errorf("withdrawn: %v", got)
		}
		if p := ann.reaches(asked.PaymentId, cancelled); p.Reason != "USER" {
			t.Errorf("withdrawn, customer: %s", p.Reason)
		}
		if _, err := ann.customer.AcceptPayment(r.ctx, acceptance(asked, card)); reason(err) == "" {
			t.Errorf("accepted what was withdrawn: %v", err)
		}

		result = till.ask(&businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "2.00", Currency: "USD", Policy: offline, Timeout: durationpb.New(1e9),
		})
		late := r.received(events)
		if got := r.result(result); got.GetPaymentFailed().GetReason() != "TIMEOUT" {
			t.Errorf("timed out: %v", got)
		}
		ann.reaches(late.PaymentId, cancelled, expired)
		r.balanced(map[string]int64{asked.PaymentId: 0, late.PaymentId: 0}, till, ann)
		if held, spent := ann.held(); held != 0 || spent != 0 {
			t.Errorf("held %d, spent %d", held, spent)
		}
	})
}

// TestTip: a tip is paid and settled; one that is not taken is refused before
// anything is signed.
func TestTip(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)
		result := till.ask(&businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "10.00", Currency: "USD", Policy: offline,
			Tip: &businessv1.TipPolicy{Allowed: true, Max: "2.00"},
		})
		asked := r.received(events)
		if !asked.TipAllowed || asked.TipMax != "2.00" {
			t.Errorf("tip policy: %v", asked)
		}
		call := acceptance(asked, card)
		call.Tip = "2.01"
		if _, err := ann.customer.AcceptPayment(r.ctx, call); reason(err) != "TIP_NOT_ALLOWED" {
			t.Errorf("too large a tip: %v", err)
		}
		if n := ann.vouchers(asked.PaymentId); n != 0 {
			t.Fatalf("%d vouchers after a refused tip", n)
		}
		call.RequestId, call.Tip = uuid.NewString(), "1.50"
		paid, err := ann.customer.AcceptPayment(r.ctx, call)
		r.must(err)
		if got := r.result(result).GetPaymentSuccessful(); got.GetTip() != "1.50" || paid.Payment.Total != "11.50" {
			t.Errorf("till: %v, customer: %v", got, paid.Payment)
		}
		if again, err := ann.customer.AcceptPayment(r.ctx, call); err != nil || again.Payment.RequestHash != paid.Payment.RequestHash {
			t.Errorf("the same call again: %v, %v", again, err)
		}
		call.InstrumentId = uuid.NewString()
		if _, err := ann.customer.AcceptPayment(r.ctx, call); reason(err) != "REQUEST_ID_REUSED" {
			t.Errorf("another call with the same id: %v", err)
		}
		r.balanced(map[string]int64{asked.PaymentId: 1150}, till, ann)
	})
}

// TestTag: a request for a tag reaches only who has read it.
func TestTag(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, _ := r.payer("ann", "40.00")
		bob, card := r.payer("bob", "40.00")
		toAnn := ann.listen(r.ctx)
		tag := uuid.NewString()
		stream, err := bob.customer.ReceivePaymentRequestsViaBle(r.ctx, &customerv1.ReceivePaymentRequestsViaBleRequest{TagId: tag})
		r.must(err)
		setOffline(true, till, ann, bob)
		result := till.ask(&businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "1.00", Currency: "USD", Policy: offline, TagId: tag,
		})
		m, err := stream.Recv()
		r.must(err)
		bob.accept(m.Event.GetPaymentRequestReceived(), card)
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}
		synctest.Wait()
		select {
		case e := <-toAnn:
			t.Errorf("a request for another's tag came: %v", e)
		default:
		}
		if n := len(ann.attempts(m.Event.GetPaymentRequestReceived().PaymentId)); n != 0 {
			t.Errorf("%d requests were stored", n)
		}
		r.balanced(nil, till, ann, bob)
	})
}

// TestPaymentEndsWhileDialling: a till whose payment has ended by the time a
// customer is connected lets go of the customer, who is free for other tills.
func TestPaymentEndsWhileDialling(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		ann, card := r.payer("ann", "40.00")
		slow, quick := r.till("slow"), r.till("quick")
		events := ann.listen(r.ctx)
		setOffline(true, ann, slow, quick)

		linked, ended := make(chan struct{}), make(chan struct{})
		slow.radio.onAnswer(sync.OnceFunc(func() {
			close(linked)
			<-ended
		}))
		withdrawn := slow.request("1.00", offline)
		<-linked
		open, err := slow.business.FetchPayments(r.ctx, &paymentv1.FetchPaymentsRequest{})
		r.must(err)
		_, err = slow.business.CancelPayment(r.ctx, &businessv1.CancelPaymentRequest{
			RequestId: uuid.NewString(), PaymentId: open.Payments[0].PaymentId,
		})
		r.must(err)
		r.result(withdrawn)
		close(ended)

		paid := quick.request("2.00", offline)
		asked := r.received(events)
		if asked.Amount != "2.00" {
			t.Errorf("asked for %s after the payment was withdrawn", asked.Amount)
		}
		ann.accept(asked, card)
		if end := r.result(paid); end.GetPaymentSuccessful() == nil {
			t.Error(end)
		}
	})
}

// TestClockBehind: a request lasts by the time that the backend has signed,
// however late the customer's clock is: what it becomes is judged by that time.
func TestClockBehind(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)
		synctest.Wait() // an answer from before the cut may be on its way, with another time
		signed := time.Now().Add(2 * time.Hour)
		r.must(ann.node.Device.Heard(r.ctx, signed))
		result := till.request("1.00", offline)
		asked := r.received(events)
		if end := asked.ExpiresAt.AsTime(); !end.After(signed) {
			t.Errorf("asked until %s, which was over at %s", end, signed)
		}
		ann.accept(asked, card)
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Error(got)
		}
	})
}
