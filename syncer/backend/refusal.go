package backend

import (
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// Reasons of rejected charges, beside those of package preauth.
const (
	reasonWindow     = "CHARGE_WINDOW"
	reasonInstrument = "INSTRUMENT_NOT_FOUND"
)

// refuseVoucher looks for what the till could have seen with no network, and
// for nothing else: not spend_by or any device's clock, not the chain, not
// whether remaining is right. It returns the reason, or nothing.
func refuseVoucher(it handed) string {
	c, v, r := it.cert.Body, it.voucher.Body, it.request.Body
	total := v.Amount + v.Tip // bounded, and so is the sum
	switch {
	case v.Currency != c.Currency || v.Currency != r.Currency:
		return preauth.Code(preauth.ErrCurrency)
	case len(c.BoundTo) != 0 && preauth.Hash(c.BoundTo) != it.request.Hash:
		return preauth.Code(preauth.ErrRequest)
	case v.Amount != r.Amount:
		return preauth.Code(preauth.ErrAmount)
	case !tipTaken(r.GetTip(), v.Tip):
		return preauth.Code(preauth.ErrTip)
	case total > c.Limit:
		return preauth.Code(preauth.ErrInsufficient)
	case total > c.PaymentMax:
		return preauth.Code(preauth.ErrLimitPayment)
	case v.Counter < 1 || v.Counter > c.PaymentsMax || v.Remaining > c.Limit-total:
		return preauth.Code(preauth.ErrVoucher)
	}
	return ""
}

// refuseCharge looks for what forbids to take money now, funds aside. window
// is the end of the payment's registration, zero if it was never registered.
// The certificate that the Request was made with must not have ended long
// before: registrations are not kept for ever.
func refuseCharge(it handed, by Device, in Instrument, usable bool, window, at time.Time) string {
	c, r := it.charge.Body, it.request.Body
	switch {
	case !r.Online:
		return preauth.Code(preauth.ErrRequest)
	case window.IsZero() || at.After(window) || at.After(time.UnixMilli(it.till.Body.NotAfterMs).Add(chargeTime)):
		return reasonWindow
	case !by.Revoked.IsZero():
		return preauth.Code(preauth.ErrRevoked)
	case !usable:
		return reasonInstrument
	case c.Currency != r.Currency || c.Currency != in.Currency:
		return preauth.Code(preauth.ErrCurrency)
	case c.Amount != r.Amount:
		return preauth.Code(preauth.ErrAmount)
	case !tipTaken(r.GetTip(), c.Tip):
		return preauth.Code(preauth.ErrTip)
	}
	return ""
}

// tipTaken reports whether a request takes that tip.
func tipTaken(p *peerv1.TipPolicy, tip int64) bool {
	return tip == 0 || p.GetAllowed() && (p.GetMax() == 0 || tip <= p.GetMax())
}
