package backend

import (
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
)

// A hold is a pre-authorization as it is stored.
type hold struct {
	id         preauth.ID
	serial     uint64
	requestID  preauth.ID
	device     preauth.ID
	instrument preauth.ID
	currency   string
	limit      int64
	guarantee  int64
	boundTo    preauth.Hash
	issued     time.Time
	spendBy    time.Time
	settleBy   time.Time
	cert       []byte
	voided     time.Time
	closed     time.Time
}

// backs reports whether c is the certificate that was issued for the hold. A
// signature that verifies is not enough: whoever has come by an issuer's key
// could name another's pre-authorization and a spender of their own.
func (h hold) backs(c preauth.PreauthCert) (bool, error) {
	issued, err := preauth.Open[*peerv1.PreauthCert](h.cert)
	return err == nil && issued.Hash == c.Hash, err
}

func (t Tx) putHold(h hold) error {
	return t.exec(`INSERT INTO preauths (id, serial, request_id, device_id, instrument_id, currency, limit_minor, guarantee,
		bound_to, issued_ms, spend_by_ms, settle_by_ms, cert) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		h.id[:], h.serial, h.requestID[:], h.device[:], h.instrument[:], h.currency, h.limit, h.guarantee,
		hashOrNull(h.boundTo), h.issued.UnixMilli(), h.spendBy.UnixMilli(), h.settleBy.UnixMilli(), h.cert)
}

const holdColumns = `id, serial, request_id, device_id, instrument_id, currency, limit_minor, guarantee, bound_to,
	issued_ms, spend_by_ms, settle_by_ms, cert, voided_ms, closed_ms`

func (t Tx) holds(where string, args ...any) (all []hold, err error) {
	err = t.each(`SELECT `+holdColumns+` FROM preauths WHERE `+where, args, func(row func(...any) error) error {
		var h hold
		err := row(fixed(h.id[:]), &h.serial, fixed(h.requestID[:]), fixed(h.device[:]), fixed(h.instrument[:]),
			&h.currency, &h.limit, &h.guarantee, fixed(h.boundTo[:]),
			moment{&h.issued}, moment{&h.spendBy}, moment{&h.settleBy}, &h.cert, moment{&h.voided}, moment{&h.closed})
		all = append(all, h)
		return err
	})
	return all, err
}

func (t Tx) hold(id preauth.ID) (hold, bool, error) { return only(t.holds(`id = ?`, id[:])) }

func (t Tx) holdByRequestID(device, request preauth.ID) (hold, bool, error) {
	return only(t.holds(`device_id = ? AND request_id = ?`, device[:], request[:]))
}

func (t Tx) holdsBoundTo(request preauth.Hash) ([]hold, error) {
	return t.holds(`bound_to = ?`, request[:])
}

// holdsEnding returns open ones whose settle_by is before now, oldest first.
func (t Tx) holdsEnding(now time.Time, most int) ([]hold, error) {
	return t.holds(`closed_ms IS NULL AND settle_by_ms < ? ORDER BY settle_by_ms LIMIT ?`, now.UnixMilli(), most)
}

// nextEnd is the earliest settle_by of an open one, zero if there is none.
func (t Tx) nextEnd() (at time.Time, err error) {
	_, err = t.one(`SELECT min(settle_by_ms) FROM preauths WHERE closed_ms IS NULL`, nil, moment{&at})
	return at, err
}

// openHolds returns the device's that are not closed.
func (t Tx) openHolds(device preauth.ID) ([]hold, error) {
	return t.holds(`device_id = ? AND closed_ms IS NULL`, device[:])
}

func only(all []hold, err error) (hold, bool, error) {
	if err != nil || len(all) == 0 {
		return hold{}, false, err
	}
	return all[0], true, nil
}

// recertify replaces a certificate by one that says the same, with another
// signature.
func (t Tx) recertify(id preauth.ID, cert []byte) error {
	return t.exec(`UPDATE preauths SET cert = ? WHERE id = ?`, cert, id[:])
}

func (t Tx) markVoided(id preauth.ID, now time.Time) error {
	return t.exec(`UPDATE preauths SET voided_ms = ? WHERE id = ?`, now.UnixMilli(), id[:])
}

func (t Tx) markClosed(id preauth.ID, now time.Time) error {
	return t.exec(`UPDATE preauths SET closed_ms = ? WHERE id = ?`, now.UnixMilli(), id[:])
}

// held is what a pre-authorization still sets aside.
func (t Tx) held(h hold) (int64, error) {
	return t.balance(ledger.Account{Kind: ledger.Held, ID: h.id}, h.currency)
}

// books returns a pre-authorization with its claims, as the ledger sees it.
func (t Tx) books(h hold) (ledger.Hold, error) {
	b := bookOf(h)
	err := t.each(`SELECT c.request_hash, r.till_id, r.business_id, c.amount + c.tip, v.paid, v.guaranteed, v.outcome, v.reason
		FROM claims c JOIN requests r ON r.hash = c.request_hash JOIN verdicts v ON v.seq = r.verdict_seq
		WHERE c.preauth_id = ? ORDER BY c.seq`, []any{h.id[:]}, func(row func(...any) error) error {
		var c ledger.Claim
		err := row(fixed(c.Request[:]), fixed(c.Till[:]), fixed(c.Business[:]), &c.Total, &c.Paid, &c.Guaranteed, &c.Outcome, &c.Reason)
		b.Claims = append(b.Claims, c)
		return err
	})
	if err != nil {
		return b, err
	}
	held, err := t.held(h)
	b.Released = h.limit - b.Paid() - held
	return b, err
}

// booksFor returns a pre-authorization as the ledger sees it when a further
// claim of a till arrives: all that is not held is gone, and one claim stands
// for all of that till before, which took of the guarantee what they did.
// There may be a thousand, and a new one changes none of them.
func (t Tx) booksFor(h hold, till preauth.ID) (ledger.Hold, error) {
	b := bookOf(h)
	held, err := t.held(h)
	b.Released = h.limit - held
	if err != nil || h.guarantee == 0 {
		return b, err
	}
	before := ledger.Claim{Till: till, Outcome: ledger.Settled}
	_, err = t.one(`SELECT coalesce(sum(v.guaranteed), 0)
		FROM claims c JOIN requests r ON r.hash = c.request_hash JOIN verdicts v ON v.seq = r.verdict_seq
		WHERE c.preauth_id = ? AND r.till_id = ?`, []any{h.id[:], till[:]}, &before.Guaranteed)
	b.Claims = []ledger.Claim{before}
	return b, err
}

// bookOf is a pre-authorization without its claims.
func bookOf(h hold) ledger.Hold {
	return ledger.Hold{
		Preauth: h.id, Instrument: h.instrument, Currency: h.currency, Limit: h.limit, Guarantee: h.guarantee,
		BoundTo: h.boundTo, SettleBy: h.settleBy, Closed: !h.closed.IsZero(),
	}
}
