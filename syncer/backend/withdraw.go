package backend

import (
	"context"
	"crypto/ecdsa"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/vipaso/vipasod/preauth"
)

// reasonBytes bounds why something was done.
const reasonBytes = 200

// A Withdrawal is an issuer key that was taken back, and what signs since.
type Withdrawal struct {
	Key    preauth.PublicKey
	At     time.Time
	By     string // Admin.By of who did it
	Reason string

	Signs preauth.PublicKey // now
	Made  bool              // Signs is the spare that was given
}

// WithdrawIssuer takes an issuer key back, which somebody else may have: no
// bundle lists it from now on, it signs nothing more, and enrollment tokens
// that it signed count no more. What it signed for honest devices they get
// anew, signed by the present key, when they ask next; what the books issued
// is settled whoever hands it in. If it is the key that signs, another one
// does at once: of those that wait for their time the first whose private key
// find returns, else spare, whose private key must be stored before. A running
// server notices. Doing it again changes nothing.
//
// The error wraps ErrNotFound, or ErrInvalid for a reason that is empty, too
// long or no plain text.
func (a Admin) WithdrawIssuer(ctx context.Context, find func(preauth.PublicKey) (*ecdsa.PrivateKey, error), keyID [8]byte, spare preauth.PublicKey, reason string) (w Withdrawal, err error) {
	if err := checkReason(reason); err != nil {
		return w, err
	}
	err = a.Store.Write(ctx, func(t Tx) error {
		all, err := t.issuerKeys()
		if err != nil {
			return err
		}
		i := slices.IndexFunc(all, func(k issuerKey) bool { return k.public.KeyID() == keyID })
		if i < 0 {
			return fmt.Errorf("issuer key %x: %w", keyID, ErrNotFound)
		}
		now := a.now().Truncate(time.Millisecond)
		if all[i].withdrawn.IsZero() {
			if w.Made, err = withdraw(t, all, i, withdrawal{now, a.By, reason}, find, spare); err != nil {
				return err
			}
			if all, err = t.issuerKeys(); err != nil {
				return err
			}
			i = slices.IndexFunc(all, func(k issuerKey) bool { return k.public.KeyID() == keyID })
		}
		k := all[i]
		w.Key, w.At, w.By, w.Reason = k.public, k.withdrawn, k.by, k.why
		w.Signs = signing(all, now).public
		return nil
	})
	return w, err
}

// checkReason takes what a person wrote to be kept.
func checkReason(reason string) error {
	if strings.TrimSpace(reason) == "" || len(reason) > reasonBytes || !utf8.ValidString(reason) || strings.ContainsFunc(reason, unprintable) {
		return fmt.Errorf("reason %.64q is not 1 to %d bytes of plain text: %w", reason, reasonBytes, ErrInvalid)
	}
	return nil
}

// withdraw takes the key at i back, and has another one sign if that one did.
// It reports whether that is the spare.
func withdraw(t Tx, all []issuerKey, i int, why withdrawal, find func(preauth.PublicKey) (*ecdsa.PrivateKey, error), spare preauth.PublicKey) (made bool, err error) {
	k, present := all[i], signing(all, why.at)
	if err := t.withdrawIssuer(k, why); err != nil {
		return false, err
	}
	if !k.listed {
		return false, nil // it signed no more already
	}
	if err := t.nextEpoch(); err != nil || k.public != present.public {
		return false, err
	}
	for _, next := range slices.Backward(all) { // the one whose time comes first
		if next.public == k.public || !next.waits(why.at) {
			continue
		}
		if _, err := find(next.public); err == nil { // one whose file is lost cannot sign
			return false, t.beginIssuer(next, why.at)
		}
	}
	epoch, err := t.epoch()
	if err != nil {
		return false, err
	}
	return true, t.putIssuerKey(issuerKey{public: spare, notBefore: why.at, notAfter: why.at.Add(IssuerLife), epoch: epoch})
}
