package main_test

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	simv1 "github.com/vipaso/vipasod/proto/vipaso/sim/v1"
)

// A repeater makes calls and repeats them in every way there is.
type repeater struct {
	methods map[string]protoreflect.MethodDescriptor // that take a request_id
	tried   map[string]bool
}

func newRepeater() *repeater {
	r := &repeater{methods: map[string]protoreflect.MethodDescriptor{}, tried: map[string]bool{}}
	for _, file := range []protoreflect.FileDescriptor{
		businessv1.File_vipaso_business_v1_business_proto, customerv1.File_vipaso_customer_v1_customer_proto,
		devicev1.File_vipaso_device_v1_device_proto, simv1.File_vipaso_sim_v1_sim_proto,
	} {
		for i := range file.Services().Len() {
			methods := file.Services().Get(i).Methods()
			for i := range methods.Len() {
				if m := methods.Get(i); m.Input().Fields().ByName("request_id") != nil {
					r.methods[string(m.Name())] = m
				}
			}
		}
	}
	return r
}

// make makes a call, with the id that is set here.
func (r *repeater) make(t *testing.T, d *device, method, id string, req proto.Message) (proto.Message, error) {
	t.Helper()
	m := r.methods[method]
	if m == nil {
		t.Fatalf("there is no %s that takes a request_id", method)
	}
	r.tried[method] = true
	req.ProtoReflect().Set(m.Input().Fields().ByName("request_id"), protoreflect.ValueOfString(id))
	kind, err := protoregistry.GlobalTypes.FindMessageByName(m.Output().FullName())
	if err != nil {
		t.Fatal(err)
	}
	resp := kind.New().Interface()
	err = d.api(t).Invoke(t.Context(), "/"+string(m.Parent().FullName())+"/"+method, req, resp, grpc.WaitForReady(true))
	return resp, err
}

// passes are the methods whose effect ends with the daemon.
var passes = []string{"SetLogLevel", "SetConditions", "DropLink", "SetOffline"}

// check makes a call, and repeats it. other is the same call with other
// content, if it has any.
func (r *repeater) check(t *testing.T, d *device, method string, req, other proto.Message) proto.Message {
	t.Helper()
	id := uuid.NewString()
	first, err := r.make(t, d, method, id, req)
	if err != nil {
		t.Fatalf("%s: %v", method, err)
	}
	r.again(t, d, method, id, first, req, other)
	return first
}

// again repeats a call that was answered with first: the answer is the same,
// also after a crash, and nothing happens. Another call with the id is
// refused.
func (r *repeater) again(t *testing.T, d *device, method, id string, first, req, other proto.Message) {
	t.Helper()
	before := d.status(t).GetStore().GetLastSequence()
	repeat := func(when string) {
		t.Helper()
		if got, err := r.make(t, d, method, id, req); err != nil || !proto.Equal(got, first) {
			t.Errorf("%s %s: %v\nwas %v\nis  %v", method, when, err, first, got)
		}
	}
	repeat("again")
	if !slices.Contains(passes, method) {
		d.restart(t)
		repeat("after a crash")
	}
	if other != nil {
		if _, err := r.make(t, d, method, id, other); reason(err) != "REQUEST_ID_REUSED" {
			t.Errorf("%s with other content: %v", method, err)
		}
	}
	for _, another := range []proto.Message{&devicev1.SetLogLevelRequest{Level: "warn"}, &devicev1.LogoutRequest{Force: true}} {
		name := strings.TrimSuffix(string(another.ProtoReflect().Descriptor().Name()), "Request")
		if name == method {
			continue
		}
		if _, err := r.make(t, d, name, id, another); reason(err) != "REQUEST_ID_REUSED" {
			t.Errorf("%s with the id of %s: %v", name, method, err)
		}
	}
	if made := d.happened(t, before); len(made) > 0 {
		t.Errorf("repeats of %s made %v", method, made)
	}
}

// happened returns the events after one, but for what the backend says by
// itself.
func (d *device) happened(t *testing.T, after uint64) []*paymentv1.Event {
	t.Helper()
	last := d.status(t).GetStore().GetLastSequence()
	stream, err := devicev1.NewDeviceServiceClient(d.api(t)).WatchEvents(t.Context(), &devicev1.WatchEventsRequest{AfterSequence: after})
	if err != nil {
		t.Fatal(err)
	}
	var events []*paymentv1.Event
	for n := after; n < last; n++ {
		m, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		if m.GetEvent().GetDeviceChanged().GetWhat() != "INSTRUMENTS_CHANGED" {
			events = append(events, m.GetEvent())
		}
	}
	return events
}

// TestRepeatedCalls: whatever changes something may be repeated, in the words
// it was made in.
func TestRepeatedCalls(t *testing.T) {
	t.Parallel()
	w, r := newWorld(t), newRepeater()
	w.startBackend(t)
	w.startAir(t)
	ca, err := os.ReadFile(w.ca())
	if err != nil {
		t.Fatal(err)
	}
	till, ann := w.device(t, "business", "till", quick), w.device(t, "customer", "ann", quick)
	till.start(t)
	ann.start(t)
	enroll := &devicev1.EnrollRequest{BackendUrl: w.url(), CaPem: string(ca), Code: till.join(t)}
	r.check(t, till, "Enroll", enroll, &devicev1.EnrollRequest{BackendUrl: w.url(), CaPem: string(ca), Code: ann.join(t)})
	complete := &devicev1.CompleteEnrollmentRequest{BackendUrl: w.url(), CaPem: string(ca), Token: ann.token(t)}
	r.check(t, ann, "CompleteEnrollment", complete, &devicev1.CompleteEnrollmentRequest{BackendUrl: w.url(), CaPem: string(ca), Token: "another"})

	aside := &customerv1.PreAuthorizeInstrumentRequest{InstrumentId: ann.instrument, Amount: "50.00", Currency: "USD"}
	more := proto.CloneOf(aside)
	more.Amount = "51.00"
	hold := r.check(t, ann, "PreAuthorizeInstrument", aside, more).(*customerv1.PreAuthorizeInstrumentResponse).GetAuthorization().GetPreAuthorizationId()
	r.pays(t, till, ann)
	ann.ask(t, "sync", "now")
	void := &customerv1.VoidPreAuthorizationRequest{PreAuthorizationId: hold}
	another := &customerv1.VoidPreAuthorizationRequest{PreAuthorizationId: uuid.NewString()}
	r.check(t, ann, "VoidPreAuthorization", void, another)
	r.check(t, ann, "VoidPreAuthorization", void, another) // and when it is void already

	r.check(t, till, "SetLogLevel", &devicev1.SetLogLevelRequest{Level: "debug"}, &devicev1.SetLogLevelRequest{Level: "error"})
	own := devicev1.AllowanceKind_ALLOWANCE_KIND_OWN_LIMITS
	r.check(t, till, "Allow", &devicev1.AllowRequest{Kind: own, Reason: "party"}, &devicev1.AllowRequest{Kind: own, Reason: "another"})
	r.check(t, till, "EndAllowance", &devicev1.EndAllowanceRequest{Kind: own},
		&devicev1.EndAllowanceRequest{Kind: devicev1.AllowanceKind_ALLOWANCE_KIND_EMERGENCY})
	till.awaitRadio(t) // after the last restart
	loss, none := uint32(1), uint32(0)
	r.check(t, till, "SetConditions", &simv1.SetConditionsRequest{LossPerMille: &loss}, &simv1.SetConditionsRequest{LossPerMille: &none})
	r.check(t, till, "DropLink", &simv1.DropLinkRequest{}, nil)
	r.check(t, till, "SetOffline", &simv1.SetOfflineRequest{Offline: true}, &simv1.SetOfflineRequest{})
	till.daemon.kill() // it may still bring its word of the reversal
	ann.ask(t, "sync", "now")
	r.check(t, ann, "Logout", &devicev1.LogoutRequest{}, &devicev1.LogoutRequest{Force: true})

	all := slices.Sorted(maps.Keys(r.methods))
	if tried := slices.Sorted(maps.Keys(r.tried)); !slices.Equal(tried, all) {
		t.Errorf("tried %v, there are %v", tried, all)
	}
	w.sound(t)
}

// pays has a customer decline one payment and accept another, and the till
// cancel a third.
func (r *repeater) pays(t *testing.T, till, ann *device) {
	t.Helper()
	type end struct {
		resp proto.Message
		err  error
	}
	ask := func(id string) (*businessv1.SendPaymentRequestViaBleRequest, <-chan end, string) {
		t.Helper()
		events, ended := ann.receive(t), make(chan end, 1)
		req := &businessv1.SendPaymentRequestViaBleRequest{Amount: "12.00", Currency: "USD", PaymentReference: "table 4"}
		go func() {
			resp, err := businessv1.NewBusinessServiceClient(till.api(t)).SendPaymentRequestViaBle(t.Context(), withID(req, id))
			ended <- end{resp, err}
		}()
		_, e := events.event(t, "payment_request_received", "")
		t.Cleanup(events.kill)
		return req, ended, e.GetPaymentRequestReceived().GetPaymentId()
	}
	_, ended, id := ask(uuid.NewString())
	r.check(t, ann, "DeclinePayment", &customerv1.DeclinePaymentRequest{PaymentId: id, Reason: "no"}, &customerv1.DeclinePaymentRequest{PaymentId: id, Reason: "not now"})
	cancel := &businessv1.CancelPaymentRequest{PaymentId: id}
	r.check(t, till, "CancelPayment", cancel, &businessv1.CancelPaymentRequest{PaymentId: uuid.NewString()})
	r.check(t, till, "CancelPayment", cancel, &businessv1.CancelPaymentRequest{PaymentId: uuid.NewString()}) // and when it is cancelled already
	<-ended                                                                                                  // the crash has ended that call, if the cancel has not

	called := uuid.NewString()
	req, ended, id := ask(called)
	accept := &customerv1.AcceptPaymentRequest{PaymentId: id, Amount: "12.00", Currency: "USD", InstrumentId: ann.instrument}
	tipped := proto.CloneOf(accept)
	tipped.Tip = "1.00"
	if _, err := r.make(t, ann, "AcceptPayment", uuid.NewString(), proto.CloneOf(accept)); err != nil {
		t.Fatal(err)
	}
	sold := <-ended
	if sold.err != nil {
		t.Fatal(sold.err)
	}
	for _, d := range []*device{till, ann} {
		eventually(t, patience, "the backend's word", func() (bool, string) {
			p := d.payment(t, id)
			return p.GetSynced() && p.GetSettledAmount() == "12.00", p.String()
		})
	}
	r.check(t, ann, "AcceptPayment", accept, tipped) // by another call than the one that paid
	other := proto.CloneOf(req)
	other.PaymentReference = "table 5"
	first, err := r.make(t, till, "SendPaymentRequestViaBle", called, proto.CloneOf(req))
	if err != nil {
		t.Fatal(err)
	}
	r.again(t, till, "SendPaymentRequestViaBle", called, first, req, other)
	reverse, called := &businessv1.ReversePaymentRequest{PaymentId: id}, uuid.NewString()
	if _, err := r.make(t, till, "ReversePayment", called, proto.CloneOf(reverse)); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "the backend has the reversal", func() (bool, string) {
		p := till.payment(t, id)
		return p.GetSynced(), p.String()
	})
	told, err := r.make(t, till, "ReversePayment", called, proto.CloneOf(reverse))
	if err != nil {
		t.Fatal(err)
	}
	r.again(t, till, "ReversePayment", called, told, reverse, &businessv1.ReversePaymentRequest{PaymentId: uuid.NewString()})
}

func withID(req *businessv1.SendPaymentRequestViaBleRequest, id string) *businessv1.SendPaymentRequestViaBleRequest {
	req = proto.CloneOf(req)
	req.RequestId = id
	return req
}

// token returns what the party's own server would get for the device's key.
func (d *device) token(t *testing.T) string {
	t.Helper()
	resp, err := devicev1.NewDeviceServiceClient(d.api(t)).BeginEnrollment(t.Context(), &devicev1.BeginEnrollmentRequest{})
	if err != nil || !json.Valid([]byte(resp.GetJwk())) {
		t.Fatalf("%v %v", resp, err)
	}
	file := d.w.path(d.name + ".jwk")
	if err := os.WriteFile(file, []byte(resp.GetJwk()), 0o600); err != nil {
		t.Fatal(err)
	}
	return d.w.create(t, "token", "enroll-token", "create", "--"+d.role, d.party, "--jwk", file)
}
