package backend

import (
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// An issuerKey is a key that signs certificates and verdicts from notBefore
// until a later one does, and the epoch of the first bundle that names it.
type issuerKey struct {
	public              preauth.PublicKey
	notBefore, notAfter time.Time
	epoch               uint64
	retired             time.Time // zero while nothing signs in its place
	listed              bool
}

// A rootKey is a key that signs bundles until the next one does.
type rootKey struct {
	public   preauth.PublicKey
	handover []byte // signed by the one before, nil for the first
}

func (t Tx) putIssuerKey(k issuerKey) error {
	return t.exec(`INSERT INTO issuer_keys (public_key, not_before_ms, not_after_ms, epoch) VALUES (?, ?, ?, ?)`,
		k.public[:], k.notBefore.UnixMilli(), k.notAfter.UnixMilli(), k.epoch)
}

// issuerKeys returns every issuer key there ever was, the newest first.
func (t Tx) issuerKeys() (all []issuerKey, err error) {
	err = t.each(`SELECT public_key, not_before_ms, not_after_ms, epoch, retired_ms, listed FROM issuer_keys
		ORDER BY not_before_ms DESC, public_key`, nil, func(row func(...any) error) error {
		var k issuerKey
		err := row(fixed(k.public[:]), moment{&k.notBefore}, moment{&k.notAfter}, &k.epoch, moment{&k.retired}, &k.listed)
		all = append(all, k)
		return err
	})
	return all, err
}

// retireIssuer notes that a later key signs in place of k, and until when what
// k has signed matters.
func (t Tx) retireIssuer(k issuerKey, since, until time.Time) error {
	return t.exec(`UPDATE issuer_keys SET retired_ms = ?, not_after_ms = ? WHERE public_key = ?`,
		since.UnixMilli(), until.UnixMilli(), k.public[:])
}

// issuersOver reports whether retireIssuers would find any.
func (t Tx) issuersOver(now time.Time) (bool, error) {
	var n int
	return t.one(`SELECT 1 FROM issuer_keys k WHERE
		retired_ms IS NULL AND EXISTS (SELECT 1 FROM issuer_keys WHERE not_before_ms > k.not_before_ms AND not_before_ms <= ?1) OR
		retired_ms IS NOT NULL AND listed = 1 AND not_after_ms < ?1 LIMIT 1`, []any{now.UnixMilli()}, &n)
}

func (t Tx) unlistIssuer(k issuerKey) error {
	return t.exec(`UPDATE issuer_keys SET listed = 0 WHERE public_key = ?`, k.public[:])
}

// lastSettleBy is the end of the last pre-authorization issued before a time,
// zero if there is none.
func (t Tx) lastSettleBy(issuedBefore time.Time) (at time.Time, err error) {
	_, err = t.one(`SELECT max(settle_by_ms) FROM preauths WHERE issued_ms < ?`, []any{issuedBefore.UnixMilli()}, moment{&at})
	return at, err
}

// putRoot adds the root key that signs from now on.
func (t Tx) putRoot(k rootKey, now time.Time) error {
	return t.exec(`INSERT INTO roots (n, public_key, handover, at_ms) VALUES ((SELECT count(*) + 1 FROM roots), ?, ?, ?)`,
		k.public[:], k.handover, now.UnixMilli())
}

// roots returns the root keys, the one that signs last.
func (t Tx) roots() (all []rootKey, err error) {
	err = t.each(`SELECT public_key, handover FROM roots ORDER BY n`, nil, func(row func(...any) error) error {
		var k rootKey
		err := row(fixed(k.public[:]), &k.handover)
		all = append(all, k)
		return err
	})
	return all, err
}
