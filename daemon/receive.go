package daemon

import (
	"cmp"
	"context"
	"errors"
	"slices"

	"google.golang.org/grpc"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// errEnough ends a watch that has seen what it was for.
var errEnough = errors.New("enough")

// ReceivePaymentRequestsViaBle makes the device discoverable for as long as
// the stream lasts, and streams the customer's payment events. Without a
// number to resume after, it starts with the requests that are open now, under
// their original numbers.
func (s *customerService) ReceivePaymentRequestsViaBle(req *customerv1.ReceivePaymentRequestsViaBleRequest, stream grpc.ServerStreamingServer[customerv1.ReceivePaymentRequestsViaBleResponse]) error {
	tag, err := tagIn(req.GetTagId())
	if err != nil {
		return err
	}
	if err := s.d.mayListen(); err != nil {
		return err
	}
	ctx := stream.Context()
	after, open := req.GetAfterSequence(), []*paymentv1.Event(nil)
	if req.AfterSequence == nil {
		after = s.d.hub.Head()
		if open, err = s.openRequests(ctx, after); err != nil {
			return err
		}
	}
	defer s.d.wallet.listen(tag)()
	if err := sayHello(stream); err != nil {
		return err
	}
	send := func(e *paymentv1.Event) error {
		if !forCustomer(e) {
			return nil
		}
		if err := stream.Send(&customerv1.ReceivePaymentRequestsViaBleResponse{Event: e}); err != nil {
			return err
		}
		if req.GetSession() == customerv1.SessionMode_SESSION_MODE_SINGLE && endsPayment(e) {
			return errEnough
		}
		return nil
	}
	for _, e := range open {
		if err := send(e); err != nil {
			return err
		}
	}
	if err := s.d.hub.watch(ctx, after, send); !errors.Is(err, errEnough) {
		return err
	}
	return nil
}

// mayListen says why no till could find the device, if so. An adapter that is
// down at the moment is no reason: it may come back while the caller waits.
func (d *Device) mayListen() error {
	if !d.self.Load().Enrolled() {
		return errNotEnrolled
	}
	if d.opt.Radio == nil {
		return d.noRadio()
	}
	return nil
}

// openRequests returns the requests that can still be answered or are being
// answered, as they were first told, up to an event number.
func (s *customerService) openRequests(ctx context.Context, head uint64) ([]*paymentv1.Event, error) {
	rows, err := s.d.store.UnfinishedAttempts(ctx)
	if err != nil {
		return nil, err
	}
	var open []*paymentv1.Event
	seen := make(map[preauth.ID]bool)
	for _, a := range rows {
		if a.State != payment.Requested && a.State != payment.Authorized || seen[a.Payment] {
			continue
		}
		seen[a.Payment] = true
		events, err := s.d.store.EventsOf(ctx, a.Payment)
		if err != nil {
			return nil, err
		}
		for _, e := range slices.Backward(events) {
			if e.GetPaymentRequestReceived() != nil && e.GetSequence() <= head {
				open = append(open, e)
				break
			}
		}
	}
	slices.SortFunc(open, func(a, b *paymentv1.Event) int { return cmp.Compare(a.GetSequence(), b.GetSequence()) })
	return open, nil
}

// forCustomer reports whether an event belongs into a customer's own stream.
func forCustomer(e *paymentv1.Event) bool {
	switch e.GetEvent().(type) {
	case *paymentv1.Event_PaymentRequestReceived, *paymentv1.Event_PaymentSuccessful,
		*paymentv1.Event_PaymentCancelled, *paymentv1.Event_AnotherUserPaid, *paymentv1.Event_PaymentFailed,
		*paymentv1.Event_PaymentUnconfirmed, *paymentv1.Event_PaymentSettled,
		*paymentv1.Event_PaymentRejected, *paymentv1.Event_Disconnected:
		return true
	}
	return false
}

// endsPayment reports whether nothing more of a payment is to be waited for.
func endsPayment(e *paymentv1.Event) bool {
	switch m := e.GetEvent().(type) {
	case *paymentv1.Event_PaymentSuccessful, *paymentv1.Event_PaymentCancelled, *paymentv1.Event_AnotherUserPaid:
		return true
	case *paymentv1.Event_PaymentFailed:
		return m.PaymentFailed.GetPaymentId() != "" // else a session failed before any request
	}
	return false
}
