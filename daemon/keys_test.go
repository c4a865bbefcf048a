package daemon

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestKeysAreMadeOnceAndKept(t *testing.T) {
	dir := t.TempDir()
	first, err := LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !again.Signing.Equal(first.Signing) || !again.Noise.Equal(first.Noise) || again.Public() != first.Public() {
		t.Error("other keys the second time")
	}
	other, err := LoadKeys(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if other.Signing.Equal(first.Signing) || other.Noise.Equal(first.Noise) {
		t.Error("two devices have the same key")
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 2 {
		t.Fatalf("files %v %v, want two", entries, err)
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || info.Mode().Perm() != 0o400 {
			t.Errorf("%s has mode %v %v, want 0400", e.Name(), info.Mode(), err)
		}
	}
}

// A crash between the two files, or before the rename, costs nothing.
func TestKeysAreCompletedAfterACrash(t *testing.T) {
	dir := t.TempDir()
	first, err := LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(dir, "noise.key")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "noise.key.tmp"), []byte("half a"), 0o400); err != nil {
		t.Fatal(err)
	}
	second, err := LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if !second.Signing.Equal(first.Signing) {
		t.Error("the signing key was replaced")
	}
	if _, err := os.Stat(filepath.Join(dir, "noise.key.tmp")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("half a key was left: %v", err)
	}
	third, err := LoadKeys(dir)
	if err != nil || !third.Noise.Equal(second.Noise) {
		t.Errorf("the new key was not kept: %v", err)
	}
}

// A file that is no such key is an error, and is left as it is: a new key
// would make a stranger of the device.
func TestKeysAreNeverReplaced(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	x25519, err := ecdh.X25519().GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p256, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, file string
		content    []byte
	}{
		{"empty", "signing.key", nil},
		{"no PEM", "signing.key", []byte("key")},
		{"no key in it", "noise.key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1, 2}})},
		{"another curve", "signing.key", keyFile(t, p384)},
		{"the other kind for signing", "signing.key", keyFile(t, x25519)},
		{"the other kind for sessions", "noise.key", keyFile(t, p256)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, tt.file)
			if err := os.WriteFile(path, tt.content, 0o400); err != nil {
				t.Fatal(err)
			}
			if _, err := LoadKeys(dir); !errors.Is(err, ErrKey) {
				t.Errorf("%v, want ErrKey", err)
			}
			if now, err := os.ReadFile(path); err != nil || string(now) != string(tt.content) {
				t.Errorf("the file was changed: %v", err)
			}
		})
	}
}

func keyFile(t *testing.T, key any) []byte {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}
