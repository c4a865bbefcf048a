package main_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// api connects to a device as any program may.
func (d *device) api(t *testing.T) *grpc.ClientConn {
	t.Helper()
	c, err := grpc.NewClient("unix:"+d.socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// reason returns the machine-readable reason of a refused call.
func reason(err error) string {
	for _, detail := range status.Convert(err).Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.GetDomain() == "vipaso.dev" {
			return info.GetReason()
		}
	}
	return ""
}

// unchanged returns a check that a device has the payments that it has now,
// and a sound store.
func (d *device) unchanged(t *testing.T) func(*testing.T) {
	t.Helper()
	before := d.payments(t)
	return func(t *testing.T) {
		t.Helper()
		after := d.payments(t)
		if !slices.EqualFunc(before, after, func(a, b *paymentv1.Payment) bool { return proto.Equal(a, b) }) {
			t.Errorf("%s had %v, has %v", d.name, before, after)
		}
		d.ask(t, "store", "check")
	}
}

// TestBadCalls: what cannot be done is refused with a reason and a next step,
// and changes nothing.
func TestBadCalls(t *testing.T) {
	t.Parallel()
	s := newShop(t, "ann", "ben")
	ann, ben := s.customers[0], s.customers[1]
	single := ann.accepting(t, "--single")
	requestID := uuid.NewString()
	id := s.till.request(t, "12.00", "--request-id", requestID).GetPaymentId()
	single.exit(t)
	nothingLost := []func(*testing.T){s.till.unchanged(t), ann.unchanged(t), ben.unchanged(t)}

	calls := []struct {
		name   string
		device *device
		args   string
		code   int
		reason string
	}{
		{"three decimals of USD", s.till, "pay request 12.001 USD", 2, "AMOUNT_PRECISION"},
		{"decimals of a currency without", s.till, "pay request 12.5 JPY", 2, "AMOUNT_PRECISION"},
		{"an exponent", s.till, "pay request 1e9 USD", 2, "AMOUNT_SYNTAX"},
		{"a sign", s.till, "pay request -1 USD", 2, "AMOUNT_SYNTAX"},
		{"no number", s.till, "pay request NaN USD", 2, "AMOUNT_SYNTAX"},
		{"a comma", s.till, "pay request 12,00 USD", 2, "AMOUNT_SYNTAX"},
		{"nothing", s.till, "pay request 0 USD", 2, "AMOUNT_RANGE"},
		{"more than can be counted", s.till, "pay request 92233720368547758.08 USD", 2, "AMOUNT_RANGE"},
		{"too long for a field", s.till, "pay request " + strings.Repeat("9", 65) + " USD", 2, "FIELD_INVALID"},
		{"an unknown currency", s.till, "pay request 12.00 XQX", 2, "CURRENCY_UNKNOWN"},
		{"a currency in small letters", s.till, "pay request 12.00 usd", 2, "CURRENCY_UNKNOWN"},
		{"an amount to set aside", ann, "preauth create -1 USD --instrument " + ann.instrument, 2, "AMOUNT_SYNTAX"},
		{"another's instrument", ann, "preauth create 1.00 USD --instrument " + ben.instrument, 5, "INSTRUMENT_NOT_FOUND"},
		{"a tip", ann, "pay accept " + id + " --amount 12.00 --currency USD --tip 0.001 --instrument " + ann.instrument, 2, "AMOUNT_PRECISION"},
		{"a payment of nobody", s.till, "payments show " + uuid.NewString(), 5, "PAYMENT_NOT_FOUND"},
		{"a payment of another customer", ben, "payments show " + id, 5, "PAYMENT_NOT_FOUND"},
		{"to accept another's payment", ben, "pay accept " + id + " --amount 12.00 --currency USD --instrument " + ben.instrument, 5, "PAYMENT_NOT_FOUND"},
		{"to decline another's payment", ben, "pay decline " + id, 5, "PAYMENT_NOT_FOUND"},
		{"to cancel a payment of nobody", s.till, "pay cancel " + uuid.NewString(), 5, "PAYMENT_NOT_FOUND"},
		{"to cancel what is paid", s.till, "pay cancel " + id, 5, "PAYMENT_STATE"},
		{"an id that is none", s.till, "payments show 12", 2, "FIELD_INVALID"},
		{"another amount than before", ann, "pay accept " + id + " --amount 13.00 --currency USD --instrument " + ann.instrument, 5, "AMOUNT_MISMATCH"},
		{"another currency", ann, "pay accept " + id + " --amount 12.00 --currency EUR --instrument " + ann.instrument, 5, "CURRENCY_MISMATCH"},
		{"a customer asks for money", ann, "pay request 12.00 USD", 5, "WRONG_ROLE"},
		{"a till pays", s.till, "pay receive", 5, "WRONG_ROLE"},
		{"a till sets funds aside", s.till, "preauth create 1.00 USD --instrument " + ann.instrument, 5, "WRONG_ROLE"},
		{"the same request_id for another amount", s.till, "pay request 13.00 USD --request-id " + requestID, 5, "REQUEST_ID_REUSED"},
		{"the same request_id for another text", s.till, "pay request 12.00 USD --ref x --request-id " + requestID, 5, "REQUEST_ID_REUSED"},
		{"a reference that is too long", s.till, "pay request 12.00 USD --ref " + strings.Repeat("x", 65), 2, "FIELD_INVALID"},
		{"a request that is online when nobody is", s.till, "pay request 12.00 USD --policy require-online", 1, "OFFLINE"},
		{"to set aside with no network", ann, "preauth create 1.00 USD --instrument " + ann.instrument, 1, "OFFLINE"},
		{"to forget an enrollment with money in it", s.till, "logout", 5, "UNSYNCED_MONEY"},
	}
	for _, c := range calls {
		t.Run(c.name, func(t *testing.T) {
			c.device.ctl(t, strings.Fields(c.args)...).refused(t, c.code, c.reason)
		})
	}
	t.Run("the same request_id for the same call is that call", func(t *testing.T) {
		if again := s.till.request(t, "12.00", "--request-id", requestID); again.GetPaymentId() != id {
			t.Errorf("%s, then %s", id, again.GetPaymentId())
		}
	})
	t.Run("nothing is lost", func(t *testing.T) {
		for _, check := range nothingLost {
			check(t)
		}
		s.startBackend(t)
		s.till.becomes(t, id, settled)
		ann.becomes(t, id, settled)
		s.settledOnce(t, s.till, ann, id, "12.00")
		s.sound(t)
	})
}

// TestBadMessages: what no command line can send.
func TestBadMessages(t *testing.T) {
	t.Parallel()
	s := newShop(t, "ann")
	ann := s.customers[0]
	events := ann.receive(t)
	asking := s.till.follow(t, "pay", "request", "12.00", "USD")
	_, e := events.event(t, "payment_request_received", "")
	id := e.GetPaymentRequestReceived().GetPaymentId()
	customer := customerv1.NewCustomerServiceClient(ann.api(t))
	accept := &customerv1.AcceptPaymentRequest{
		RequestId: uuid.NewString(), PaymentId: id, Amount: "12.00", Currency: "USD", InstrumentId: ann.instrument,
	}
	if _, err := customer.AcceptPayment(t.Context(), accept); err != nil {
		t.Fatal(err)
	}
	if code := asking.exit(t); code != 0 {
		t.Fatalf("pay request: exit %d", code)
	}
	ann.becomes(t, id, provisional)
	shown, err := customer.FetchPayment(t.Context(), &paymentv1.FetchPaymentRequest{PaymentId: id})
	first := shown.GetPayment().GetReceipt().GetVoucherHash()
	if err != nil || first == "" {
		t.Fatalf("paid without a voucher: %s, %v", shown, err)
	}
	t.Run("the same request_id for the same accept", func(t *testing.T) {
		again, err := customer.AcceptPayment(t.Context(), accept)
		if err != nil || again.GetPayment().GetReceipt().GetVoucherHash() != first {
			t.Errorf("%s, %v", again, err)
		}
	})
	t.Run("the same request_id for another accept", func(t *testing.T) {
		other := proto.CloneOf(accept)
		other.Tip = "1.00"
		if _, err := customer.AcceptPayment(t.Context(), other); reason(err) != "REQUEST_ID_REUSED" {
			t.Errorf("%v, reason %s", err, reason(err))
		}
	})
	t.Run("the same request_id for a decline", func(t *testing.T) {
		_, err := customer.DeclinePayment(t.Context(), &customerv1.DeclinePaymentRequest{RequestId: accept.RequestId, PaymentId: id})
		if reason(err) != "REQUEST_ID_REUSED" {
			t.Errorf("%v, reason %s", err, reason(err))
		}
	})
	t.Run("another request_id finds the same voucher", func(t *testing.T) {
		other := proto.CloneOf(accept)
		other.RequestId = uuid.NewString()
		again, err := customer.AcceptPayment(t.Context(), other)
		if err != nil || again.GetPayment().GetReceipt().GetVoucherHash() != first {
			t.Errorf("%s, %v", again, err)
		}
	})
	t.Run("no request_id", func(t *testing.T) {
		_, err := businessv1.NewBusinessServiceClient(s.till.api(t)).SendPaymentRequestViaBle(t.Context(),
			&businessv1.SendPaymentRequestViaBleRequest{Amount: "1.00", Currency: "USD"})
		if reason(err) != "FIELD_INVALID" || !strings.Contains(err.Error(), "request_id") {
			t.Errorf("%v, reason %s", err, reason(err))
		}
	})
	t.Run("a message that is too large", func(t *testing.T) {
		for _, size := range []int{200 << 10, 700 << 10} {
			_, err := devicev1.NewDeviceServiceClient(s.till.api(t)).Enroll(t.Context(),
				&devicev1.EnrollRequest{BackendUrl: s.url(), CaPem: strings.Repeat("x", size), Code: "x"})
			if reason(err) != "MESSAGE_TOO_LARGE" {
				t.Errorf("%d bytes: %v, reason %s", size, err, reason(err))
			}
		}
	})
	t.Run("nothing is lost", func(t *testing.T) {
		ann.holds(t, "0.00", "12.00", "88.00")
		if got := s.till.payment(t, id).GetState(); got != provisional {
			t.Errorf("the till has %s", got)
		}
	})
}

// TestNoAdapter: with Bluetooth and no adapter named, a till starts, shows and
// synchronizes, and says why it cannot sell.
func TestNoAdapter(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startBackend(t)
	d := w.device(t, "business", "till", quick)
	d.configure(t, "role = \"business\"\n[store]\ndir = \""+d.dir+"\"\n[grpc]\nsocket = \""+d.socket+"\"\n")
	d.start(t)
	d.enroll(t)
	if r := d.status(t).GetRadio(); r.GetReady() || r.GetReason() != "ADAPTER_NOT_CONFIGURED" {
		t.Errorf("radio %s", r)
	}
	if text := d.ctl(t, "status").ok(t).stdout; !strings.Contains(text, "ADAPTER_NOT_CONFIGURED") {
		t.Errorf("status does not say so:\n%s", text)
	}
	d.ctl(t, "pay", "request", "12.00", "USD").refused(t, 5, "ADAPTER_NOT_CONFIGURED")
	d.ask(t, "sync", "now")
	health := grpc_health_v1.NewHealthClient(d.api(t))
	for name, want := range map[string]grpc_health_v1.HealthCheckResponse_ServingStatus{
		"": grpc_health_v1.HealthCheckResponse_SERVING, "store": grpc_health_v1.HealthCheckResponse_SERVING,
		"sync": grpc_health_v1.HealthCheckResponse_SERVING, "radio": grpc_health_v1.HealthCheckResponse_NOT_SERVING,
	} {
		got, err := health.Check(t.Context(), &grpc_health_v1.HealthCheckRequest{Service: name})
		if err != nil || got.GetStatus() != want {
			t.Errorf("health %q: %s, %v; want %s", name, got.GetStatus(), err, want)
		}
	}
}
