package preauth

import (
	"fmt"
	"slices"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// Errors of judging a certificate.
var (
	// ErrIssuer: no issuer key of the bundle signed it.
	ErrIssuer = refusal("CERT_INVALID", "not signed by a known issuer")
	// ErrExpired: its validity, or its issuer key's, has ended.
	ErrExpired = refusal("CERT_EXPIRED", "certificate has expired")
	// ErrRevoked: the bundle names it.
	ErrRevoked = refusal("DEVICE_REVOKED", "revoked")
	// ErrRole: the device takes the other side of payments.
	ErrRole = refusal("WRONG_ROLE", "device has the wrong role")
)

// Trust judges what others show, by the root key of this device's backend and
// the newest bundle it signed. The zero value trusts nothing.
type Trust struct {
	Issuers
	Root   PublicKey // that signed the bundle
	Bundle TrustBundle
}

// OpenTrust checks the bundle against the root key, or against a later one if
// the bundle's handovers lead there. Root is then that later key, which the
// device is to know from now on: no bundle leads back from it.
//
// The error wraps ErrDecode or ErrSignature.
func OpenTrust(root PublicKey, bundle []byte) (Trust, error) {
	b, err := Open[*peerv1.TrustBundle](bundle)
	if err != nil {
		return Trust{}, err
	}
	if root, err = follow(root, b.Body.Handovers); err != nil {
		return Trust{}, err
	}
	if err := b.VerifiedBy(root); err != nil {
		return Trust{}, err
	}
	return Trust{Issuers: Issuers{b.Body.Issuers}, Root: root, Bundle: b}, nil
}

// Issuance is what leads somebody who knows a root key to the issuers of this
// bundle: a receipt or evidence carries it.
func (t Trust) Issuance() *peerv1.Issuance {
	b := t.Bundle.Body
	return &peerv1.Issuance{IssuerCerts: b.GetIssuerCerts(), Handovers: b.GetHandovers()}
}

// Epoch is the epoch of the bundle, 0 without one.
func (t Trust) Epoch() uint64 { return t.Bundle.Body.GetEpoch() }

// SignedAt is when the backend signed the bundle.
func (t Trust) SignedAt() time.Time { return time.UnixMilli(t.Bundle.Body.GetServerTimeMs()) }

// CheckAge refuses to judge others at now by a bundle that is older than the
// limits let it be. The error wraps ErrBundleStale.
func (t Trust) CheckAge(l Limits, now time.Time) error {
	if age := now.Sub(t.SignedAt()); age > l.BundleMaxAge() {
		return fmt.Errorf("signed %s ago: %w", age.Truncate(time.Minute), ErrBundleStale)
	}
	return nil
}

// DeviceCert decodes a device certificate and accepts it if an issuer key
// valid at now signed it, it has not ended, it names role, and the bundle
// does not revoke the device. The start of validity is not compared with the
// clock: an issuer signs no certificate ahead of time, and a till whose clock
// stopped must still be able to deal with a device enrolled today.
//
// The error wraps ErrDecode, ErrIssuer, ErrSignature, ErrExpired, ErrRole or
// ErrRevoked.
func (t Trust) DeviceCert(b []byte, role peerv1.Role, now time.Time) (DeviceCert, error) {
	c, err := t.GenuineDevice(b)
	if err != nil {
		return DeviceCert{}, err
	}
	id := ID(c.Body.DeviceId)
	switch {
	case !t.issuing(c.keyID, now):
		return DeviceCert{}, fmt.Errorf("issuer of device %s: %w", id, ErrExpired)
	case now.UnixMilli() >= c.Body.NotAfterMs:
		return DeviceCert{}, fmt.Errorf("device %s: %w", id, ErrExpired)
	case c.Body.Role != role:
		return DeviceCert{}, fmt.Errorf("device %s is %s: %w", id, c.Body.Role, ErrRole)
	case t.Revoked(id):
		return DeviceCert{}, fmt.Errorf("device %s: %w", id, ErrRevoked)
	}
	return c, nil
}

// PreauthCert decodes a pre-authorization certificate and accepts it if an
// issuer key valid at now signed it and the bundle does not revoke it. Dates,
// currency and limits are the caller's to check.
//
// The error wraps ErrDecode, ErrIssuer, ErrSignature, ErrExpired or
// ErrVoided.
func (t Trust) PreauthCert(b []byte, now time.Time) (PreauthCert, error) {
	c, err := t.GenuinePreauth(b)
	if err != nil {
		return PreauthCert{}, err
	}
	if !t.issuing(c.keyID, now) {
		return PreauthCert{}, fmt.Errorf("issuer of pre-authorization %s: %w", ID(c.Body.PreauthId), ErrExpired)
	}
	if slices.Contains(t.Bundle.Body.GetRevokedSerials(), c.Body.Serial) {
		return PreauthCert{}, fmt.Errorf("pre-authorization %s: %w", ID(c.Body.PreauthId), ErrVoided)
	}
	return c, nil
}

// Revoked reports whether the bundle revokes the device.
func (t Trust) Revoked(device ID) bool {
	return slices.ContainsFunc(t.Bundle.Body.GetRevokedDevices(), func(b []byte) bool { return ID(b) == device })
}
