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
		all, err := t.issuersInUse()
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
// listed until all that it has signed is past its settle_by. Keys that were to
// begin later are replaced: they never sign. A running server notices; it must
// find the private key, which must be stored before.
//
// The error wraps ErrIssuersFull, ErrNotFound if no server has used the books
// yet, or ErrInvalid if the overlap is below zero or lasts longer than the
// present key.
func (a Admin) RotateIssuer(ctx context.Context, next preauth.PublicKey, overlap time.Duration) (from time.Time, err error) {
	if overlap < 0 {
		return from, fmt.Errorf("an overlap of %s: it is 0s or more: %w", overlap, ErrInvalid)
	}
	err = a.Store.Write(ctx, func(t Tx) error {
		now := a.now()
		from = now.Add(overlap).Truncate(time.Millisecond)
		if err := a.replaceWaiting(t, next, from, now); err != nil {
			return err
		}
		all, err := t.issuersInUse()
		if err != nil {
			return err
		}
		if end := signing(all, now).notAfter; overlap > 0 && from.After(end) { // none is taken also when the present key has ended
			return fmt.Errorf("an overlap of %s: the present key ends before that, on %s: %w", overlap, end.UTC().Format(time.DateOnly), ErrInvalid)
		}
		if n := len(listed(all)); n >= issuersListed {
			return fmt.Errorf("%d, the first of them until %s: %w", n, firstEnd(listed(all)).UTC().Format(time.DateOnly), ErrIssuersFull)
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

// replaceWaiting takes back the keys that wait and would begin after from,
// when next does: what was made last is what signs.
func (a Admin) replaceWaiting(t Tx, next preauth.PublicKey, from, now time.Time) error {
	all, err := t.issuerKeys()
	if err != nil {
		return err
	}
	why := fmt.Sprintf("replaced before it signed, by key %x", next.KeyID())
	for _, k := range all {
		if k.waits(now) && k.notBefore.After(from) {
			if err := t.withdrawIssuer(k, withdrawal{now, a.By, why}); err != nil {
				return err
			}
		}
	}
	return nil
}

// issuersInUse returns every issuer key there ever was, the newest first. The
// error wraps ErrNotFound if there is none.
func (t Tx) issuersInUse() ([]issuerKey, error) {
	all, err := t.issuerKeys()
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("issuer key: %w", ErrNotFound)
	}
	return all, err
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
		if err := t.putRoot(rootKey{public: next, handover: handover.Bytes, from: from}); err != nil {
			return err
		}
		return t.nextEpoch()
	})
	return from, err
}

// A Key is a public key of the backend and what it is for.
type Key struct {
	Public      preauth.PublicKey
	From, Until time.Time // Until is zero for a root key; so is From if it is not known
	Signs       bool      // now
	Listed      bool      // in bundles; of a root key: devices that know it can follow

	Withdrawn  time.Time // zero if it was not taken back
	By, Reason string    // of that
}

// RootKeys returns the root keys there have been, newest first.
func (a Admin) RootKeys(ctx context.Context) (keys []Key, err error) {
	err = a.Store.Read(ctx, func(t Tx) error {
		all, err := t.roots()
		for i, k := range slices.Backward(all) {
			one := Key{Public: k.public, Signs: i == len(all)-1, Listed: len(all)-1-i <= preauth.HandoversMax}
			if k.from.UnixMilli() > 0 {
				one.From = k.from
			}
			keys = append(keys, one)
		}
		return err
	})
	return keys, err
}

// IssuerKeys returns the issuer keys there have been, newest first.
func (a Admin) IssuerKeys(ctx context.Context) (keys []Key, err error) {
	err = a.Store.Read(ctx, func(t Tx) error {
		all, err := t.issuerKeys()
		if err != nil {
			return err
		}
		now := signing(all, a.now()).public
		for _, k := range all {
			keys = append(keys, Key{
				Public: k.public, From: k.notBefore, Until: k.notAfter, Signs: k.public == now, Listed: k.listed,
				Withdrawn: k.withdrawn, By: k.by, Reason: k.why,
			})
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
	var next issuerKey // that began after the one that is looked at
	for _, k := range all {
		switch since := next.notBefore; {
		case k.retired.IsZero() && k.withdrawn.IsZero() && !since.IsZero():
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
		if k.began(now) {
			next = k
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
