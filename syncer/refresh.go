package syncer

import (
	"bytes"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// changedMax is how many changed verdicts come with one answer. If there are
// that many, there may be more.
const changedMax = 100

// refresh asks for what changed since the bundle of that epoch, and gives it
// to the book.
func (s *Syncer) refresh(ctx context.Context, epoch uint64) error {
	for {
		more, err := s.refreshOnce(ctx, epoch)
		if !more || err != nil {
			return err
		}
	}
}

// refreshOnce makes one call. It reports whether more verdicts have changed.
func (s *Syncer) refreshOnce(ctx context.Context, epoch uint64) (more bool, err error) {
	said, err := s.book.Report(ctx)
	if err != nil {
		return false, err
	}
	req := said.request()
	req.BundleEpoch = epoch
	resp, creds, err := ask(ctx, s, callLimit, func(ctx context.Context, c backendv1.SettlementServiceClient) (*backendv1.RefreshResponse, error) {
		return c.Refresh(ctx, req)
	})
	if err != nil {
		return false, err
	}
	r, err := s.readRefresh(ctx, creds, resp)
	if err != nil {
		return false, err
	}
	if r.Trust.Epoch() < epoch {
		return false, fmt.Errorf("trust bundle %d after %d: %w", r.Trust.Epoch(), epoch, ErrAnswer)
	}
	r.Told = said.Allowances
	if r.Unjudged, err = s.rejudge(ctx, r.Trust, resp.Verdicts); err != nil {
		return false, err
	}
	more = len(resp.Verdicts) >= changedMax && r.VerdictsTo > said.VerdictsAfter
	return more, s.book.Refreshed(ctx, r)
}

func (r Report) request() *backendv1.RefreshRequest {
	req := &backendv1.RefreshRequest{VerdictsAfter: r.VerdictsAfter, JournalHead: r.JournalHead}
	for _, a := range r.Allowances {
		req.Allowances = append(req.Allowances, &backendv1.Allowance{
			Kind: a.Kind, Reason: a.Reason, By: a.By, SinceMs: a.Since.UnixMilli(), UntilMs: a.Until.UnixMilli(),
		})
	}
	return req
}

// readRefresh reads an answer, but for the changed verdicts.
func (s *Syncer) readRefresh(ctx context.Context, creds Credentials, resp *backendv1.RefreshResponse) (r Refresh, err error) {
	r = Refresh{Instruments: s.instruments(ctx, resp.Instruments), VerdictsTo: resp.VerdictsTo}
	if r.Trust, err = openTrust(creds, resp.TrustBundle); err != nil {
		return Refresh{}, err
	}
	for _, b := range resp.Voided {
		id, err := preauth.IDFrom(b)
		if err != nil {
			return Refresh{}, fmt.Errorf("voided: %w: %w", ErrAnswer, err)
		}
		r.Voided = append(r.Voided, id)
	}
	for _, b := range resp.PreauthCerts {
		c, err := r.Trust.GenuinePreauth(b)
		if err != nil { // it must not keep the bundle from the device
			s.log.WarnContext(ctx, "pre-authorization not taken anew", "error", err)
			continue
		}
		r.Preauths = append(r.Preauths, c)
	}
	r.ServerTime, err = timeOf(resp)
	return r, err
}

// rejudge has the book judge verdicts that replaced others, on payments whose
// items may long be done. It returns the claims whose payment has no edge for
// its verdict. A verdict that does not verify, or is on no claim of this
// device, must not keep the others from it.
func (s *Syncer) rejudge(ctx context.Context, trust preauth.Trust, verdicts [][]byte) (unjudged []outbox.Item, err error) {
	var requests []preauth.Hash
	for _, b := range verdicts {
		if v, err := trust.Verdict(b); err == nil {
			requests = append(requests, preauth.Hash(v.Body.RequestHash))
		}
	}
	if len(requests) == 0 {
		return nil, nil
	}
	claims, err := s.book.Claims(ctx, requests)
	if err != nil {
		return nil, fmt.Errorf("read claims: %w", err)
	}
	decisions, stray := outbox.DecideQuery(trust, claims, verdicts)
	if stray != nil {
		s.log.InfoContext(ctx, "changed verdict not used", "error", stray)
	}
	for _, d := range decisions {
		err := d.Err
		if err == nil {
			err = s.book.Judge(ctx, d.Item, d.Verdict)
		}
		switch {
		case d.Err != nil:
			s.log.WarnContext(ctx, "changed verdict not used", "payment", d.Item.Payment, "error", err)
		case errors.Is(err, payment.ErrState):
			unjudged = append(unjudged, d.Item)
		case err != nil:
			return nil, fmt.Errorf("judge request %s: %w", d.Item.Key.Request, err)
		}
	}
	return unjudged, nil
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

// Renew gets certificates for the device's keys and gives them to the book, if
// they are others than the present ones and say nothing new but limits and a
// later end.
//
// The error is one of those of ask, or the book's.
func (s *Syncer) Renew(ctx context.Context) error {
	resp, creds, err := ask(ctx, s, callLimit, func(ctx context.Context, c backendv1.SettlementServiceClient) (*backendv1.RenewResponse, error) {
		return c.Renew(ctx, &backendv1.RenewRequest{})
	})
	if err != nil {
		return err
	}
	if bytes.Equal(resp.DeviceCert, creds.DeviceCert) && len(creds.TLS.Certificate) > 0 && bytes.Equal(resp.TlsCert, creds.TLS.Certificate[0]) {
		return nil // the present ones
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
