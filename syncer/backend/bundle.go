package backend

import (
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"github.com/vipaso/vipasod/preauth"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// ErrForeign says that the keys and the database belong to different
// backends.
var ErrForeign = fmt.Errorf("keys and database do not belong together: %w", ErrDatabase)

// How much a bundle can list: 16 KiB in all, 18 bytes for a device, at most 5
// for a serial.
const (
	devicesMax = 600
	serialsMax = 900
)

// newest returns the last n of a list that is in order of revocation.
func newest[E any](all []E, n int) []E { return all[max(0, len(all)-n):] }

// serials are those a bundle has room for. Voids cost a customer nothing, so
// whoever wants a revocation forgotten could flush it out with them: revoked
// ones come first, and what room they leave goes to the newest voids. A void
// that is left out harms nobody but who could spend it still.
func (r revocations) serials() []uint64 {
	first := newest(r.revoked, serialsMax)
	return slices.Concat(first, newest(r.voided, serialsMax-len(first)))
}

// adopt makes the authority's keys known to the database, once. A root key
// other than the one the database knows is refused: no device would ever
// believe another.
func (s *Server) adopt(t Tx) error {
	root := preauth.PublicKeyOf(&s.authority.Root.PublicKey)
	known, err := t.setting("root_key")
	if err != nil {
		return err
	}
	if known == "" {
		if err := t.putSetting("root_key", hex.EncodeToString(root[:])); err != nil {
			return err
		}
	} else if known != hex.EncodeToString(root[:]) {
		return fmt.Errorf("root key %x: %w", root.KeyID(), ErrForeign)
	}
	return s.adoptIssuer(t)
}

// adoptIssuer lists the issuer key in the bundle. The first one comes with
// the first epoch, every later one with a new epoch.
func (s *Server) adoptIssuer(t Tx) error {
	public := preauth.PublicKeyOf(&s.authority.Issuer.PublicKey)
	known, err := t.issuerKeys()
	if err != nil {
		return err
	}
	for _, k := range known {
		if k.public == public {
			return nil
		}
	}
	if len(known) > 0 {
		if err := t.nextEpoch(); err != nil {
			return err
		}
	}
	epoch, err := t.epoch()
	if err != nil {
		return err
	}
	return t.putIssuerKey(issuerKey{
		public: public, notBefore: s.authority.IssuerFrom, notAfter: s.authority.IssuerUntil, epoch: epoch,
	})
}

// bundle signs the present trust bundle. Bundles of one epoch differ in
// nothing but the time: whatever changes the lists raises the epoch.
func (s *Server) bundle(t Tx, now time.Time) (preauth.TrustBundle, error) {
	keys, err := t.issuerKeys()
	if err != nil {
		return preauth.TrustBundle{}, err
	}
	epoch, err := t.epoch()
	if err != nil {
		return preauth.TrustBundle{}, err
	}
	listed, err := t.revocations()
	if err != nil {
		return preauth.TrustBundle{}, err
	}
	if len(listed.revoked) > serialsMax || len(listed.devices) > devicesMax {
		s.log.ErrorContext(t.ctx, "trust bundle is full, the oldest revocations are left out",
			"serials", len(listed.revoked), "devices", len(listed.devices))
	}
	body := &peerv1.TrustBundle{
		Epoch: epoch, ServerTimeMs: now.UnixMilli(),
		RevokedSerials: listed.serials(), RevokedDevices: newest(listed.devices, devicesMax),
	}
	for _, k := range keys {
		body.Issuers = append(body.Issuers, &peerv1.IssuerKey{
			PublicKey: k.public[:], NotBeforeMs: k.notBefore.UnixMilli(), NotAfterMs: k.notAfter.UnixMilli(),
		})
	}
	b, err := preauth.Sign(s.authority.Root, body)
	if err != nil {
		return preauth.TrustBundle{}, fmt.Errorf("sign trust bundle %d: %w", epoch, err)
	}
	return b, nil
}

// issuerEpoch is the lowest epoch a till must hold to know the issuer key.
func (s *Server) issuerEpoch(t Tx) (uint64, error) {
	public := preauth.PublicKeyOf(&s.authority.Issuer.PublicKey)
	keys, err := t.issuerKeys()
	if err != nil {
		return 0, err
	}
	for _, k := range keys {
		if k.public == public {
			return k.epoch, nil
		}
	}
	return 0, fmt.Errorf("issuer key %x: %w", public.KeyID(), ErrForeign)
}

// revoke ends a device: it signs nothing new that counts, and the next bundle
// says so of it and of what it could still spend. What it has signed is settled all the same.
func revoke(t Tx, device preauth.ID, reason string, now time.Time) error {
	d, ok, err := t.device(device)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("device %s: %w", device, ErrNotFound)
	}
	if !d.Revoked.IsZero() {
		return nil
	}
	if err := t.markRevoked(device, reason, now); err != nil {
		return err
	}
	until, err := t.certifiedUntil(device)
	if err != nil {
		return err
	}
	if err := t.revokeDevice(device, until); err != nil {
		return err
	}
	if err := t.revokeSerialsOf(device, now); err != nil {
		return err
	}
	return t.nextEpoch()
}
