package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
	simv1 "github.com/vipaso/vipasod/proto/vipaso/sim/v1"
)

// patience bounds each wait of a scenario.
const patience = 90 * time.Second

// party is a till or a customer: a daemon, and the program that a person
// there would have in hand. Its methods are the steps of scenarios. A step
// that does not come out as it should ends the scenario.
type party struct {
	*stage
	name  string        // as people say it
	key   string        // as files and sockets are named
	cut   bool          // it has no network
	ahead time.Duration // of its own clock
	// turned says that its owner speaks the protocol by hand: it has no device
	// any more. forgot says that its store was put back.
	turned, forgot bool
	role           peerv1.Role

	owner      string // business or customer id at the backend
	instrument string // a customer's own, UUID
	log        *eventLog

	device   devicev1.DeviceServiceClient
	business businessv1.BusinessServiceClient
	customer customerv1.CustomerServiceClient
	sim      simv1.SimServiceClient

	conn    *grpc.ClientConn // nil while the device does not run
	hangup  context.CancelFunc
	streams sync.WaitGroup
	mute    context.CancelFunc // ends listening; nil while it does not listen
}

func (p *party) isTill() bool { return p.role == peerv1.Role_ROLE_BUSINESS }

// begin starts the device and connects to it.
func (p *party) begin() {
	ctx, cancel := p.limit()
	defer cancel()
	p.check(p.host.start(ctx, deviceSpec{name: p.key, role: p.role, offline: p.cut, ahead: p.ahead}), "%s starts", p.name)
	conn, err := p.host.call(p.key)
	p.check(err, "%s is called", p.name)
	p.conn = conn
	p.device, p.sim = devicev1.NewDeviceServiceClient(conn), simv1.NewSimServiceClient(conn)
	p.business, p.customer = businessv1.NewBusinessServiceClient(conn), customerv1.NewCustomerServiceClient(conn)
	var watch context.Context
	watch, p.hangup = context.WithCancel(p.ctx)
	p.streams.Go(func() { p.log.follow(watch, p.device) })
}

// disconnect ends what the party's program has open.
func (p *party) disconnect() {
	if p.conn == nil {
		return
	}
	if p.mute != nil {
		p.mute()
		p.mute = nil
	}
	p.hangup()
	p.conn.Close()
	p.streams.Wait()
	p.conn = nil
}

// isKilled ends the device in the middle of whatever it does.
func (p *party) isKilled() {
	p.check(p.host.kill(p.key), "%s is killed", p.name)
	p.disconnect()
	p.say("%s is killed", p.name)
}

// isStopped ends the device in good order.
func (p *party) isStopped() {
	p.disconnect()
	p.check(p.host.stop(p.key), "%s stops", p.name)
}

// restarts brings the device back on what it had stored.
func (p *party) restarts() {
	p.begin()
	p.say("%s starts again", p.name)
}

// goesOffline cuts the device off from the backend.
func (p *party) goesOffline() { p.network(false) }

// goesOnline gives it a network. It synchronizes by itself then.
func (p *party) goesOnline() { p.network(true) }

func (p *party) network(on bool) {
	ctx, cancel := p.limit()
	defer cancel()
	_, err := p.sim.SetOffline(ctx, &simv1.SetOfflineRequest{RequestId: uuid.NewString(), Offline: !on})
	p.check(err, "%s goes online: %v", p.name, on)
	p.cut = !on
}

// awaitsBackend waits until the device knows that it has a network.
func (p *party) awaitsBackend() {
	p.awaitsStatus(func(s *devicev1.Status) bool { return s.GetBackend().GetOnline() })
}

// awaitsStatus waits for a status that is as wanted.
func (p *party) awaitsStatus(wanted func(*devicev1.Status) bool) {
	ctx, cancel := p.limit()
	defer cancel()
	stream, err := p.device.WatchStatus(ctx, &devicev1.WatchStatusRequest{})
	p.check(err, "%s watches its status", p.name)
	for {
		r, err := stream.Recv()
		p.check(err, "%s watches its status", p.name)
		if wanted(r.GetStatus()) {
			return
		}
	}
}

// hasEvent waits for an event of a payment after a number, by the name of its
// field.
func (p *party) hasEvent(after uint64, what string, s *sale) *paymentv1.Event {
	ctx, cancel := p.limit()
	defer cancel()
	e, err := p.log.await(ctx, after, func(e *paymentv1.Event) bool {
		kind, about := eventOf(e)
		return kind == what && (s == nil || about == s.id)
	})
	p.check(err, "%s waits for %s", p.name, what)
	return e
}

// becomes waits until the device has the payment in a state.
func (p *party) becomes(s *sale, want string) {
	ctx, cancel := p.limit()
	defer cancel()
	for last := ""; ; {
		_, changed := p.log.snapshot()
		got, err := p.payment(ctx, s)
		if ctx.Err() != nil {
			p.fail("%s has %s as %s, not %s", p.name, s.label, last, want)
		}
		if last = stateName(got.GetState()); err == nil && last == want {
			p.say("%s has %s as %s", p.name, s.label, want)
			return
		}
		select {
		case <-changed:
		case <-ctx.Done():
		}
	}
}

// has checks the state of a payment as it is now.
func (p *party) has(s *sale, want string) {
	ctx, cancel := p.limit()
	defer cancel()
	got, err := p.payment(ctx, s)
	p.check(err, "%s looks at %s", p.name, s.label)
	if stateName(got.GetState()) != want {
		p.fail("%s has %s as %s, not %s", p.name, s.label, stateName(got.GetState()), want)
	}
	p.say("%s has %s as %s", p.name, s.label, want)
}

func (p *party) payment(ctx context.Context, s *sale) (*paymentv1.Payment, error) {
	r := &paymentv1.FetchPaymentRequest{PaymentId: s.id}
	if p.isTill() {
		resp, err := p.business.FetchPayment(ctx, r)
		return resp.GetPayment(), err
	}
	resp, err := p.customer.FetchPayment(ctx, r)
	return resp.GetPayment(), err
}

// payments are all that the device knows, newest first.
func (p *party) payments(ctx context.Context) ([]*paymentv1.Payment, error) {
	r := &paymentv1.FetchPaymentsRequest{PageSize: 100}
	if p.isTill() {
		resp, err := p.business.FetchPayments(ctx, r)
		return resp.GetPayments(), err
	}
	resp, err := p.customer.FetchPayments(ctx, r)
	return resp.GetPayments(), err
}

// synchronizes hands over everything now and returns what was agreed on.
func (p *party) synchronizes() *paymentv1.SyncSummary {
	ctx, cancel := p.limit()
	defer cancel()
	resp, err := p.device.SyncNow(ctx, &devicev1.SyncNowRequest{})
	p.check(err, "%s synchronizes", p.name)
	return resp.GetSummary()
}

// reasonOf returns the machine-readable reason of a refused call.
func reasonOf(err error) string {
	s, ok := status.FromError(err)
	if !ok {
		return ""
	}
	for _, d := range s.Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok {
			return info.GetReason()
		}
	}
	return ""
}

// refusedWith checks that a call was refused for a reason.
func (p *party) refusedWith(err error, want, format string, args ...any) {
	if got := reasonOf(err); got != want {
		p.fail("%s: %v, not %s", fmt.Sprintf(format, args...), errors.Join(err), want)
	}
	p.say("%s: %s", fmt.Sprintf(format, args...), want)
}

func newRequestID() string { return uuid.Must(uuid.NewV7()).String() }

// eventOf returns an event's kind and the payment it speaks of.
func eventOf(e *paymentv1.Event) (kind, payment string) {
	m := e.ProtoReflect()
	f := m.WhichOneof(m.Descriptor().Oneofs().ByName("event"))
	if f == nil {
		return "", ""
	}
	body := m.Get(f).Message()
	if id := body.Descriptor().Fields().ByName("payment_id"); id != nil {
		payment = body.Get(id).String()
	}
	return string(f.Name()), payment
}

// stateName is a state as people and scripts know it.
func stateName(s paymentv1.PaymentState) string {
	return s.String()[len("PAYMENT_STATE_"):]
}

// cannotSynchronize checks that nothing can be handed over now, and why.
func (p *party) cannotSynchronize(reason string) {
	ctx, cancel := p.limit()
	defer cancel()
	_, err := p.device.SyncNow(ctx, &devicev1.SyncNowRequest{})
	p.refusedWith(err, reason, "%s synchronizes", p.name)
}
