package backend

import (
	"time"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
)

// A request is a till's Request as it is stored.
type request struct {
	hash      preauth.Hash
	payment   preauth.ID
	till      preauth.ID
	business  preauth.ID
	currency  string
	total     int64
	voucher   preauth.Hash // H(Voucher) or H(Charge), zero while none is known
	bytes     []byte
	received  time.Time
	cancelled time.Time // a valid Cancel counts since
	verdict   int64     // sequence number of the newest, 0 if none
}

func (t Tx) putRequest(r request) error {
	return t.exec(`INSERT INTO requests (hash, payment_id, till_id, business_id, currency, total, bytes, received_ms)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		r.hash[:], r.payment[:], r.till[:], r.business[:], r.currency, r.total, r.bytes, r.received.UnixMilli())
}

const requestColumns = `hash, payment_id, till_id, business_id, currency, total, voucher_hash, bytes, received_ms,
	cancelled_ms, coalesce(verdict_seq, 0)`

func (t Tx) requests(where string, args ...any) (all []request, err error) {
	err = t.each(`SELECT `+requestColumns+` FROM requests WHERE `+where, args, func(row func(...any) error) error {
		var r request
		err := row(fixed(r.hash[:]), fixed(r.payment[:]), fixed(r.till[:]), fixed(r.business[:]), &r.currency, &r.total,
			fixed(r.voucher[:]), &r.bytes, moment{&r.received}, moment{&r.cancelled}, &r.verdict)
		all = append(all, r)
		return err
	})
	return all, err
}

func (t Tx) request(hash preauth.Hash) (request, bool, error) {
	all, err := t.requests(`hash = ?`, hash[:])
	if err != nil || len(all) == 0 {
		return request{}, false, err
	}
	return all[0], true, nil
}

// requestsOf returns all requests of a payment id, oldest first.
func (t Tx) requestsOf(payment preauth.ID) ([]request, error) {
	return t.requests(`payment_id = ? ORDER BY received_ms, hash`, payment[:])
}

func (t Tx) markCancelled(hash preauth.Hash, now time.Time) error {
	return t.exec(`UPDATE requests SET cancelled_ms = ? WHERE hash = ?`, now.UnixMilli(), hash[:])
}

// promise records which voucher or charge answers a request, and its total.
func (t Tx) promise(hash, voucher preauth.Hash, total int64) error {
	return t.exec(`UPDATE requests SET voucher_hash = ?, total = ? WHERE hash = ?`, voucher[:], total, hash[:])
}

// A claim is a voucher or a charge with the till's receipt. Either preauth or
// instrument is zero.
type claim struct {
	request    preauth.Hash
	seq        int64
	voucher    preauth.Hash
	customer   preauth.ID
	preauth    preauth.ID
	instrument preauth.ID
	amount     int64
	tip        int64
	bytes      []byte
	receipt    []byte
	received   time.Time
}

func (t Tx) putClaim(c claim) error {
	return t.exec(`INSERT INTO claims (request_hash, seq, voucher_hash, customer_id, preauth_id, instrument_id, amount, tip,
		bytes, receipt, received_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		c.request[:], c.seq, c.voucher[:], c.customer[:], orNull(c.preauth), orNull(c.instrument), c.amount, c.tip,
		c.bytes, c.receipt, c.received.UnixMilli())
}

const claimColumns = `request_hash, seq, voucher_hash, customer_id, preauth_id, instrument_id, amount, tip, bytes, receipt, received_ms`

func (t Tx) claims(where string, args ...any) (all []claim, err error) {
	err = t.each(`SELECT `+claimColumns+` FROM claims WHERE `+where, args, func(row func(...any) error) error {
		var c claim
		err := row(fixed(c.request[:]), &c.seq, fixed(c.voucher[:]), fixed(c.customer[:]), fixed(c.preauth[:]),
			fixed(c.instrument[:]), &c.amount, &c.tip, &c.bytes, &c.receipt, moment{&c.received})
		all = append(all, c)
		return err
	})
	return all, err
}

func (t Tx) claim(request preauth.Hash) (claim, bool, error) {
	all, err := t.claims(`request_hash = ?`, request[:])
	if err != nil || len(all) == 0 {
		return claim{}, false, err
	}
	return all[0], true, nil
}

// A verdict is one word of the backend on a request.
type verdict struct {
	request    preauth.Hash
	outcome    ledger.Outcome
	reason     string
	voucher    preauth.Hash
	paid       int64
	guaranteed int64
	shortfall  int64
	bytes      []byte
	at         time.Time
}

// same reports whether two verdicts say the same, whenever they were signed.
func (v verdict) same(w verdict) bool {
	return v.outcome == w.outcome && v.reason == w.reason && v.voucher == w.voucher &&
		v.paid == w.paid && v.guaranteed == w.guaranteed && v.shortfall == w.shortfall
}

// putVerdict appends a verdict, which then stands, and returns its number: the
// next, unless an older copy was accepted since the last.
func (t Tx) putVerdict(v verdict) (int64, error) {
	seq, err := t.insert(`INSERT INTO verdicts (seq, request_hash, outcome, reason, voucher_hash, paid, guaranteed, shortfall, bytes, at_ms)
		VALUES ((SELECT max(first_verdict) FROM copies WHERE first_verdict > (SELECT coalesce(max(seq), 0) FROM verdicts)), ?, ?, ?, ?, ?, ?, ?, ?, ?)`, v.request[:], v.outcome, v.reason, hashOrNull(v.voucher),
		v.paid, v.guaranteed, v.shortfall, v.bytes, v.at.UnixMilli())
	if err != nil {
		return 0, err
	}
	return seq, t.exec(`UPDATE requests SET verdict_seq = ? WHERE hash = ?`, seq, v.request[:])
}

// verdict returns the one with that number.
func (t Tx) verdict(seq int64) (v verdict, ok bool, err error) {
	ok, err = t.one(`SELECT request_hash, outcome, reason, voucher_hash, paid, guaranteed, shortfall, bytes, at_ms
		FROM verdicts WHERE seq = ?`, []any{seq}, fixed(v.request[:]), &v.outcome, &v.reason, fixed(v.voucher[:]),
		&v.paid, &v.guaranteed, &v.shortfall, &v.bytes, moment{&v.at})
	return v, ok, err
}

// putCancel keeps a Cancel with its signer. A second one says nothing new.
func (t Tx) putCancel(request preauth.Hash, by preauth.ID, reason string, b []byte, now time.Time) error {
	return t.exec(`INSERT INTO cancels (request_hash, signer_id, reason, bytes, received_ms) VALUES (?, ?, ?, ?, ?)
		ON CONFLICT DO NOTHING`, request[:], by[:], reason, b, now.UnixMilli())
}

// cancelBy reports whether a Cancel of a request by that device is kept.
func (t Tx) cancelBy(request preauth.Hash, by preauth.ID) (bool, error) {
	var n int
	return t.one(`SELECT 1 FROM cancels WHERE request_hash = ? AND signer_id = ?`, []any{request[:], by[:]}, &n)
}

// openWindow registers a payment.
func (t Tx) openWindow(device, payment preauth.ID, until time.Time) error {
	return t.exec(`INSERT INTO payment_windows (device_id, payment_id, until_ms) VALUES (?, ?, ?)`,
		device[:], payment[:], until.UnixMilli())
}

func (t Tx) window(device, payment preauth.ID) (until time.Time, ok bool, err error) {
	ok, err = t.one(`SELECT until_ms FROM payment_windows WHERE device_id = ? AND payment_id = ?`,
		[]any{device[:], payment[:]}, moment{&until})
	return until, ok, err
}

// registered reports whether any till opened the payment.
func (t Tx) registered(payment preauth.ID) (bool, error) {
	var n int
	return t.one(`SELECT 1 FROM payment_windows WHERE payment_id = ? LIMIT 1`, []any{payment[:]}, &n)
}
