package device

import (
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth"
)

// TestTheyMeetHoursLater: the link drops between the voucher and its answer.
// Both sides are switched off, stay offline, and meet again hours later, with no
// payment open: the till recognises the customer by what she advertises, another
// till does not, and the payment ends by what the till has stored.
func TestTheyMeetHoursLater(t *testing.T) {
	for _, tt := range []struct {
		name string
		// parts loses the link, and returns the payment that is in doubt.
		parts func(till, ann *party, card string) string
		want  paymentv1.PaymentState
		held  int64
	}{
		{"the voucher is lost, and its time passes", lostVoucher, cancelled, 0},
		{"the receipt is lost", lostReceipt, provisional, 100},
	} {
		t.Run(tt.name, func(t *testing.T) {
			play(t, func(t *testing.T, r *rig) {
				till, other := r.till("till"), r.till("other")
				ann, card := r.payer("ann", "40.00")
				setOffline(true, till, other, ann)
				r.cut = true
				id := tt.parts(till, ann, card)
				ann.doubts(id)
				for _, p := range []*party{till, other, ann} {
					p.stop()
				}
				<-time.After(5 * time.Hour)
				meet := r.silence()
				till, other, ann = r.start(till.name, till.role), r.start(other.name, other.role), r.start(ann.name, ann.role)
				if p := ann.payment(id); p.State != authorized {
					t.Fatalf("before they meet it is %s", p.State)
				}
				var mine, others atomic.Int32
				till.radio.onAnswer(func() { mine.Add(1) })
				other.radio.onAnswer(func() { others.Add(1) })
				meet()
				ann.reaches(id, tt.want) // nobody listens, and no payment is open
				if mine.Load() != 1 || others.Load() != 0 {
					t.Errorf("her till dialled %d times, the other one %d times", mine.Load(), others.Load())
				}
				if held, _ := ann.held(); held != tt.held || ann.vouchers(id) != 1 {
					t.Errorf("%d held, %d vouchers", held, ann.vouchers(id))
				}
				r.balanced(map[string]int64{id: tt.held}, till, other, ann)
			})
		})
	}
}

// lostVoucher has Ann accept when nothing gets through, and the till give up.
func lostVoucher(till, ann *party, card string) string {
	r := till.rig
	result := till.request("1.00", offline)
	asked := r.received(ann.listen(r.ctx))
	hear := r.silence()
	ann.accept(asked, card)
	ann.radio.mute()
	r.until("the link is lost", func() bool { return unconfirmed(ann, asked.PaymentId) != nil })
	hear()
	<-time.After(time.Minute) // the till's time is over
	if got := r.result(result); got.GetPaymentSuccessful() != nil {
		r.t.Fatal(got)
	}
	return asked.PaymentId
}

// lostReceipt cuts the link ever later, until the till has the voucher and Ann
// has no receipt.
func lostReceipt(till, ann *party, card string) string {
	r := till.rig
	for n := 1; n < 13; n++ {
		result := till.request("1.00", offline)
		asked := r.received(ann.listen(r.ctx))
		ann.radio.mute()
		r.air.CutLinkOf("ann", n)
		if p := ann.accept(asked, card); p.State != authorized {
			break
		}
		_, err := till.business.CancelPayment(r.ctx, &businessv1.CancelPaymentRequest{RequestId: uuid.NewString(), PaymentId: asked.PaymentId})
		if r.result(result).GetPaymentSuccessful() != nil {
			return asked.PaymentId
		}
		r.must(err)
		ann.radio.unmute()
		ann.reaches(asked.PaymentId, cancelled)
	}
	r.t.Fatal("no cut parts the voucher from its receipt")
	return ""
}

// unconfirmed is what Ann is told of a payment in doubt, nil if she is not.
func unconfirmed(ann *party, id string) (found *paymentv1.PaymentUnconfirmed) {
	parsed, err := preauth.ParseID(id)
	ann.rig.must(err)
	story, err := ann.node.Store.EventsOf(ann.rig.ctx, parsed)
	ann.rig.must(err)
	for _, e := range story {
		if u := e.GetPaymentUnconfirmed(); u != nil {
			found = u
		}
	}
	return found
}

// doubts checks that she is told what ends the doubt, and when: when the
// certificate can be settled no more.
func (p *party) doubts(id string) {
	p.rig.t.Helper()
	settle := p.attempts(id)[0].SettleBy
	u := unconfirmed(p, id)
	if u == nil || settle.IsZero() || !u.ResolvesBy.AsTime().Equal(settle) || !strings.Contains(u.Resolution, "receipt") || !strings.Contains(u.Resolution, "settle_by") {
		p.rig.t.Errorf("she is told %v, settle_by is %s", u, settle)
	}
}
