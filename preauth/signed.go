package preauth

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/asn1"
	"errors"
	"fmt"
	"math/big"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// Errors of signed objects.
var (
	// ErrDecode: not exactly one well-formed message of the kind.
	ErrDecode = refusal("PEER_PROTOCOL", "malformed message")
	// ErrSignature: not signed by the key that should have signed it.
	ErrSignature = refusal("SIGNATURE_INVALID", "signature does not verify")
)

// Largest encodings. Everything that goes over the air fits one message.
const (
	messageMax = 4096
	bundleMax  = 16 << 10
)

// The signed objects of the protocol, each with its body.
type (
	DeviceCert  = Signed[*peerv1.DeviceCert]
	PreauthCert = Signed[*peerv1.PreauthCert]
	TrustBundle = Signed[*peerv1.TrustBundle]
	IssuerCert  = Signed[*peerv1.IssuerKey]
	Handover    = Signed[*peerv1.RootHandover]
	Verdict     = Signed[*peerv1.Verdict]
	Request     = Signed[*peerv1.Request]
	Receipt     = Signed[*peerv1.Receipt]
	Cancel      = Signed[*peerv1.Cancel]
	Voucher     = Signed[*peerv1.Voucher]
	Charge      = Signed[*peerv1.Charge]
	Decline     = Signed[*peerv1.Decline]
	JournalHead = Signed[*peerv1.JournalHead]
)

// Signed is a signed object as it was sent: the bytes, their meaning, and
// what the signature is worth once VerifiedBy has said so.
type Signed[M proto.Message] struct {
	Bytes []byte // as transmitted; store and forward these
	Hash  Hash   // H(x)
	Body  M      // nil in the zero value
	sig   []byte
	keyID [8]byte
}

// Sign encodes body, signs it with key and returns the object. Equal
// arguments give equal bytes. It fails for bodies that Open would refuse.
func Sign[M proto.Message](key *ecdsa.PrivateKey, body M) (Signed[M], error) {
	enc, err := encode(body)
	if err != nil {
		return Signed[M]{}, err
	}
	sig, err := SignMessage(key, kindOf(body), enc)
	if err != nil {
		return Signed[M]{}, err
	}
	id := PublicKeyOf(&key.PublicKey).KeyID()
	// Byte fields always encode, and Open refuses what did not.
	b, _ := encode(&peerv1.Signed{Body: enc, KeyId: id[:], Sig: sig})
	return Open[M](b)
}

// Open decodes a signed object strictly: unknown, repeated or default fields,
// trailing bytes and any encoding but the canonical one are refused, and so
// are bodies that break a bound of their kind. It does not check the
// signature. The error wraps ErrDecode.
func Open[M proto.Message](b []byte) (Signed[M], error) {
	var none Signed[M]
	body := none.Body.ProtoReflect().New().Interface().(M)
	if len(b) > sizeMax(body) {
		return none, fmt.Errorf("%d bytes of %s: %w", len(b), kindOf(body), ErrDecode)
	}
	var env peerv1.Signed
	if err := DecodeStrict(b, &env); err != nil {
		return none, fmt.Errorf("envelope of %s: %w", kindOf(body), err)
	}
	if len(env.KeyId) != 8 || len(env.Sig) != 64 {
		return none, fmt.Errorf("envelope of %s: %w", kindOf(body), ErrDecode)
	}
	if err := DecodeStrict(env.Body, body); err != nil {
		return none, fmt.Errorf("%s: %w", kindOf(body), err)
	}
	if err := checkShape(body); err != nil {
		return none, fmt.Errorf("%s: %w: %w", kindOf(body), ErrDecode, err)
	}
	return Signed[M]{
		Bytes: bytes.Clone(b), Hash: hashOf(kindOf(body), env.Body), Body: body,
		sig: env.Sig, keyID: [8]byte(env.KeyId),
	}, nil
}

// VerifiedBy checks that key signed the object. The error wraps
// ErrSignature.
func (s Signed[M]) VerifiedBy(key PublicKey) error {
	if s.keyID != key.KeyID() || !verifyDigest(key, s.Hash, s.sig) {
		return fmt.Errorf("%s: %w", kindOf(s.Body), ErrSignature)
	}
	return nil
}

// KeyID names the key that claims to have signed the object.
func (s Signed[M]) KeyID() [8]byte { return s.keyID }

// Zero reports whether there is no object.
func (s Signed[M]) Zero() bool { return s.Bytes == nil }

// SignMessage signs body as an object of the given kind and returns r and s,
// 32 big-endian bytes each. It needs no randomness (RFC 6979). The error wraps
// ErrKey if key is not on P-256.
func SignMessage(key *ecdsa.PrivateKey, kind string, body []byte) ([]byte, error) {
	sig, err := signDigest(key, hashOf(kind, body))
	if err != nil {
		return nil, fmt.Errorf("sign %s: %w", kind, err)
	}
	return sig, nil
}

func signDigest(key *ecdsa.PrivateKey, digest Hash) ([]byte, error) {
	if key.Curve != elliptic.P256() {
		return nil, ErrKey
	}
	var rs struct{ R, S *big.Int }
	der, err := key.Sign(nil, digest[:], crypto.SHA256)
	if err == nil {
		_, err = asn1.Unmarshal(der, &rs)
	}
	if err != nil {
		return nil, err
	}
	sig := make([]byte, 64)
	rs.R.FillBytes(sig[:32])
	rs.S.FillBytes(sig[32:])
	return sig, nil
}

// VerifyMessage checks a signature of SignMessage. The error wraps
// ErrSignature.
func VerifyMessage(key PublicKey, kind string, body, sig []byte) error {
	if !verifyDigest(key, hashOf(kind, body), sig) {
		return fmt.Errorf("%s: %w", kind, ErrSignature)
	}
	return nil
}

func verifyDigest(key PublicKey, digest Hash, sig []byte) bool {
	pub, err := key.ECDSA()
	if err != nil || len(sig) != 64 {
		return false
	}
	r, s := new(big.Int).SetBytes(sig[:32]), new(big.Int).SetBytes(sig[32:])
	return ecdsa.Verify(pub, digest[:], r, s)
}

// hashOf is the SHA-256 of the signature input: "vipaso/" + kind + "/v1", a
// zero byte, the body.
func hashOf(kind string, body []byte) Hash {
	h := sha256.New()
	h.Write([]byte("vipaso/" + kind + "/v1\x00"))
	h.Write(body)
	return Hash(h.Sum(nil))
}

// DecodeStrict decodes b into m if, and only if, b is the one encoding of m:
// whatever else b holds would be lost when m is encoded again. The error
// wraps ErrDecode.
func DecodeStrict(b []byte, m proto.Message) error {
	if err := (proto.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(b, m); err != nil {
		return errors.Join(ErrDecode, err)
	}
	again, err := encode(m)
	if err != nil || !bytes.Equal(again, b) {
		return fmt.Errorf("not the canonical encoding: %w", ErrDecode)
	}
	return nil
}

func encode(m proto.Message) ([]byte, error) {
	return proto.MarshalOptions{Deterministic: true}.Marshal(m)
}

// kindOf names a body's kind in signature inputs and error messages.
func kindOf(m proto.Message) string {
	switch m.(type) {
	case *peerv1.DeviceCert:
		return "device-cert"
	case *peerv1.PreauthCert:
		return "preauth-cert"
	case *peerv1.TrustBundle:
		return "trust-bundle"
	case *peerv1.IssuerKey:
		return "issuer-key"
	case *peerv1.RootHandover:
		return "root-handover"
	case *peerv1.Verdict:
		return "verdict"
	case *peerv1.Request:
		return "request"
	case *peerv1.Receipt:
		return "receipt"
	case *peerv1.Cancel:
		return "cancel"
	case *peerv1.Voucher:
		return "voucher"
	case *peerv1.Charge:
		return "charge"
	case *peerv1.Decline:
		return "decline"
	case *peerv1.JournalHead:
		return "journal-head"
	}
	return string(m.ProtoReflect().Descriptor().FullName())
}

func sizeMax(m proto.Message) int {
	if _, ok := m.(*peerv1.TrustBundle); ok {
		return bundleMax
	}
	return messageMax
}
