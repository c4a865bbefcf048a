package preauth

import (
	"fmt"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth/money"
)

// Reasons why a till refuses an answer, in the order in which they are
// looked for. Those of its Exposure come after them.
var (
	// ErrVoided: the pre-authorization may not be spent any more.
	ErrVoided = refusal("PREAUTH_VOIDED", "pre-authorization is voided")
	// ErrBundleStale: the till has not heard the backend for too long.
	ErrBundleStale = refusal("BUNDLE_STALE", "trust bundle is too old")
	// ErrBundleEpoch: the certificate asks for a newer bundle.
	ErrBundleEpoch = refusal("BUNDLE_EPOCH", "certificate asks for a newer trust bundle")
	// ErrPreauthExpired: spend_by has passed.
	ErrPreauthExpired = refusal("PREAUTH_EXPIRED", "pre-authorization has expired")
	// ErrCurrency: not the currency that was asked for.
	ErrCurrency = refusal("CURRENCY_MISMATCH", "another currency")
	// ErrRequest: not an answer to the stored request.
	ErrRequest = refusal("REQUEST_UNKNOWN", "not for this request")
	// ErrBound: the funds were set aside for another request.
	ErrBound = refusal("PREAUTH_BOUND", "pre-authorization is bound to another request")
	// ErrAmount: not the amount that was asked for.
	ErrAmount = refusal("AMOUNT_MISMATCH", "another amount than asked for")
	// ErrTip: a tip where none, or less, is taken.
	ErrTip = refusal("TIP_NOT_ALLOWED", "tip is not taken")
	// ErrInsufficient: more than the certificate covers.
	ErrInsufficient = refusal("INSUFFICIENT_FUNDS", "more than the pre-authorization covers")
	// ErrVoucher: counter or remaining cannot be.
	ErrVoucher = refusal("VOUCHER_INVALID", "voucher contradicts its certificate")
	// ErrCounter: another voucher has this counter.
	ErrCounter = refusal("COUNTER_REUSED", "counter was used by another voucher")
	// ErrCancelled: a Cancel for this request is stored.
	ErrCancelled = refusal("REQUEST_CANCELLED", "request is cancelled")
)

// Times a till goes by.
const (
	// BundleMaxAge is how long a till sells without hearing the backend.
	BundleMaxAge = 72 * time.Hour
	// BundleOldest is how long it does where somebody has allowed that, with
	// nothing guaranteed beyond BundleMaxAge.
	BundleOldest = 7 * 24 * time.Hour
	// SettleMargin is the least time between spend_by and settle_by.
	SettleMargin = 7 * 24 * time.Hour
	// SpendMax is the most time between issue and spend_by.
	SpendMax = 7 * 24 * time.Hour
)

// Till is everything a till knows when it judges a customer's answer.
type Till struct {
	Trust     Trust
	Now       time.Time // trusted time
	Request   Request   // as stored before it was sent
	Customer  ID        // device the request was made for
	Cancelled bool      // whether a Cancel for the request is stored
	// Awaited says that the payment waits for the backend's verdict: before
	// that nothing is given away, so that nothing is at risk, and nothing is
	// guaranteed.
	Awaited bool
	// Seen returns the hash of the stored voucher with this counter.
	Seen func(preauth ID, counter uint32) (Hash, bool)
	// Guaranteed returns what the till's stored vouchers of the
	// pre-authorization already use of its guarantee, in minor units.
	Guaranteed func(preauth ID) int64
	Exposure   Exposure
}

// Accepted is a voucher that passed every check.
type Accepted struct {
	Cert       PreauthCert
	Voucher    Voucher
	Total      int64 // amount plus tip, minor units
	Guaranteed int64 // what the issuer pays in any case
	AtRisk     int64 // the rest of Total; 0 where a verdict is awaited
}

// CheckVoucher judges a voucher and its certificate with no network, before
// anything is written. The checks and their order are those of the protocol;
// the first that fails names the error, and its Code travels in
// Cancel(REFUSED).
func (t Till) CheckVoucher(voucher, cert []byte) (Accepted, error) {
	v, err := Open[*peerv1.Voucher](voucher)
	if err != nil {
		return Accepted{}, err
	}
	c, err := t.Trust.PreauthCert(cert, t.Now)
	if err != nil {
		return Accepted{}, err
	}
	for _, check := range []func(PreauthCert, Voucher) error{
		t.checkCustomer, t.checkBundle, t.checkTimes, t.checkCurrency, t.checkSigner,
		t.checkAnswer, t.checkCovered, t.checkCounter, t.checkOpen,
	} {
		if err := check(c, v); err != nil {
			return Accepted{}, err
		}
	}
	ok := Accepted{Cert: c, Voucher: v, Total: v.Body.Amount + v.Body.Tip}
	if t.Awaited {
		return ok, nil
	}
	if err := t.Exposure.Check(v.Body.Currency, ok.Total); err != nil {
		return Accepted{}, err
	}
	ok.Guaranteed = Guaranteed(c, ok.Total, t.Guaranteed(ID(c.Body.PreauthId)), t.Now.Sub(t.Trust.SignedAt()))
	ok.AtRisk = ok.Total - ok.Guaranteed
	return ok, nil
}

// checkCustomer refuses a device that the bundle has come to revoke since the
// handshake.
func (t Till) checkCustomer(PreauthCert, Voucher) error {
	if t.Trust.Revoked(t.Customer) {
		return fmt.Errorf("device %s: %w", t.Customer, ErrRevoked)
	}
	return nil
}

func (t Till) checkBundle(c PreauthCert, _ Voucher) error {
	if err := t.Trust.CheckAge(t.Exposure.Limits, t.Now); err != nil {
		return err
	}
	if t.Trust.Epoch() < c.Body.MinEpoch {
		return fmt.Errorf("epoch %d, needs %d: %w", t.Trust.Epoch(), c.Body.MinEpoch, ErrBundleEpoch)
	}
	return nil
}

func (t Till) checkTimes(c PreauthCert, _ Voucher) error {
	if t.Now.UnixMilli() >= c.Body.SpendByMs {
		return fmt.Errorf("pre-authorization %s: %w", ID(c.Body.PreauthId), ErrPreauthExpired)
	}
	if c.Body.SettleByMs-c.Body.SpendByMs < SettleMargin.Milliseconds() {
		return fmt.Errorf("settle_by less than %s after spend_by: %w", SettleMargin, ErrVoucher)
	}
	return nil
}

func (t Till) checkCurrency(c PreauthCert, v Voucher) error {
	if want := t.Request.Body.Currency; c.Body.Currency != want || v.Body.Currency != want {
		return fmt.Errorf("%s asked, %s offered: %w", want, c.Body.Currency, ErrCurrency)
	}
	return nil
}

func (t Till) checkSigner(c PreauthCert, v Voucher) error {
	if ID(v.Body.PreauthId) != ID(c.Body.PreauthId) {
		return fmt.Errorf("voucher of another pre-authorization: %w", ErrVoucher)
	}
	return v.VerifiedBy(PublicKey(c.Body.Spender))
}

// checkAnswer compares with the request as it was stored, channel binding
// included, because its hash covers it.
func (t Till) checkAnswer(c PreauthCert, v Voucher) error {
	if Hash(v.Body.RequestHash) != t.Request.Hash {
		return ErrRequest
	}
	if b := c.Body.BoundTo; len(b) != 0 && Hash(b) != t.Request.Hash {
		return fmt.Errorf("pre-authorization %s: %w", ID(c.Body.PreauthId), ErrBound)
	}
	return checkPrice(t.Request, v.Body.Amount, v.Body.Tip)
}

// checkPrice compares amount and tip with what the request allows.
func checkPrice(r Request, amount, tip int64) error {
	if amount != r.Body.Amount {
		return fmt.Errorf("%s asked, %s offered: %w", money.Format(r.Body.Amount, r.Body.Currency), money.Format(amount, r.Body.Currency), ErrAmount)
	}
	return CheckTip(r, tip)
}

// CheckTip refuses a tip, in minor units, that the request does not take, or
// one so large that it cannot be counted with the amount. A customer's device
// asks before it signs anything. The error wraps ErrTip.
func CheckTip(r Request, tip int64) error {
	p := r.Body.GetTip()
	if tip < 0 || tip > money.MaxMinor-r.Body.Amount || tip > 0 && !p.GetAllowed() || p.GetMax() > 0 && tip > p.GetMax() {
		return fmt.Errorf("tip of %s %s: %w", money.Format(tip, r.Body.Currency), r.Body.Currency, ErrTip)
	}
	return nil
}

func (t Till) checkCovered(c PreauthCert, v Voucher) error {
	total := v.Body.Amount + v.Body.Tip // both are bounded: no overflow
	if total > c.Body.Limit {
		return beyond(total, c.Body.Limit, c, ErrInsufficient)
	}
	if total > c.Body.PaymentMax {
		return beyond(total, c.Body.PaymentMax, c, ErrLimitPayment)
	}
	return nil
}

// beyond says by which bound of its certificate a payment is too large.
func beyond(total, most int64, c PreauthCert, why error) error {
	return fmt.Errorf("%s %s, pre-authorization %s pays at most %s: %w", money.Format(total, c.Body.Currency), c.Body.Currency,
		ID(c.Body.PreauthId), money.Format(most, c.Body.Currency), why)
}

func (t Till) checkCounter(c PreauthCert, v Voucher) error {
	if v.Body.Counter < 1 || v.Body.Counter > c.Body.PaymentsMax {
		return fmt.Errorf("counter %d of at most %d: %w", v.Body.Counter, c.Body.PaymentsMax, ErrVoucher)
	}
	if total := v.Body.Amount + v.Body.Tip; v.Body.Remaining > c.Body.Limit-total {
		return fmt.Errorf("remaining %d after %d of %d: %w", v.Body.Remaining, total, c.Body.Limit, ErrVoucher)
	}
	if h, ok := t.Seen(ID(c.Body.PreauthId), v.Body.Counter); ok && h != v.Hash {
		return fmt.Errorf("counter %d: %w", v.Body.Counter, ErrCounter)
	}
	return nil
}

func (t Till) checkOpen(PreauthCert, Voucher) error {
	if t.Cancelled {
		return ErrCancelled
	}
	return nil
}

// CheckCharge judges a customer's Charge: signed by the device of the
// session, for the stored request, at its price. Whether there is money is
// the backend's to say. The error is one of CheckVoucher's.
func (t Till) CheckCharge(charge []byte, customer DeviceCert) (Charge, error) {
	ch, err := Open[*peerv1.Charge](charge)
	if err != nil {
		return Charge{}, err
	}
	if err := ch.VerifiedBy(PublicKey(customer.Body.SigningKey)); err != nil {
		return Charge{}, err
	}
	if ID(ch.Body.CustomerDeviceId) != ID(customer.Body.DeviceId) {
		return Charge{}, fmt.Errorf("charge of another device: %w", ErrVoucher)
	}
	if Hash(ch.Body.RequestHash) != t.Request.Hash || !t.Request.Body.Online {
		return Charge{}, ErrRequest
	}
	if ch.Body.Currency != t.Request.Body.Currency {
		return Charge{}, fmt.Errorf("%s asked, %s offered: %w", t.Request.Body.Currency, ch.Body.Currency, ErrCurrency)
	}
	if err := checkPrice(t.Request, ch.Body.Amount, ch.Body.Tip); err != nil {
		return Charge{}, err
	}
	if t.Cancelled {
		return Charge{}, ErrCancelled
	}
	return ch, nil
}
