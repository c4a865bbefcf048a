//go:build vm

package main_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// A decider is a customer who looks at what is asked for until the test has
// the customer accept it.
type decider struct {
	shown chan string // payments, again each time they are shown

	mu   sync.Mutex
	gate chan struct{} // closed when the customer accepts
}

// deciding makes a device listen. It does so until its daemon ends.
func (d *device) deciding(t *testing.T) *decider {
	t.Helper()
	x := &decider{shown: make(chan string, 64), gate: make(chan struct{})}
	c := customerv1.NewCustomerServiceClient(d.api(t))
	events, err := c.ReceivePaymentRequestsViaBle(t.Context(), &customerv1.ReceivePaymentRequestsViaBleRequest{})
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			answer, err := events.Recv()
			if err != nil {
				return // the test is over
			}
			asked := answer.GetEvent().GetPaymentRequestReceived()
			if asked == nil {
				continue
			}
			x.shown <- asked.GetPaymentId()
			select {
			case <-x.open():
			case <-t.Context().Done():
				return
			}
			// It fails if the link is lost at this moment. The request is
			// shown again then, and accepted again.
			_, _ = c.AcceptPayment(t.Context(), &customerv1.AcceptPaymentRequest{
				RequestId: uuid.NewString(), PaymentId: asked.GetPaymentId(), Amount: asked.GetAmount(),
				Currency: asked.GetCurrency(), InstrumentId: d.instrument,
			})
		}
	}()
	return x
}

func (x *decider) open() <-chan struct{} {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.gate
}

// hesitate has the customer accept nothing that is shown from now on.
func (x *decider) hesitate() {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.gate = make(chan struct{})
	for len(x.shown) > 0 {
		<-x.shown
	}
}

// accept has the customer accept what is shown, from now on.
func (x *decider) accept() { close(x.gate) }

// An asking waits for the end of what a till was told to ask for, and returns
// the payment, which somebody must have made.
type asking func(*testing.T) *paymentv1.Payment

// asks has a till ask for an amount of USD, as a program of its own does. To
// start vipasoctl for each payment would keep a small machine busy.
func (d *device) asks(t *testing.T, amount string) asking {
	t.Helper()
	c := businessv1.NewBusinessServiceClient(d.api(t))
	type answer struct {
		result *businessv1.PaymentResult
		err    error
	}
	ended := make(chan answer, 1)
	go func() {
		a, err := c.SendPaymentRequestViaBle(t.Context(), &businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: amount, Currency: "USD", Timeout: durationpb.New(3 * patience),
		})
		ended <- answer{a.GetResult(), err}
	}()
	return func(t *testing.T) *paymentv1.Payment {
		t.Helper()
		a := <-ended
		if a.err != nil || a.result.GetPaymentSuccessful() == nil {
			t.Fatalf("%s asks for %s USD: %s, %v", d.name, amount, a.result, a.err)
		}
		return a.result.GetPayment()
	}
}

// commands does what asks does with vipasoctl, which goes on when the till's
// daemon has died and is back.
func (d *device) commands(t *testing.T, amount string) asking {
	t.Helper()
	p := d.follow(t, "pay", "request", amount, "USD", "--timeout", "3m")
	return func(t *testing.T) *paymentv1.Payment {
		t.Helper()
		select {
		case <-p.ended:
		case <-time.After(3 * patience):
		}
		if code := p.exit(t); code != 0 {
			t.Fatalf("pay request: exit %d, %s%s", code, p.out.text(), p.err.text())
		}
		return read[paymentv1.Payment](t, p.out.text())
	}
}
