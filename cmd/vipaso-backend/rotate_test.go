package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vipaso/vipasod/preauth"
	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
)

// Keys are replaced beside a running server, which goes on with the new ones
// and knows them when it starts again.
func TestKeysRotateBesideServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b[1]")
	s := serve(t, dir)
	customer := s.create("customer_id", "customer", "create", "--name", "Ada")
	phone := func(s *site) *backendv1.EnrollResponse {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		code := s.create("code", "enroll-code", "create", "--customer", customer)
		resp, err := s.tryEnroll(byCode(code, 2), code, key)
		must(t, err)
		return resp
	}
	before := phone(s)
	first := s.create("key_id", "issuer", "list")
	root := s.create("key_id", "root", "rotate")
	issuer := s.create("key_id", "issuer", "rotate", "--overlap", "0s")
	if code, out, errs := s.admin("issuer", "rotate"); code != exitOK || !strings.Contains(out, "signs from") {
		t.Errorf("a third key: %d, %s%s", code, out, errs)
	}
	for _, run := range []string{"running", "started again"} {
		got := phone(s)
		if id := preauth.PublicKey(got.RootKey).KeyID(); hex.EncodeToString(id[:]) != root {
			t.Errorf("%s: root key %x, want %s", run, id, root)
		}
		trust, err := preauth.OpenTrust(preauth.PublicKey(before.RootKey), got.TrustBundle)
		if err != nil || len(trust.Bundle.Body.Issuers) != 3 || len(trust.Bundle.Body.SealingKey) != 32 {
			t.Fatalf("%s: to a device of before: %v, %v", run, trust.Bundle.Body, err)
		}
		cert, err := trust.GenuineDevice(got.DeviceCert)
		if id := cert.KeyID(); err != nil || hex.EncodeToString(id[:]) != issuer {
			t.Errorf("%s: issuer key %x, want %s: %v", run, id, issuer, err)
		}
		s.stop()
		if run == "running" {
			if err := os.Remove(filepath.Join(dir, "root-key.pem")); err != nil { // nobody needs it any more
				t.Fatal(err)
			}
			s = serve(t, dir)
		}
	}
	_, out, _ := s.admin("issuer", "list")
	for _, want := range []string{first, issuer, "signs later", "replaced"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	keys, err := filepath.Glob(filepath.Join(strings.ReplaceAll(dir, "[", `\[`), "*-key*.pem"))
	if err != nil || len(keys) != 7 { // issuer 3, root 1, sealing, TLS CA, server
		t.Errorf("keys: %v, %v", keys, err)
	}
	for _, path := range keys {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
}

// A key that is refused leaves no file.
func TestNoKeyIsAddedInVain(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "b"))
	defer s.stop()
	for range 7 {
		s.create("file", "issuer", "rotate")
	}
	code, _, errs := s.admin("issuer", "rotate")
	if code != exitConflict || !strings.Contains(errs, "issuer list") {
		t.Errorf("one too many: %d, %s", code, errs)
	}
	if code, _, errs = s.admin("issuer", "rotate", "--overlap", "-1s"); code != exitUsage && code != exitConflict {
		t.Errorf("before now: %d, %s", code, errs)
	}
	keys, err := filepath.Glob(filepath.Join(s.dir, "issuer-key*.pem"))
	if err != nil || len(keys) != 8 {
		t.Errorf("keys: %v, %v", keys, err)
	}
}
