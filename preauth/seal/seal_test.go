package seal

import (
	"bytes"
	"crypto/ecdh"
	"encoding/hex"
	"errors"
	"testing"
)

// keyOf is an X25519 key that is the same in every run.
func keyOf(t testing.TB, n byte) *ecdh.PrivateKey {
	t.Helper()
	k, err := ecdh.X25519().NewPrivateKey(bytes.Repeat([]byte{n}, 32))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// Only the key that it was made for opens a seal, and no byte of it can be
// changed.
func TestSeal(t *testing.T) {
	key, plain := keyOf(t, 1), []byte("a hundred claims")
	sealed, err := Seal(key.PublicKey().Bytes(), plain)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Seal(key.PublicKey().Bytes(), plain)
	if err != nil || bytes.Equal(again, sealed) {
		t.Errorf("the same bytes twice (%v)", err)
	}
	for _, s := range [][]byte{sealed, again} {
		if got, err := Open(key, s); err != nil || !bytes.Equal(got, plain) {
			t.Fatalf("opened %q: %v", got, err)
		}
	}
	if bytes.Contains(sealed, plain) {
		t.Error("readable")
	}
	if _, err := Open(keyOf(t, 2), sealed); !errors.Is(err, ErrSealed) {
		t.Errorf("with another key: %v", err)
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 0x10
		if _, err := Open(key, changed); !errors.Is(err, ErrSealed) {
			t.Errorf("byte %d changed: %v", i, err)
		}
		if _, err := Open(key, sealed[:i]); !errors.Is(err, ErrSealed) {
			t.Errorf("cut after %d bytes: %v", i, err)
		}
	}
}

func TestSealForNobody(t *testing.T) {
	for _, key := range [][]byte{nil, {1, 2, 3}, make([]byte, 32), bytes.Repeat([]byte{1}, 33)} {
		if _, err := Seal(key, []byte("x")); !errors.Is(err, ErrKey) {
			t.Errorf("key %x: %v", key, err)
		}
	}
}

// TestVector holds the form: a seal that was made once is opened for ever, and
// by implementations in other languages.
func TestVector(t *testing.T) {
	const made = "46a8d7f328eb9d1ff7f49480955285e594d8e7d24263f985e04d1e89f6d6502aa5b0f10de3cd6264baa45167418239a013eddf37968485c6aaff3c89271de898d4d849f89d3678a1"
	sealed, err := hex.DecodeString(made)
	if err != nil {
		t.Fatal(err)
	}
	got, err := Open(keyOf(t, 7), sealed)
	if want := "vipaso sealed, version 1"; err != nil || string(got) != want {
		t.Errorf("opened %q, want %q: %v", got, want, err)
	}
}
