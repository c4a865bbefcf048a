package main

import (
	"context"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// TestRequestJSON: exactly one object with what scripts rely on.
func TestRequestJSON(t *testing.T) {
	f := answering(t)
	got := f.run("pay", "request", "12.00", "USD", "--json")
	golden(t, "request.jsonl", got.stdout)
	if got.code != 0 || got.stderr != "" {
		t.Errorf("exit %d, stderr %q", got.code, got.stderr)
	}
}

func TestRequestExit(t *testing.T) {
	timedOut := paid(paymentv1.PaymentState_PAYMENT_STATE_CANCELLED)
	timedOut.Reason = "TIMEOUT"
	tests := []struct {
		payment *paymentv1.Payment
		want    int
	}{
		{paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL), 0},
		{paid(paymentv1.PaymentState_PAYMENT_STATE_SETTLED), 0},
		{paid(paymentv1.PaymentState_PAYMENT_STATE_CANCELLED), 1},
		{paid(paymentv1.PaymentState_PAYMENT_STATE_REJECTED), 1},
		{paid(paymentv1.PaymentState_PAYMENT_STATE_EXPIRED), 6},
		{timedOut, 6},
	}
	for _, test := range tests {
		f := newFake(t)
		f.answer("StreamPaymentRequest", outcomeOf(test.payment))
		for _, args := range []string{"pay request 12.00 USD", "pay request 12.00 USD --json"} {
			got := f.run(strings.Fields(args)...)
			if got.code != test.want || got.stderr != "" || !strings.Contains(got.stdout, word(test.payment.GetState())) {
				t.Errorf("%s that ends %s: %+v, want exit %d", args, word(test.payment.GetState()), got, test.want)
			}
		}
	}
}

// TestRequestProgress: on stderr, and only for those who want it.
func TestRequestProgress(t *testing.T) {
	f := newFake(t)
	step := func(s businessv1.ProgressStep, customers uint32, detail string) proto.Message {
		return &businessv1.StreamPaymentRequestResponse{PaymentId: paymentID, Update: &businessv1.StreamPaymentRequestResponse_Progress{
			Progress: &businessv1.Progress{Step: s, Customers: customers, Detail: detail},
		}}
	}
	f.answer("StreamPaymentRequest", searching(), step(businessv1.ProgressStep_PROGRESS_STEP_CUSTOMER_CONNECTED, 2, ""),
		step(businessv1.ProgressStep_PROGRESS_STEP_DECLINED, 1, "no\x1bthanks"), outcomeOf(paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)))
	if got := f.run("pay", "request", "12.00", "USD", "--json"); got.stderr != "" {
		t.Errorf("stderr without -v = %q", got.stderr)
	}
	got := f.run("pay", "request", "12.00", "USD", "--json", "-v")
	want := "payment " + paymentID + "\nsearching\ncustomer connected, 2 customers connected\ndeclined, 1 customer connected: no?thanks\n"
	if got.stderr != want || strings.Count(got.stdout, "\n") != 1 {
		t.Errorf("stderr = %q, want %q; stdout %q", got.stderr, want, got.stdout)
	}
}

// TestRequestRestart: an interrupted call is made again, as the same call.
func TestRequestRestart(t *testing.T) {
	f := newFake(t)
	open := make(chan struct{}, 1)
	f.on("StreamPaymentRequest", func(c *call) error {
		err := c.send(searching())
		open <- struct{}{}
		<-c.ctx.Done()
		return err
	})
	s := f.begin("pay", "request", "12.00", "USD", "--json")
	await(t, open)
	f.stop()
	f.answer("StreamPaymentRequest", searching(), outcomeOf(paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)))
	f.start()
	if line := s.line(); !strings.Contains(line, "PAYMENT_STATE_PROVISIONAL") {
		t.Errorf("printed %s", line)
	}
	if code := s.end(); code != 0 {
		t.Errorf("exit %d, stderr %q", code, s.messages())
	}
	asked := f.requests("StreamPaymentRequest")
	if len(asked) < 2 || !proto.Equal(asked[0], asked[len(asked)-1]) {
		t.Errorf("the second call differs from the first: %v", asked)
	}
	if !strings.Contains(s.messages(), "vipasod") {
		t.Errorf("nobody is told of the restart: %q", s.messages())
	}
}

// TestRequestLost: a daemon that does not come back is not reachable, rather
// than slow.
func TestRequestLost(t *testing.T) {
	f := newFake(t)
	f.on("StreamPaymentRequest", func(c *call) error {
		if err := c.send(searching()); err != nil {
			return err
		}
		go f.stop()
		<-c.ctx.Done()
		return c.ctx.Err()
	})
	a := newApp(nil, &strings.Builder{}, &strings.Builder{}, os.Getenv)
	a.socket = f.socket
	c, err := a.dial()
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	ctx := expiring{t.Context(), make(chan struct{})}
	s, end := &asking{app: a, req: &businessv1.SendPaymentRequestViaBleRequest{}, opened: make(chan string, 1)}, make(chan error, 1)
	go func() { end <- s.run(ctx) }()
	eventually(t, func() bool { return c.refusal.Load() != nil }) // it asks again, and nobody is there
	close(ctx.over)
	if err := await(t, end); exitCode(err) != 3 {
		t.Errorf("run = %v, exit %d", err, exitCode(err))
	}
}

// expiring is a context whose time runs out when over is closed.
type expiring struct {
	context.Context
	over chan struct{}
}

func (e expiring) Done() <-chan struct{} { return e.over }

func (e expiring) Err() error {
	select {
	case <-e.over:
		return context.DeadlineExceeded
	default:
		return nil
	}
}

// TestRequestIDIsKept: a given id is the call's.
func TestRequestIDIsKept(t *testing.T) {
	f := answering(t)
	f.run("pay", "request", "12.00", "USD", "--request-id", otherID)
	if got := f.last("StreamPaymentRequest").(*businessv1.StreamPaymentRequestRequest).GetRequest().GetRequestId(); got != otherID {
		t.Errorf("request_id %s, want %s", got, otherID)
	}
}

// TestRequestStopped: ^C withdraws the request and tells how it ended, which
// may be that somebody has just paid.
func TestRequestStopped(t *testing.T) {
	tests := []struct {
		state paymentv1.PaymentState
		late  bool // CancelPayment fails, because it is paid
		want  int
	}{
		{paymentv1.PaymentState_PAYMENT_STATE_CANCELLED, false, 1},
		{paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL, true, 0},
	}
	for _, test := range tests {
		f := newFake(t)
		open, withdrawn := make(chan struct{}, 1), make(chan struct{})
		f.on("StreamPaymentRequest", func(c *call) error {
			err := c.send(searching())
			open <- struct{}{}
			<-withdrawn
			if err == nil {
				err = c.send(outcomeOf(paid(test.state)))
			}
			return err
		})
		f.on("CancelPayment", func(c *call) error {
			defer close(withdrawn)
			if test.late {
				return failure("FAILED_PRECONDITION", "PAYMENT_STATE", "it is paid")
			}
			return c.send(&businessv1.CancelPaymentResponse{Payment: paid(test.state)})
		})
		s := f.begin("pay", "request", "12.00", "USD", "--json")
		await(t, open)
		s.stop()
		if line := s.line(); !strings.Contains(line, `"state":"PAYMENT_STATE_`+word(test.state)+`"`) {
			t.Errorf("%s: printed %s", word(test.state), line)
		}
		if code := s.end(); code != test.want {
			t.Errorf("%s: exit %d, want %d; stderr %q", word(test.state), code, test.want, s.messages())
		}
		if got := f.last("CancelPayment").(*businessv1.CancelPaymentRequest).GetPaymentId(); got != paymentID {
			t.Errorf("cancelled %q", got)
		}
	}
}

// TestRequestAnsweredWithoutPayment: a result that says nothing is an error.
func TestRequestAnsweredWithoutPayment(t *testing.T) {
	f := newFake(t)
	f.answer("StreamPaymentRequest", &businessv1.StreamPaymentRequestResponse{PaymentId: paymentID, Update: &businessv1.StreamPaymentRequestResponse_Result{Result: &businessv1.PaymentResult{}}})
	if got := f.run("pay", "request", "12.00", "USD"); got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, "--request-id") {
		t.Errorf("%+v", got)
	}
}

// TestRequestUnknown: when time runs out, the way to learn more is named.
func TestRequestUnknown(t *testing.T) {
	f := newFake(t)
	f.fail("StreamPaymentRequest", failure("DEADLINE_EXCEEDED", "", "too slow"))
	if got := f.run("pay", "request", "12.00", "USD", "--request-id", otherID); got.code != 6 || !strings.Contains(got.stderr, "--request-id "+otherID) {
		t.Errorf("%+v", got)
	}
}

// TestChangeSurvivesRestart: calls that change something are repeated as the
// same call.
func TestChangeSurvivesRestart(t *testing.T) {
	f := answering(t)
	crash := make(chan struct{}, 1)
	f.on("CancelPayment", func(c *call) error {
		crash <- struct{}{}
		<-c.ctx.Done()
		return context.Cause(c.ctx)
	})
	s := f.begin("pay", "cancel", paymentID, "--json")
	await(t, crash)
	f.stop()
	f.answer("CancelPayment", &businessv1.CancelPaymentResponse{Payment: paid(paymentv1.PaymentState_PAYMENT_STATE_CANCELLED)})
	f.start()
	s.line()
	if code := s.end(); code != 0 {
		t.Errorf("exit %d, stderr %q", code, s.messages())
	}
	if asked := f.requests("CancelPayment"); len(asked) != 2 || !proto.Equal(asked[0], asked[1]) {
		t.Errorf("asked %v", asked)
	}
}
