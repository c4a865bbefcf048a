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
	withdrawn           time.Time // zero if it was not taken back
	by, why             string    // of the withdrawal
}

// A withdrawal is when, by whom and why an issuer key is taken back.
type withdrawal struct {
	at      time.Time
	by, why string
}

// began reports whether k has begun to sign at now, whatever became of it
// since.
func (k issuerKey) began(now time.Time) bool {
	return !k.notBefore.After(now) && (k.withdrawn.IsZero() || k.withdrawn.After(k.notBefore))
}

// waits reports whether k is to sign later than now.
func (k issuerKey) waits(now time.Time) bool { return k.withdrawn.IsZero() && k.notBefore.After(now) }

// A rootKey is a key that signs bundles until the next one does.
type rootKey struct {
	public   preauth.PublicKey
	handover []byte    // signed by the one before, nil for the first
	from     time.Time // the epoch of Unix if it is from before that was kept
}

func (t Tx) putIssuerKey(k issuerKey) error {
	return t.exec(`INSERT INTO issuer_keys (public_key, not_before_ms, not_after_ms, epoch) VALUES (?, ?, ?, ?)`,
		k.public[:], k.notBefore.UnixMilli(), k.notAfter.UnixMilli(), k.epoch)
}

// issuerKeys returns every issuer key there ever was, the newest first: of two
// that begin at once the one that was made later.
func (t Tx) issuerKeys() (all []issuerKey, err error) {
	err = t.each(`SELECT public_key, not_before_ms, not_after_ms, epoch, retired_ms, listed, withdrawn_ms, withdrawn_by, withdrawn_why
		FROM issuer_keys ORDER BY not_before_ms DESC, epoch DESC`, nil, func(row func(...any) error) error {
		var k issuerKey
		err := row(fixed(k.public[:]), moment{&k.notBefore}, moment{&k.notAfter}, &k.epoch, moment{&k.retired}, &k.listed, moment{&k.withdrawn}, &k.by, &k.why)
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
		retired_ms IS NULL AND withdrawn_ms IS NULL AND EXISTS (SELECT 1 FROM issuer_keys n WHERE
			(n.not_before_ms, n.epoch) > (k.not_before_ms, k.epoch) AND n.not_before_ms <= ?1 AND
			(n.withdrawn_ms IS NULL OR n.withdrawn_ms > n.not_before_ms)) OR
		retired_ms IS NOT NULL AND listed = 1 AND not_after_ms < ?1 LIMIT 1`, []any{now.UnixMilli()}, &n)
}

func (t Tx) unlistIssuer(k issuerKey) error {
	return t.exec(`UPDATE issuer_keys SET listed = 0 WHERE public_key = ?`, k.public[:])
}

// withdrawIssuer takes k back, and out of the bundle.
func (t Tx) withdrawIssuer(k issuerKey, w withdrawal) error {
	return t.exec(`UPDATE issuer_keys SET listed = 0, withdrawn_ms = ?, withdrawn_by = ?, withdrawn_why = ? WHERE public_key = ?`,
		w.at.UnixMilli(), w.by, w.why, k.public[:])
}

// beginIssuer has k sign from a time on that is earlier than was planned.
func (t Tx) beginIssuer(k issuerKey, from time.Time) error {
	return t.exec(`UPDATE issuer_keys SET not_before_ms = ? WHERE public_key = ?`, from.UnixMilli(), k.public[:])
}

// lastSettleBy is the end of the last pre-authorization issued before a time,
// zero if there is none.
func (t Tx) lastSettleBy(issuedBefore time.Time) (at time.Time, err error) {
	_, err = t.one(`SELECT max(settle_by_ms) FROM preauths WHERE issued_ms < ?`, []any{issuedBefore.UnixMilli()}, moment{&at})
	return at, err
}

// putRoot adds the root key that signs from k.from on.
func (t Tx) putRoot(k rootKey) error {
	return t.exec(`INSERT INTO roots (n, public_key, handover, at_ms) VALUES ((SELECT count(*) + 1 FROM roots), ?, ?, ?)`,
		k.public[:], k.handover, k.from.UnixMilli())
}

// roots returns the root keys, the one that signs last.
func (t Tx) roots() (all []rootKey, err error) {
	err = t.each(`SELECT public_key, handover, at_ms FROM roots ORDER BY n`, nil, func(row func(...any) error) error {
		var k rootKey
		err := row(fixed(k.public[:]), &k.handover, moment{&k.from})
		all = append(all, k)
		return err
	})
	return all, err
}
