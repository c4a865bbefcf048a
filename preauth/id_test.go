package preauth

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestIDsAreUUIDs(t *testing.T) {
	const text = "01890a5d-ac96-774b-bcce-b302099a8057"
	id, err := ParseID(text)
	if err != nil || id.String() != text {
		t.Fatalf("ParseID(%s) = %s, %v", text, id, err)
	}
	if upper, err := ParseID(strings.ToUpper(text)); err != nil || upper != id {
		t.Errorf("upper case: %s, %v", upper, err)
	}
	if back, err := IDFrom(id[:]); err != nil || back != id || back.Zero() || !(ID{}).Zero() {
		t.Errorf("IDFrom: %s, %v", back, err)
	}
	for _, bad := range []string{
		"", text[1:], text + "0", strings.ReplaceAll(text, "-", ""), "{" + text[1:35] + "}", "01890a5dxac96-774b-bcce-b302099a8057",
		"01890a5d-ac96x774b-bcce-b302099a8057", "01890a5d-ac96-774bxbcce-b302099a8057", "01890a5d-ac96-774b-bccexb302099a8057",
		"01890a5d-ac96-774b-bcce-b302099a805g", "0189-0a5dac96-774b-bcce-b302099a8057", strings.Repeat("x", 500),
	} {
		if id, err := ParseID(bad); !errors.Is(err, ErrID) || !id.Zero() || len(err.Error()) > 100 {
			t.Errorf("ParseID(%.40q) = %s, %v", bad, id, err)
		}
	}
	for _, n := range []int{0, 15, 17} {
		if id, err := IDFrom(make([]byte, n)); !errors.Is(err, ErrID) || !id.Zero() {
			t.Errorf("IDFrom(%d bytes): %v", n, err)
		}
	}
}

func TestHashesAre32Bytes(t *testing.T) {
	h := Hash(testBytes("hash", 32))
	if back, err := HashFrom(h[:]); err != nil || back != h {
		t.Errorf("HashFrom = %s, %v", back, err)
	}
	if h.Zero() || !(Hash{}).Zero() || len(h.String()) != 64 {
		t.Errorf("%s is zero: %t", h, h.Zero())
	}
	for _, n := range []int{0, 31, 33} {
		if h, err := HashFrom(make([]byte, n)); !errors.Is(err, ErrHash) || !h.Zero() {
			t.Errorf("HashFrom(%d bytes): %v", n, err)
		}
	}
}

func TestPublicKeysAreCompressedPoints(t *testing.T) {
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} { // both signs of y
		k := testPub(name)
		back, err := PublicKeyFrom(k[:])
		if err != nil || back != k {
			t.Fatalf("PublicKeyFrom(%x) = %x, %v", k, back, err)
		}
		e, err := k.ECDSA()
		if err != nil || !e.Equal(&testKey(name).PublicKey) {
			t.Errorf("ECDSA() of %x: %v", k, err)
		}
	}
	good := testPub("a")
	beyond := append([]byte{2}, bytes.Repeat([]byte{0xff}, 32)...) // x above the field's prime
	full, err := testKey("a").PublicKey.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	other := bytes.Clone(good[:])
	other[0] = 4
	offCurve := append(make([]byte, 32), 1)
	offCurve[0] = 2
	for {
		if _, err := PublicKeyFrom(offCurve); err != nil {
			break
		}
		offCurve[32]++
	}
	for _, bad := range [][]byte{nil, good[:32], append(good[:], 0), full, beyond, other, offCurve, make([]byte, 33)} {
		if k, err := PublicKeyFrom(bad); !errors.Is(err, ErrKey) || k != (PublicKey{}) {
			t.Errorf("PublicKeyFrom(%x) = %x, %v", bad, k, err)
		}
	}
}
