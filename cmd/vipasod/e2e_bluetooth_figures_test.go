//go:build vm

package main_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// A course is how one payment went.
type course struct {
	shown    time.Duration // from link up to request shown
	paid     time.Duration // from tap to receipt
	whole    time.Duration // from the cashier's command to its end
	requests int           // of ATT, from link up to request shown
	messages int           // from tap to receipt
	frames   int           // from tap to receipt
}

// A counter is a till and a customer who are served by programs of their own.
type counter struct {
	till   businessv1.BusinessServiceClient
	wallet customerv1.CustomerServiceClient
	events grpc.ServerStreamingClient[customerv1.ReceivePaymentRequestsViaBleResponse]
	tap    *wiretap
}

func newCounter(t *testing.T, till, customer *device, tap *wiretap) *counter {
	t.Helper()
	c := &counter{
		till: businessv1.NewBusinessServiceClient(till.api(t)), wallet: customerv1.NewCustomerServiceClient(customer.api(t)), tap: tap,
	}
	var err error
	c.events, err = c.wallet.ReceivePaymentRequestsViaBle(t.Context(), &customerv1.ReceivePaymentRequestsViaBleRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// incoming waits for the customer's next event.
func (c *counter) incoming(t *testing.T) *paymentv1.Event {
	t.Helper()
	answer, err := c.events.Recv()
	if err != nil {
		t.Fatal(err)
	}
	return answer.GetEvent()
}

// measure makes one payment as two programs at the API do.
func (c *counter) measure(t *testing.T, instrument string) (m course) {
	t.Helper()
	ended := make(chan error, 1)
	begin := time.Now()
	go func() {
		_, err := c.till.SendPaymentRequestViaBle(t.Context(), &businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "1.00", Currency: "USD", Timeout: durationpb.New(patience),
		})
		m.whole = time.Since(begin)
		ended <- err
	}()
	var asked *paymentv1.PaymentRequestReceived
	for asked == nil {
		asked = c.incoming(t).GetPaymentRequestReceived()
	}
	up := c.tap.since()
	m.shown, m.requests = time.Since(up.linked), up.requests
	tap := time.Now()
	if _, err := c.wallet.AcceptPayment(t.Context(), &customerv1.AcceptPaymentRequest{
		RequestId: uuid.NewString(), PaymentId: asked.GetPaymentId(), Amount: "1.00", Currency: "USD", InstrumentId: instrument,
	}); err != nil {
		t.Fatal(err)
	}
	for c.incoming(t).GetPaymentSuccessful() == nil { // the acceptance comes first
	}
	m.paid = time.Since(tap)
	done := c.tap.since()
	m.messages, m.frames = len(done.messages)-len(up.messages), done.frames-up.frames
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	return m
}

// measured: payments one after the other, measured where people notice it.
func (p *pair) measured(t *testing.T) {
	const count = 50
	ann := p.customer()
	c := newCounter(t, p.till, ann, &p.tap)
	var shown, paid, whole []time.Duration
	for i := range count {
		m := c.measure(t, ann.instrument)
		shown, paid, whole = append(shown, m.shown), append(paid, m.paid), append(whole, m.whole)
		if m.messages != 2 {
			t.Errorf("payment %d: %d messages from tap to receipt, want 2: %v", i, m.messages, p.tap.since().messages)
		}
		if i == 0 {
			figure(t, "messages, tap to receipt", "%d, in %d frames", m.messages, m.frames)
			figure(t, "ATT round trips, link up to request shown", "%d", m.requests)
		}
		if m.requests != 2 {
			t.Errorf("payment %d: %d round trips of ATT, want 2", i, m.requests)
		}
	}
	figure(t, "payments in a row", "%d", count)
	spread(t, "tap to receipt", paid)
	spread(t, "link up to request shown", shown)
	spread(t, "command to end", whole)
	p.payments += count
	p.cents += count * 1_00
	p.promised(t)
	if r := ann.radio(t); r.GetRestarts() > 0 || len(r.GetRefused()) > 0 {
		t.Errorf("not on a quiet air: %s", r)
	}
}
