package backend

import (
	"errors"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
)

// settleVoucher notes a voucher and, if the till's receipt is with it, claims
// it. The Cancels it repeats count first: they may free what it draws on, and
// without them its signer could look like one who spends twice.
func (s *Server) settleVoucher(t Tx, it handed, at time.Time) (string, error) {
	h, ok, err := t.hold(preauth.ID(it.cert.Body.PreauthId))
	if err != nil {
		return "", err
	}
	if !ok {
		return reasonPreauth, nil
	}
	if genuine, err := h.backs(it.cert); !genuine || err != nil {
		return reasonPreauth, err
	}
	kept, err := t.keeps(it)
	if err != nil {
		return "", err
	}
	if kept {
		if err := s.consider(t, h, it, at); err != nil {
			return "", err
		}
	}
	r, _, err := t.request(it.request.Hash)
	if err != nil {
		return "", err
	}
	total := it.voucher.Body.Amount + it.voucher.Body.Tip
	if it.receipt.Zero() {
		return "", s.promised(t, r, it.voucher.Hash, total, at)
	}
	if done, reason, err := s.claimed(t, r, it, at); done || err != nil {
		return reason, err
	}
	device, _, err := t.device(h.device)
	if err != nil {
		return "", err
	}
	return "", s.claimVoucher(t, r, h, it, device.Party.Customer, at)
}

// consider keeps a voucher and what it says of others. The Cancels it repeats
// count before it is held against the limit. One that comes again adds nothing
// to what was signed.
func (s *Server) consider(t Tx, h hold, it handed, at time.Time) error {
	fresh, err := s.note(t, h, it, at)
	if err != nil {
		return err
	}
	if err := s.release(t, it.released, at); err != nil || !fresh {
		return err
	}
	return s.provenOver(t, h, it.voucher, at)
}

// claimed reports whether a request has been claimed before. With the same
// voucher, the recorded verdict is the answer. With another one, the till has
// given two receipts for one Request: the first stands, the second is kept
// for people.
func (s *Server) claimed(t Tx, r request, it handed, at time.Time) (done bool, reason string, err error) {
	c, ok, err := t.claim(r.hash)
	if err != nil || !ok {
		return false, "", err
	}
	promise, _ := it.promise()
	if c.voucher == promise {
		return true, "", nil
	}
	b := it.voucher.Bytes
	if it.voucher.Zero() {
		b = it.charge.Bytes
	}
	return true, reasonConflict, t.remarkOnce(claimConflict, r.hash, promise, b, at)
}

// promised records which voucher or charge answers a cancelled request, so
// that its verdict and the totals speak of the same sum on both sides.
func (s *Server) promised(t Tx, r request, voucher preauth.Hash, total int64, at time.Time) error {
	if !r.voucher.Zero() {
		return nil
	}
	if err := t.promise(r.hash, voucher, total); err != nil {
		return err
	}
	if r.cancelled.IsZero() { // disputed
		return nil
	}
	return s.judge(t, r.hash, verdict{outcome: ledger.Cancelled}, at)
}

func (s *Server) claimVoucher(t Tx, r request, h hold, it handed, customer preauth.ID, at time.Time) error {
	if err := s.closeDue(t, &h, at); err != nil {
		return err
	}
	before, err := t.booksFor(h, r.till)
	if err != nil {
		return err
	}
	v := it.voucher.Body
	c := ledger.Claim{Request: r.hash, Till: r.till, Business: r.business, Total: v.Amount + v.Tip}
	if reason := refuseVoucher(it); reason != "" {
		c.Outcome, c.Reason = ledger.Rejected, reason
	}
	if !r.cancelled.IsZero() {
		c.Outcome = ledger.Cancelled
	}
	result, err := before.Claim(c, at)
	if err != nil {
		return err
	}
	err = s.record(t, r, claim{
		voucher: it.voucher.Hash, customer: customer, preauth: h.id,
		amount: v.Amount, tip: v.Tip, bytes: it.voucher.Bytes, receipt: it.receipt.Bytes,
	}, at)
	if err != nil {
		return err
	}
	return s.apply(t, h, before, result, at)
}

// record gives a claim its place in the order of arrival.
func (s *Server) record(t Tx, r request, c claim, at time.Time) (err error) {
	c.request, c.received = r.hash, at
	if c.seq, err = t.arrive("CLAIM", r.hash, c.preauth, at); err != nil {
		return err
	}
	if err := t.putClaim(c); err != nil {
		return err
	}
	// A customer that never heard of the one made for this request has paid
	// otherwise.
	if err := s.unbind(t, r.hash, c.preauth, at); err != nil {
		return err
	}
	return t.promise(r.hash, c.voucher, c.amount+c.tip)
}

// apply writes down what the ledger decided: transfers, the end of the hold,
// and a new verdict for each claim that stands otherwise than before.
func (s *Server) apply(t Tx, h hold, before ledger.Hold, result ledger.Result, at time.Time) error {
	if err := t.post(result.Transfers, h.id, at); err != nil {
		return err
	}
	if result.Hold.Closed && !before.Closed {
		if err := t.markClosed(h.id, at); err != nil {
			return err
		}
		if _, err := t.arrive("CLOSE", preauth.Hash{}, h.id, at); err != nil {
			return err
		}
	}
	for _, c := range result.Changed {
		if err := s.judge(t, c.Request, verdictOn(c), at); err != nil {
			return err
		}
	}
	return nil
}

func verdictOn(c ledger.Claim) verdict {
	v := verdict{outcome: c.Outcome, reason: c.Reason, paid: c.Paid, guaranteed: c.Guaranteed}
	if c.Outcome != ledger.Cancelled { // nothing falls short of what nobody owes
		v.shortfall = c.Shortfall()
	}
	return v
}

// settleCharge takes a charge, which has no hold behind it, now or never.
//
// The error wraps ErrLimitRate if it takes nothing, and the till has had too
// many of those today.
func (s *Server) settleCharge(t Tx, it handed, at time.Time) (string, error) {
	r, _, err := t.request(it.request.Hash)
	if err != nil {
		return "", err
	}
	c := it.charge.Body
	if it.receipt.Zero() {
		return "", s.promised(t, r, it.charge.Hash, c.Amount+c.Tip, at)
	}
	if done, reason, err := s.claimed(t, r, it, at); done || err != nil {
		return reason, err
	}
	by, _, err := t.device(preauth.ID(c.CustomerDeviceId))
	if err != nil {
		return "", err
	}
	in, usable, err := t.usable(preauth.ID(c.InstrumentRef), by.Party.Customer)
	if err != nil {
		return "", err
	}
	window, _, err := t.window(r.till, r.payment)
	if err != nil {
		return "", err
	}
	charge := ledger.Charge{
		Claim:      ledger.Claim{Request: r.hash, Till: r.till, Business: r.business, Total: c.Amount + c.Tip},
		Instrument: preauth.ID(c.InstrumentRef), Currency: c.Currency, Received: at,
	}
	var taken []ledger.Transfer
	if reason := refuseCharge(it, by, in, usable, window, at); !r.cancelled.IsZero() {
		charge.Outcome = ledger.Cancelled
	} else if reason != "" {
		charge.Outcome, charge.Reason = ledger.Rejected, reason
	} else if charge, taken, err = take(charge, in.Free); err != nil {
		return "", err
	}
	if charge.Outcome == ledger.Rejected {
		if err := t.use(idleRequest, r.till, at); err != nil {
			return "", err
		}
	}
	err = s.record(t, r, claim{
		voucher: it.charge.Hash, customer: by.Party.Customer, instrument: charge.Instrument,
		amount: c.Amount, tip: c.Tip, bytes: it.charge.Bytes, receipt: it.receipt.Bytes,
	}, at)
	if err != nil {
		return "", err
	}
	if err := t.post(taken, preauth.ID{}, at); err != nil {
		return "", err
	}
	return "", s.judge(t, r.hash, verdictOn(charge.Claim), at)
}

// take takes the charge if there is enough, and rejects it if not.
func take(c ledger.Charge, free int64) (ledger.Charge, []ledger.Transfer, error) {
	taken, transfer, err := c.Take(free)
	if errors.Is(err, ledger.ErrInsufficient) {
		c.Outcome, c.Reason = ledger.Rejected, preauth.Code(preauth.ErrInsufficient)
		return c, nil, nil
	}
	return taken, []ledger.Transfer{transfer}, err
}

// judge signs a verdict on a request, unless the one that stands says the
// same.
func (s *Server) judge(t Tx, hash preauth.Hash, v verdict, at time.Time) error {
	r, _, err := t.request(hash)
	if err != nil {
		return err
	}
	v.request, v.voucher, v.at = hash, r.voucher, at
	stands, is, err := t.verdict(r.verdict)
	if err != nil || is && stands.same(v) {
		return err
	}
	body := &peerv1.Verdict{
		RequestHash: hash[:], Outcome: outcomes[v.outcome], Amount: v.paid + v.guaranteed,
		Shortfall: v.shortfall, Reason: v.reason, TimeMs: at.UnixMilli(),
	}
	if !v.voucher.Zero() {
		body.VoucherHash = v.voucher[:]
	}
	key, _, err := s.issuer(t, at)
	if err != nil {
		return err
	}
	signed, err := preauth.Sign(key, body)
	if err != nil {
		return err
	}
	v.bytes = signed.Bytes
	s.log.InfoContext(t.ctx, "verdict", "payment", r.payment, "outcome", v.outcome, "reason", v.reason)
	seq, err := t.putVerdict(v)
	if err != nil || !is && v.outcome != ledger.Cancelled {
		return err
	}
	return t.notify(r, seq)
}
