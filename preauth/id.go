package preauth

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
)

// Errors of the text and byte forms of identities.
var (
	// ErrID: not an id in the form of a UUID.
	ErrID = errors.New("not a UUID")
	// ErrHash: not 32 bytes.
	ErrHash = errors.New("not a 32-byte hash")
	// ErrKey: not a compressed point of P-256.
	ErrKey = errors.New("not a compressed P-256 public key")
)

// ID is a UUID: of a payment, a device, a business, an instrument or a
// pre-authorization.
type ID [16]byte

// IDFrom returns the id with these 16 bytes. The error wraps ErrID.
func IDFrom(b []byte) (ID, error) {
	if len(b) != len(ID{}) {
		return ID{}, fmt.Errorf("%d bytes: %w", len(b), ErrID)
	}
	return ID(b), nil
}

// ParseID returns the id written as a UUID, lower or upper case. The error
// wraps ErrID.
func ParseID(s string) (ID, error) {
	if len(s) != 36 || s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
		return ID{}, fmt.Errorf("%.40q: %w", s, ErrID)
	}
	b, err := hex.DecodeString(s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:])
	if err != nil {
		return ID{}, fmt.Errorf("%.40q: %w", s, ErrID)
	}
	return IDFrom(b)
}

// String returns the id as a lower-case UUID.
func (id ID) String() string {
	h := hex.EncodeToString(id[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Zero reports whether there is no id.
func (id ID) Zero() bool { return id == ID{} }

// Hash is H(x), the SHA-256 of a signed object's signature input. H(Request)
// is the identity of everything that follows a request.
type Hash [sha256.Size]byte

// HashFrom returns the hash with these 32 bytes. The error wraps ErrHash.
func HashFrom(b []byte) (Hash, error) {
	if len(b) != len(Hash{}) {
		return Hash{}, fmt.Errorf("%d bytes: %w", len(b), ErrHash)
	}
	return Hash(b), nil
}

// String returns the hash in lower-case hexadecimal.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// Zero reports whether there is no hash.
func (h Hash) Zero() bool { return h == Hash{} }

// PublicKey is a P-256 public key as it travels: a compressed point (SEC 1).
type PublicKey [33]byte

// PublicKeyOf returns the compressed form of a P-256 key, and for any other
// key the zero PublicKey, which verifies nothing.
func PublicKeyOf(k *ecdsa.PublicKey) PublicKey {
	b, err := k.Bytes() // 4, x, y: 32 bytes each on P-256
	if err != nil || len(b) != 65 {
		return PublicKey{}
	}
	c := PublicKey(b[:33])
	c[0] = 2 + b[64]&1
	return c
}

// PublicKeyFrom returns the key with these bytes. The error wraps ErrKey if
// they are not a point of the curve.
func PublicKeyFrom(b []byte) (PublicKey, error) {
	if len(b) != len(PublicKey{}) {
		return PublicKey{}, fmt.Errorf("%d bytes: %w", len(b), ErrKey)
	}
	if _, err := PublicKey(b).ECDSA(); err != nil {
		return PublicKey{}, err
	}
	return PublicKey(b), nil
}

// ECDSA returns the key for use with crypto/ecdsa. The error wraps ErrKey.
func (k PublicKey) ECDSA() (*ecdsa.PublicKey, error) {
	x, y := elliptic.UnmarshalCompressed(elliptic.P256(), k[:])
	if x == nil {
		return nil, ErrKey
	}
	b := make([]byte, 65)
	b[0] = 4 // uncompressed
	x.FillBytes(b[1:33])
	y.FillBytes(b[33:])
	return ecdsa.ParseUncompressedPublicKey(elliptic.P256(), b)
}

// KeyID returns the first 8 bytes of SHA-256 over the compressed point.
func (k PublicKey) KeyID() [8]byte {
	sum := sha256.Sum256(k[:])
	return [8]byte(sum[:])
}
