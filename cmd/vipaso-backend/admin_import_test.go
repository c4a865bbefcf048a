package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	wiring "github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/seal"
	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// sealed writes a file of items as a device seals them, one part for each.
func sealed(t *testing.T, key []byte, items ...*backendv1.Item) string {
	t.Helper()
	var parts []seal.Part
	for _, item := range items {
		plain, err := proto.Marshal(&backendv1.SubmitRequest{Items: []*backendv1.Item{item}})
		must(t, err)
		b, err := seal.Seal(key, plain)
		must(t, err)
		parts = append(parts, seal.Part{Items: 1, Sealed: b})
	}
	var text bytes.Buffer
	must(t, seal.WriteFile(&text, parts))
	path := filepath.Join(t.TempDir(), "sealed")
	must(t, os.WriteFile(path, text.Bytes(), 0o600))
	return path
}

// What a device sealed is settled beside serve, once, however often the file
// comes.
func TestImport(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "backend"))
	defer s.stop()
	till, phone, instrument := s.furnished()
	pre := s.setsAside(phone, instrument)
	payment, item := sale(t, till, phone, pre.PreauthCert)
	bundle, err := preauth.Open[*peerv1.TrustBundle](pre.TrustBundle)
	must(t, err)
	key := bundle.Body.SealingKey

	file := sealed(t, key, item, &backendv1.Item{Request: []byte("junk")})
	request, err := preauth.Open[*peerv1.Request](item.Request)
	must(t, err)
	want := `{"items":2,"judged":1,"totals":[{"currency":"USD","outcome":"SETTLED","count":1,"sum":"12.50","settled":"12.50"}],"unjudged":{"PEER_PROTOCOL":1},` +
		`"payments":[{"payment_id":"` + payment + `","request_hash":"` + request.Hash.String() + `","outcome":"SETTLED","settled":"12.50","currency":"USD"},` +
		`{"outcome":"UNJUDGED","reason":"PEER_PROTOCOL"}]}` + "\n"
	s.failsOnTheWay(payment, file)
	for range 2 {
		if code, out, errs := s.admin("import", file, "--json"); code != exitOK || out != want {
			t.Errorf("%d %s%s", code, out, errs)
		}
	}
	code2, out, _ := s.admin("import", file)
	if code2 != exitOK || !strings.Contains(out, "\n2 items, 1 with a verdict\n1 without: PEER_PROTOCOL\nOUTCOME") || !strings.Contains(out, "SETTLED  1      12.50  12.50  USD") ||
		!strings.HasPrefix(out, "PAYMENT ") || !strings.Contains(out, payment+"  SETTLED   12.50  USD\n") || !strings.Contains(out, "UNJUDGED           PEER_PROTOCOL\n") {
		t.Errorf("%d %s", code2, out)
	}
	resp, err := till.calls.Submit(t.Context(), &backendv1.SubmitRequest{Items: []*backendv1.Item{item}})
	must(t, err)
	if len(resp.Totals) != 1 || resp.Totals[0].Settled != 12_50 {
		t.Errorf("the till learns %v", resp)
	}
	if code, out, _ := s.admin("payment", "show", payment); code != exitOK || strings.Count(out, "SETTLED") != 1 {
		t.Errorf("%d %s", code, out)
	}
	s.checks()

	cut := filepath.Join(t.TempDir(), "cut")
	whole, err := os.ReadFile(file)
	must(t, err)
	must(t, os.WriteFile(cut, whole[:len(whole)-20], 0o600))
	if code, out, errs := s.admin("import", cut, "--json"); code != exitFailed || !strings.HasPrefix(out, `{"items":1,"judged":1,`) || !strings.Contains(errs, cut) || !strings.Contains(errs, "copy the file again") {
		t.Errorf("a file cut off: %d %s%s", code, out, errs)
	}
	head, _, _ := bytes.Cut(whole, []byte("\n"))
	must(t, os.WriteFile(cut, head, 0o600))
	if code, out, errs := s.admin("import", cut, "--json"); code != exitFailed || !strings.HasPrefix(out, `{"items":0,"judged":0,`) || !strings.Contains(errs, "copy the file again") {
		t.Errorf("nothing but its head: %d %s%s", code, out, errs)
	}
	foreign := sealed(t, bytes.Repeat([]byte{9}, 32), item)
	if code, _, errs := s.admin("import", foreign); code != exitFailed || !strings.Contains(errs, "part 1 of "+foreign) || !strings.Contains(errs, "another backend") || strings.Contains(errs, "chacha") {
		t.Errorf("for another backend: %d %s", code, errs)
	}
	for _, path := range []string{filepath.Join(s.dir, "ca.pem"), filepath.Join(s.dir, "none")} {
		if code, out, errs := s.admin("import", path); code != exitUsage || out != "" || !strings.Contains(errs, path) || !strings.Contains(errs, "evacuate FILE") {
			t.Errorf("%s: %d %s%s", path, code, out, errs)
		}
	}
	if code, _, errs := s.admin("import"); code != exitUsage || !strings.Contains(errs, "wants FILE") {
		t.Errorf("no file: %d %s", code, errs)
	}
}

// failsOnTheWay imports a file whose second part meets books that have gone:
// what came of the first is told, and that the second is not known, and the
// error says how far it came. Another import goes on.
func (s *site) failsOnTheWay(payment, file string) {
	s.t.Helper()
	server, store, err := wiring.OpenServer(s.t.Context(), s.dir, "")
	must(s.t, err)
	defer store.Close()
	for _, json := range []bool{false, true} {
		part := 0
		dies := func(ctx context.Context, r *backendv1.SubmitRequest) (*backendv1.SubmitResponse, error) {
			ctx, cancel := context.WithCancel(ctx)
			defer cancel()
			if part++; part == 2 {
				cancel()
			}
			return server.Submit(ctx, r)
		}
		var out bytes.Buffer
		err = importFile(s.t.Context(), server, dies, file, printer{&out, json})
		if exitCode(err) != exitFailed || !errors.Is(err, errPartly) || !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "part 2 of 2 of "+file) ||
			!strings.Contains(err.Error(), ": 1 with a verdict") {
			s.t.Errorf("it ends with %v", err)
		}
		want := []string{payment + "  SETTLED  12.50  USD\n", "UNKNOWN\n", "2 items, 1 with a verdict\n"}
		if json {
			want = []string{`"items":2,"judged":1,`, `"payment_id":"` + payment + `"`, `"outcome":"SETTLED","settled":"12.50"`, `{"outcome":"UNKNOWN"}]}`}
		}
		for _, w := range want {
			if !strings.Contains(out.String(), w) {
				s.t.Errorf("%q is not in %q", w, out.String())
			}
		}
	}
}

// Whoever revokes a lost device learns what may still arrive, and until when.
func TestRevokeSaysWhatMayArrive(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "backend"))
	defer s.stop()
	till, phone, instrument := s.furnished()
	idOf := func(d *device) string {
		cert, err := preauth.Open[*peerv1.DeviceCert](d.cert)
		must(t, err)
		return preauth.ID(cert.Body.DeviceId).String()
	}
	if _, out, _ := s.admin("device", "revoke", idOf(till)); !strings.HasSuffix(out, "\nnothing that it signed can be settled any more\n") {
		t.Errorf("a till nobody can have paid: %s", out)
	}
	resp, err := phone.calls.PreAuthorize(t.Context(), &backendv1.PreAuthorizeRequest{
		RequestId: make([]byte, 16), InstrumentId: instrument[:], Amount: 100_00, Currency: "USD",
	})
	must(t, err)
	cert, err := preauth.Open[*peerv1.PreauthCert](resp.PreauthCert)
	must(t, err)
	id, settles := preauth.ID(cert.Body.PreauthId).String(), when(time.UnixMilli(cert.Body.SettleByMs))
	for range 2 {
		want := `{"device_id":"` + idOf(phone) + `","state":"REVOKED","arrives_until":"` + settles + `","open":[{"pre_authorization_id":"` + id +
			`","held":"100.00","limit":"100.00","currency":"USD","settle_by":"` + settles + `"}]}` + "\n"
		if code, out, errs := s.admin("device", "revoke", idOf(phone), "--json"); code != exitOK || out != want {
			t.Errorf("%d %s%s, want %s", code, out, errs, want)
		}
	}
	if _, out, _ := s.admin("device", "revoke", idOf(phone)); !strings.Contains(out, id+"  100.00  100.00  USD  "+settles) {
		t.Errorf("revoked: %s", out)
	}
	if _, out, _ := s.admin("device", "revoke", idOf(till)); !strings.Contains(out, "may arrive until "+settles+", by itself") {
		t.Errorf("a till that may have been paid: %s", out)
	}
}
