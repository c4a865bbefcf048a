package preauth

import (
	"errors"
	"fmt"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// Reasons why a customer cannot draw, beside those of a till.
var (
	// ErrNotAvailable: nothing is set aside.
	ErrNotAvailable = refusal("PREAUTH_NOT_AVAILABLE", "no pre-authorization")
	// ErrCount: it has paid as often as its certificate allows.
	ErrCount = refusal("PREAUTH_COUNT", "no further payment on the pre-authorization")
)

// Status is whether a pre-authorization may be spent.
type Status string

// The statuses, as the Vipaso SDK names them.
const (
	Available Status = "AVAILABLE"
	Voided    Status = "VOIDED"
	Expired   Status = "EXPIRED"
)

// Authorization is one pre-authorization as its customer knows it: the
// certificate and what this device's own vouchers have done to it. Amounts
// are minor units of the certificate's currency.
type Authorization struct {
	Cert       PreauthCert
	Instrument ID
	Voided     bool
	Counter    uint32 // of the newest voucher, 0 before the first
	Prev       Hash   // H(newest voucher), H(Cert) before the first
	Held       int64  // totals of vouchers that may still be captured
	Spent      int64  // totals of settled vouchers
	// Unacked are verified Cancels of own vouchers that the backend has not
	// acknowledged, oldest first.
	Unacked []Unacked
}

// Unacked is a Cancel the backend has not acknowledged, and what the
// cancelled voucher had promised.
type Unacked struct {
	Cancel []byte // Signed
	Total  int64
}

// ID returns the pre-authorization's id.
func (a Authorization) ID() ID { return ID(a.Cert.Body.PreauthId) }

// Status returns whether it may be spent at now, trusted time.
func (a Authorization) Status(now time.Time) Status {
	switch {
	case a.Voided:
		return Voided
	case now.UnixMilli() >= a.Cert.Body.SpendByMs:
		return Expired
	}
	return Available
}

// Remaining is the headroom: the limit without what is held or spent. A
// voucher can repeat only ReleasedMax Cancels, so what lies behind further
// ones stays held until the backend has acknowledged some.
func (a Authorization) Remaining() int64 {
	left := a.Cert.Body.Limit - a.Held - a.Spent
	for _, u := range a.Unacked[min(len(a.Unacked), ReleasedMax):] {
		left -= u.Total
	}
	return max(0, left)
}

// Largest is the largest single payment it covers at now.
func (a Authorization) Largest(now time.Time) int64 {
	if a.Status(now) != Available || a.Counter >= a.Cert.Body.PaymentsMax {
		return 0
	}
	return min(a.Remaining(), a.Cert.Body.PaymentMax)
}

// Draw returns the next voucher on a: for request, with tip, at now. The
// caller signs and stores it, together with the new counter, before it shows
// it to anybody.
//
// The error wraps ErrVoided, ErrPreauthExpired, ErrCurrency, ErrTip,
// ErrBound, ErrCount, ErrInsufficient or ErrLimitPayment.
func (a Authorization) Draw(request Request, tip int64, now time.Time) (*peerv1.Voucher, error) {
	r := request.Body
	if err := CheckTip(request, tip); err != nil {
		return nil, err
	}
	if r.Currency != a.Cert.Body.Currency {
		return nil, a.inAnother(r.Currency)
	}
	if !a.pays(request.Hash) {
		return nil, fmt.Errorf("%s: %w", a.ID(), ErrBound)
	}
	total := r.Amount + tip
	if _, err := a.Covers(total, now); err != nil {
		return nil, err
	}
	v := &peerv1.Voucher{
		PreauthId: a.Cert.Body.PreauthId, RequestHash: request.Hash[:],
		Amount: r.Amount, Tip: tip, Currency: r.Currency,
		Counter: a.Counter + 1, Remaining: a.Remaining() - total,
		PrevHash: a.Prev[:], DeviceTimeMs: now.UnixMilli(),
	}
	for _, u := range a.Unacked[:min(len(a.Unacked), ReleasedMax)] {
		v.Released = append(v.Released, u.Cancel)
	}
	return v, nil
}

// Covers says why a does not pay total at now, if so, and how close it is to
// paying it: the closer, the higher the rank. The error wraps ErrVoided,
// ErrPreauthExpired, ErrCount, ErrInsufficient or ErrLimitPayment.
func (a Authorization) Covers(total int64, now time.Time) (rank int, err error) {
	switch a.Status(now) {
	case Voided:
		return 1, fmt.Errorf("%s: %w", a.ID(), ErrVoided)
	case Expired:
		return 2, fmt.Errorf("%s: %w", a.ID(), ErrPreauthExpired)
	}
	switch {
	case a.Counter >= a.Cert.Body.PaymentsMax:
		return 3, fmt.Errorf("%s after %d: %w", a.ID(), a.Counter, ErrCount)
	case total > a.Remaining():
		return 4, beyond(total, a.Remaining(), a.Cert, ErrInsufficient)
	case total > a.Cert.Body.PaymentMax:
		return 5, beyond(total, a.Cert.Body.PaymentMax, a.Cert, ErrLimitPayment)
	}
	return 0, nil
}

func (a Authorization) inAnother(currency string) error {
	return fmt.Errorf("%s asked, %s is %s: %w", currency, a.ID(), a.Cert.Body.Currency, ErrCurrency)
}

// pays reports whether the certificate may pay the request: it is bound to
// none, or to this one.
func (a Authorization) pays(request Hash) bool {
	b := a.Cert.Body.BoundTo
	return len(b) == 0 || Hash(b) == request
}

// Select returns the pre-authorization to draw on: on the instrument, in the
// request's currency, covering amount and tip, and of those the one that
// expires first; one bound to the request comes before all others. If there
// is none, the error says what came closest: ErrLimitPayment, ErrInsufficient,
// ErrCount, ErrPreauthExpired, ErrVoided, ErrCurrency, or ErrNotAvailable if
// the instrument has none at all.
func Select(all []Authorization, instrument ID, request Request, tip int64, now time.Time) (Authorization, error) {
	total := request.Body.Amount + tip
	best, found := Authorization{}, false
	reason := fmt.Errorf("no pre-authorization on instrument %s: %w", instrument, ErrNotAvailable)
	rank := 0
	miss := func(r int, err error) {
		if r > rank {
			rank, reason = r, err
		}
	}
	for _, a := range all {
		if a.Instrument != instrument || !a.pays(request.Hash) {
			continue
		}
		if a.Cert.Body.Currency != request.Body.Currency {
			miss(1, a.inAnother(request.Body.Currency))
			continue
		}
		r, err := a.Covers(total, now)
		switch {
		case err != nil:
			miss(1+r, err)
		case !found || a.before(best):
			best, found = a, true
		}
	}
	if !found {
		return Authorization{}, reason
	}
	return best, nil
}

// before orders pre-authorizations that would both do.
func (a Authorization) before(b Authorization) bool {
	if bound := len(a.Cert.Body.BoundTo) > 0; bound != (len(b.Cert.Body.BoundTo) > 0) {
		return bound
	}
	return a.Cert.Body.SpendByMs < b.Cert.Body.SpendByMs
}

// Spendable returns what the device with the key spender can draw on, as the
// tills will see it that hold the bundle of t: nothing that another backend
// issued, or that was issued to another key. What the bundle revokes is
// returned as voided. What is voided or expired already is returned unjudged.
func Spendable(all []Authorization, t Trust, spender PublicKey, now time.Time) []Authorization {
	var own []Authorization
	for _, a := range all {
		if a.Status(now) != Available { // a device keeps all it ever had
			own = append(own, a)
			continue
		}
		_, err := t.PreauthCert(a.Cert.Bytes, now)
		revoked := errors.Is(err, ErrVoided)
		if err != nil && !revoked || PublicKey(a.Cert.Body.Spender) != spender {
			continue
		}
		a.Voided = a.Voided || revoked
		own = append(own, a)
	}
	return own
}
