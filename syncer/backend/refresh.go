package backend

import (
	"context"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// renewBefore is how long before its end a certificate is replaced. Earlier
// calls of Renew get the present one again, unless the limits have changed or
// its issuer key was withdrawn.
const renewBefore = certLife / 2

// Renew gives fresh certificates for the caller's keys, also to a device
// whose certificate has expired, or whose issuer key bundles list no more.
func (s *Server) Renew(ctx context.Context, _ *backendv1.RenewRequest) (*backendv1.RenewResponse, error) {
	c, now := from(ctx), s.now()
	key := c.key
	var changed bool
	if err := s.store.Read(ctx, func(t Tx) (err error) {
		if changed, err = outdated(t, key.cert); changed || err != nil {
			return err
		}
		issued, err := s.reissuer(t, now)
		if err != nil {
			return err
		}
		changed, err = issued.disowns(key.cert)
		return err
	}); err != nil {
		return nil, err
	}
	if changed || key.notAfter.Sub(now) < renewBefore {
		err := s.store.Write(ctx, func(t Tx) (err error) {
			if err := t.sound(c); err != nil {
				return err
			}
			key, err = s.sign(t, c.device, c.key.signing, c.key.noise, now)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return &backendv1.RenewResponse{DeviceCert: key.cert, TlsCert: key.tls, Time: s.signedTime(now)}, nil
}

// Refresh gives the trust bundle, signed afresh, the instruments, the time,
// the verdicts that have changed since the device last asked, and certificates
// whose issuer key that bundle does not list, signed by the present one.
func (s *Server) Refresh(ctx context.Context, r *backendv1.RefreshRequest) (*backendv1.RefreshResponse, error) {
	c, now := from(ctx), s.now()
	if err := s.keepHead(ctx, c, r.JournalHead, now); err != nil {
		return nil, err
	}
	resp := &backendv1.RefreshResponse{Time: s.signedTime(now)}
	if len(r.Allowances) > 0 {
		if err := s.store.Write(ctx, func(t Tx) error { return t.putAllowances(c.device.ID, r.Allowances, now) }); err != nil {
			return nil, err
		}
	}
	var outdated []hold
	err := s.store.Read(ctx, func(t Tx) error {
		b, err := s.bundle(t, now)
		if err != nil {
			return err
		}
		resp.TrustBundle = b.Bytes
		if resp.Instruments, err = instrumentsOf(t, c.device); err != nil {
			return err
		}
		if resp.Verdicts, resp.VerdictsTo, err = t.noticesOf(c.device.ID, r.VerdictsAfter); err != nil {
			return err
		}
		issued, err := s.reissuer(t, now)
		if err != nil {
			return err
		}
		for i, v := range resp.Verdicts {
			if resp.Verdicts[i], err = reissued[*peerv1.Verdict](issued, v); err != nil {
				return err
			}
		}
		holds, err := t.openHolds(c.device.ID)
		if err != nil {
			return err
		}
		if resp.PreauthCerts, outdated, err = issued.preauths(holds, now); err != nil {
			return err
		}
		for _, h := range holds {
			if !h.voided.IsZero() {
				resp.Voided = append(resp.Voided, h.id[:])
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	anew, err := s.certifyAnew(ctx, outdated, now)
	if err != nil {
		return nil, err
	}
	resp.PreauthCerts = append(resp.PreauthCerts, anew...)
	return resp, nil
}

// RegisterPayment opens the minutes in which a Charge for a payment is taken.
// Asking again does not make them longer.
//
// The error wraps ErrLimitRate if the till has registered too many today.
func (s *Server) RegisterPayment(ctx context.Context, r *backendv1.RegisterPaymentRequest) (*backendv1.RegisterPaymentResponse, error) {
	c, now := from(ctx), s.now()
	if err := wantBusiness(c); err != nil {
		return nil, err
	}
	var until time.Time
	err := s.store.Write(ctx, func(t Tx) (err error) {
		if err := t.sound(c); err != nil {
			return err
		}
		id := preauth.ID(r.PaymentId)
		var known bool
		if until, known, err = t.window(c.device.ID, id); known || err != nil {
			return err
		}
		if err := t.use(registration, c.device.ID, now); err != nil {
			return err
		}
		if err := t.dropRegistrations(c.device.ID, now); err != nil {
			return err
		}
		until = now.Add(chargeTime)
		return t.openWindow(c.device.ID, id, until)
	})
	if err != nil {
		return nil, err
	}
	return &backendv1.RegisterPaymentResponse{ChargeUntilMs: until.UnixMilli(), Time: s.signedTime(now)}, nil
}
