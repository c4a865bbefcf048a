package main

import (
	"context"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"

	"github.com/vipaso/vipasod/daemon/catalogue"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// chooseInstrument returns the instrument with this id, or, without an id,
// the only one that can pay offline.
func (a *app) chooseInstrument(ctx context.Context, id string) (*customerv1.Instrument, error) {
	list, err := a.instruments(ctx)
	if err != nil {
		return nil, err
	}
	var capable, funded []*customerv1.Instrument
	for _, i := range list {
		if id != "" && strings.EqualFold(i.GetInstrumentId(), id) {
			return i, nil
		}
		if i.GetPreAuthCapable() {
			capable = append(capable, i)
			if !zero(i.GetPreAuthorizedAmount()) {
				funded = append(funded, i)
			}
		}
	}
	switch {
	case id != "":
		return nil, notFound(catalogue.InstrumentNotFound, "no instrument "+id)
	case len(funded) == 1:
		return funded[0], nil
	case len(capable) == 1:
		return capable[0], nil
	case len(capable) == 0:
		return nil, usagef("no instrument can pay offline; name one with --instrument: %s", nameInstruments(list))
	}
	return nil, usagef("several instruments can pay offline; name one with --instrument: %s", nameInstruments(capable))
}

func nameInstruments(list []*customerv1.Instrument) string {
	names := make([]string, len(list))
	for i, in := range list {
		names[i] = strings.TrimSpace(clean(in.GetInstrumentId()) + " " + quoted(in.GetLabel()) + " " + sum(in.GetPreAuthorizedAmount(), in.GetCurrency()))
	}
	return strings.Join(names, ", ")
}

// An acceptor consents to every request, each after a while. Its events come
// from one goroutine.
type acceptor struct {
	app        *app
	instrument *customerv1.Instrument
	tip        string
	after      time.Duration

	one     bool                          // consent to the first request only
	chosen  string                        // with one: that payment
	waiting map[string]context.CancelFunc // by payment: ends the wait before consent
	running sync.WaitGroup
}

// take consents to the request that e tells of, or gives up waiting to
// consent to the payment that e ends, or for which it tells that somebody else
// consented. A till that lost the link asks for the same payment again, and is
// answered again. ctx bounds the calls.
func (c *acceptor) take(ctx context.Context, e *paymentv1.Event) {
	id := paymentOf(e)
	switch what := e.GetEvent().(type) {
	case *paymentv1.Event_PaymentRequestReceived:
		c.consent(ctx, what.PaymentRequestReceived)
	case *paymentv1.Event_Disconnected: // the payment's own event says whether it ended
	default:
		if stop, ok := c.waiting[id]; ok {
			stop()
			delete(c.waiting, id)
		}
	}
}

// concerns is whether payment id may be the one that matters.
func (c *acceptor) concerns(id string) bool { return c.chosen == "" || c.chosen == id }

func (c *acceptor) consent(ctx context.Context, r *paymentv1.PaymentRequestReceived) {
	id := r.GetPaymentId()
	if _, seen := c.waiting[id]; seen || !c.concerns(id) {
		return
	}
	if c.one {
		c.chosen = id
	}
	wait, stop := context.WithCancel(ctx)
	c.waiting[id] = stop
	req := &customerv1.AcceptPaymentRequest{
		RequestId: uuid.NewString(), PaymentId: id, Amount: r.GetAmount(), Tip: c.tip, Currency: r.GetCurrency(),
		InstrumentId: c.instrument.GetInstrumentId(), IsDelegatedInstrument: c.instrument.GetIsDelegated(),
	}
	c.running.Go(func() {
		defer stop()
		select {
		case <-wait.Done():
		case <-time.After(c.after):
			c.accept(ctx, req)
		}
	})
}

// accept makes the call. That it comes too late is no failure of the
// session.
func (c *acceptor) accept(ctx context.Context, req *customerv1.AcceptPaymentRequest) {
	p, err := accept(ctx, c.app.conn, req)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		c.app.note("payment %s not accepted: %s", clean(req.GetPaymentId()), c.app.explanation(err).head)
	default:
		c.app.progress("payment %s accepted: %s", clean(req.GetPaymentId()), word(p.GetState()))
	}
}

// wait returns when no call is under way any more.
func (c *acceptor) wait() { c.running.Wait() }
