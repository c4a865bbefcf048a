package main

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

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

// A stolen key is taken back beside a running server, which goes on with
// another one; nothing changes when that is said again.
func TestIssuerKeyIsWithdrawnBesideServe(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "b")
	s := serve(t, dir)
	defer func() { s.stop() }()
	customer := s.create("customer_id", "customer", "create", "--name", "Ada")
	first := s.newest("issuer")
	for _, args := range [][]string{
		{"issuer", "withdraw", first}, {"issuer", "withdraw", first, "--reason", strings.Repeat("long ", 600)}, {"issuer", "withdraw", strings.Repeat("5c", 600), "--reason", "r"}, {"issuer", "withdraw", first[1:], "--reason", "r"}, {"issuer", "withdraw", "no key at all...", "--reason", "r"},
	} {
		if code, _, errs := s.admin(args...); code != exitUsage || len(errs) > 500 {
			t.Errorf("%q: %d, %s", args, code, errs)
		}
	}
	if code, _, errs := s.admin("issuer", "withdraw", "0123456789abcdef", "--reason", "r"); code != exitConflict || !strings.Contains(errs, "issuer list") {
		t.Errorf("an unknown key: %d, %s", code, errs)
	}
	code, out, errs := s.admin("issuer", "withdraw", first, "--reason", "backup was stolen")
	if code != exitOK || !strings.Contains(out, "backup was stolen") || !strings.Contains(out, "back it up") {
		t.Fatalf("%d, %s%s", code, out, errs)
	}
	second := s.newest("issuer")
	id, err := hex.DecodeString(first)
	must(t, err)
	colons := strings.ReplaceAll(fmt.Sprintf("% x", id), " ", ":") // as a device prints it
	if again := s.create("signing_key_id", "issuer", "withdraw", colons, "--reason", "again"); again != second {
		t.Errorf("key %s signs, not %s", again, second)
	}
	for _, run := range []string{"running", "started again"} {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		must(t, err)
		c := s.create("code", "enroll-code", "create", "--customer", customer)
		got, err := s.tryEnroll(byCode(c, 2), c, key)
		must(t, err)
		trust, err := preauth.OpenTrust(preauth.PublicKey(got.RootKey), got.TrustBundle)
		if err != nil || len(trust.Bundle.Body.Issuers) != 1 {
			t.Fatalf("%s: %v, %v", run, trust.Bundle.Body, err)
		}
		cert, err := trust.GenuineDevice(got.DeviceCert)
		if id := cert.KeyID(); err != nil || hex.EncodeToString(id[:]) != second {
			t.Errorf("%s: issuer key %x, want %s: %v", run, id, second, err)
		}
		if run == "running" {
			s.stop()
			must(t, os.Remove(filepath.Join(dir, "issuer-key.pem")))
			s = serve(t, dir)
		}
	}
	waits := s.create("key_id", "issuer", "rotate")
	code, _, errs = s.admin("issuer", "rotate", "--overlap", "100h")
	if code != exitOK || !strings.Contains(errs, "another key waits already: "+waits) {
		t.Errorf("one that waits longer: %d, %s", code, errs)
	}
	if now := s.create("signing_key_id", "issuer", "withdraw", second, "--reason", "that one, too"); now != waits {
		t.Errorf("key %s signs, not the one that waited, %s", now, waits)
	}
	_, out, _ = s.admin("issuer", "list")
	for _, want := range []string{"withdrawn", "backup was stolen", "that one, too", "WHO"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
	keys, err := filepath.Glob(filepath.Join(dir, "issuer-key*.pem"))
	if err != nil || len(keys) != 3 {
		t.Errorf("keys: %v, %v", keys, err)
	}
}

// Whoever has lost the file of the key that signs, or finds it spoilt, can
// have another take over; only what needs that file is refused till then.
func TestALostIssuerKeyIsWithdrawn(t *testing.T) {
	for name, lose := range map[string]func(path string) error{
		"gone":   os.Remove,
		"spoilt": func(path string) error { return os.WriteFile(path, []byte("once a key"), 0o600) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "b")
			s := serve(t, dir)
			ada := s.create("customer_id", "customer", "create", "--name", "Ada")
			token := []string{"enroll-token", "create", "--customer", ada, "--jwk", jwkFile(t, newKey(t))}
			first := s.newest("issuer")
			must(t, lose(filepath.Join(dir, "issuer-key.pem")))
			if code, _, errs := s.admin(token...); code != exitConfig || !strings.Contains(errs, "issuer withdraw KEY") {
				t.Errorf("a token: %d, %s", code, errs)
			}
			if code, _, errs := s.admin("ledger", "check"); code != exitOK {
				t.Errorf("the ledger: %d, %s", code, errs)
			}
			if code, _, errs := s.admin("issuer", "withdraw", first, "--reason", "its file is lost"); code != exitOK {
				t.Errorf("withdraw: %d, %s", code, errs)
			}
			if code, _, errs := s.admin(token...); code != exitOK {
				t.Errorf("a token by the next key: %d, %s", code, errs)
			}
			s.stop()
			serve(t, dir).stop()
		})
	}
}

// A key file that is lost is asked for, and no other is made in its place,
// which nobody would believe.
func TestNoKeyIsMadeForALostOne(t *testing.T) {
	for _, file := range []string{"root-key.pem", "issuer-key.pem", "tls-ca-key.pem"} {
		t.Run(file, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "b")
			s := serve(t, dir)
			s.stop()
			must(t, os.Remove(filepath.Join(dir, file)))
			must(t, os.Remove(filepath.Join(dir, "sealing-key.pem")))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // it would serve until then
			defer cancel()
			var out, errs bytes.Buffer
			if code := run(ctx, []string{"serve", "--dir", dir, "--listen", "127.0.0.1:0"}, &out, &errs); code != exitConfig {
				t.Errorf("serve: %d", code)
			}
			code, _, imported := s.admin("import", filepath.Join(dir, "till.sealed"))
			if code != exitConfig {
				t.Errorf("import: %d", code)
			}
			for _, says := range []string{errs.String(), imported} {
				if !strings.Contains(says, file+" is gone") || !strings.Contains(says, "Next: put the file back") {
					t.Errorf("says %q", says)
				}
			}
			for _, name := range []string{file, "sealing-key.pem"} {
				if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
					t.Errorf("%s was made: %v", name, err)
				}
			}
		})
	}
}

func TestRootKeysAreListed(t *testing.T) {
	s := serve(t, filepath.Join(t.TempDir(), "b"))
	defer s.stop()
	first := s.newest("root")
	second := s.create("key_id", "root", "rotate")
	if newest := s.newest("root"); newest != second {
		t.Errorf("the newest is %s, not %s", newest, second)
	}
	if code, out, _ := s.admin("root", "rotate", "--help"); code != exitOK || !strings.Contains(out, "Keep the\npublic half of each") {
		t.Errorf("help: %d %s", code, out)
	}
	_, out, _ := s.admin("root", "list")
	for _, want := range []string{first, second, "signs", "handed over"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is not in\n%s", want, out)
		}
	}
}

// newest is the first key that a list names.
func (s *site) newest(kind string) string {
	s.t.Helper()
	code, out, errs := s.admin(kind, "list", "--json")
	line, _, _ := strings.Cut(out, "\n")
	var k struct {
		ID string `json:"key_id"`
	}
	if err := json.Unmarshal([]byte(line), &k); code != exitOK || err != nil {
		s.t.Fatalf("%s list: %d, %s%s", kind, code, out, errs)
	}
	return k.ID
}
