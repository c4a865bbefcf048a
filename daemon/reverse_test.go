package daemon

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// A reversal is one commit: state, event, the Cancel to be handed in, and that
// the customer is owed it. The same call again is the same call.
func TestReversePayment(t *testing.T) {
	b := withHistory(t, asTill, payment.Provisional, payment.Settled, payment.Expired, payment.Awaiting, payment.Rejected)
	client := b.business(manager)
	reverse := func(call string, n int) (*paymentv1.Payment, error) {
		resp, err := client.ReversePayment(t.Context(), &businessv1.ReversePaymentRequest{
			RequestId: namedID(call).String(), PaymentId: paymentName(n).String(),
		})
		return resp.GetPayment(), err
	}
	for n := range 2 {
		before := b.store.Commits()
		p, err := reverse("first "+string(rune('0'+n)), n)
		if err != nil || p.GetState() != paymentv1.PaymentState_PAYMENT_STATE_CANCELLED || p.GetReason() != "REVERSAL" || p.GetSynced() {
			t.Errorf("payment %d: %v %v", n, p, err)
		}
		if took := b.store.Commits() - before; took != 1 {
			t.Errorf("payment %d: %d commits", n, took)
		}
		b.owesReversal(n)
	}
	again, err := reverse("first 0", 0)
	if err != nil || again.GetReason() != "REVERSAL" {
		t.Errorf("the same call again: %v %v", again, err)
	}
	_, err = reverse("first 0", 1)
	wantStatus(t, "the same id for another payment", err, codes.AlreadyExists, "REQUEST_ID_REUSED")
	if p, err := reverse("another", 0); err != nil || p.GetReason() != "REVERSAL" {
		t.Errorf("by another call: %v %v", p, err)
	}
	_, err = reverse("another", 1)
	wantStatus(t, "which has used its id", err, codes.AlreadyExists, "REQUEST_ID_REUSED")
	for n := 2; n < 5; n++ {
		_, err = reverse("state", n)
		wantStatus(t, "not paid", err, codes.FailedPrecondition, "NOT_REVERSIBLE")
	}
	_, err = reverse("unknown", 9)
	wantStatus(t, "unknown payment", err, codes.NotFound, "PAYMENT_NOT_FOUND")
	_, err = b.business(cashier).ReversePayment(t.Context(), &businessv1.ReversePaymentRequest{
		RequestId: namedID("cashier").String(), PaymentId: paymentName(0).String(),
	})
	wantStatus(t, "a cashier", err, codes.PermissionDenied, "NOT_PERMITTED")
}

// owesReversal checks what a reversal leaves in the store: an event, an item
// with the signed Cancel, and an outcome that the customer is owed.
func (b *bench) owesReversal(n int) {
	b.t.Helper()
	s, err := b.store.Sale(b.t.Context(), paymentName(n))
	must(b.t, err)
	ask, err := b.store.Ask(b.t.Context(), s.Winner)
	must(b.t, err)
	if ask.Cancel != payment.ReasonReversal || !ask.Owed || ask.CancelledAt.IsZero() {
		b.t.Errorf("payment %d: %+v", n, ask.Ask)
	}
	due, err := b.Due(b.t.Context(), time.Now(), 100)
	must(b.t, err)
	handed := false
	for _, it := range due {
		if it.Key.Kind != payment.ItemCancel || it.Key.Request != s.Winner {
			continue
		}
		c, err := preauth.Open[*peerv1.Cancel](it.Cancel)
		handed = err == nil && c.Body.Reason == peerv1.CancelReason_CANCEL_REASON_REVERSAL
	}
	if !handed {
		b.t.Errorf("payment %d: no Cancel is handed in", n)
	}
	seq, err := b.store.LastSequence(b.t.Context())
	must(b.t, err)
	events, err := b.store.Events(b.t.Context(), seq-1, 1)
	must(b.t, err)
	if len(events) != 1 || events[0].GetPaymentCancelled().GetReason() != "REVERSAL" {
		b.t.Errorf("payment %d: newest event %v", n, events)
	}
}

// A locked till cannot know what else it has signed, and gives nothing back.
func TestReverseWhenLocked(t *testing.T) {
	b := withHistory(t, asTill, payment.Provisional)
	who := *b.self.Load()
	who.Locked = true
	b.self.Store(&who)
	_, err := b.business(manager).ReversePayment(t.Context(), &businessv1.ReversePaymentRequest{
		RequestId: namedID("call").String(), PaymentId: paymentName(0).String(),
	})
	wantStatus(t, "locked", err, codes.FailedPrecondition, "DEVICE_LOCKED")
}

// A till that owes a reversal dials everybody now and then, ever less often,
// and not for long; but nobody who is there for another till.
func TestVisits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := withHistory(t, asTill, payment.Provisional)
		plain, resume, targeted := link.Beacon{}, link.Beacon{Resume: true}, link.Beacon{Targeted: true}
		if a := b.till.aim(t.Context()); a.any() {
			t.Errorf("nothing is owed: %+v", a)
		}
		_, err := b.reverse(t.Context(), paymentName(0), store.Call{RequestID: namedID("call"), Method: methodReverse})
		must(t, err)
		visited, pauses := time.Now(), []time.Duration(nil)
		for range 2 * 3600 {
			a := b.till.aim(t.Context())
			if a.wants(resume) || a.wants(targeted) {
				t.Fatal("dials who is there for another till")
			}
			if a.wants(plain) {
				pauses = append(pauses, time.Since(visited))
				visited = time.Now()
				b.till.visiting()
			}
			<-time.After(time.Second)
		}
		for i := 2; i < len(pauses); i++ {
			if pauses[i] < 2*pauses[i-1]-time.Second {
				t.Errorf("pauses of %v", pauses)
			}
		}
		if len(pauses) < 3 || pauses[0] != 0 || len(pauses) > 8 {
			t.Errorf("visits after %v", pauses)
		}
	})
}
