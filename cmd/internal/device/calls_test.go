package device

import (
	"sync"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// TestAcceptManyTimes: of any number of calls that accept the same payment at
// the same time, with the same id or others, with this tip or that, one signs;
// the others get that payment, or hear that they asked for something else.
func TestAcceptManyTimes(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)
		result := till.request("5.00", offline)
		asked := r.received(events)
		same := acceptance(asked, card)
		tipped := acceptance(asked, card)
		tipped.Tip = "1.00"
		calls := []*customerv1.AcceptPaymentRequest{same, same, acceptance(asked, card), acceptance(asked, card), tipped}
		got, failed := make([]*paymentv1.Payment, len(calls)), make([]error, len(calls))
		var wg sync.WaitGroup
		for i, call := range calls {
			wg.Go(func() {
				resp, err := ann.customer.AcceptPayment(r.ctx, call)
				got[i], failed[i] = resp.GetPayment(), err
			})
		}
		wg.Wait()
		if r.result(result).GetPaymentSuccessful() == nil {
			t.Fatal("not paid")
		}
		paid := ann.reaches(asked.PaymentId, provisional)
		for i, p := range got {
			switch {
			case p == nil && reason(failed[i]) != "AMOUNT_MISMATCH":
				t.Errorf("call %d: %v", i, failed[i])
			case p != nil && p.Total != paid.Total:
				t.Errorf("call %d: %s, paid is %s", i, p.Total, paid.Total)
			}
		}
		if n := ann.vouchers(asked.PaymentId); n != 1 {
			t.Errorf("%d vouchers", n)
		}
		total := int64(500)
		if paid.Total == "6.00" {
			total = 600
		}
		r.balanced(map[string]int64{asked.PaymentId: total}, till, ann)
	})
}

// TestAskManyTimes: the same call opens one payment, whoever is first; another
// one is refused while it is open, and told its id.
func TestAskManyTimes(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)
		call := &businessv1.SendPaymentRequestViaBleRequest{RequestId: uuid.NewString(), Amount: "5.00", Currency: "USD", Policy: offline}
		results := []<-chan *businessv1.PaymentResult{till.ask(call), till.ask(call), till.ask(call)}
		asked := r.received(events)
		_, err := till.business.SendPaymentRequestViaBle(r.ctx, &businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "5.00", Currency: "USD", Policy: offline,
		})
		if reason(err) != "PAYMENT_IN_PROGRESS" {
			t.Errorf("a second payment: %v", err)
		}
		other := proto.CloneOf(call)
		other.Amount = "6.00"
		if _, err := till.business.SendPaymentRequestViaBle(r.ctx, other); reason(err) != "REQUEST_ID_REUSED" {
			t.Errorf("another amount with the same id: %v", err)
		}
		ann.accept(asked, card)
		for _, result := range append(results, till.ask(call)) {
			if got := r.result(result); got.GetPaymentSuccessful().GetPaymentId() != asked.PaymentId {
				t.Errorf("%v, want payment %s", got, asked.PaymentId)
			}
		}
		r.balanced(map[string]int64{asked.PaymentId: 500}, till, ann)
	})
}

// TestEnrollAndLogout: enrolling again is harmless, and nobody logs out with
// money that the backend has not seen.
func TestEnrollAndLogout(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		events := ann.listen(r.ctx)
		setOffline(true, till, ann)
		result := till.request("5.00", offline)
		asked := r.received(events)
		if _, err := till.device.Logout(r.ctx, &devicev1.LogoutRequest{RequestId: uuid.NewString()}); reason(err) != "UNSYNCED_MONEY" {
			t.Errorf("logged out in the middle of a payment: %v", err)
		}
		ann.accept(asked, card)
		r.result(result)
		for _, p := range []*party{till, ann} {
			if _, err := p.device.Logout(r.ctx, &devicev1.LogoutRequest{RequestId: uuid.NewString()}); reason(err) != "UNSYNCED_MONEY" {
				t.Errorf("%s logged out with unsynced money: %v", p.name, err)
			}
		}
		r.balanced(map[string]int64{asked.PaymentId: 500}, till, ann)
		for _, p := range []*party{till, ann} {
			if _, err := p.device.Logout(r.ctx, &devicev1.LogoutRequest{RequestId: uuid.NewString()}); err != nil {
				t.Errorf("%s: %v", p.name, err)
			}
		}
		if _, err := till.business.SendPaymentRequestViaBle(r.ctx, &businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "5.00", Currency: "USD",
		}); reason(err) != "NOT_ENROLLED" {
			t.Errorf("asked after logout: %v", err)
		}
	})
}
