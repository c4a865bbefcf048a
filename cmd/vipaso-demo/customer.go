package main

import (
	"cmp"
	"context"
	"slices"
	"time"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// Steps of a customer.

// listens opens the customer's app: from now on tills can find the device.
func (p *party) listens() {
	ctx, cancel := context.WithCancel(p.ctx)
	stream, err := p.customer.ReceivePaymentRequestsViaBle(ctx, &customerv1.ReceivePaymentRequestsViaBleRequest{
		Session: customerv1.SessionMode_SESSION_MODE_CONTINUOUS,
	})
	if err == nil {
		_, err = stream.Header() // the device is listening when this comes
	}
	if err != nil {
		cancel()
		p.check(err, "%s listens", p.name)
	}
	p.mute = cancel
	p.streams.Go(func() {
		for {
			if _, err := stream.Recv(); err != nil {
				return // the log has every event; this stream only keeps the device listening
			}
		}
	})
	p.say("%s listens", p.name)
}

// stopsListening closes the app.
func (p *party) stopsListening() {
	p.mute()
	p.mute = nil
}

// sees waits until the customer is asked for a payment, for the nth time if
// there were more.
func (p *party) sees(s *sale) { p.seesAgain(s, 0) }

// seesAgain is sees for events after a number.
func (p *party) seesAgain(s *sale, after uint64) {
	e := p.hasEvent(after, "payment_request_received", s)
	p.say("%s sees %s of %s", p.name, s.label, e.GetPaymentRequestReceived().GetBusinessName())
}

// consent is what accepting a payment takes.
func (p *party) consent(s *sale, tip string) *customerv1.AcceptPaymentRequest {
	r := &customerv1.AcceptPaymentRequest{
		RequestId: newRequestID(), PaymentId: s.id, Tip: tip, InstrumentId: p.instrument,
	}
	r.Amount, r.Currency = split(s.amount)
	return r
}

// accepts pays, and returns when the device answers: with the till's receipt,
// or without it, unconfirmed. want is the state then; empty if it may be
// another in a moment.
func (p *party) accepts(s *sale, want string) { p.acceptsWith(s, p.consent(s, ""), want) }

// tips is accepts with a tip.
func (p *party) tips(s *sale, tip, want string) { p.acceptsWith(s, p.consent(s, tip), want) }

func (p *party) acceptsWith(s *sale, r *customerv1.AcceptPaymentRequest, want string) {
	ctx, cancel := p.limit()
	defer cancel()
	resp, err := p.customer.AcceptPayment(ctx, r)
	p.check(err, "%s accepts %s", p.name, s.label)
	got := stateName(resp.GetPayment().GetState())
	if want == "" {
		p.say("%s accepts %s", p.name, s.label)
		return
	}
	if got == "AUTHORIZED" && want == "PROVISIONAL" { // the machine is busy, and the receipt late
		p.becomes(s, want)
		got = want
	}
	if got != want {
		p.fail("%s accepts %s: %s, not %s", p.name, s.label, got, want)
	}
	p.say("%s accepts %s%s: %s", p.name, s.label, withTip(r.GetTip()), got)
}

func withTip(tip string) string {
	if tip == "" {
		return ""
	}
	return " with a tip of " + tip
}

// taps accepts and does not wait for anything but that the voucher is stored
// and on its way.
func (p *party) taps(s *sale) {
	customer := p.customer
	p.streams.Go(func() {
		// What became of it is in the device's log.
		_, _ = customer.AcceptPayment(p.ctx, p.consent(s, ""))
	})
	p.hasEvent(0, "payment_accepted", s)
	p.say("%s taps accept on %s", p.name, s.label)
}

// isRefused checks that a payment cannot be accepted, and why.
func (p *party) isRefused(s *sale, reason string) {
	p.isRefusedWith(s, p.consent(s, ""), reason)
}

func (p *party) isRefusedWith(s *sale, r *customerv1.AcceptPaymentRequest, reason string) {
	ctx, cancel := p.limit()
	defer cancel()
	_, err := p.customer.AcceptPayment(ctx, r)
	p.refusedWith(err, reason, "%s accepts %s", p.name, s.label)
}

// isOver waits until a request that was not answered has ended.
func (p *party) isOver(s *sale) {
	ctx, cancel := p.limit()
	defer cancel()
	_, err := p.log.await(ctx, 0, func(e *paymentv1.Event) bool {
		kind, about := eventOf(e)
		return about == s.id && (kind == "payment_failed" || kind == "payment_cancelled")
	})
	p.check(err, "%s waits for the end of %s", p.name, s.label)
}

// declines says no.
func (p *party) declines(s *sale, why string) {
	ctx, cancel := p.limit()
	defer cancel()
	_, err := p.customer.DeclinePayment(ctx, &customerv1.DeclinePaymentRequest{RequestId: newRequestID(), PaymentId: s.id, Reason: why})
	p.check(err, "%s declines %s", p.name, s.label)
	p.say("%s declines %s: %s", p.name, s.label, why)
}

// setsAside pre-authorizes an amount on an instrument. It takes a network.
func (p *party) setsAside(amount, instrument string) *customerv1.PreAuthorization {
	ctx, cancel := p.limit()
	defer cancel()
	r := &customerv1.PreAuthorizeInstrumentRequest{RequestId: newRequestID(), InstrumentId: instrument}
	r.Amount, r.Currency = split(amount)
	resp, err := p.customer.PreAuthorizeInstrument(ctx, r)
	p.check(err, "%s sets %s aside", p.name, amount)
	p.say("%s sets %s aside", p.name, amount)
	return resp.GetAuthorization()
}

// voids stops spending on all that the customer has set aside.
func (p *party) voids() {
	for _, h := range p.allHolds() {
		ctx, cancel := p.limit()
		resp, err := p.customer.VoidPreAuthorization(ctx, &customerv1.VoidPreAuthorizationRequest{
			RequestId: newRequestID(), PreAuthorizationId: h.GetPreAuthorizationId(),
		})
		cancel()
		p.check(err, "%s voids", p.name)
		p.say("%s voids what was set aside: %s", p.name, statusName(resp.GetAuthorization()))
	}
}

// holdIs checks the sums of the customer's first pre-authorization.
func (p *party) holdIs(spent, held, remaining string) {
	h := p.allHolds()[0]
	if h.GetSpent() != spent || h.GetHeld() != held || h.GetRemaining() != remaining {
		p.fail("%s has spent %s, held %s, remaining %s, not %s, %s, %s", p.name,
			h.GetSpent(), h.GetHeld(), h.GetRemaining(), spent, held, remaining)
	}
	p.say("%s has spent %s, holds %s, and may spend %s", p.name, spent, held, remaining)
}

// allHolds are the customer's pre-authorizations, in the order in which they
// were made.
func (p *party) allHolds() []*customerv1.PreAuthorization {
	ids := p.holdIDs()
	all := make([]*customerv1.PreAuthorization, 0, len(ids))
	for _, i := range p.instruments() {
		all = append(all, i.GetPreAuthorizations()...)
	}
	slices.SortFunc(all, func(a, b *customerv1.PreAuthorization) int {
		return cmp.Compare(slices.Index(ids, a.GetPreAuthorizationId()), slices.Index(ids, b.GetPreAuthorizationId()))
	})
	return all
}

// holdIDs are the ids of the customer's pre-authorizations, as they were made.
func (p *party) holdIDs() []string {
	var ids []string
	events, _ := p.log.snapshot()
	for _, e := range events {
		if c := e.GetPreAuthorizationChanged(); c != nil && !slices.Contains(ids, c.GetPreAuthorizationId()) {
			ids = append(ids, c.GetPreAuthorizationId())
		}
	}
	return ids
}

func (p *party) instruments() []*customerv1.Instrument {
	ctx, cancel := p.limit()
	defer cancel()
	resp, err := p.customer.ListInstruments(ctx, &customerv1.ListInstrumentsRequest{})
	p.check(err, "%s lists instruments", p.name)
	return resp.GetInstruments()
}

func statusName(a *customerv1.PreAuthorization) string {
	return a.GetStatus().String()[len("VIPASO_PRE_AUTHORIZATION_STATUS_"):]
}

// statusIs checks the status of all that the customer has set aside.
func (p *party) statusIs(want string) {
	for _, h := range p.allHolds() {
		if got := statusName(h); got != want {
			p.fail("what %s has set aside is %s, not %s", p.name, got, want)
		}
	}
	p.say("what %s has set aside is %s", p.name, want)
}

// balanceIs waits until that much is free on the customer's card, by the
// backend's word.
func (p *party) balanceIs(want string) {
	p.goesOnline()
	got := ""
	for range patience / time.Second {
		p.synchronizes()
		for _, i := range p.instruments() {
			if i.GetInstrumentId() == p.instrument {
				got = i.GetBalance()
			}
		}
		if got == want {
			p.say("%s has %s free on the card", p.name, want)
			return
		}
		p.passes(time.Second)
	}
	p.fail("%s has %s free on the card, not %s", p.name, got, want)
}
