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

func (t Tx) putVoucher(v seenVoucher) error {
	return t.exec(`INSERT INTO vouchers (hash, preauth_id, counter, prev_hash, request_hash, bytes) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, v.hash[:], v.preauth[:], v.counter, v.prev[:], v.request[:], v.bytes)
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
