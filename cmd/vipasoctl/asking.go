package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"google.golang.org/grpc"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

const (
	// grace is how long past its timeout a request may take to say how it
	// ended.
	grace = 30 * time.Second

	// cancelWait bounds what ^C waits for.
	cancelWait = 15 * time.Second
)

// An asking is one payment request on its way.
type asking struct {
	app *app
	req *businessv1.SendPaymentRequestViaBleRequest

	opened   chan string // gets the payment's id when it is first heard
	known    bool
	lost     error  // why there is no stream now
	why      string // why somebody near cannot be asked, as was last heard
	payment  *paymentv1.Payment
	finished chan error
}

// request asks for money until there is a result, or until ctx ends: then it
// withdraws the request. Either way it prints how the payment ended.
func (a *app) request(ctx context.Context, req *businessv1.SendPaymentRequestViaBleRequest) error {
	if _, err := a.dial(); err != nil {
		return err
	}
	// The stream outlives ^C: until withdrawing is answered, somebody may
	// still pay, and that has to be heard.
	limit, cancel := context.WithTimeout(context.WithoutCancel(ctx), max(0, req.GetTimeout().AsDuration())+grace)
	defer cancel()
	s := &asking{app: a, req: req, opened: make(chan string, 1), finished: make(chan error, 1)}
	go func() { s.finished <- s.run(limit) }()
	select {
	case err := <-s.finished:
		return s.report(ctx, err)
	case <-ctx.Done():
		return s.withdraw(limit)
	}
}

// run makes the call, again and again if the daemon restarts, until it has
// the result.
func (s *asking) run(ctx context.Context) error {
	open := func(ctx context.Context, cause error, opts ...grpc.CallOption) (grpc.ServerStreamingClient[businessv1.StreamPaymentRequestResponse], error) {
		s.lost = cause
		return s.app.conn.business().StreamPaymentRequest(ctx, &businessv1.StreamPaymentRequestRequest{Request: s.req}, opts...)
	}
	err := follow(ctx, s.app, false, open, s.hear)
	if errors.Is(err, context.DeadlineExceeded) && interrupted(s.lost) {
		return s.lost
	}
	return err
}

// hear takes one message of the daemon.
func (s *asking) hear(m *businessv1.StreamPaymentRequestResponse) error {
	s.lost = nil
	if !s.known && m.GetPaymentId() != "" {
		s.known = true
		s.opened <- m.GetPaymentId()
		s.app.progress("payment %s", clean(m.GetPaymentId()))
	}
	if p := m.GetProgress(); p != nil {
		s.progress(p)
	}
	if m.GetResult() == nil {
		return nil
	}
	s.payment = m.GetResult().GetPayment()
	if s.payment == nil {
		return fmt.Errorf("vipasod gave a result without its payment; vipasoctl payments show %s", clean(m.GetPaymentId()))
	}
	return errStop
}

// progress tells of a step. The code is for the eyes of staff and customer
// while somebody decides, and why somebody near cannot be asked is for staff,
// so both are shown wherever people read.
func (s *asking) progress(p *businessv1.Progress) {
	needed := p.GetStep() == businessv1.ProgressStep_PROGRESS_STEP_REQUEST_SHOWN
	if p.GetStep() == businessv1.ProgressStep_PROGRESS_STEP_SEARCHING && p.GetDetail() != "" {
		if p.GetDetail() == s.why {
			return // the till tries again and again
		}
		needed, s.why = true, p.GetDetail()
	}
	if needed && !s.app.json {
		s.app.note("%s", progressText(p))
		return
	}
	s.app.progress("%s", progressText(p))
}

func progressText(p *businessv1.Progress) string {
	text := strings.ToLower(strings.ReplaceAll(word(p.GetStep()), "_", " "))
	if n := p.GetCustomers(); n > 0 {
		text += ", " + plural(n, "customer") + " connected"
	}
	if p.GetDetail() != "" {
		text += ": " + clean(p.GetDetail())
	}
	if p.GetStep() == businessv1.ProgressStep_PROGRESS_STEP_REQUEST_SHOWN && strings.HasPrefix(p.GetDetail(), "code ") {
		text += "; the customer's screen must show the same code"
	}
	return text
}

// report prints the result.
func (s *asking) report(ctx context.Context, err error) error {
	if err != nil {
		return s.unknown(err)
	}
	return s.end(ctx, s.payment)
}

// end prints how the payment ended. If time ran out while somebody near could
// not be asked, the next step is what was to do about that.
func (s *asking) end(ctx context.Context, p *paymentv1.Payment) error {
	done := requestOutcome(p)
	next := ""
	if exitCode(done) == exitTimeout && s.why != "" {
		next = clean(s.why) + " Then ask again."
	}
	return s.app.printNext(ctx, p, done, next)
}

// requestOutcome is paymentOutcome, where a request that was cancelled since
// nobody answered in time counts as expired.
func requestOutcome(p *paymentv1.Payment) error {
	if p.GetState() == paymentv1.PaymentState_PAYMENT_STATE_CANCELLED && p.GetReason() == "TIMEOUT" {
		return outcome(exitTimeout)
	}
	return paymentOutcome(p)
}

// unknown returns err; if the request may be running all the same, it says
// how to learn more.
func (s *asking) unknown(err error) error {
	if s.known || exitCode(err) == exitTimeout {
		s.app.note("how it ended is not known; the same call again: --request-id %s", s.req.GetRequestId())
	}
	return err
}

// withdraw cancels the payment and prints how it ended: somebody may have
// paid in the same moment.
func (s *asking) withdraw(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, cancelWait)
	defer cancel()
	s.app.note("withdrawing the request…")
	var id string
	select {
	case id = <-s.opened:
	case err := <-s.finished:
		return s.report(ctx, err)
	case <-ctx.Done():
		return s.unheard()
	}
	p, err := cancelPayment(ctx, s.app.conn, id)
	select {
	case end := <-s.finished:
		if end == nil {
			return s.report(ctx, nil)
		}
	case <-ctx.Done():
	}
	if err != nil {
		return err
	}
	return s.end(ctx, p)
}

// unheard ends a withdrawal for which the daemon never named the payment.
func (s *asking) unheard() error {
	s.app.note("vipasod has not answered; the request may be running: --request-id %s", s.req.GetRequestId())
	return outcome(exitFailed)
}
