package main

import (
	"fmt"
	"strings"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
)

// Steps of the till.

// asks opens a payment over an amount such as "12.00 USD" and leaves the call
// waiting, as a till program does.
func (p *party) asks(amount string) *sale {
	return p.asksFor(&businessv1.SendPaymentRequestViaBleRequest{}, amount)
}

// asksFor is asks with a policy, tip policy or timeout.
func (p *party) asksFor(r *businessv1.SendPaymentRequestViaBleRequest, amount string) *sale {
	r.RequestId, r.PaymentReference = newRequestID(), fmt.Sprintf("Table %d", len(p.sales)+1)
	r.Amount, r.Currency = split(amount)
	s := &sale{stage: p.stage, at: p, amount: amount, label: fmt.Sprintf("payment-%d", len(p.sales)+1), done: make(chan struct{})}
	stream, err := p.business.StreamPaymentRequest(p.ctx, &businessv1.StreamPaymentRequestRequest{Request: r})
	p.check(err, "%s asks for %s", p.name, amount)
	first, err := stream.Recv()
	p.check(err, "%s asks for %s", p.name, amount)
	s.id = first.GetPaymentId()
	p.sales = append(p.sales, s)
	p.say("%s asks for %s: %s", p.name, amount, s.label)
	p.streams.Go(func() {
		defer close(s.done)
		s.result, s.err = resultOf(stream)
	})
	return s
}

// resultOf waits for the end of a payment.
func resultOf(stream interface {
	Recv() (*businessv1.StreamPaymentRequestResponse, error)
}) (string, error) {
	for {
		m, err := stream.Recv()
		if err != nil {
			return "", err
		}
		switch r := m.GetResult().GetResult().(type) {
		case *businessv1.PaymentResult_PaymentSuccessful:
			s := r.PaymentSuccessful
			finality := strings.TrimPrefix(s.GetFinality().String(), "FINALITY_")
			return fmt.Sprintf("SUCCESSFUL %s, %s guaranteed, %s at risk", finality, s.GetGuaranteed(), s.GetAtRisk()), nil
		case *businessv1.PaymentResult_PaymentCancelled:
			return "CANCELLED " + r.PaymentCancelled.GetReason(), nil
		case *businessv1.PaymentResult_PaymentFailed:
			return "FAILED " + r.PaymentFailed.GetReason(), nil
		}
	}
}

// cancels withdraws a payment.
func (p *party) cancels(s *sale) {
	ctx, cancel := p.limit()
	defer cancel()
	_, err := p.business.CancelPayment(ctx, &businessv1.CancelPaymentRequest{RequestId: newRequestID(), PaymentId: s.id})
	p.check(err, "%s cancels %s", p.name, s.label)
	p.say("%s cancels %s", p.name, s.label)
}

// givesBack reverses a payment.
func (p *party) givesBack(s *sale) {
	ctx, cancel := p.limit()
	defer cancel()
	_, err := p.business.ReversePayment(ctx, &businessv1.ReversePaymentRequest{RequestId: newRequestID(), PaymentId: s.id})
	p.check(err, "%s gives %s back", p.name, s.label)
	p.say("%s gives %s back", p.name, s.label)
}

// isRefusedToAsk checks that a payment is not opened, and why.
func (p *party) isRefusedToAsk(amount, reason string) {
	p.isRefusedToAskWith(&businessv1.SendPaymentRequestViaBleRequest{}, amount, reason)
}

func (p *party) isRefusedToAskWith(r *businessv1.SendPaymentRequestViaBleRequest, amount, reason string) {
	ctx, cancel := p.limit()
	defer cancel()
	r.RequestId = newRequestID()
	r.Amount, r.Currency = split(amount)
	_, err := p.business.SendPaymentRequestViaBle(ctx, r)
	p.refusedWith(err, reason, "%s asks for %s", p.name, amount)
}

// split parts "12.00 USD".
func split(amount string) (value, currency string) {
	value, currency, _ = strings.Cut(amount, " ")
	return value, currency
}

// isOrphaned checks that the waiting call ended with its device.
func (s *sale) isOrphaned() {
	ctx, cancel := s.limit()
	defer cancel()
	select {
	case <-s.done:
		if s.err == nil {
			s.fail("the till was told of %s: %s", s.label, s.result)
		}
	case <-ctx.Done():
		s.fail("the till still waits for %s", s.label)
	}
}
