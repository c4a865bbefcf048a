package backend

import (
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"slices"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
)

// ErrIssuersFull says that too many issuer keys still matter to add another.
var ErrIssuersFull = errors.New("too many issuer keys are still in use")

const (
	// IssuerOverlap is how long a new issuer key is listed before it signs:
	// afterwards no device deals by a bundle that does not list it, unless a
	// manager allows that.
	IssuerOverlap = preauth.BundleMaxAge

	// IssuerLife bounds the time in which what an issuer key has signed is
	// relied on. It outlasts every certificate it can sign.
	IssuerLife = 10 * 365 * 24 * time.Hour

	// issuersListed bounds the issuers in a bundle. An operator who needs more
	// changes keys more often than devices meet.
	issuersListed = 8
)

// SigningIssuer returns the issuer key that signs now.
func (a Admin) SigningIssuer(ctx context.Context) (public preauth.PublicKey, err error) {
	err = a.Store.Read(ctx, func(t Tx) error {
		all, err := t.issuerKeys()
		if err == nil && len(all) == 0 {
			err = fmt.Errorf("issuer key: %w", ErrNotFound)
		}
		if err != nil {
			return err
		}
		public = signing(all, a.now()).public
		return nil
	})
	return public, err
}

// RotateIssuer lists a new issuer key, which signs certificates and verdicts
// from the time that it returns, after the overlap. The one before stays
// listed until all that it has signed is past its settle_by. A running server
// notices; it must find the private key, which must be stored before.
//
// The error wraps ErrIssuersFull, or ErrInvalid if the overlap is below zero.
func (a Admin) RotateIssuer(ctx context.Context, next preauth.PublicKey, overlap time.Duration) (from time.Time, err error) {
	if overlap < 0 {
		return from, fmt.Errorf("overlap %s: %w", overlap, ErrInvalid)
	}
	err = a.Store.Write(ctx, func(t Tx) error {
		all, err := t.issuerKeys()
		if err != nil {
			return err
		}
		if n := len(listed(all)); n >= issuersListed {
			return fmt.Errorf("%d, the first of them until %s: %w", n, firstEnd(listed(all)).UTC().Format(time.DateOnly), ErrIssuersFull)
		}
		from = a.now().Add(overlap).Truncate(time.Millisecond)
		if last := all[0].notBefore; !from.After(last) {
			from = last.Add(time.Millisecond)
		}
		if err := t.nextEpoch(); err != nil {
			return err
		}
		epoch, err := t.epoch()
		if err != nil {
			return err
		}
		return t.putIssuerKey(issuerKey{public: next, notBefore: from, notAfter: from.Add(IssuerLife), epoch: epoch})
	})
	return from, err
}

// RotateRoot hands over from the present root key to next, which signs bundles
// from the time that it returns on, which is now. A running server notices; it
// must find the private key, which must be stored before. Devices follow with
// the next bundle they get, those that know one of the last
// preauth.HandoversMax root keys.
func (a Admin) RotateRoot(ctx context.Context, find func(preauth.PublicKey) (*ecdsa.PrivateKey, error), next preauth.PublicKey) (from time.Time, err error) {
	err = a.Store.Write(ctx, func(t Tx) error {
		roots, err := t.roots()
		if err != nil {
			return err
		}
		if len(roots) == 0 {
			return fmt.Errorf("root key: %w", ErrNotFound)
		}
		present, err := find(roots[len(roots)-1].public)
		if err != nil {
			return err
		}
		from = a.now().Truncate(time.Millisecond)
		handover, err := preauth.Sign(present, &peerv1.RootHandover{RootKey: next[:], TimeMs: from.UnixMilli()})
		if err != nil {
			return err
		}
		if err := t.putRoot(rootKey{public: next, handover: handover.Bytes}, from); err != nil {
			return err
		}
		return t.nextEpoch()
	})
	return from, err
}

// A Key is a public key of the backend and what it is for.
type Key struct {
	Public      preauth.PublicKey
	From, Until time.Time // Until is zero for a root key
	Signs       bool      // now
	Listed      bool      // in bundles
}

// IssuerKeys returns the issuer keys there have been, newest first.
func (a Admin) IssuerKeys(ctx context.Context) (keys []Key, err error) {
	err = a.Store.Read(ctx, func(t Tx) error {
		all, err := t.issuerKeys()
		if err != nil || len(all) == 0 {
			return err
		}
		now := signing(all, a.now()).public
		for _, k := range all {
			keys = append(keys, Key{Public: k.public, From: k.notBefore, Until: k.notAfter, Signs: k.public == now, Listed: k.listed})
		}
		return nil
	})
	return keys, err
}

// retireIssuers notes which issuer keys sign nothing any more, and takes those
// out of the bundle whose signatures matter to nobody. It reports whether a
// bundle says anything new.
func retireIssuers(t Tx, now time.Time) (changed bool, err error) {
	all, err := t.issuerKeys()
	if err != nil {
		return false, err
	}
	for i, k := range all {
		switch {
		case k.retired.IsZero() && i > 0 && !all[i-1].notBefore.After(now):
			since := all[i-1].notBefore
			until, err := endOfSigned(t, since)
			if err != nil {
				return false, err
			}
			if err := t.retireIssuer(k, since, until); err != nil {
				return false, err
			}
			changed = true
		case !k.retired.IsZero() && k.listed && k.notAfter.Before(now):
			if err := t.unlistIssuer(k); err != nil {
				return false, err
			}
			changed = true
		}
	}
	return changed, nil
}

// endOfSigned is when nothing matters any more that was signed before since:
// certificates of devices have ended, no pre-authorization can be settled, and
// no verdict can be reversed.
func endOfSigned(t Tx, since time.Time) (time.Time, error) {
	until := since.Add(certLife)
	settled, err := t.lastSettleBy(since)
	if err != nil {
		return until, err
	}
	if settled.After(until) {
		until = settled
	}
	return until.Add(ledger.Grace), nil
}

// reissuer returns what gives a recorded verdict as a device of today can
// verify it: if its issuer key is gone from the bundle, the same body, signed
// by the present one.
func (s *Server) reissuer(t Tx, now time.Time) (func([]byte) ([]byte, error), error) {
	all, err := t.issuerKeys()
	if err != nil {
		return nil, err
	}
	known := map[[8]byte]bool{}
	for _, k := range listed(all) {
		known[k.public.KeyID()] = true
	}
	return func(b []byte) ([]byte, error) {
		v, err := preauth.Open[*peerv1.Verdict](b)
		if err != nil || known[v.KeyID()] {
			return b, err
		}
		key, err := s.keys.private(signing(all, now).public)
		if err != nil {
			return nil, err
		}
		v, err = preauth.Sign(key, v.Body)
		return v.Bytes, err
	}, nil
}

// firstEnd is when the first of the keys leaves the bundle, as far as is known.
func firstEnd(all []issuerKey) time.Time {
	return slices.MinFunc(all, func(a, b issuerKey) int { return a.notAfter.Compare(b.notAfter) }).notAfter
}

// listed are the keys that bundles list.
func listed(all []issuerKey) (in []issuerKey) {
	for _, k := range all {
		if k.listed {
			in = append(in, k)
		}
	}
	return in
}
