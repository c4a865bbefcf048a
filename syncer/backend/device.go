package backend

import (
	"time"

	"github.com/vipaso/vipasod/preauth"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// A Device is a till or a customer's device. It stays when its keys change.
type Device struct {
	ID      preauth.ID
	Party   Party
	Created time.Time
	Revoked time.Time // zero if it is not
	Reason  string    // of the revocation
}

// Role is the side of a payment the device takes.
func (d Device) Role() peerv1.Role {
	if d.Party.Customer.Zero() {
		return peerv1.Role_ROLE_BUSINESS
	}
	return peerv1.Role_ROLE_CUSTOMER
}

// A deviceKey is a key that answers for a device, with its certificates.
type deviceKey struct {
	signing  preauth.PublicKey
	noise    [32]byte
	device   preauth.ID
	cert     []byte // Signed DeviceCert
	tls      []byte // X.509, DER
	notAfter time.Time
}

func (t Tx) putDevice(d Device) error {
	return t.exec(`INSERT INTO devices (id, business_id, customer_id, created_ms) VALUES (?, ?, ?, ?)`,
		d.ID[:], orNull(d.Party.Business), orNull(d.Party.Customer), d.Created.UnixMilli())
}

const deviceColumns = `id, business_id, customer_id, created_ms, revoked_ms, revoked_reason`

func scanDevice(row func(...any) error) (d Device, err error) {
	err = row(fixed(d.ID[:]), fixed(d.Party.Business[:]), fixed(d.Party.Customer[:]),
		moment{&d.Created}, moment{&d.Revoked}, &d.Reason)
	return d, err
}

func (t Tx) device(id preauth.ID) (d Device, ok bool, err error) {
	err = t.each(`SELECT `+deviceColumns+` FROM devices WHERE id = ?`, []any{id[:]}, func(row func(...any) error) error {
		d, err = scanDevice(row)
		ok = err == nil
		return err
	})
	return d, ok, err
}

func (t Tx) devices() (all []Device, err error) {
	err = t.each(`SELECT `+deviceColumns+` FROM devices ORDER BY created_ms, id`, nil, func(row func(...any) error) error {
		d, err := scanDevice(row)
		all = append(all, d)
		return err
	})
	return all, err
}

func (t Tx) markRevoked(id preauth.ID, reason string, now time.Time) error {
	return t.exec(`UPDATE devices SET revoked_ms = ?, revoked_reason = ? WHERE id = ?`, now.UnixMilli(), reason, id[:])
}

// putDeviceKey stores a key, or newer certificates for it.
func (t Tx) putDeviceKey(k deviceKey) error {
	keyID := k.signing.KeyID()
	return t.exec(`INSERT INTO device_keys (signing_key, key_id, noise_key, device_id, device_cert, tls_cert, not_after_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (signing_key) DO UPDATE SET noise_key = excluded.noise_key, device_cert = excluded.device_cert,
		tls_cert = excluded.tls_cert, not_after_ms = excluded.not_after_ms`,
		k.signing[:], keyID[:], k.noise[:], k.device[:], k.cert, k.tls, k.notAfter.UnixMilli())
}

func (t Tx) deviceKey(signing preauth.PublicKey) (k deviceKey, ok bool, err error) {
	ok, err = t.one(`SELECT signing_key, noise_key, device_id, device_cert, tls_cert, not_after_ms
		FROM device_keys WHERE signing_key = ?`, []any{signing[:]},
		fixed(k.signing[:]), fixed(k.noise[:]), fixed(k.device[:]), &k.cert, &k.tls, moment{&k.notAfter})
	return k, ok, err
}

// certified reports whether the books issued a till's certificate: to that
// device, of that business, for that key.
func (t Tx) certified(till preauth.DeviceCert) (bool, error) {
	k, ok, err := t.deviceKey(preauth.PublicKey(till.Body.SigningKey))
	if err != nil || !ok || k.device != preauth.ID(till.Body.DeviceId) {
		return false, err
	}
	d, ok, err := t.device(k.device)
	return ok && d.Party.Business == preauth.ID(till.Body.BusinessId), err
}

// A signer is a key with the device it answers for.
type signer struct {
	key    preauth.PublicKey
	device preauth.ID
}

// signers returns who may have signed with a key of that id: one device, but
// for collisions of 8 bytes.
func (t Tx) signers(keyID [8]byte) (all []signer, err error) {
	err = t.each(`SELECT signing_key, device_id FROM device_keys WHERE key_id = ?`, []any{keyID[:]}, func(row func(...any) error) error {
		var s signer
		err := row(fixed(s.key[:]), fixed(s.device[:]))
		all = append(all, s)
		return err
	})
	return all, err
}

// certifiedUntil is when the device's last certificate ends.
func (t Tx) certifiedUntil(id preauth.ID) (until time.Time, err error) {
	_, err = t.one(`SELECT max(not_after_ms) FROM device_keys WHERE device_id = ?`, []any{id[:]}, moment{&until})
	return until, err
}
