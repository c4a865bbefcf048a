package daemon

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// asking returns a call that asks for 12.00 USD.
func asking(call string) *businessv1.SendPaymentRequestViaBleRequest {
	return &businessv1.SendPaymentRequestViaBleRequest{RequestId: namedID(call).String(), Amount: "12.00", Currency: "USD"}
}

// streaming is asking with progress, until the first step was told.
func streaming(t *testing.T, ctx context.Context, c businessv1.BusinessServiceClient, req *businessv1.SendPaymentRequestViaBleRequest) (businessv1.BusinessService_StreamPaymentRequestClient, string) {
	t.Helper()
	stream, err := c.StreamPaymentRequest(ctx, &businessv1.StreamPaymentRequestRequest{Request: req})
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	if first.GetProgress().GetStep() != businessv1.ProgressStep_PROGRESS_STEP_SEARCHING {
		t.Fatalf("first came %v", first)
	}
	return stream, first.GetPaymentId()
}

// A barcode scanner adds what nobody sees: it would make a request that no
// customer's device accepts.
func TestSendPaymentRequestReadsTheReference(t *testing.T) {
	client := newBench(t, asTill, nil).business(cashier)
	for _, reference := range []string{"scanned\n", "a\x1bb", "\u202eelbat"} {
		req := asking("reference " + reference)
		req.PaymentReference = reference
		_, err := client.SendPaymentRequestViaBle(t.Context(), req)
		wantField(t, reference, err, "FIELD_INVALID", "payment_reference")
	}
}

func TestSendPaymentRequestReadsAmounts(t *testing.T) {
	client := newBench(t, asTill, nil).business(cashier)
	for _, tt := range []struct{ amount, currency, tip, reason, field string }{
		{"12,00", "USD", "", "AMOUNT_SYNTAX", "amount"},
		{"", "USD", "", "AMOUNT_SYNTAX", "amount"},
		{"-1.00", "USD", "", "AMOUNT_SYNTAX", "amount"},
		{"1e3", "USD", "", "AMOUNT_SYNTAX", "amount"},
		{"12.001", "USD", "", "AMOUNT_PRECISION", "amount"},
		{"1.5", "JPY", "", "AMOUNT_PRECISION", "amount"},
		{"0.00", "USD", "", "AMOUNT_RANGE", "amount"},
		{"99999999999999999999", "USD", "", "AMOUNT_RANGE", "amount"},
		{"12.00", "XXQ", "", "CURRENCY_UNKNOWN", "currency"},
		{"12.00", "", "", "CURRENCY_UNKNOWN", "currency"},
		{"12.00", "USD", "1.", "AMOUNT_SYNTAX", "tip.max"},
		{"12.00", "USD", "1.001", "AMOUNT_PRECISION", "tip.max"},
	} {
		req := asking(tt.amount + tt.currency + tt.tip)
		req.Amount, req.Currency = tt.amount, tt.currency
		if tt.tip != "" {
			req.Tip = &businessv1.TipPolicy{Allowed: true, Max: tt.tip}
		}
		_, err := client.SendPaymentRequestViaBle(t.Context(), req)
		wantField(t, tt.amount+" "+tt.currency+" "+tt.tip, err, tt.reason, tt.field)
	}
}

func TestSaleRequestDefaults(t *testing.T) {
	bare := asking("bare")
	q, err := saleRequestOf(bare)
	if err != nil {
		t.Fatal(err)
	}
	if q.amount != 1200 || q.currency != "USD" || q.policy != store.PreferOnline || q.timeout != time.Minute || !q.tipAllowed || q.tipMax != 0 || !q.tag.Zero() {
		t.Errorf("%+v", q)
	}
	full := asking("full")
	full.Policy, full.Timeout = businessv1.Policy_POLICY_FORCE_OFFLINE, durationpb.New(5*time.Second)
	full.PaymentReference, full.TagId, full.Tip = "table 4", namedID("tag").String(), &businessv1.TipPolicy{Max: "3.00"}
	if q, err = saleRequestOf(full); err != nil {
		t.Fatal(err)
	}
	if q.policy != store.ForceOffline || q.timeout != 5*time.Second || q.reference != "table 4" || q.tag != namedID("tag") || q.tipAllowed || q.tipMax != 300 {
		t.Errorf("%+v", q)
	}
	full.Policy = businessv1.Policy_POLICY_REQUIRE_ONLINE
	if q, err = saleRequestOf(full); err != nil || q.policy != store.RequireOnline {
		t.Errorf("%s %v", q.policy, err)
	}
}

// Two calls are the same if they say the same beside their id.
func TestCallsAreKnownByWhatTheySay(t *testing.T) {
	call := func(req *businessv1.SendPaymentRequestViaBleRequest) store.Call {
		t.Helper()
		c, err := newCall(methodRequest, req)
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first, again, otherID, other := call(asking("a")), call(asking("a")), call(asking("b")), asking("a")
	if first != again || first.RequestID != namedID("a") {
		t.Errorf("the same call twice: %v %v", first, again)
	}
	if otherID.Content != first.Content || otherID.RequestID == first.RequestID {
		t.Errorf("the same under another id: %v %v", first, otherID)
	}
	other.PaymentReference = "table 4"
	if call(other).Content == first.Content {
		t.Error("another call says the same")
	}
	if other.GetRequestId() == "" {
		t.Error("reading a call has changed it")
	}
}

func TestSendPaymentRequestIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Options, *papers)
		amount string
		code   codes.Code
		reason string
	}{
		{"not enrolled", notEnrolled, "12.00", codes.FailedPrecondition, "NOT_ENROLLED"},
		{"no adapter named", func(o *Options, _ *papers) { o.Radio, o.RadioReason = nil, "ADAPTER_NOT_CONFIGURED" }, "12.00",
			codes.FailedPrecondition, "ADAPTER_NOT_CONFIGURED"},
		{"adapter gone", func(o *Options, _ *papers) { o.Radio, o.RadioReason = nil, "ADAPTER_MISSING" }, "12.00", codes.Unavailable, "ADAPTER_MISSING"},
		{"too much", nil, "50.01", codes.ResourceExhausted, "LIMIT_PAYMENT"},
		{"too much by own limit", func(o *Options, _ *papers) {
			o.Limits.Currencies = map[string]preauth.Limit{"USD": {PaymentMax: 11_99, TotalMax: 500_00}}
		}, "12.00", codes.ResourceExhausted, "LIMIT_PAYMENT"},
		{"too many", func(_ *Options, p *papers) { p.cert.StoredCountMax = 0 }, "12.00", codes.ResourceExhausted, "LIMIT_COUNT"},
		{"certificate ended", func(_ *Options, p *papers) { p.cert.NotAfterMs = time.Now().UnixMilli() }, "12.00", codes.FailedPrecondition, "CERT_EXPIRED"},
		{"revoked", func(_ *Options, p *papers) { p.bundle.RevokedDevices = [][]byte{p.cert.DeviceId} }, "12.00", codes.FailedPrecondition, "DEVICE_REVOKED"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, asTill, tt.change)
			req := asking("call")
			req.Amount = tt.amount
			_, err := b.business(cashier).SendPaymentRequestViaBle(t.Context(), req)
			wantStatus(t, "call", err, tt.code, tt.reason)
			if _, retry := detailOf[*errdetails.RetryInfo](err); retry != (tt.code == codes.Unavailable) {
				t.Errorf("says when to retry: %v", retry)
			}
			if _, open, err := b.store.OpenSale(t.Context()); open || err != nil {
				t.Errorf("a payment was opened all the same: %v", err)
			}
		})
	}
}

// Nobody nearby: the call ends when its time is over, not before, and says
// so; the same call later says the same.
func TestSendPaymentRequestTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil).run()
		client, start, req := b.business(cashier), time.Now(), asking("call")
		req.Timeout = durationpb.New(90 * time.Second)
		resp, err := client.SendPaymentRequestViaBle(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 90*time.Second {
			t.Errorf("took %s", took)
		}
		r := resp.GetResult()
		if f := r.GetPaymentFailed(); f == nil || f.GetPaymentId() != r.GetPayment().GetPaymentId() || f.GetReason() == "" || f.GetNextStep() == "" {
			t.Errorf("result %v", r)
		}
		if p := r.GetPayment(); p.GetState() != paymentv1.PaymentState_PAYMENT_STATE_EXPIRED || p.GetAmount() != "12.00" {
			t.Errorf("payment %v", p)
		}
		again, err := client.SendPaymentRequestViaBle(t.Context(), req)
		if err != nil || !proto.Equal(again, resp) {
			t.Errorf("the same call again: %v %v", again, err)
		}
	})
}

// A caller that goes away ends nothing; the same call, with progress or
// without, waits for the same payment; anything else is told apart.
func TestPaymentRequestOutlivesItsCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil).run()
		client := b.business(cashier)
		ctx, leave := context.WithCancel(t.Context())
		stream, id := streaming(t, ctx, client, asking("call"))
		leave()
		if _, err := stream.Recv(); status.Code(err) != codes.Canceled {
			t.Errorf("caller that left: %v", err)
		}
		synctest.Wait()
		_, again := streaming(t, t.Context(), client, asking("call"))
		if again != id {
			t.Errorf("the same call made payment %s beside %s", again, id)
		}
		_, err := client.SendPaymentRequestViaBle(t.Context(), asking("another call"))
		wantStatus(t, "another call", err, codes.FailedPrecondition, "PAYMENT_IN_PROGRESS")
		if got := errorInfo(t, err).GetMetadata()["payment_id"]; got != id {
			t.Errorf("the payment in the way is %q, want %s", got, id)
		}
		changed := asking("call")
		changed.Amount = "12.01"
		_, err = client.SendPaymentRequestViaBle(t.Context(), changed)
		wantStatus(t, "same id, other amount", err, codes.AlreadyExists, "REQUEST_ID_REUSED")
		result := make(chan *businessv1.PaymentResult)
		go func() {
			resp, err := client.SendPaymentRequestViaBle(t.Context(), asking("call"))
			if err != nil {
				t.Error(err)
			}
			result <- resp.GetResult()
		}()
		synctest.Wait()
		if _, err := client.CancelPayment(t.Context(), &businessv1.CancelPaymentRequest{RequestId: namedID("cancel").String(), PaymentId: id}); err != nil {
			t.Fatal(err)
		}
		if c := (<-result).GetPaymentCancelled(); c.GetPaymentId() != id || c.GetReason() != "USER" {
			t.Errorf("the one who waited got %v", c)
		}
	})
}

// The same call many times at once makes one payment, and all get its result.
func TestPaymentRequestAtTheSameTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil).run()
		client := b.business(cashier)
		ids := make(chan string, 8)
		for range cap(ids) {
			go func() {
				resp, err := client.SendPaymentRequestViaBle(t.Context(), asking("call"))
				if err != nil {
					t.Error(err)
				}
				ids <- resp.GetResult().GetPayment().GetPaymentId()
			}()
		}
		first := <-ids
		for range cap(ids) - 1 {
			if id := <-ids; id != first || id == "" {
				t.Errorf("payment %q beside %q", id, first)
			}
		}
		sales, _, err := b.store.Sales(t.Context(), store.Filter{})
		if err != nil || len(sales) != 1 {
			t.Errorf("%d payments stored %v, want one", len(sales), err)
		}
	})
}

func TestCancelPayment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil).run()
		client := b.business(cashier)
		cancel := func(call, id string) (*paymentv1.Payment, error) {
			resp, err := client.CancelPayment(t.Context(), &businessv1.CancelPaymentRequest{RequestId: namedID(call).String(), PaymentId: id})
			return resp.GetPayment(), err
		}
		_, err := cancel("c0", namedID("no such payment").String())
		wantStatus(t, "unknown payment", err, codes.NotFound, "PAYMENT_NOT_FOUND")
		_, id := streaming(t, t.Context(), client, asking("call"))
		_, err = cancel("call", id)
		wantStatus(t, "under the id of the request itself", err, codes.AlreadyExists, "REQUEST_ID_REUSED")
		for _, call := range []string{"c1", "c1", "c2"} {
			p, err := cancel(call, id)
			if err != nil || p.GetState() != paymentv1.PaymentState_PAYMENT_STATE_CANCELLED || p.GetPaymentId() != id {
				t.Errorf("cancel %s: %v %v", call, p, err)
			}
		}
		short := asking("short")
		short.Timeout = durationpb.New(time.Second)
		resp, err := client.SendPaymentRequestViaBle(t.Context(), short)
		if err != nil {
			t.Fatal(err)
		}
		_, err = cancel("c3", resp.GetResult().GetPayment().GetPaymentId())
		wantStatus(t, "expired payment", err, codes.FailedPrecondition, "PAYMENT_STATE")
		_, err = cancel("c1", resp.GetResult().GetPayment().GetPaymentId())
		wantStatus(t, "under the id of an earlier cancel", err, codes.AlreadyExists, "REQUEST_ID_REUSED")
	})
}

// The caller's deadline ends the call, not the payment.
func TestSendPaymentRequestDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil).run()
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, err := b.business(cashier).SendPaymentRequestViaBle(ctx, asking("call"))
		if status.Code(err) != codes.DeadlineExceeded {
			t.Errorf("%v", err)
		}
		synctest.Wait()
		if s, open, err := b.store.OpenSale(t.Context()); !open || err != nil || s.State != payment.Open {
			t.Errorf("the payment has ended with its caller: %v", err)
		}
	})
}

func TestPaymentResult(t *testing.T) {
	for state, want := range map[payment.State]string{
		payment.Provisional: "payment_successful", payment.Settled: "payment_successful",
		payment.Cancelled: "payment_cancelled", payment.Expired: "payment_failed", payment.Rejected: "payment_failed",
	} {
		p := &paymentv1.Payment{PaymentId: "7", Amount: "12.00", Tip: "1.00", Currency: "USD", Guaranteed: "5.00", AtRisk: "8.00", Reason: "TIMEOUT", Finality: finalityProto(state)}
		r := paymentResult(store.Sale{Sale: payment.Sale{State: state}}, p)
		m := r.ProtoReflect()
		if which := m.WhichOneof(m.Descriptor().Oneofs().ByName("result")); string(which.Name()) != want || r.GetPayment() != p {
			t.Errorf("%s: %v, want %s", state, r, want)
		}
		if s := r.GetPaymentSuccessful(); s != nil && (s.GetGuaranteed() != "5.00" || s.GetAtRisk() != "8.00" || s.GetFinality() != p.GetFinality() || s.GetTip() != "1.00") {
			t.Errorf("%s: %v", state, s)
		}
		if f := r.GetPaymentFailed(); f != nil && (f.GetReason() != "TIMEOUT" || f.GetNextStep() == "") {
			t.Errorf("%s: %v", state, f)
		}
	}
}

// A backend that says nothing in time is one that does not answer, and not the
// end of the caller's time.
func TestOnlineOnlyWithASilentBackend(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, func(o *Options, _ *papers) {
			o.DialBackend = func(ctx context.Context, _ string) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		_, err := b.openSale(t.Context(), saleRequest{
			call: store.Call{RequestID: namedID("call"), Method: methodRequest}, amount: 12_00, currency: "USD",
			policy: store.RequireOnline, timeout: time.Minute,
		})
		if reason, _ := reasonOf(err); reason != catalogue.Offline {
			t.Errorf("%s: %v", reason, err)
		}
		b.SetOffline(true) // which closes the connection
	})
}
