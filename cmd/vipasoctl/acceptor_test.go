package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// consenting sends a request, waits for the acceptance and sends the rest.
func consenting(f *fake, rest ...*paymentv1.Event) {
	accepted := make(chan struct{})
	f.on("AcceptPayment", func(c *call) error {
		defer close(accepted)
		return c.send(&customerv1.AcceptPaymentResponse{Payment: paid(paymentv1.PaymentState_PAYMENT_STATE_AUTHORIZED)})
	})
	f.on("ReceivePaymentRequestsViaBle", func(c *call) error {
		if err := c.send(&customerv1.ReceivePaymentRequestsViaBleResponse{Event: requested(6)}); err != nil {
			return err
		}
		select {
		case <-accepted:
		case <-c.ctx.Done():
		}
		return events(rest...)(c)
	})
}

// TestAcceptAll: accepted as asked, from the only instrument that can.
func TestAcceptAll(t *testing.T) {
	for _, args := range []string{"--accept-all --tip 1.00", "--accept-all --after 1ms --tip 1.00 --instrument " + instrumentID} {
		f := receiver(t)
		consenting(f, successful(7))
		got := f.run(append([]string{"pay", "receive", "--single", "--json"}, strings.Fields(args)...)...)
		if got.code != 0 || strings.Count(got.stdout, "\n") != 2 {
			t.Errorf("%s: %+v", args, got)
		}
		asked := f.requests("AcceptPayment")
		if len(asked) != 1 {
			t.Fatalf("%s: accepted %d times", args, len(asked))
		}
		req := asked[0].(*customerv1.AcceptPaymentRequest)
		if req.GetRequestId() == "" {
			t.Errorf("%s: no request_id", args)
		}
		req.RequestId = ""
		want := &customerv1.AcceptPaymentRequest{PaymentId: paymentID, Amount: "12.00", Tip: "1.00", Currency: "USD", InstrumentId: instrumentID, IsDelegatedInstrument: true}
		if !proto.Equal(req, want) {
			t.Errorf("%s: accepted with %v, want %v", args, req, want)
		}
	}
}

// TestAcceptTooLate: a message, and the session goes on.
func TestAcceptTooLate(t *testing.T) {
	f := receiver(t)
	f.fail("AcceptPayment", failure("FAILED_PRECONDITION", "PAYMENT_STATE", "it is OTHER_PAID"))
	f.on("ReceivePaymentRequestsViaBle", events(requested(6)))
	s := f.begin("pay", "receive", "--accept-all", "--json")
	s.line()
	eventually(t, func() bool { return strings.Contains(s.messages(), "not accepted: PAYMENT_STATE: it is OTHER_PAID") })
	s.stop()
	if code := s.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestAcceptNotAfterEnd: a request that ends while we wait is let go.
func TestAcceptNotAfterEnd(t *testing.T) {
	f := receiver(t)
	f.on("ReceivePaymentRequestsViaBle", events(requested(6), cancelledEvent(7)))
	got := f.run("pay", "receive", "--single", "--accept-all", "--after", "1h", "--json")
	if got.code != 1 || f.last("AcceptPayment") != nil {
		t.Errorf("%+v; accepted %v", got, f.last("AcceptPayment"))
	}
}

// TestAcceptorLetsGo: the wait before consent ends with the payment, not with
// the session.
func TestAcceptorLetsGo(t *testing.T) {
	for _, end := range []*paymentv1.Event{cancelledEvent(7), unconfirmed(7)} {
		c := &acceptor{after: time.Hour, waiting: make(map[string]context.CancelFunc)}
		c.take(t.Context(), requested(6))
		c.take(t.Context(), end)
		done := make(chan struct{})
		go func() { c.wait(); close(done) }()
		await(t, done)
	}
}

// TestAcceptSingleOnce: with --single a second request is not accepted, and
// its end is not the end.
func TestAcceptSingleOnce(t *testing.T) {
	second := requested(7)
	second.GetPaymentRequestReceived().PaymentId = otherID
	f := receiver(t)
	consenting(f, second, failedEvent(8, otherID), successful(9))
	got := f.run("pay", "receive", "--single", "--accept-all", "--json")
	if got.code != 0 || len(f.requests("AcceptPayment")) != 1 {
		t.Errorf("%+v; accepted %d times", got, len(f.requests("AcceptPayment")))
	}
}

// TestAcceptRedelivered: a request that comes again is accepted once.
func TestAcceptRedelivered(t *testing.T) {
	f := receiver(t)
	consenting(f, requested(6), successful(7))
	if got := f.run("pay", "receive", "--single", "--accept-all", "--json"); got.code != 0 || len(f.requests("AcceptPayment")) != 1 {
		t.Errorf("%+v; accepted %d times", got, len(f.requests("AcceptPayment")))
	}
}

// TestAcceptAgain: a till that lost the link asks for the same payment again,
// and is answered again.
func TestAcceptAgain(t *testing.T) {
	f := receiver(t)
	accepted := make(chan struct{}, 2)
	f.on("AcceptPayment", func(c *call) error {
		accepted <- struct{}{}
		return c.send(&customerv1.AcceptPaymentResponse{Payment: paid(paymentv1.PaymentState_PAYMENT_STATE_AUTHORIZED)})
	})
	f.on("ReceivePaymentRequestsViaBle", func(c *call) error {
		for _, e := range []*paymentv1.Event{requested(6), failedEvent(7, paymentID), requested(8), successful(9)} {
			if err := c.send(&customerv1.ReceivePaymentRequestsViaBleResponse{Event: e}); err != nil {
				return err
			}
			if e.GetPaymentRequestReceived() == nil {
				continue
			}
			select {
			case <-accepted:
			case <-c.ctx.Done():
				return c.ctx.Err()
			}
		}
		<-c.ctx.Done() // else all of it comes again
		return c.ctx.Err()
	})
	s := f.begin("pay", "receive", "--accept-all", "--json")
	eventually(t, func() bool { return len(f.requests("AcceptPayment")) == 2 })
	s.stop()
	if code := s.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestChooseInstrument(t *testing.T) {
	capable := func(id, amount string) *customerv1.Instrument {
		return &customerv1.Instrument{InstrumentId: id, Label: "L" + id, Currency: "USD", PreAuthCapable: true, PreAuthorizedAmount: amount}
	}
	online := &customerv1.Instrument{InstrumentId: "o", Label: "Lo", Currency: "USD"}
	tests := []struct {
		name  string
		list  []*customerv1.Instrument
		id    string
		want  string // chosen
		code  int    // else
		named []string
	}{
		{"the only funded one", []*customerv1.Instrument{capable("a", "0.00"), capable("b", "0.50"), online}, "", "b", 0, nil},
		{"the only capable one, though not funded", []*customerv1.Instrument{capable("a", ""), online}, "", "a", 0, nil},
		{"two funded", []*customerv1.Instrument{capable("a", "1.00"), capable("b", "2.00")}, "", "", 2, []string{"a", "b", "Lb", "2.00 USD"}},
		{"none capable", []*customerv1.Instrument{online}, "", "", 2, []string{"o"}},
		{"named", []*customerv1.Instrument{capable("a", "1.00"), online}, "O", "o", 0, nil},
		{"named and unknown", []*customerv1.Instrument{capable("a", "1.00")}, "x", "", 5, []string{"INSTRUMENT_NOT_FOUND"}},
	}
	for _, test := range tests {
		f := receiver(t)
		f.answer("ListInstruments", &customerv1.ListInstrumentsResponse{Instruments: test.list})
		consenting(f, successful(7))
		args := []string{"pay", "receive", "--single", "--accept-all", "--json"}
		if test.id != "" {
			args = append(args, "--instrument", test.id)
		}
		got := f.run(args...)
		if got.code != test.code {
			t.Errorf("%s: %+v, want exit %d", test.name, got, test.code)
		}
		for _, part := range test.named {
			if !strings.Contains(got.stderr, part) {
				t.Errorf("%s: stderr lacks %q: %s", test.name, part, got.stderr)
			}
		}
		if m, ok := f.last("AcceptPayment").(*customerv1.AcceptPaymentRequest); m.GetInstrumentId() != test.want || ok != (test.want != "") {
			t.Errorf("%s: accepted with %v", test.name, m)
		}
	}
}
