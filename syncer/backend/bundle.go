package backend

import (
	"fmt"
	"slices"
	"time"

	"github.com/vipaso/vipasod/preauth"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// How much a bundle can list: 16 KiB in all, 18 bytes for a device, at most 5
// for a serial, 180 for an issuer, 125 for a handover.
const (
	devicesMax = 540
	serialsMax = 750
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
	revoked, err := t.revocations()
	if err != nil {
		return preauth.TrustBundle{}, err
	}
	if len(revoked.revoked) > serialsMax || len(revoked.devices) > devicesMax {
		s.log.ErrorContext(t.ctx, "trust bundle is full, the oldest revocations are left out",
			"serials", len(revoked.revoked), "devices", len(revoked.devices))
	}
	root, handovers, err := s.root(t)
	if err != nil {
		return preauth.TrustBundle{}, err
	}
	body := &peerv1.TrustBundle{
		Epoch: epoch, ServerTimeMs: now.UnixMilli(), Handovers: handovers,
		RevokedSerials: revoked.serials(), RevokedDevices: newest(revoked.devices, devicesMax),
	}
	if s.authority.Sealing != nil {
		body.SealingKey = s.authority.Sealing.PublicKey().Bytes()
	}
	for _, k := range listed(keys) {
		c, err := preauth.Sign(root, k.message())
		if err != nil {
			return preauth.TrustBundle{}, fmt.Errorf("sign issuer key %x: %w", k.public.KeyID(), err)
		}
		body.Issuers, body.IssuerCerts = append(body.Issuers, c.Body), append(body.IssuerCerts, c.Bytes)
	}
	b, err := preauth.Sign(root, body)
	if err != nil {
		return preauth.TrustBundle{}, fmt.Errorf("sign trust bundle %d: %w", epoch, err)
	}
	return b, nil
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
