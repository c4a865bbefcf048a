package daemon

import (
	"context"
	"log/slog"
	"slices"
	"testing"
	"time"

	"buf.build/gen/go/bufbuild/protovalidate/protocolbuffers/go/buf/validate"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
	simv1 "github.com/vipaso/vipasod/proto/vipaso/sim/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/store"
)

// repeatable are the methods that decide nothing: they read, listen, or hand
// in what is stored already, so that a repeat needs no name.
var repeatable = []string{
	"BeginEnrollment", "WatchAuthenticationState", "GetStatus", "WatchStatus", "Diagnose", "WatchEvents", "SyncNow",
	"BackupStore", "CheckStore", "ExportPayments", "ScanRadio", "CreateDiagnosticsBundle",
	"CheckReadiness", "FetchPayments", "FetchPayment", "FetchOfflinePayments", "SyncPayments",
	"ExportJournal", "SealPayments", "CarrySealed", "GetTrust",
	"ListInstruments", "WatchInstruments", "ReceivePaymentRequestsViaBle",
	"ListPeers",
}

// Every other method takes a request_id, which must be a UUID, and the server
// keeps to that.
func TestEveryChangeTakesARequestID(t *testing.T) {
	for _, tt := range []struct {
		file protoreflect.FileDescriptor
		on   *grpc.ClientConn
	}{
		{businessv1.File_vipaso_business_v1_business_proto, newBench(t, asTill, nil).serve(admin)},
		{customerv1.File_vipaso_customer_v1_customer_proto, newBench(t, asCustomer, nil).serve(admin)},
		{devicev1.File_vipaso_device_v1_device_proto, newBench(t, asTill, nil).serve(admin)},
		{simv1.File_vipaso_sim_v1_sim_proto, newBench(t, asTill, nil).serve(admin)},
	} {
		for i := range tt.file.Services().Len() {
			service := tt.file.Services().Get(i)
			for i := range service.Methods().Len() {
				m := service.Methods().Get(i)
				field, path := requestID(m.Input())
				switch reads := slices.Contains(repeatable, string(m.Name())); {
				case reads && field != nil:
					t.Errorf("%s takes a request_id, but changes nothing", m.FullName())
				case reads:
				case field == nil:
					t.Errorf("%s changes something, and takes no request_id", m.FullName())
				default:
					rules := proto.GetExtension(field.Options().(*descriptorpb.FieldOptions), validate.E_Field).(*validate.FieldRules)
					if !rules.GetString().GetUuid() {
						t.Errorf("%s takes anything for a request_id", m.FullName())
					}
					err := callAny(t.Context(), tt.on, string(service.FullName()), string(m.Name()))
					bad, _ := detailOf[*errdetails.BadRequest](err)
					if !slices.ContainsFunc(bad.GetFieldViolations(), func(v *errdetails.BadRequest_FieldViolation) bool { return v.GetField() == path }) {
						t.Errorf("%s without %s: %v", m.FullName(), path, err)
					}
				}
			}
		}
	}
}

// requestID returns the request_id of a call, in the call or in the one it
// wraps, and how the server names it if there is no call at all.
func requestID(m protoreflect.MessageDescriptor) (field protoreflect.FieldDescriptor, path string) {
	if f := m.Fields().ByName("request_id"); f != nil {
		return f, "request_id"
	}
	if f := m.Fields().ByName("request"); f != nil && f.Message() != nil {
		field, _ = requestID(f.Message())
		return field, "request"
	}
	return nil, ""
}

// A repeat of a logout does not end the enrollment that was made since, and
// one of an enrollment asks nobody.
func TestRepeatsOfWhoTheDeviceIs(t *testing.T) {
	b := newBench(t, asTill, nil) // its backend cannot be reached
	client := b.device(admin)
	logout := &devicev1.LogoutRequest{RequestId: namedID("logout").String()}
	enroll := &devicev1.EnrollRequest{RequestId: namedID("enroll").String(), BackendUrl: "https://backend.test:1", CaPem: "x", Code: "x"}
	papers := b.self.Load().Identity
	for range 2 {
		resp, err := client.Logout(t.Context(), logout)
		must(t, err)
		if got := resp.GetIdentity().GetState(); got != devicev1.AuthenticationState_AUTHENTICATION_STATE_NOT_ENROLLED {
			t.Errorf("logged out: %s", got)
		}
	}
	if got := sequenceOf(t, b); got != 1 {
		t.Errorf("two times the same call are %d events", got)
	}
	call, err := newCall(methodEnroll, enroll)
	must(t, err)
	b.mu.Lock()
	err = b.become(t.Context(), papers, &store.Change{Call: &call}) // as an answer of the backend would have it
	b.mu.Unlock()
	must(t, err)
	resp, err := client.Logout(t.Context(), logout)
	if err != nil || resp.GetIdentity().GetState() != devicev1.AuthenticationState_AUTHENTICATION_STATE_ENROLLED {
		t.Errorf("the logout of before: %v %v", resp, err)
	}
	again, err := client.Enroll(t.Context(), enroll)
	if err != nil || again.GetIdentity().GetDeviceId() != namedID("device").String() {
		t.Errorf("the same enrollment: %v %v", again, err)
	}
	other := proto.CloneOf(enroll)
	other.Code = "y"
	_, err = client.Enroll(t.Context(), other)
	wantStatus(t, "another code", err, codes.AlreadyExists, "REQUEST_ID_REUSED")
	_, err = client.CompleteEnrollment(t.Context(), &devicev1.CompleteEnrollmentRequest{
		RequestId: enroll.RequestId, BackendUrl: enroll.BackendUrl, CaPem: "x", Token: "x",
	})
	wantStatus(t, "another method", err, codes.AlreadyExists, "REQUEST_ID_REUSED")
	forced := proto.CloneOf(logout)
	forced.Force = true
	_, err = client.Logout(t.Context(), forced)
	wantStatus(t, "another logout", err, codes.AlreadyExists, "REQUEST_ID_REUSED")
	if got := sequenceOf(t, b); got != 1 || !b.self.Load().Enrolled() {
		t.Errorf("repeats made %d events, enrolled %v", got-1, b.self.Load().Enrolled())
	}
}

// A device that is not enrolled has nothing to forget: no event, and no
// question of unsynced money.
func TestLogoutOfNobody(t *testing.T) {
	b := withHistory(t, asTill, payment.Provisional)
	client, before := b.device(admin), sequenceOf(t, b)
	for _, call := range []*devicev1.LogoutRequest{
		{RequestId: namedID("forced").String(), Force: true}, {RequestId: namedID("plain").String()},
	} {
		if _, err := client.Logout(t.Context(), call); err != nil {
			t.Errorf("%v: %v", call, err)
		}
	}
	if got := sequenceOf(t, b) - before; got != 1 {
		t.Errorf("%d events, want one", got)
	}
}

func sequenceOf(t *testing.T, b *bench) uint64 {
	t.Helper()
	n, err := b.store.LastSequence(t.Context())
	must(t, err)
	return n
}

// A repeat of what passes with the process does not undo what came after it;
// its id is taken, for other methods too, until the process ends.
func TestRepeatsOfWhatPasses(t *testing.T) {
	level, air := new(slog.LevelVar), &weather{report: &radiov1.SimReport{}}
	b := newBench(t, asTill, func(o *Options, _ *papers) { o.LogLevel, o.Air = level, air })
	conn := b.serve(admin)
	device, sim := devicev1.NewDeviceServiceClient(conn), simv1.NewSimServiceClient(conn)
	debug := &devicev1.SetLogLevelRequest{RequestId: namedID("debug").String(), Level: "debug", For: durationpb.New(time.Hour)}
	lossy, clear := uint32(100), uint32(0)
	rain := &simv1.SetConditionsRequest{RequestId: namedID("rain").String(), LossPerMille: &lossy}
	cut := &simv1.SetOfflineRequest{RequestId: namedID("cut").String(), Offline: true}
	drop := &simv1.DropLinkRequest{RequestId: namedID("drop").String()}
	all := func() (string, uint32, bool) {
		t.Helper()
		l, err := device.SetLogLevel(t.Context(), debug)
		must(t, err)
		c, err := sim.SetConditions(t.Context(), rain)
		must(t, err)
		o, err := sim.SetOffline(t.Context(), cut)
		must(t, err)
		_, err = sim.DropLink(t.Context(), drop)
		must(t, err)
		return l.GetLevel(), c.GetLossPerMille(), o.GetOffline()
	}
	for range 2 {
		if l, c, o := all(); l != "debug" || c != 100 || !o {
			t.Errorf("set: %s, %d, %v", l, c, o)
		}
	}
	_, err := device.SetLogLevel(t.Context(), &devicev1.SetLogLevelRequest{RequestId: namedID("error").String(), Level: "error"})
	must(t, err)
	_, err = sim.SetConditions(t.Context(), &simv1.SetConditionsRequest{RequestId: namedID("sun").String(), LossPerMille: &clear})
	must(t, err)
	_, err = sim.SetOffline(t.Context(), &simv1.SetOfflineRequest{RequestId: namedID("mended").String()})
	must(t, err)
	if l, c, o := all(); l != "error" || c != 0 || o || air.dropped != 1 || level.Level() != slog.LevelError {
		t.Errorf("repeats of what came before: %s, %d, %v, dropped %d times, level %s", l, c, o, air.dropped, level.Level())
	}

	_, err = device.SetLogLevel(t.Context(), &devicev1.SetLogLevelRequest{RequestId: debug.RequestId, Level: "debug"})
	wantStatus(t, "another level", err, codes.AlreadyExists, "REQUEST_ID_REUSED")
	_, err = sim.DropLink(t.Context(), &simv1.DropLinkRequest{RequestId: debug.RequestId})
	wantStatus(t, "another method", err, codes.AlreadyExists, "REQUEST_ID_REUSED")
	_, err = device.Logout(t.Context(), &devicev1.LogoutRequest{RequestId: drop.RequestId})
	wantStatus(t, "a method that stays", err, codes.AlreadyExists, "REQUEST_ID_REUSED")
	_, err = device.Logout(t.Context(), &devicev1.LogoutRequest{RequestId: namedID("logout").String()})
	must(t, err)
	_, err = sim.DropLink(t.Context(), &simv1.DropLinkRequest{RequestId: namedID("logout").String()})
	wantStatus(t, "the id of one that stays", err, codes.AlreadyExists, "REQUEST_ID_REUSED")
}

// What has failed was not made: the same call may be made again, in another
// way too.
func TestOnceForgetsWhatFailed(t *testing.T) {
	b := newBench(t, asTill, nil)
	call := store.Call{RequestID: namedID("call"), Method: methodDropLink}
	if err := b.once(t.Context(), call, func() error { return errNoRadio }); err != errNoRadio {
		t.Errorf("it failed with %v", err)
	}
	other := store.Call{RequestID: call.RequestID, Method: methodOffline}
	done := false
	if err := b.once(t.Context(), other, func() error { done = true; return nil }); err != nil || !done {
		t.Errorf("then: %v, done %v", err, done)
	}
	gone, leave := context.WithCancel(t.Context())
	err := b.once(t.Context(), store.Call{RequestID: namedID("slow")}, func() error {
		leave()
		return b.once(gone, store.Call{RequestID: namedID("impatient")}, func() error { t.Error("both at a time"); return nil })
	})
	if err != context.Canceled {
		t.Errorf("whoever does not want to wait: %v", err)
	}
}

// The memory of what passes is bounded: the oldest go first.
func TestPassingIsBounded(t *testing.T) {
	p := newPassing()
	id := func(n int) store.Call { return store.Call{RequestID: [16]byte{byte(n >> 8), byte(n), 1}} }
	for n := range passingMax + 1 {
		p.add(id(n))
	}
	_, first := p.find(id(0).RequestID)
	_, second := p.find(id(1).RequestID)
	_, last := p.find(id(passingMax).RequestID)
	if first || !second || !last || len(p.last) != passingMax {
		t.Errorf("first %v, second %v, last %v, %d in all", first, second, last, len(p.last))
	}
}

// A call that finds done what it asks for has used its id all the same.
func TestCallsWithNothingLeftToDo(t *testing.T) {
	till := withHistory(t, asTill, payment.Cancelled, payment.Cancelled)
	business := till.business(cashier)
	cancel := func(call, id string) error {
		_, err := business.CancelPayment(t.Context(), &businessv1.CancelPaymentRequest{RequestId: namedID(call).String(), PaymentId: id})
		return err
	}
	ids := idsOf(t, func() (*paymentv1.FetchPaymentsResponse, error) {
		return business.FetchPayments(t.Context(), &paymentv1.FetchPaymentsRequest{})
	})
	must(t, cancel("cancel", ids[0]))
	must(t, cancel("cancel", ids[0]))
	wantStatus(t, "another cancel", cancel("cancel", ids[1]), codes.AlreadyExists, "REQUEST_ID_REUSED")

	customer := withHistory(t, asCustomer, payment.Declined, payment.Declined).customer(cashier)
	decline := func(call, id string) error {
		_, err := customer.DeclinePayment(t.Context(), &customerv1.DeclinePaymentRequest{RequestId: namedID(call).String(), PaymentId: id})
		return err
	}
	ids = idsOf(t, func() (*paymentv1.FetchPaymentsResponse, error) {
		return customer.FetchPayments(t.Context(), &paymentv1.FetchPaymentsRequest{})
	})
	must(t, decline("decline", ids[0]))
	must(t, decline("decline", ids[0]))
	wantStatus(t, "another decline", decline("decline", ids[1]), codes.AlreadyExists, "REQUEST_ID_REUSED")
}

// idsOf returns the ids of two payments.
func idsOf(t *testing.T, fetch func() (*paymentv1.FetchPaymentsResponse, error)) []string {
	t.Helper()
	resp, err := fetch()
	must(t, err)
	if len(resp.GetPayments()) != 2 {
		t.Fatalf("%d payments", len(resp.GetPayments()))
	}
	return []string{resp.Payments[0].PaymentId, resp.Payments[1].PaymentId}
}
