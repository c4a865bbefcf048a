package daemon

import (
	"context"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// askFor is how long a till asks if the caller does not say.
const askFor = 60 * time.Second

// businessService is the till's side of payments.
type businessService struct {
	businessv1.UnsafeBusinessServiceServer
	history
}

func newBusinessService(d *Device) *businessService { return &businessService{history: history{d: d}} }

// SendPaymentRequestViaBle asks nearby customers and answers when the payment
// has left OPEN and AWAITING. A caller that goes away does not end the
// payment; the same call again waits for the same one.
func (s *businessService) SendPaymentRequestViaBle(ctx context.Context, req *businessv1.SendPaymentRequestViaBleRequest) (*businessv1.SendPaymentRequestViaBleResponse, error) {
	sale, err := s.open(ctx, req)
	if err != nil {
		return nil, err
	}
	r, err := s.result(ctx, sale.ID)
	if err != nil {
		return nil, err
	}
	return &businessv1.SendPaymentRequestViaBleResponse{Result: r}, nil
}

// StreamPaymentRequest is the same call with progress. Steps that the caller
// is too slow for are left out; the result is not.
func (s *businessService) StreamPaymentRequest(req *businessv1.StreamPaymentRequestRequest, stream grpc.ServerStreamingServer[businessv1.StreamPaymentRequestResponse]) error {
	ctx := stream.Context()
	sale, err := s.open(ctx, req.GetRequest())
	if err != nil {
		return err
	}
	steps, stop := s.d.till.progress.subscribe(sale.ID)
	defer stop()
	tell := func(m *businessv1.StreamPaymentRequestResponse) error {
		m.PaymentId = sale.ID.String()
		return stream.Send(m)
	}
	step := func(p *businessv1.Progress) error {
		return tell(&businessv1.StreamPaymentRequestResponse{Update: &businessv1.StreamPaymentRequestResponse_Progress{Progress: p}})
	}
	if err := step(&businessv1.Progress{
		Step: businessv1.ProgressStep_PROGRESS_STEP_SEARCHING, Customers: uint32(s.d.till.connected()),
	}); err != nil {
		return err
	}
	ended := s.await(ctx, sale.ID)
	for {
		select {
		case p := <-steps:
			if err := step(p); err != nil {
				return err
			}
		case end := <-ended:
			for len(steps) > 0 {
				if err := step(<-steps); err != nil {
					return err
				}
			}
			if end.err != nil {
				return end.err
			}
			return tell(&businessv1.StreamPaymentRequestResponse{Update: &businessv1.StreamPaymentRequestResponse_Result{Result: end.result}})
		}
	}
}

// CancelPayment withdraws a payment that nobody has paid yet.
func (s *businessService) CancelPayment(ctx context.Context, req *businessv1.CancelPaymentRequest) (*businessv1.CancelPaymentResponse, error) {
	call, err := newCall(methodCancel, req)
	if err != nil {
		return nil, err
	}
	id, err := idIn("payment_id", req.GetPaymentId())
	if err != nil {
		return nil, err
	}
	if _, _, err := s.d.knownCall(ctx, call); err != nil {
		return nil, err
	}
	sale, err := s.d.withdraw(ctx, id, &call)
	if err != nil {
		return nil, err
	}
	p, err := s.d.shownSale(ctx, sale)
	if err != nil {
		return nil, err
	}
	return &businessv1.CancelPaymentResponse{Payment: p}, nil
}

// ReversePayment gives the money of a payment back, with no network too.
func (s *businessService) ReversePayment(ctx context.Context, req *businessv1.ReversePaymentRequest) (*businessv1.ReversePaymentResponse, error) {
	call, err := newCall(methodReverse, req)
	if err != nil {
		return nil, err
	}
	id, err := idIn("payment_id", req.GetPaymentId())
	if err != nil {
		return nil, err
	}
	sale, err := s.d.reverse(ctx, id, call)
	if err != nil {
		return nil, err
	}
	p, err := s.d.shownSale(ctx, sale)
	if err != nil {
		return nil, err
	}
	return &businessv1.ReversePaymentResponse{Payment: p}, nil
}

// CheckReadiness says whether this till could be paid with no network.
func (s *businessService) CheckReadiness(ctx context.Context, req *paymentv1.CheckReadinessRequest) (*paymentv1.CheckReadinessResponse, error) {
	return s.d.checkReadiness(ctx, req)
}

// open makes the payment that a caller asks for, or finds it.
func (s *businessService) open(ctx context.Context, req *businessv1.SendPaymentRequestViaBleRequest) (store.Sale, error) {
	q, err := saleRequestOf(req)
	if err != nil {
		return store.Sale{}, err
	}
	sale, err := s.d.openSale(ctx, q)
	if err != nil && !sale.ID.Zero() {
		err = naming(err, "payment_id", sale.ID.String())
	}
	return sale, err
}

// saleRequestOf reads what a caller asks a till to ask for.
func saleRequestOf(req *businessv1.SendPaymentRequestViaBleRequest) (saleRequest, error) {
	q := saleRequest{
		currency: req.GetCurrency(), reference: req.GetPaymentReference(),
		policy: policyOf(req.GetPolicy()), timeout: askFor, tipAllowed: true,
	}
	var err error
	if q.call, err = newCall(methodRequest, req); err != nil {
		return q, err
	}
	amount, err := amountIn(req.GetAmount(), req.GetCurrency())
	if err != nil {
		return q, err
	}
	q.amount = amount.Minor
	if err := inField("payment_reference", preauth.CheckText(req.GetPaymentReference())); err != nil {
		return q, err
	}
	if q.tag, err = tagIn(req.GetTagId()); err != nil {
		return q, err
	}
	if t := req.GetTimeout(); t != nil {
		q.timeout = t.AsDuration()
	}
	if tip := req.GetTip(); tip != nil {
		q.tipAllowed = tip.GetAllowed()
		q.tipMax, err = tipIn("tip.max", tip.GetMax(), req.GetCurrency())
	}
	return q, err
}

func policyOf(p businessv1.Policy) store.Policy {
	switch p {
	case businessv1.Policy_POLICY_REQUIRE_ONLINE:
		return store.RequireOnline
	case businessv1.Policy_POLICY_FORCE_OFFLINE:
		return store.ForceOffline
	}
	return store.PreferOnline
}

// saleEnd is what became of a payment, or why that is not known.
type saleEnd struct {
	result *businessv1.PaymentResult
	err    error
}

// await waits for the end of a payment in the background.
func (s *businessService) await(ctx context.Context, id preauth.ID) <-chan saleEnd {
	ended := make(chan saleEnd, 1)
	go func() {
		r, err := s.result(ctx, id)
		ended <- saleEnd{r, err}
	}()
	return ended
}

// result waits until a payment has left OPEN and AWAITING.
func (s *businessService) result(ctx context.Context, id preauth.ID) (*businessv1.PaymentResult, error) {
	sale, err := s.d.awaitSale(ctx, id)
	if err != nil {
		return nil, err
	}
	p, err := s.d.shownSale(ctx, sale)
	if err != nil {
		return nil, err
	}
	r := paymentResult(sale, p)
	if c := r.GetPaymentCancelled(); c.GetReason() == string(payment.ReasonDeclined) {
		c.Detail, err = s.d.wordsOf(ctx, id)
	}
	return r, err
}

// paymentResult says in the SDK's words what became of a payment.
func paymentResult(sale store.Sale, p *paymentv1.Payment) *businessv1.PaymentResult {
	r := &businessv1.PaymentResult{Payment: p}
	switch sale.State {
	case payment.Provisional, payment.Settled:
		r.Result = &businessv1.PaymentResult_PaymentSuccessful{PaymentSuccessful: paymentSuccessful(p)}
	case payment.Cancelled:
		r.Result = &businessv1.PaymentResult_PaymentCancelled{PaymentCancelled: &paymentv1.PaymentCancelled{
			PaymentId: p.GetPaymentId(), Reason: p.GetReason(),
		}}
	default:
		r.Result = &businessv1.PaymentResult_PaymentFailed{PaymentFailed: paymentFailed(p.GetPaymentId(), p.GetReason())}
	}
	return r
}

// sayHello sends the response headers, so that the caller knows that the
// stream is there before anything happens.
func sayHello(stream grpc.ServerStream) error { return stream.SendHeader(metadata.MD{}) }
