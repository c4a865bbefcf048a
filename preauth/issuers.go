package preauth

import (
	"fmt"
	"slices"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// Bounds of what leads to the issuers. A root key that is more than
// HandoversMax handovers old leads nowhere.
const (
	IssuersMax   = 16
	HandoversMax = 8
)

// Issuers are the keys that sign certificates and verdicts, as a root key
// vouches for them. The zero value knows none.
type Issuers struct{ keys []*peerv1.IssuerKey }

// IssuersOf returns issuers that nobody else vouches for: the backend's own.
func IssuersOf(keys []*peerv1.IssuerKey) Issuers { return Issuers{keys} }

// OpenIssuance returns the issuers that the root key vouches for: itself, or
// the later root key that the handovers lead to.
//
// The error wraps ErrDecode or ErrSignature.
func OpenIssuance(root PublicKey, from *peerv1.Issuance) (Issuers, error) {
	if i, h := len(from.GetIssuerCerts()), len(from.GetHandovers()); i == 0 || i > IssuersMax || h > HandoversMax {
		return Issuers{}, fmt.Errorf("%d issuers, %d handovers: %w", i, h, ErrDecode)
	}
	root, err := follow(root, from.GetHandovers())
	if err != nil {
		return Issuers{}, err
	}
	var all Issuers
	for _, b := range from.GetIssuerCerts() {
		c, err := Open[*peerv1.IssuerKey](b)
		if err != nil {
			return Issuers{}, err
		}
		if err := c.VerifiedBy(root); err != nil {
			return Issuers{}, err
		}
		all.keys = append(all.keys, c.Body)
	}
	return all, nil
}

// follow returns the root key that handovers lead to from root, oldest first.
// Those before the one that root signed tell a device nothing it does not
// know. No handover leads to a key that has been handed over: whoever steals
// an old root key gets no device back.
//
// The error wraps ErrDecode or ErrSignature.
func follow(root PublicKey, handovers [][]byte) (PublicKey, error) {
	var left [][8]byte // keys that were handed over
	begun := false
	for _, b := range handovers {
		h, err := Open[*peerv1.RootHandover](b)
		if err != nil {
			return PublicKey{}, err
		}
		left = append(left, h.keyID)
		if begun = begun || h.keyID == root.KeyID(); !begun {
			continue
		}
		if err := h.VerifiedBy(root); err != nil {
			return PublicKey{}, err
		}
		root = PublicKey(h.Body.RootKey)
		if slices.Contains(left, root.KeyID()) {
			return PublicKey{}, fmt.Errorf("handover to the earlier root key %x: %w", root.KeyID(), ErrSignature)
		}
	}
	return root, nil
}

// GenuineDevice accepts a device certificate that the backend ever signed,
// expired or revoked: what settlement asks. The error wraps ErrDecode,
// ErrIssuer or ErrSignature.
func (i Issuers) GenuineDevice(b []byte) (DeviceCert, error) {
	c, err := Open[*peerv1.DeviceCert](b)
	if err != nil {
		return DeviceCert{}, err
	}
	if err := i.issued(c.keyID, c.VerifiedBy); err != nil {
		return DeviceCert{}, err
	}
	return c, nil
}

// GenuinePreauth accepts a pre-authorization certificate that the backend
// ever signed. The error wraps ErrDecode, ErrIssuer or ErrSignature.
func (i Issuers) GenuinePreauth(b []byte) (PreauthCert, error) {
	c, err := Open[*peerv1.PreauthCert](b)
	if err != nil {
		return PreauthCert{}, err
	}
	if err := i.issued(c.keyID, c.VerifiedBy); err != nil {
		return PreauthCert{}, err
	}
	return c, nil
}

// Verdict decodes a verdict that the backend signed.
//
// The error wraps ErrDecode, ErrIssuer or ErrSignature.
func (i Issuers) Verdict(b []byte) (Verdict, error) {
	v, err := Open[*peerv1.Verdict](b)
	if err != nil {
		return Verdict{}, err
	}
	if err := i.issued(v.keyID, v.VerifiedBy); err != nil {
		return Verdict{}, err
	}
	return v, nil
}

// issued runs verify with the issuer key of that id.
func (i Issuers) issued(keyID [8]byte, verify func(PublicKey) error) error {
	k := i.issuer(keyID)
	if k == nil {
		return fmt.Errorf("key %x: %w", keyID, ErrIssuer)
	}
	return verify(PublicKey(k.PublicKey))
}

// issuing reports whether the issuer key may be relied on at now.
func (i Issuers) issuing(keyID [8]byte, now time.Time) bool {
	k := i.issuer(keyID)
	return k != nil && now.UnixMilli() < k.NotAfterMs
}

func (i Issuers) issuer(keyID [8]byte) *peerv1.IssuerKey {
	for _, k := range i.keys {
		if PublicKey(k.PublicKey).KeyID() == keyID {
			return k
		}
	}
	return nil
}
