package daemon

import (
	"cmp"
	"context"
	"slices"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// customerService is the customer's side of payments.
type customerService struct {
	customerv1.UnsafeCustomerServiceServer
	history
}

func newCustomerService(d *Device) *customerService { return &customerService{history: history{d: d}} }

// PreAuthorizeInstrument sets funds aside. When it returns, the certificate is
// on disk.
func (s *customerService) PreAuthorizeInstrument(ctx context.Context, req *customerv1.PreAuthorizeInstrumentRequest) (*customerv1.PreAuthorizeInstrumentResponse, error) {
	call, err := newCall(methodPreAuthorize, req)
	if err != nil {
		return nil, err
	}
	instrument, err := idIn("instrument_id", req.GetInstrumentId())
	if err != nil {
		return nil, err
	}
	amount, err := amountIn(req.GetAmount(), req.GetCurrency())
	if err != nil {
		return nil, err
	}
	a, err := s.d.preAuthorize(ctx, call, instrument, amount)
	if err != nil {
		return nil, err
	}
	return &customerv1.PreAuthorizeInstrumentResponse{Authorization: preauthProto(a, s.d.now())}, nil
}

// VoidPreAuthorization stops spending at once.
func (s *customerService) VoidPreAuthorization(ctx context.Context, req *customerv1.VoidPreAuthorizationRequest) (*customerv1.VoidPreAuthorizationResponse, error) {
	call, err := newCall(methodVoid, req)
	if err != nil {
		return nil, err
	}
	id, err := idIn("pre_authorization_id", req.GetPreAuthorizationId())
	if err != nil {
		return nil, err
	}
	a, err := s.d.void(ctx, call, id)
	if err != nil {
		return nil, err
	}
	return &customerv1.VoidPreAuthorizationResponse{Authorization: preauthProto(a, s.d.now())}, nil
}

// AcceptPayment stores and sends a voucher. AUTHORIZED in the answer means
// that the receipt has not come: that is no error.
func (s *customerService) AcceptPayment(ctx context.Context, req *customerv1.AcceptPaymentRequest) (*customerv1.AcceptPaymentResponse, error) {
	q, err := acceptanceOf(req)
	if err != nil {
		return nil, err
	}
	a, err := s.d.accept(ctx, q)
	if err != nil {
		return nil, err
	}
	p, err := s.d.shownAttempt(ctx, a)
	if err != nil {
		return nil, err
	}
	return &customerv1.AcceptPaymentResponse{Payment: p}, nil
}

func acceptanceOf(req *customerv1.AcceptPaymentRequest) (acceptance, error) {
	q := acceptance{delegated: req.GetIsDelegatedInstrument()}
	var err error
	if q.call, err = newCall(methodAccept, req); err != nil {
		return q, err
	}
	if q.payment, err = idIn("payment_id", req.GetPaymentId()); err != nil {
		return q, err
	}
	if q.amount, err = amountIn(req.GetAmount(), req.GetCurrency()); err != nil {
		return q, err
	}
	if q.tip, err = tipIn("tip", req.GetTip(), req.GetCurrency()); err != nil {
		return q, err
	}
	q.instrument, err = idIn("instrument_id", req.GetInstrumentId())
	return q, err
}

// DeclinePayment says no to a request.
func (s *customerService) DeclinePayment(ctx context.Context, req *customerv1.DeclinePaymentRequest) (*customerv1.DeclinePaymentResponse, error) {
	call, err := newCall(methodDecline, req)
	if err != nil {
		return nil, err
	}
	id, err := idIn("payment_id", req.GetPaymentId())
	if err != nil {
		return nil, err
	}
	if err := inField("reason", preauth.CheckText(req.GetReason())); err != nil {
		return nil, err
	}
	a, err := s.d.decline(ctx, call, id, req.GetReason())
	if err != nil {
		return nil, err
	}
	p, err := s.d.shownAttempt(ctx, a)
	if err != nil {
		return nil, err
	}
	return &customerv1.DeclinePaymentResponse{Payment: p}, nil
}

// CheckReadiness says whether this device could pay with no network.
func (s *customerService) CheckReadiness(ctx context.Context, req *paymentv1.CheckReadinessRequest) (*paymentv1.CheckReadinessResponse, error) {
	return s.d.checkReadiness(ctx, req)
}

// ListInstruments lists instruments with their pre-authorizations.
func (s *customerService) ListInstruments(ctx context.Context, _ *customerv1.ListInstrumentsRequest) (*customerv1.ListInstrumentsResponse, error) {
	list, _, err := s.instruments(ctx)
	if err != nil {
		return nil, err
	}
	return &customerv1.ListInstrumentsResponse{Instruments: list}, nil
}

// WatchInstruments lists them now and after each change, be it only that the
// time of a pre-authorization has come.
func (s *customerService) WatchInstruments(_ *customerv1.WatchInstrumentsRequest, stream grpc.ServerStreamingServer[customerv1.WatchInstrumentsResponse]) error {
	var last *customerv1.WatchInstrumentsResponse
	for {
		changed := s.d.changed.wait()
		list, next, err := s.instruments(stream.Context())
		if err != nil {
			return err
		}
		now := &customerv1.WatchInstrumentsResponse{Instruments: list}
		if last == nil || !proto.Equal(last, now) {
			if err := stream.Send(now); err != nil {
				return err
			}
			last = now
		}
		if err := waitFor(stream.Context(), changed, next); err != nil {
			return err
		}
	}
}

// instruments returns every instrument by label, and how long their list can
// stay as it is.
func (s *customerService) instruments(ctx context.Context) ([]*customerv1.Instrument, time.Duration, error) {
	rows, err := s.d.store.Instruments(ctx)
	if err != nil {
		return nil, 0, err
	}
	auths, err := s.d.store.Authorizations(ctx)
	if err != nil {
		return nil, 0, err
	}
	now := s.d.now()
	slices.Reverse(auths) // newest first
	list := make([]*customerv1.Instrument, len(rows))
	for i, row := range rows {
		list[i] = instrumentProto(row, auths, now)
	}
	slices.SortFunc(list, func(a, b *customerv1.Instrument) int {
		return cmp.Or(cmp.Compare(a.Label, b.Label), cmp.Compare(a.InstrumentId, b.InstrumentId))
	})
	return list, untilExpiry(auths, now), nil
}

// untilExpiry is how long it takes until the next pre-authorization expires,
// a day if none does.
func untilExpiry(auths []store.Authorization, now time.Time) time.Duration {
	next := 24 * time.Hour
	for _, a := range auths {
		if a.Status(now) == preauth.Available {
			next = min(next, time.UnixMilli(a.Cert.Body.SpendByMs).Sub(now))
		}
	}
	return next
}

// waitFor returns when something has changed or the time is over, or the
// context's error.
func waitFor(ctx context.Context, changed <-chan struct{}, limit time.Duration) error {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	return nil
}
