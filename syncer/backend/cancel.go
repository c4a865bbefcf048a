package backend

import (
	"time"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
)

// release applies the Cancels that a voucher repeats. One whose Request is
// not known yet is kept with its signer and judged when the Request arrives;
// one of another till than the Request's says nothing.
func (s *Server) release(t Tx, released []signedCancel, at time.Time) error {
	for _, c := range released {
		hash := preauth.Hash(c.cancel.Body.RequestHash)
		r, known, err := t.request(hash)
		if err != nil {
			return err
		}
		if known && r.till != c.signer {
			continue
		}
		if err := t.putCancel(hash, c.signer, c.cancel.Body.Reason.String(), c.cancel.Bytes, at); err != nil {
			return err
		}
		if !known {
			continue
		}
		if err := s.cancel(t, hash, at); err != nil {
			return err
		}
	}
	return nil
}

// cancel applies a valid Cancel of a request that is known. It dominates in
// either order: what was paid is reversed, what comes later is not paid.
func (s *Server) cancel(t Tx, hash preauth.Hash, at time.Time) error {
	r, _, err := t.request(hash)
	if err != nil || !r.cancelled.IsZero() {
		return err
	}
	c, claimed, err := t.claim(hash)
	if err != nil {
		return err
	}
	disputed := false
	switch {
	case !claimed:
	case c.preauth.Zero():
		disputed, err = s.undoCharge(t, r, c, at)
	default:
		disputed, err = s.undoVoucher(t, r, c, at)
	}
	if err != nil {
		return err
	}
	if disputed {
		return t.remark(dispute, hash, c.voucher, c.receipt, at)
	}
	if !claimed {
		if _, err := t.arrive("CANCEL", hash, preauth.ID{}, at); err != nil {
			return err
		}
	}
	if err := t.markCancelled(hash, at); err != nil {
		return err
	}
	if err := s.unbind(t, hash, c.preauth, at); err != nil || claimed {
		return err
	}
	return s.judge(t, hash, verdict{outcome: ledger.Cancelled}, at)
}

func (s *Server) undoVoucher(t Tx, r request, c claim, at time.Time) (disputed bool, err error) {
	h, _, err := t.hold(c.preauth)
	if err != nil {
		return false, err
	}
	if err := s.closeDue(t, &h, at); err != nil {
		return false, err
	}
	before, err := t.books(h)
	if err != nil {
		return false, err
	}
	result := before.Cancel(r.hash, at)
	if result.Disputed {
		return true, nil
	}
	if _, err := t.arrive("CANCEL", r.hash, h.id, at); err != nil {
		return false, err
	}
	return false, s.apply(t, h, before, result, at)
}

func (s *Server) undoCharge(t Tx, r request, c claim, at time.Time) (disputed bool, err error) {
	v, _, err := t.verdict(r.verdict)
	if err != nil {
		return false, err
	}
	charge := ledger.Charge{
		Claim: ledger.Claim{
			Request: r.hash, Till: r.till, Business: r.business, Total: r.total,
			Paid: v.paid, Outcome: v.outcome, Reason: v.reason,
		},
		Instrument: c.instrument, Currency: r.currency, Received: c.received,
	}
	undone, back, disputed := charge.Undo(at)
	if disputed {
		return true, nil
	}
	if _, err := t.arrive("CANCEL", r.hash, preauth.ID{}, at); err != nil {
		return false, err
	}
	if err := t.post(back, preauth.ID{}, at); err != nil {
		return false, err
	}
	return false, s.judge(t, r.hash, verdictOn(undone.Claim), at)
}

// unbind frees at once what was set aside for just this request, except in
// the pre-authorization that its voucher drew on: there it is done.
func (s *Server) unbind(t Tx, hash preauth.Hash, except preauth.ID, at time.Time) error {
	holds, err := t.holdsBoundTo(hash)
	if err != nil {
		return err
	}
	for _, h := range holds {
		if h.id == except {
			continue
		}
		before, err := t.books(h)
		if err != nil {
			return err
		}
		if err := s.apply(t, h, before, before.Cancel(hash, at), at); err != nil {
			return err
		}
	}
	return nil
}
