package backend

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// Enroll takes a device in: by code or token, with proof that it holds its
// signing key. The same credential and keys get the same certificates again.
func (s *Server) Enroll(ctx context.Context, r *backendv1.EnrollRequest) (*backendv1.EnrollResponse, error) {
	credential := r.GetCode() + r.GetToken() // one of them is empty
	signing, err := preauth.PublicKeyFrom(r.SigningKey)
	if err != nil {
		return nil, fmt.Errorf("signing key: %w: %w", ErrProof, err)
	}
	body := slices.Concat([]byte(credential), []byte{0}, r.SigningKey, r.NoiseKey)
	if err := preauth.VerifyMessage(signing, "enrollment", body, r.Signature); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrProof, err)
	}
	now := s.now()
	var resp *backendv1.EnrollResponse
	err = s.store.Write(ctx, func(t Tx) error {
		key, err := s.enroll(t, r, signing, now)
		if err != nil {
			return err
		}
		resp, err = s.enrolled(t, key, now)
		return err
	})
	return resp, err
}

// enroll returns the key as it is enrolled, now or before.
func (s *Server) enroll(t Tx, r *backendv1.EnrollRequest, signing preauth.PublicKey, now time.Time) (deviceKey, error) {
	credential := credentialHash(r.GetCode() + r.GetToken())
	used, ok, err := t.enrollment(credential)
	if err != nil {
		return deviceKey{}, err
	}
	if ok {
		key, err := s.again(t, r, used, signing)
		if err != nil {
			return deviceKey{}, err
		}
		return s.upToDate(t, key, now)
	}
	party, err := s.party(t, r, signing, now)
	if err != nil {
		return deviceKey{}, err
	}
	device := Device{Party: party, Created: now}
	if device.Role() != peerv1.Role(r.Role) {
		return deviceKey{}, fmt.Errorf("credential is for %s: %w", device.Role(), ErrWrongRole)
	}
	key, err := s.certify(t, device, signing, [32]byte(r.NoiseKey), now)
	if err != nil {
		return deviceKey{}, err
	}
	return key, t.putEnrollment(credential, signing, now)
}

// again answers a credential that was used before: to the same keys only.
func (s *Server) again(t Tx, r *backendv1.EnrollRequest, used, signing preauth.PublicKey) (deviceKey, error) {
	key, _, err := t.deviceKey(used)
	if err != nil {
		return deviceKey{}, err
	}
	if used != signing || key.noise != [32]byte(r.NoiseKey) {
		return deviceKey{}, fmt.Errorf("used with other keys: %w", ErrCodeInvalid)
	}
	device, _, err := t.device(key.device)
	if err != nil {
		return deviceKey{}, err
	}
	if !device.Revoked.IsZero() {
		return deviceKey{}, fmt.Errorf("device %s: %w", device.ID, ErrDeviceRevoked)
	}
	if device.Role() != peerv1.Role(r.Role) {
		return deviceKey{}, fmt.Errorf("device %s is %s: %w", device.ID, device.Role(), ErrWrongRole)
	}
	return key, nil
}

// upToDate is the key with a certificate that today's bundle leads to.
func (s *Server) upToDate(t Tx, key deviceKey, now time.Time) (deviceKey, error) {
	issued, err := s.reissuer(t, now)
	if err != nil {
		return deviceKey{}, err
	}
	if gone, err := issued.disowns(key.cert); err != nil || !gone {
		return key, err
	}
	device, _, err := t.device(key.device)
	if err != nil {
		return deviceKey{}, err
	}
	return s.sign(t, device, key.signing, key.noise, now)
}

// party finds out for whom the credential was made.
func (s *Server) party(t Tx, r *backendv1.EnrollRequest, signing preauth.PublicKey, now time.Time) (Party, error) {
	if r.GetToken() == "" {
		c, ok, err := t.enrollCode(credentialHash(r.GetCode()))
		if err != nil {
			return Party{}, err
		}
		if !ok || now.After(c.expires) {
			return Party{}, fmt.Errorf("unknown or expired: %w", ErrCodeInvalid)
		}
		return c.party, nil
	}
	keys, err := t.issuerKeys()
	if err != nil {
		return Party{}, err
	}
	keys = slices.DeleteFunc(keys, func(k issuerKey) bool { return !k.withdrawn.IsZero() })
	party, until, err := readToken(r.GetToken(), keys, signing)
	if err != nil {
		return Party{}, err
	}
	if now.After(until) {
		return Party{}, fmt.Errorf("token expired: %w", ErrCodeInvalid)
	}
	return party, partyExists(t, party)
}

// certify makes a device and its certificates. A key that is known already
// keeps its device if the party is the same, which is how a device comes back
// after it has logged out.
func (s *Server) certify(t Tx, d Device, signing preauth.PublicKey, noise [32]byte, now time.Time) (deviceKey, error) {
	known, ok, err := t.deviceKey(signing)
	if err != nil {
		return deviceKey{}, err
	}
	if ok {
		old, _, err := t.device(known.device)
		if err != nil {
			return deviceKey{}, err
		}
		if old.Party != d.Party || !old.Revoked.IsZero() {
			return deviceKey{}, fmt.Errorf("key %x: %w", signing.KeyID(), ErrKeyInUse)
		}
		d = old
	} else {
		if d.ID, err = s.newID(); err != nil {
			return deviceKey{}, fmt.Errorf("device id: %w", err)
		}
		if err := t.putDevice(d); err != nil {
			return deviceKey{}, err
		}
		s.log.InfoContext(t.ctx, "device enrolled", "device", d.ID, "role", d.Role())
	}
	return s.sign(t, d, signing, noise, now)
}

// sign makes fresh certificates for a device and a key.
func (s *Server) sign(t Tx, d Device, signing preauth.PublicKey, noise [32]byte, now time.Time) (deviceKey, error) {
	notBefore, until := now.Add(-backdate), now.Add(certLife)
	body := &peerv1.DeviceCert{
		DeviceId: d.ID[:], Role: d.Role(), SigningKey: signing[:], NoiseKey: noise[:],
		NotBeforeMs: notBefore.UnixMilli(), NotAfterMs: until.UnixMilli(),
	}
	if d.Role() == peerv1.Role_ROLE_BUSINESS {
		b, _, err := t.business(d.Party.Business)
		if err != nil {
			return deviceKey{}, err
		}
		body.BusinessId, body.DisplayName, body.Mcc = b.ID[:], b.Name, b.MCC
	}
	if err := putLimits(t, body); err != nil {
		return deviceKey{}, err
	}
	key, _, err := s.issuer(t, now)
	if err != nil {
		return deviceKey{}, err
	}
	cert, err := preauth.Sign(key, body)
	if err != nil {
		return deviceKey{}, fmt.Errorf("device %s: %w", d.ID, err)
	}
	tls, err := s.authority.deviceTLS(signing, d.ID, notBefore, until)
	if err != nil {
		return deviceKey{}, err
	}
	k := deviceKey{signing: signing, noise: noise, device: d.ID, cert: cert.Bytes, tls: tls, notAfter: until}
	return k, t.putDeviceKey(k)
}

func (s *Server) enrolled(t Tx, k deviceKey, now time.Time) (*backendv1.EnrollResponse, error) {
	b, err := s.bundle(t, now)
	if err != nil {
		return nil, err
	}
	d, _, err := t.device(k.device)
	if err != nil {
		return nil, err
	}
	instruments, err := instrumentsOf(t, d)
	if err != nil {
		return nil, err
	}
	key, _, err := s.root(t)
	if err != nil {
		return nil, err
	}
	root := preauth.PublicKeyOf(&key.PublicKey)
	return &backendv1.EnrollResponse{
		DeviceCert: k.cert, TlsCert: k.tls, RootKey: root[:], TrustBundle: b.Bytes,
		Time: s.signedTime(now), Instruments: instruments,
	}, nil
}

func instrumentsOf(t Tx, d Device) ([]*backendv1.Instrument, error) {
	if d.Party.Customer.Zero() {
		return nil, nil
	}
	all, err := t.instruments(d.Party.Customer)
	if err != nil {
		return nil, err
	}
	messages := make([]*backendv1.Instrument, len(all))
	for i, in := range all {
		messages[i] = in.message(d.Party.Customer)
	}
	return messages, nil
}

func partyExists(t Tx, p Party) error {
	if !p.Business.Zero() {
		if _, ok, err := t.business(p.Business); err != nil || ok {
			return err
		}
		return fmt.Errorf("business %s: %w", p.Business, ErrNotFound)
	}
	if ok, err := t.customerExists(p.Customer); err != nil || ok {
		return err
	}
	return fmt.Errorf("customer %s: %w", p.Customer, ErrNotFound)
}

// credentialHash is what is stored of a code or token.
func credentialHash(credential string) [32]byte { return sha256.Sum256([]byte(credential)) }
