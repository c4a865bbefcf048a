// Package seal is how what a device owes its backend travels in other hands:
// sealed for the backend alone, so that whoever carries it learns nothing and
// can change nothing, and the file that parts are carried in.
//
// It is HPKE (RFC 9180) in base mode: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
// ChaCha20Poly1305, info "vipaso/sealed/v1", no additional data; the
// encapsulated key, 32 bytes, stands before the ciphertext. A seal hides and
// says nothing of who made it: what is inside must prove itself.
package seal

import (
	"crypto/ecdh"
	"crypto/hpke"
	"errors"
	"fmt"
)

// info separates these seals from all others made for the same key.
const info = "vipaso/sealed/v1"

// Errors of sealing.
var (
	// ErrKey: not a public X25519 key.
	ErrKey = errors.New("not a sealing key")
	// ErrSealed: damaged, or sealed for another key.
	ErrSealed = errors.New("cannot be unsealed")
)

// Seal seals plain for the holder of a public X25519 key of 32 bytes. Each
// call gives other bytes. The error wraps ErrKey.
func Seal(key, plain []byte) ([]byte, error) {
	point, err := ecdh.X25519().NewPublicKey(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	public, err := hpke.NewDHKEMPublicKey(point)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	sealed, err := hpke.Seal(public, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(info), plain)
	if err != nil { // a key that leads nowhere, such as all zeros
		return nil, fmt.Errorf("%w: %w", ErrKey, err)
	}
	return sealed, nil
}

// Open returns what was sealed for key. The error wraps ErrSealed.
func Open(key *ecdh.PrivateKey, sealed []byte) ([]byte, error) {
	private, err := hpke.NewDHKEMPrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSealed, err)
	}
	plain, err := hpke.Open(private, hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), []byte(info), sealed)
	if err != nil { // which says no more to anybody
		return nil, ErrSealed
	}
	return plain, nil
}
