package backend

import (
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// Kinds of evidence and of remarks, by their stored text.
const (
	sameCounter   = preauth.SameCounter
	overLimit     = preauth.OverLimit
	chainBroken   = "CHAIN_BROKEN"
	claimConflict = "CLAIM_CONFLICT"
	dispute       = "DISPUTE"
)

// A seenVoucher is a voucher that the backend has been shown.
type seenVoucher struct {
	hash    preauth.Hash
	preauth preauth.ID
	counter uint32
	prev    preauth.Hash
	request preauth.Hash
	bytes   []byte
}

// putVoucher keeps a voucher. It reports false if it was kept before.
func (t Tx) putVoucher(v seenVoucher) (bool, error) {
	var counter uint32
	return t.one(`INSERT INTO vouchers (hash, preauth_id, counter, prev_hash, request_hash, bytes) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING RETURNING counter`,
		[]any{v.hash[:], v.preauth[:], v.counter, v.prev[:], v.request[:], v.bytes}, &counter)
}

// promisedAtMost returns a sum that the totals of a pre-authorization's other
// vouchers, in minor units, do not exceed. A total that is not at hand, or is
// above most, counts as one more than most. It looks into no voucher, of which
// there may be a thousand.
func (t Tx) promisedAtMost(pre preauth.ID, except preauth.Hash, most int64) (sum int64, err error) {
	_, err = t.one(`SELECT coalesce(sum(CASE WHEN r.voucher_hash IS v.hash THEN min(r.total, ?) ELSE ? END), 0)
		FROM vouchers v LEFT JOIN requests r ON r.hash = v.request_hash WHERE v.preauth_id = ? AND v.hash <> ?`,
		[]any{most + 1, most + 1, pre[:], except[:]}, &sum)
	return sum, err
}

// vouchersAt returns the vouchers of a pre-authorization with one counter.
func (t Tx) vouchersAt(pre preauth.ID, counter uint32) ([]seenVoucher, error) {
	return t.vouchers(`preauth_id = ? AND counter = ? ORDER BY hash`, pre[:], counter)
}

// uncancelled returns the vouchers of a pre-authorization whose request has no
// Cancel of its own till, by counter.
func (t Tx) uncancelled(pre preauth.ID) ([]seenVoucher, error) {
	return t.vouchers(`preauth_id = ? AND NOT EXISTS (
		SELECT 1 FROM requests r JOIN cancels c ON c.request_hash = r.hash AND c.signer_id = r.till_id
		WHERE r.hash = vouchers.request_hash) ORDER BY counter`, pre[:])
}

func (t Tx) vouchers(where string, args ...any) (all []seenVoucher, err error) {
	err = t.each(`SELECT hash, preauth_id, counter, prev_hash, request_hash, bytes FROM vouchers
		WHERE `+where, args, func(row func(...any) error) error {
		var v seenVoucher
		err := row(fixed(v.hash[:]), fixed(v.preauth[:]), &v.counter, fixed(v.prev[:]), fixed(v.request[:]), &v.bytes)
		all = append(all, v)
		return err
	})
	return all, err
}

// proven reports whether there is evidence of that kind.
func (t Tx) proven(pre preauth.ID, kind string) (bool, error) {
	var n int
	return t.one(`SELECT 1 FROM evidence WHERE preauth_id = ? AND kind = ? LIMIT 1`, []any{pre[:], kind}, &n)
}

// putEvidence keeps signed objects that prove a double spend. It reports
// false if that very thing has been proven before.
func (t Tx) putEvidence(kind string, pre preauth.ID, counter uint32, device preauth.ID, objects [][]byte, now time.Time) (bool, error) {
	var seq int64
	ok, err := t.one(`INSERT INTO evidence (kind, preauth_id, counter, device_id, at_ms) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING RETURNING seq`, []any{kind, pre[:], counter, device[:], now.UnixMilli()}, &seq)
	if err != nil || !ok {
		return false, err
	}
	for i, b := range objects {
		if err := t.exec(`INSERT INTO evidence_objects (evidence_seq, position, bytes) VALUES (?, ?, ?)`, seq, i, b); err != nil {
			return false, err
		}
	}
	return true, nil
}

// remark keeps a signed object that a person should look at.
func (t Tx) remark(kind string, request, object preauth.Hash, b []byte, now time.Time) error {
	return t.exec(`INSERT INTO remarks (kind, request_hash, object_hash, bytes, at_ms) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, kind, request[:], object[:], b, now.UnixMilli())
}

// remarkOnce is remark for what needs no second object.
func (t Tx) remarkOnce(kind string, request, object preauth.Hash, b []byte, now time.Time) error {
	var n int
	if ok, err := t.one(`SELECT 1 FROM remarks WHERE request_hash = ? AND kind = ?`, []any{request[:], kind}, &n); ok || err != nil {
		return err
	}
	return t.remark(kind, request, object, b, now)
}
