package daemon

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

// diagnosticsOf returns the files of a diagnostics bundle, in order, and what
// they hold.
func diagnosticsOf(t testing.TB, b *bench) (names []string, content map[string]string) {
	t.Helper()
	stream, err := b.device(admin).CreateDiagnosticsBundle(t.Context(), &devicev1.CreateDiagnosticsBundleRequest{})
	var packed bytes.Buffer
	for _, m := range drain(t, stream, err) {
		packed.Write(m.GetChunk())
	}
	zip, err := gzip.NewReader(&packed)
	must(t, err)
	content = map[string]string{}
	for file := tar.NewReader(zip); ; {
		h, err := file.Next()
		if errors.Is(err, io.EOF) {
			return names, content
		}
		must(t, err)
		text, err := io.ReadAll(file)
		must(t, err)
		names = append(names, h.Name)
		content[h.Name] = string(text)
	}
}

func TestDiagnosticsBundle(t *testing.T) {
	b := withHistory(t, asTill, payment.Settled, payment.Provisional, payment.Provisional)
	b.change(&store.Change{Events: []*paymentv1.Event{deviceEvent("ENROLLED", "https://backend.test")}})
	names, content := diagnosticsOf(t, b)
	if want := []string{"version.json", "status.json", "doctor.json", "payments.json", "events.jsonl"}; !slices.Equal(names, want) {
		t.Fatalf("files %q, want %q", names, want)
	}
	var version struct{ Schema int }
	if err := json.Unmarshal([]byte(content["version.json"]), &version); err != nil || version.Schema != 3 {
		t.Errorf("version.json: %v %s", err, content["version.json"])
	}
	st := &devicev1.Status{}
	if err := protojson.Unmarshal([]byte(content["status.json"]), st); err != nil || st.GetOutbox() != 2 || st.GetUnsynced()[0].GetCount() != 2 || !st.GetStore().GetWritable() {
		t.Errorf("status.json: %v %s", err, content["status.json"])
	}
	checks := &devicev1.DiagnoseResponse{}
	if err := protojson.Unmarshal([]byte(content["doctor.json"]), checks); err != nil || len(checks.GetChecks()) != 10 {
		t.Errorf("doctor.json: %v %s", err, content["doctor.json"])
	}
	var states struct{ States map[string]int }
	if err := json.Unmarshal([]byte(content["payments.json"]), &states); err != nil || states.States["PROVISIONAL"] != 2 || states.States["SETTLED"] != 1 {
		t.Errorf("payments.json: %v %s", err, content["payments.json"])
	}
	lines := strings.Split(strings.TrimSpace(content["events.jsonl"]), "\n")
	var last, before bundleEvent
	must(t, json.Unmarshal([]byte(lines[len(lines)-1]), &last))
	must(t, json.Unmarshal([]byte(lines[len(lines)-2]), &before))
	if len(lines) != 7 || last.Sequence != 7 || last.Type != "device_changed" || last.Reason != "ENROLLED" {
		t.Errorf("%d events, the last %+v", len(lines), last)
	}
	id := paymentName(2).String()
	if before.Type != "payment_successful" || before.Payment != id[len(id)-8:] || time.Since(before.Time) > time.Hour {
		t.Errorf("event before: %+v", before)
	}
}

// Whatever a device knows about people, money and keys, the bundle does not
// tell: each secret is in the store or the status, and none in the file.
func TestDiagnosticsBundleTellsNothing(t *testing.T) {
	for _, role := range []peerv1.Role{asTill, asCustomer} {
		change := func(o *Options, p *papers) {
			o.DisplayName, o.BackendURL = "Canary Till", "https://canary-host.test"
			if role == asTill {
				p.cert.DisplayName = "Canary Shop"
			}
			o.DialBackend = func(context.Context, string) (net.Conn, error) { return nil, errors.New("canary network") }
			p.cert.Caps[0].PaymentMax = 43_21
		}
		b := newBench(t, role, change)
		if role == asTill {
			b.sold(1, payment.Provisional)
			b.sold(2, payment.Settled)
		} else {
			b.bought(1, payment.Authorized)
			b.bought(2, payment.Declined)
		}
		b.change(&store.Change{Events: []*paymentv1.Event{
			{Event: &paymentv1.Event_PaymentDeclined{PaymentDeclined: &paymentv1.PaymentDeclined{PaymentId: paymentName(1).String(), Reason: "canary words"}}},
			{Event: &paymentv1.Event_Disconnected{Disconnected: &paymentv1.Disconnected{PaymentId: paymentName(1).String(), Reason: "LINK_LOST"}}},
			deviceEvent("ENROLLED", "https://canary-detail.test"), preauthEvent(namedID("preauth"), preauth.Available),
		}})
		b.radio.set(link.Status{Adapter: "canary0", Address: "C0:FF:EE:00:00:01", Reason: "ADAPTER_DOWN", Detail: "canary detail"})

		b.setCA()
		if _, err := b.syncNow(t.Context(), nil); !errors.Is(err, syncer.ErrOffline) {
			t.Fatal(err)
		}
		_, content := diagnosticsOf(t, b)
		var all strings.Builder
		for _, text := range content {
			all.WriteString(text)
		}
		text := strings.ToLower(clockTime.ReplaceAllString(all.String(), ""))
		for what, secret := range secrets(t, b) {
			if strings.Contains(text, strings.ToLower(secret)) {
				t.Errorf("%s: the bundle has the %s %q", b.opt.Role, what, secret)
			}
		}
		if !strings.Contains(text, "link_lost") || !strings.Contains(text, "adapter_down") || !strings.Contains(text, "offline") {
			t.Errorf("%s: reasons of the catalogue are missing:\n%s", b.opt.Role, text)
		}
	}
}

// clockTime is a time as JSON has it, whose seconds may look like an amount.
var clockTime = regexp.MustCompile(`\d{4}-\d\d-\d\dT[\d:.]+Z`)

// secrets is what must not be in a diagnostics bundle.
func secrets(t testing.TB, b *bench) map[string]string {
	t.Helper()
	b64 := base64.StdEncoding.EncodeToString
	list := map[string]string{
		"names and places": "canary", "amount": "12.00", "total": "13.00", "guaranteed": "5.00", "limit": "43.21", "sum of a limit": "500.00",
		"reference": "table 1", "directory": b.opt.Dir, "radio address": "c0:ff:ee",
		"payment": paymentName(1).String()[:9], "device": namedID("device").String()[:9], "pre-authorization": namedID("preauth").String()[:9],
	}
	key, err := os.ReadFile(filepath.Join(b.opt.Dir, "signing.key"))
	must(t, err)
	list["private key"] = strings.Split(string(key), "\n")[1]
	who := b.self.Load()
	list["certificate"], list["trust bundle"] = b64(who.DeviceCert)[:24], b64(who.TrustBundle)[:24]
	resp, err := (&history{b.Device}).FetchPayment(t.Context(), &paymentv1.FetchPaymentRequest{PaymentId: paymentName(1).String()})
	must(t, err)
	p := resp.GetPayment()
	list["request hash"] = p.GetRequestHash()[:9]
	r := b.signRequest(1, who.DeviceCert)
	voucher := b.signVoucher(1, r)
	list["voucher"], list["voucher in hex"] = b64(voucher.Bytes)[:24], hex.EncodeToString(voucher.Bytes)[:24]
	return list
}

// Every kind of event can be written out, and none brings more along than its
// kind, time, reason and the end of its payment's id.
func TestBareEvent(t *testing.T) {
	e := &paymentv1.Event{}
	fields := e.ProtoReflect().Descriptor().Oneofs().ByName("event").Fields()
	for i := range fields.Len() {
		kind := fields.Get(i)
		full := (&paymentv1.Event{Sequence: 7}).ProtoReflect()
		inner := full.Mutable(kind).Message()
		for j := range inner.Descriptor().Fields().Len() {
			f := inner.Descriptor().Fields().Get(j)
			if f.Kind() == protoreflect.StringKind {
				inner.Set(f, protoreflect.ValueOfString("secret "+string(f.Name())))
			}
		}
		got := bareEvent(full.Interface().(*paymentv1.Event))
		want := bundleEvent{Sequence: 7, Time: time.Unix(0, 0).UTC(), Type: string(kind.Name())}
		if inner.Descriptor().Fields().ByName("payment_id") != nil {
			want.Payment = "yment_id" // the last 8 of it
		}
		if kind.Name() == "device_changed" {
			want.Reason = "secret what" // chosen by the device, never by a person
		}
		if got != want {
			t.Errorf("%s: %+v, want %+v", kind.Name(), got, want)
		}
	}
	if got := bareEvent(&paymentv1.Event{Sequence: 8}); got.Type != "" || got.Sequence != 8 {
		t.Errorf("event of a later version: %+v", got)
	}
}

func TestDiagnosticsBundleNeedsAnAdmin(t *testing.T) {
	stream, err := newBench(t, asTill, nil).device(manager).CreateDiagnosticsBundle(t.Context(), &devicev1.CreateDiagnosticsBundleRequest{})
	must(t, err)
	_, err = stream.Recv()
	wantStatus(t, "manager", err, codes.PermissionDenied, "NOT_PERMITTED")
}
