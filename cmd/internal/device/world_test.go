package device

import (
	"context"
	"testing/synctest"
	"time"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/status"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	server "github.com/vipaso/vipasod/syncer/backend"
)

const (
	provisional = paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL
	settledNow  = paymentv1.PaymentState_PAYMENT_STATE_SETTLED
	authorized  = paymentv1.PaymentState_PAYMENT_STATE_AUTHORIZED
	cancelled   = paymentv1.PaymentState_PAYMENT_STATE_CANCELLED
	otherPaid   = paymentv1.PaymentState_PAYMENT_STATE_OTHER_PAID
	declined    = paymentv1.PaymentState_PAYMENT_STATE_DECLINED
	expired     = paymentv1.PaymentState_PAYMENT_STATE_EXPIRED
	offline     = businessv1.Policy_POLICY_FORCE_OFFLINE
)

// patience is how long a test waits for what has to come.
const patience = 20 * time.Second

// setOffline cuts devices off from their backend.
func setOffline(off bool, all ...*party) {
	for _, p := range all {
		p.node.Device.SetOffline(off)
	}
	synctest.Wait() // an answer that is on its way is there, or lost
}

// result waits for the result of a till's call.
func (r *rig) result(ch <-chan *businessv1.PaymentResult) *businessv1.PaymentResult {
	r.t.Helper()
	select {
	case got, ok := <-ch:
		if !ok {
			r.t.Fatal("no result")
		}
		return got
	case <-time.After(patience):
		r.t.Fatal("the payment does not end")
		return nil
	}
}

// payment shows a payment as the device has it.
func (p *party) payment(id string) *paymentv1.Payment {
	p.rig.t.Helper()
	var got *paymentv1.FetchPaymentResponse
	var err error
	if p.role == peerv1.Role_ROLE_BUSINESS {
		got, err = p.business.FetchPayment(p.rig.ctx, &paymentv1.FetchPaymentRequest{PaymentId: id})
	} else {
		got, err = p.customer.FetchPayment(p.rig.ctx, &paymentv1.FetchPaymentRequest{PaymentId: id})
	}
	p.rig.must(err)
	return got.Payment
}

// reaches waits until a payment is in one of the states.
func (p *party) reaches(id string, states ...paymentv1.PaymentState) *paymentv1.Payment {
	p.rig.t.Helper()
	ctx, cancel := context.WithTimeout(p.rig.ctx, patience)
	defer cancel()
	stream, err := p.device.WatchEvents(ctx, &devicev1.WatchEventsRequest{})
	p.rig.must(err)
	_, err = stream.Header()
	p.rig.must(err)
	for {
		now := p.payment(id)
		for _, s := range states {
			if now.State == s {
				return now
			}
		}
		if _, err := stream.Recv(); err != nil {
			p.rig.t.Fatalf("%s: payment is %s, not %v: %v", p.name, now.State, states, err)
		}
	}
}

// acceptance is a call for what was received.
func acceptance(e *paymentv1.PaymentRequestReceived, instrument string) *customerv1.AcceptPaymentRequest {
	return &customerv1.AcceptPaymentRequest{
		RequestId: uuid.NewString(), PaymentId: e.PaymentId, Amount: e.Amount, Currency: e.Currency, InstrumentId: instrument,
	}
}

func (p *party) decline(e *paymentv1.PaymentRequestReceived) {
	p.rig.t.Helper()
	_, err := p.customer.DeclinePayment(p.rig.ctx, &customerv1.DeclinePaymentRequest{RequestId: uuid.NewString(), PaymentId: e.PaymentId})
	p.rig.must(err)
}

// held is what the customer's pre-authorizations hold, in minor units.
func (p *party) held() (held, spent int64) {
	p.rig.t.Helper()
	all, err := p.node.Store.Authorizations(p.rig.ctx)
	p.rig.must(err)
	for _, a := range all {
		held, spent = held+a.Held, spent+a.Spent
	}
	return held, spent
}

// counters returns the device's counts when nothing more happens by itself at
// this moment.
func (p *party) counters() daemon.Counters {
	synctest.Wait()
	return p.node.Device.Counters()
}

// vouchers counts the attempts at a payment that have a voucher.
func (p *party) vouchers(id string) (n int) {
	p.rig.t.Helper()
	for _, a := range p.attempts(id) {
		if !a.Attempt.Voucher.Zero() {
			n++
		}
	}
	return n
}

func (p *party) attempts(id string) []store.Attempt {
	p.rig.t.Helper()
	parsed, err := preauth.ParseID(id)
	p.rig.must(err)
	all, err := p.node.Store.AttemptsOf(p.rig.ctx, parsed)
	p.rig.must(err)
	return all
}

// balanced brings everybody online, hands everything in, and has the backend
// check and recompute its books: what it paid for a payment must be want, in
// minor units.
func (r *rig) balanced(paid map[string]int64, all ...*party) {
	r.t.Helper()
	setOffline(false, all...)
	for _, p := range all {
		r.settled(p)
	}
	for id, want := range paid {
		if got := r.paid(id); got != want {
			r.t.Errorf("payment %s: the backend paid %d, want %d", id, got, want)
		}
	}
	for _, check := range []func(context.Context) (server.Report, error){r.admin.Check, r.admin.Reconcile} {
		report, err := check(r.ctx)
		r.must(err)
		if !report.OK() {
			r.t.Errorf("books: %v", report.Problems)
		}
	}
}

// paid is what the backend has paid for a payment, whatever request.
func (r *rig) paid(id string) (sum int64) {
	r.t.Helper()
	parsed, err := preauth.ParseID(id)
	r.must(err)
	p, err := r.admin.Payment(r.ctx, parsed)
	if err != nil {
		return 0 // it never heard of it
	}
	for _, q := range p.Requests {
		sum += q.Paid
	}
	return sum
}

// reason returns the reason of the error catalogue that a call failed with.
func reason(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.Reason
		}
	}
	return ""
}
