package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vipaso/vipasod/preauth"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// namedKey is the P-256 key of a name, always the same.
func namedKey(t *testing.T, name string) (*ecdsa.PrivateKey, preauth.PublicKey) {
	t.Helper()
	d := sha256.Sum256([]byte("vipasoctl test key " + name))
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		t.Fatal(err)
	}
	return k, preauth.PublicKeyOf(&k.PublicKey)
}

// trusts is what a device trusts whose backend has replaced its keys.
func trusts(t *testing.T) *devicev1.GetTrustResponse {
	t.Helper()
	old, _ := namedKey(t, "first root")
	root, public := namedKey(t, "root")
	_, first := namedKey(t, "issuer")
	_, second := namedKey(t, "second issuer")
	handover, err := preauth.Sign(old, &peerv1.RootHandover{RootKey: public[:], TimeMs: 1})
	if err != nil {
		t.Fatal(err)
	}
	b, err := preauth.Sign(root, &peerv1.TrustBundle{
		Epoch: 7, ServerTimeMs: before(5 * 3600e9).AsTime().UnixMilli(), Handovers: [][]byte{handover.Bytes},
		Issuers: []*peerv1.IssuerKey{
			{PublicKey: second[:], NotBeforeMs: after(48 * 3600e9).AsTime().UnixMilli(), NotAfterMs: after(9000 * 3600e9).AsTime().UnixMilli()},
			{PublicKey: first[:], NotBeforeMs: before(900 * 3600e9).AsTime().UnixMilli(), NotAfterMs: after(900 * 3600e9).AsTime().UnixMilli()},
		},
		RevokedDevices: [][]byte{make([]byte, 16)}, RevokedSerials: []uint64{4, 8},
	})
	if err != nil {
		t.Fatal(err)
	}
	return &devicev1.GetTrustResponse{RootKey: public[:], TrustBundle: b.Bytes}
}

// The file is what others verify receipts with.
func TestTrustWritesTheRootKey(t *testing.T) {
	f := answering(t)
	path := filepath.Join(t.TempDir(), "root.key")
	if got := f.run("trust", "-o", path); got.code != 0 || !strings.Contains(got.stdout, path) {
		t.Fatalf("%+v", got)
	}
	_, root := namedKey(t, "root")
	if b, err := os.ReadFile(path); err != nil || string(b) != hex.EncodeToString(root[:])+"\n" {
		t.Errorf("%q, %v", b, err)
	}
	if got := f.run("trust", "-o", path); got.code == 0 {
		t.Error("an existing file is replaced")
	}
	if got := f.run("trust", "-o", path, "--force"); got.code != 0 {
		t.Errorf("%+v", got)
	}
}

// What does not verify is not shown as if it did.
func TestTrustIsVerified(t *testing.T) {
	f := answering(t)
	_, stranger := namedKey(t, "stranger")
	for name, spoil := range map[string]func(*devicev1.GetTrustResponse){
		"root key":     func(r *devicev1.GetTrustResponse) { r.RootKey = nil },
		"trust bundle": func(r *devicev1.GetTrustResponse) { r.RootKey = stranger[:] },
	} {
		answer := trusts(t)
		spoil(answer)
		f.answer("GetTrust", answer)
		if got := f.run("trust"); got.code != 1 || got.stdout != "" || !strings.Contains(got.stderr, name) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
