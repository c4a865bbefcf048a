//go:build grpcurl

package main_test

import (
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// A grpcurl runs grpcurl against one device. Reflection tells it everything:
// it has no .proto file.
type grpcurl struct {
	path   string
	device *device
}

func (g grpcurl) args(data any, what ...string) []string {
	args := []string{"-plaintext", "-unix"}
	if data != nil {
		b, err := json.Marshal(data)
		if err != nil {
			panic(err) // maps of text always are JSON
		}
		args = append(args, "-d", string(b))
	}
	return append(append(args, g.device.socket), what...)
}

// call makes a call that succeeds and returns the objects that came back.
func (g grpcurl) call(t *testing.T, data any, method string) []map[string]any {
	t.Helper()
	a := command(t, nil, g.path, g.args(data, method)...).ok(t)
	var list []map[string]any
	for dec := json.NewDecoder(strings.NewReader(a.stdout)); dec.More(); {
		var o map[string]any
		if err := dec.Decode(&o); err != nil {
			t.Fatalf("%s: %v\n%s", method, err, a.stdout)
		}
		list = append(list, o)
	}
	return list
}

// stream makes a call that goes on.
func (g grpcurl) stream(t *testing.T, data any, method string) *process {
	t.Helper()
	p := start(t, "grpcurl "+method, nil, g.path, g.args(data, method)...)
	g.device.w.all = append(g.device.w.all, p)
	return p
}

// at follows a path of fields into an object.
func at(o any, path ...string) any {
	for _, field := range path {
		m, _ := o.(map[string]any)
		o = m[field]
	}
	return o
}

// streamed waits until a stream has printed an object in which a path of
// fields is there, and returns that object.
func streamed(t *testing.T, p *process, path ...string) map[string]any {
	t.Helper()
	var found map[string]any
	eventually(t, patience, strings.Join(path, "."), func() (bool, string) {
		text := p.out.text()
		for dec := json.NewDecoder(bytes.NewReader([]byte(text))); dec.More(); {
			var o map[string]any
			if dec.Decode(&o) != nil {
				return false, text // the last one is not complete yet
			}
			if at(o, path...) != nil {
				found = o
				return true, text
			}
		}
		return false, text + p.err.text()
	})
	return found
}

const (
	deviceService   = "vipaso.device.v1.DeviceService/"
	customerService = "vipaso.customer.v1.CustomerService/"
	businessService = "vipaso.business.v1.BusinessService/"
)

// TestGrpcurlPayment: grpcurl alone enrolls a till and a customer, sets funds
// aside, and makes a payment with no network.
func TestGrpcurlPayment(t *testing.T) {
	path := os.Getenv("VIPASO_GRPCURL")
	if path == "" {
		t.Fatal("VIPASO_GRPCURL names no grpcurl; make check-grpcurl builds one")
	}
	w := newWorld(t)
	w.startBackend(t)
	w.startAir(t)
	till, ann := grpcurl{path, w.device(t, "business", "till", quick)}, grpcurl{path, w.device(t, "customer", "ann", quick)}
	ca, err := os.ReadFile(w.ca())
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range []grpcurl{till, ann} {
		g.device.start(t)
		list := command(t, nil, path, g.args(nil, "list")...).ok(t).stdout
		for _, service := range []string{deviceService, customerService, businessService, "grpc.health.v1.Health/", "vipaso.sim.v1.SimService/"} {
			if !strings.Contains(list, strings.TrimSuffix(service, "/")+"\n") {
				t.Errorf("%s serves no %s:\n%s", g.device.name, service, list)
			}
		}
		refused := command(t, nil, path, g.args(map[string]any{"request_id": uuid.NewString(), "amount": "1.00", "currency": "USD"}, businessService+"SendPaymentRequestViaBle")...)
		if want := map[string]string{"till": "NOT_ENROLLED", "ann": "WRONG_ROLE"}[g.device.name]; refused.code == 0 || !strings.Contains(refused.stderr, `"reason": "`+want+`"`) {
			t.Errorf("%s: exit %d without the reason %s:\n%s", g.device.name, refused.code, want, refused.stderr)
		}
		got := g.call(t, map[string]any{"request_id": uuid.NewString(), "backend_url": w.url(), "ca_pem": string(ca), "code": g.device.join(t)}, deviceService+"Enroll")
		if at(got[0], "identity", "state") != "AUTHENTICATION_STATE_ENROLLED" {
			t.Fatalf("%s: %v", g.device.name, got)
		}
	}
	health := till.stream(t, map[string]any{"service": "radio"}, "grpc.health.v1.Health/Watch")
	if got := streamed(t, health, "status")["status"]; got != "SERVING" {
		t.Errorf("radio is %v", got)
	}
	funds := ann.call(t, map[string]any{
		"request_id": uuid.NewString(), "instrument_id": ann.device.instrument, "amount": "100.00", "currency": "USD",
	}, customerService+"PreAuthorizeInstrument")
	if at(funds[0], "authorization", "remaining") != "100.00" {
		t.Fatalf("set aside: %v", funds)
	}
	w.backend.kill()
	payWithGrpcurl(t, till, ann)

	w.air.kill()
	eventually(t, patience, "the watched radio is gone", func() (bool, string) {
		return strings.Contains(health.out.text(), "NOT_SERVING"), health.out.text()
	})
}

// payWithGrpcurl makes one payment of 12.00 USD and looks at it.
func payWithGrpcurl(t *testing.T, till, ann grpcurl) {
	t.Helper()
	events := ann.stream(t, map[string]any{"session": "SESSION_MODE_CONTINUOUS"}, customerService+"ReceivePaymentRequestsViaBle")
	asking := till.stream(t, map[string]any{
		"request_id": uuid.NewString(), "amount": "12.00", "currency": "USD", "payment_reference": "table 4",
	}, businessService+"SendPaymentRequestViaBle")
	asked := streamed(t, events, "event", "paymentRequestReceived")
	id, _ := at(asked, "event", "paymentRequestReceived", "paymentId").(string)
	accepted := ann.call(t, map[string]any{
		"request_id": uuid.NewString(), "payment_id": id, "amount": "12.00", "currency": "USD", "instrument_id": ann.device.instrument,
	}, customerService+"AcceptPayment")
	if at(accepted[0], "payment", "state") != "PAYMENT_STATE_PROVISIONAL" {
		t.Errorf("accepted: %v", accepted)
	}
	if code := asking.exit(t); code != 0 {
		t.Errorf("asked: exit %d\n%s", code, asking.err.text())
	}
	result := streamed(t, asking, "result", "paymentSuccessful")
	if at(result, "result", "paymentSuccessful", "paymentId") != id || at(result, "result", "paymentSuccessful", "finality") != "FINALITY_PROVISIONAL" {
		t.Errorf("result %v", result)
	}
	streamed(t, events, "event", "paymentSuccessful")
	for service, g := range map[string]grpcurl{businessService: till, customerService: ann} {
		got := g.call(t, map[string]any{"payment_id": id}, service+"FetchPayment")
		if at(got[0], "payment", "state") != "PAYMENT_STATE_PROVISIONAL" || at(got[0], "payment", "total") != "12.00" || at(got[0], "timeline") == nil {
			t.Errorf("%s has %v", g.device.name, got)
		}
	}
}
