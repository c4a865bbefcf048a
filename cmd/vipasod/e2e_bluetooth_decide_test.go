//go:build vm

package main_test

import (
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

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

// accept has the customer accept what is shown, from now on.
func (x *decider) accept() { close(x.gate) }

// ask starts a payment of 5.00 USD and returns when the customer is looking at
// it, who waits for accept.
func (s *shop) ask(t *testing.T, x *decider) *process {
	t.Helper()
	x.mu.Lock()
	x.gate = make(chan struct{})
	for len(x.shown) > 0 {
		<-x.shown
	}
	x.mu.Unlock()
	asking := s.till.follow(t, "pay", "request", "5.00", "USD", "--timeout", "90s")
	select {
	case <-x.shown:
	case <-time.After(patience):
		t.Fatal("the customer is shown nothing")
	}
	return asking
}

// paid waits until a payment is made for both.
func (s *shop) paid(t *testing.T, asking *process) {
	t.Helper()
	select {
	case <-asking.ended:
	case <-time.After(3 * patience):
	}
	if code := asking.exit(t); code != 0 {
		t.Fatalf("pay request: exit %d, %s%s", code, asking.out.text(), asking.err.text())
	}
	s.customers[0].reaches(t, read[paymentv1.Payment](t, asking.out.text()).GetPaymentId(), provisional)
}
