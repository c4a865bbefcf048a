package syncer

import (
	"context"
	"crypto/x509"
	"fmt"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// refresh asks for what changed since the bundle of that epoch, and gives it
// to the book.
func (s *Syncer) refresh(ctx context.Context, epoch uint64) error {
	resp, creds, err := ask(ctx, s, callLimit, func(ctx context.Context, c backendv1.SettlementServiceClient) (*backendv1.RefreshResponse, error) {
		return c.Refresh(ctx, &backendv1.RefreshRequest{BundleEpoch: epoch})
	})
	if err != nil {
		return err
	}
	r := Refresh{Instruments: s.instruments(ctx, resp.Instruments)}
	if r.Trust, err = openTrust(creds, resp.TrustBundle); err != nil {
		return err
	}
	if r.Trust.Epoch() < epoch {
		return fmt.Errorf("trust bundle %d after %d: %w", r.Trust.Epoch(), epoch, ErrAnswer)
	}
	for _, b := range resp.Voided {
		id, err := preauth.IDFrom(b)
		if err != nil {
			return fmt.Errorf("voided: %w: %w", ErrAnswer, err)
		}
		r.Voided = append(r.Voided, id)
	}
	return s.book.Refreshed(ctx, r)
}

// instruments drops those of a type that this version does not know: the
// others must stay usable.
func (s *Syncer) instruments(ctx context.Context, in []*backendv1.Instrument) []Instrument {
	all := make([]Instrument, 0, len(in))
	for _, one := range in {
		i, err := readInstrument(one)
		if err != nil {
			s.log.WarnContext(ctx, "instrument left out", "error", err)
			continue
		}
		all = append(all, i)
	}
	return all
}

// Renew gets fresh certificates for the device's keys and gives them to the
// book, if they say nothing new but a later end.
//
// The error is one of those of ask, or the book's.
func (s *Syncer) Renew(ctx context.Context) error {
	resp, creds, err := ask(ctx, s, callLimit, func(ctx context.Context, c backendv1.SettlementServiceClient) (*backendv1.RenewResponse, error) {
		return c.Renew(ctx, &backendv1.RenewRequest{})
	})
	if err != nil {
		return err
	}
	if err := renews(creds, resp.DeviceCert, resp.TlsCert); err != nil {
		return err
	}
	return s.book.Renewed(ctx, resp.DeviceCert, resp.TlsCert)
}

// renews checks that the certificates are of the same device and keys. Their
// dates are the backend's business.
func renews(creds Credentials, deviceCert, tlsCert []byte) error {
	cert, err := creds.Trust.GenuineDevice(deviceCert)
	if err != nil {
		return fmt.Errorf("device certificate: %w: %w", ErrAnswer, err)
	}
	own, err := ownKey(creds)
	if err != nil {
		return err
	}
	if preauth.PublicKey(cert.Body.SigningKey) != own {
		return fmt.Errorf("device certificate of another key: %w", ErrAnswer)
	}
	if len(creds.DeviceCert) > 0 {
		old, err := preauth.Open[*peerv1.DeviceCert](creds.DeviceCert)
		if err != nil {
			return err
		}
		if !sameDevice(old.Body, cert.Body) {
			return fmt.Errorf("device certificate of another device, role or key: %w", ErrAnswer)
		}
	}
	return shows(tlsCert, creds.CA, cert.Body, own)
}

func sameDevice(a, b *peerv1.DeviceCert) bool {
	return string(a.DeviceId) == string(b.DeviceId) && a.Role == b.Role &&
		string(a.SigningKey) == string(b.SigningKey) && string(a.NoiseKey) == string(b.NoiseKey)
}

// shows checks an X.509 certificate: from the CA, for the device's key, with
// the device's id as a URI, for clients.
func shows(der, ca []byte, device *peerv1.DeviceCert, own preauth.PublicKey) error {
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		return fmt.Errorf("TLS certificate: %w: %w", ErrAnswer, err)
	}
	roots, err := pool(ca)
	if err != nil {
		return err
	}
	_, err = leaf.Verify(x509.VerifyOptions{
		Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
		CurrentTime: leaf.NotBefore.Add(time.Second),
	})
	if err != nil {
		return fmt.Errorf("TLS certificate: %w: %w", ErrAnswer, err)
	}
	if publicKey(leaf) != own {
		return fmt.Errorf("TLS certificate of another key: %w", ErrAnswer)
	}
	want := "urn:uuid:" + preauth.ID(device.DeviceId).String()
	for _, u := range leaf.URIs {
		if u.String() == want {
			return nil
		}
	}
	return fmt.Errorf("TLS certificate does not name %s: %w", want, ErrAnswer)
}
