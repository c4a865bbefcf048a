package preauth

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"math/big"
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

func fromHex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// RFC 6979, A.2.5: P-256 with SHA-256.
func TestSignaturesAreThoseOfRFC6979(t *testing.T) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), fromHex(t, "c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721"))
	if err != nil {
		t.Fatal(err)
	}
	public := PublicKeyOf(&key.PublicKey)
	if want := fromHex(t, "0360fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"); !bytes.Equal(public[:], want) {
		t.Errorf("public key %x, want %x", public, want)
	}
	for message, want := range map[string]string{
		"sample": "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716" +
			"f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8",
		"test": "f1abb023518351cd71d881567b1ea663ed3efcf6c5132b354f28d3b0b7d38367" +
			"019f4113742a2b14bd25926b49c649155f267e60d3814b4c0cc84250e46f0083",
	} {
		digest := Hash(sha256.Sum256([]byte(message)))
		sig, err := signDigest(key, digest)
		if err != nil || !bytes.Equal(sig, fromHex(t, want)) {
			t.Errorf("%s: %x, %v; want %s", message, sig, err, want)
		}
		if !verifyDigest(public, digest, sig) {
			t.Errorf("%s: does not verify", message)
		}
	}
}

func TestSigningTwiceGivesTheSameBytes(t *testing.T) {
	first, second := newDeal(), newDeal()
	if !bytes.Equal(first.signVoucher(t), second.signVoucher(t)) || !bytes.Equal(first.signPreauth(t), second.signPreauth(t)) {
		t.Error("the same voucher was signed to other bytes")
	}
	second.voucher.Counter++
	if bytes.Equal(first.signVoucher(t), second.signVoucher(t)) {
		t.Error("another voucher was signed to the same bytes")
	}
}

func TestTheSignatureInputNamesTheKind(t *testing.T) {
	r := newDeal().signRequest(t)
	enc, err := encode(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	if want := Hash(sha256.Sum256(append([]byte("vipaso/request/v1\x00"), enc...))); r.Hash != want {
		t.Errorf("H(Request) = %s, want %s", r.Hash, want)
	}
	sig, err := SignMessage(testKey("till"), "enrollment", enc)
	if err != nil {
		t.Fatal(err)
	}
	if err := VerifyMessage(testPub("till"), "enrollment", enc, sig); err != nil {
		t.Errorf("the same kind: %v", err)
	}
	for _, err := range []error{
		VerifyMessage(testPub("till"), "request", enc, sig),
		VerifyMessage(testPub("customer"), "enrollment", enc, sig),
		VerifyMessage(testPub("till"), "enrollment", enc[1:], sig),
		VerifyMessage(testPub("till"), "enrollment", enc, sig[1:]),
		VerifyMessage(PublicKey{}, "enrollment", enc, sig),
	} {
		if !errors.Is(err, ErrSignature) {
			t.Errorf("verified: %v", err)
		}
	}
}

// A Receipt and a Decline start with the same field: a signature over one
// must not count for the other.
func TestASignatureOfOneKindIsNoneOfAnother(t *testing.T) {
	decline := mustSign(t, "customer", &peerv1.Decline{RequestHash: testBytes("request", 32)})
	var env peerv1.Signed
	if err := DecodeStrict(decline.Bytes, &env); err != nil {
		t.Fatal(err)
	}
	if err := VerifyMessage(testPub("customer"), "decline", env.Body, env.Sig); err != nil {
		t.Errorf("as a decline: %v", err)
	}
	if err := VerifyMessage(testPub("customer"), "cancel", env.Body, env.Sig); !errors.Is(err, ErrSignature) {
		t.Errorf("as a cancel: %v", err)
	}
}

// Anybody can turn s into n − s: other bytes, a good signature, the same
// object. That is why objects are identified by the hash of their body.
func TestAnAlteredButValidSignatureIsTheSameObject(t *testing.T) {
	r := newDeal().signRequest(t)
	var env peerv1.Signed
	if err := DecodeStrict(r.Bytes, &env); err != nil {
		t.Fatal(err)
	}
	s := new(big.Int).SetBytes(env.Sig[32:])
	s.Sub(elliptic.P256().Params().N, s).FillBytes(env.Sig[32:])
	b, err := encode(&env)
	if err != nil {
		t.Fatal(err)
	}
	twin, err := Open[*peerv1.Request](b)
	if err != nil {
		t.Fatal(err)
	}
	if err := twin.VerifiedBy(testPub("till")); err != nil {
		t.Errorf("n − s: %v", err)
	}
	if twin.Hash != r.Hash || bytes.Equal(twin.Bytes, r.Bytes) {
		t.Errorf("H = %s and %s; bytes equal %v", twin.Hash, r.Hash, bytes.Equal(twin.Bytes, r.Bytes))
	}
}

func TestVerifiedByWantsKeyIDAndSignature(t *testing.T) {
	r := newDeal().signRequest(t)
	if r.KeyID() != testPub("till").KeyID() {
		t.Errorf("key id %x", r.KeyID())
	}
	var env peerv1.Signed
	if err := DecodeStrict(r.Bytes, &env); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		alter func(*peerv1.Signed)
		want  error
	}{
		{"untouched", func(*peerv1.Signed) {}, nil},
		{"another key id", func(e *peerv1.Signed) { e.KeyId = testBytes("other", 8) }, ErrSignature},
		{"another body", func(e *peerv1.Signed) { e.Body[len(e.Body)-1]++ }, ErrSignature},
		{"r of zero", func(e *peerv1.Signed) { clear(e.Sig[:32]) }, ErrSignature},
		{"s of zero", func(e *peerv1.Signed) { clear(e.Sig[32:]) }, ErrSignature},
		{"r and s of ones", func(e *peerv1.Signed) { e.Sig = bytes.Repeat([]byte{0xff}, 64) }, ErrSignature},
	}
	for _, tt := range tests {
		e := &peerv1.Signed{Body: bytes.Clone(env.Body), KeyId: bytes.Clone(env.KeyId), Sig: bytes.Clone(env.Sig)}
		tt.alter(e)
		b, err := encode(e)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Open[*peerv1.Request](b)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if err := got.VerifiedBy(testPub("till")); !errors.Is(err, tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
	}
	if err := (Request{}).VerifiedBy(PublicKey{}); !errors.Is(err, ErrSignature) {
		t.Errorf("nothing verified by nobody: %v", err)
	}
}

// What was opened does not change with the buffer it came in.
func TestOpenKeepsItsOwnBytes(t *testing.T) {
	want := newDeal().signVoucher(t)
	buffer := bytes.Clone(want)
	v, err := Open[*peerv1.Voucher](buffer)
	if err != nil {
		t.Fatal(err)
	}
	clear(buffer)
	if !bytes.Equal(v.Bytes, want) || v.VerifiedBy(testPub("customer")) != nil || v.Body.Amount != 1200 {
		t.Error("the object changed with the caller's buffer")
	}
}

func TestSignRefuses(t *testing.T) {
	p384, err := ecdsa.ParseRawPrivateKey(elliptic.P384(), append(make([]byte, 16), testBytes("p384", 32)...))
	if err != nil {
		t.Fatal(err)
	}
	decline := &peerv1.Decline{RequestHash: testBytes("request", 32)}
	if _, err := Sign(p384, decline); !errors.Is(err, ErrKey) {
		t.Errorf("a key on P-384: %v", err)
	}
	mixed := *testKey("till")
	mixed.PublicKey = p384.PublicKey
	mixed.Curve = elliptic.P256()
	if _, err := Sign(&mixed, decline); err == nil {
		t.Error("signed with a point that is not on the curve")
	}
	if got := PublicKeyOf(&p384.PublicKey); got != (PublicKey{}) {
		t.Errorf("public key on P-384: %x", got)
	}
	if got := PublicKeyOf(&mixed.PublicKey); got != (PublicKey{}) {
		t.Errorf("public key off the curve: %x", got)
	}
	if _, err := Sign(testKey("till"), &peerv1.Decline{RequestHash: testBytes("request", 32), Reason: "\xff"}); err == nil {
		t.Error("signed text that is not UTF-8")
	}
	if _, err := Sign(testKey("till"), &peerv1.Decline{}); !errors.Is(err, ErrDecode) {
		t.Errorf("a body that nobody would open: %v", err)
	}
	if _, err := Sign(testKey("till"), &peerv1.Pending{RequestHash: testBytes("request", 32)}); !errors.Is(err, ErrDecode) {
		t.Errorf("a message that is never signed: %v", err)
	}
}
