package daemon

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

func TestServerListsItsServices(t *testing.T) {
	conn := newBench(t, asTill, nil).serve(observer)
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{ListServices: "*"},
	}); err != nil {
		t.Fatal(err)
	}
	resp, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range resp.GetListServicesResponse().GetService() {
		got = append(got, s.GetName())
	}
	want := []string{
		"grpc.channelz.v1.Channelz", "grpc.health.v1.Health",
		"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
		"vipaso.business.v1.BusinessService", "vipaso.customer.v1.CustomerService",
		"vipaso.device.v1.DeviceService", "vipaso.sim.v1.SimService",
	}
	if !slices.Equal(got, want) {
		t.Errorf("services\n%q, want\n%q", got, want)
	}
}

// Every method of the other role's service answers WRONG_ROLE, whatever is
// asked of it.
func TestServerRefusesTheOtherRole(t *testing.T) {
	for _, tt := range []struct {
		role  peerv1.Role
		other grpc.ServiceDesc
	}{
		{asTill, customerv1.CustomerService_ServiceDesc},
		{asCustomer, businessv1.BusinessService_ServiceDesc},
	} {
		conn := newBench(t, tt.role, nil).serve(admin)
		for _, m := range methodsOf(tt.other) {
			err := callAny(t.Context(), conn, tt.other.ServiceName, m)
			wantStatus(t, m, err, codes.FailedPrecondition, "WRONG_ROLE")
		}
	}
}

// methodsOf returns the names of a service's methods.
func methodsOf(d grpc.ServiceDesc) []string {
	var names []string
	for _, m := range d.Methods {
		names = append(names, m.MethodName)
	}
	for _, s := range d.Streams {
		names = append(names, s.StreamName)
	}
	return names
}

// callAny makes a call with an empty message, and returns what came back
// first.
func callAny(ctx context.Context, conn *grpc.ClientConn, service, method string) error {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+service+"/"+method)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(&devicev1.GetStatusRequest{}); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return stream.RecvMsg(&devicev1.GetStatusResponse{})
}

// A panic in a call is that call's alone: the caller learns nothing but where
// to look, the log has the rest, and the next call is answered.
func TestServerSurvivesAPanic(t *testing.T) {
	b := newBench(t, asTill, nil)
	st := b.store
	b.store = nil
	client := b.business(observer)
	_, err := client.FetchPayments(t.Context(), &paymentv1.FetchPaymentsRequest{})
	wantStatus(t, "with a broken device", err, codes.Internal, "INTERNAL")
	id := errorInfo(t, err).GetMetadata()["incident"]
	if text := err.Error(); strings.Contains(text, "nil pointer") || !strings.Contains(text, id) {
		t.Errorf("told: %s", text)
	}
	if log := b.log.String(); strings.Count(log, "incident="+id) != 1 || !strings.Contains(log, "nil pointer") {
		t.Errorf("logged: %s", log)
	}
	b.store = st
	if _, err := client.FetchPayments(t.Context(), &paymentv1.FetchPaymentsRequest{}); err != nil {
		t.Errorf("next call: %v", err)
	}
}

func TestServerBoundsMessages(t *testing.T) {
	conn := newBench(t, asTill, nil).serve(admin)
	client := devicev1.NewDeviceServiceClient(conn)
	_, err := client.Enroll(t.Context(), &devicev1.EnrollRequest{CaPem: strings.Repeat("x", messageMax)})
	wantStatus(t, "unary", err, codes.InvalidArgument, "MESSAGE_TOO_LARGE")
	big, err := businessv1.NewBusinessServiceClient(conn).StreamPaymentRequest(t.Context(), &businessv1.StreamPaymentRequestRequest{
		Request: &businessv1.SendPaymentRequestViaBleRequest{Amount: strings.Repeat("1", messageMax)},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = big.Recv()
	wantStatus(t, "stream", err, codes.InvalidArgument, "MESSAGE_TOO_LARGE")
}

// A caller that has gone is told that it has, whatever broke because of that,
// and nobody is troubled with it.
func TestServerForgetsWhoHasGone(t *testing.T) {
	var log strings.Builder
	g := guard{log: slog.New(slog.NewTextHandler(&log, nil))}
	gone, leave := context.WithCancel(t.Context())
	leave()
	broken := status.Error(codes.Unavailable, "transport is closing")
	wantStatus(t, "gone", g.done(gone, "m", time.Now(), broken), codes.Canceled, "CANCELLED")
	wantStatus(t, "gone, with a reason", g.done(gone, "m", time.Now(), errNoPayment), codes.NotFound, "PAYMENT_NOT_FOUND")
	if log.Len() > 0 {
		t.Errorf("logged %s", &log)
	}
	wantStatus(t, "there", g.done(t.Context(), "m", time.Now(), broken), codes.Internal, "INTERNAL")
	if text := log.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, "transport is closing") {
		t.Errorf("logged %s", text)
	}
}

// What breaks a rule of a field is named, with its path, also in streams.
func TestServerValidates(t *testing.T) {
	conn := newBench(t, asTill, nil).serve(admin)
	client := businessv1.NewBusinessServiceClient(conn)
	good := func() *businessv1.SendPaymentRequestViaBleRequest {
		return &businessv1.SendPaymentRequestViaBleRequest{RequestId: namedID("call").String(), Amount: "12.00", Currency: "USD"}
	}
	for _, tt := range []struct {
		field  string
		change func(*businessv1.SendPaymentRequestViaBleRequest)
	}{
		{"request_id", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.RequestId = "" }},
		{"request_id", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.RequestId = "12" }},
		{"amount", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.Amount = strings.Repeat("1", 65) }},
		{"currency", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.Currency = "US DOLLAR" }},
		{"payment_reference", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.PaymentReference = strings.Repeat("ä", 33) }},
		{"policy", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.Policy = 9 }},
		{"tag_id", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.TagId = "table 4" }},
		{"tip.max", func(r *businessv1.SendPaymentRequestViaBleRequest) {
			r.Tip = &businessv1.TipPolicy{Max: strings.Repeat("1", 65)}
		}},
	} {
		r := good()
		tt.change(r)
		_, err := client.SendPaymentRequestViaBle(t.Context(), r)
		wantField(t, "unary "+tt.field, err, "FIELD_INVALID", tt.field)
		stream, err := client.StreamPaymentRequest(t.Context(), &businessv1.StreamPaymentRequestRequest{Request: r})
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		wantField(t, "stream "+tt.field, err, "FIELD_INVALID", "request."+tt.field)
	}
}
