package preauth

import (
	"fmt"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth/money"
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
// ErrBound, ErrCount or ErrInsufficient.
func (a Authorization) Draw(request Request, tip int64, now time.Time) (*peerv1.Voucher, error) {
	r := request.Body
	total := r.Amount + tip
	switch s := a.Status(now); {
	case s == Voided:
		return nil, fmt.Errorf("%s: %w", a.ID(), ErrVoided)
	case s == Expired:
		return nil, fmt.Errorf("%s: %w", a.ID(), ErrPreauthExpired)
	case r.Currency != a.Cert.Body.Currency:
		return nil, fmt.Errorf("%s asked, %s is %s: %w", r.Currency, a.ID(), a.Cert.Body.Currency, ErrCurrency)
	case !a.pays(request.Hash):
		return nil, fmt.Errorf("%s: %w", a.ID(), ErrBound)
	case a.Counter >= a.Cert.Body.PaymentsMax:
		return nil, fmt.Errorf("%s after %d: %w", a.ID(), a.Counter, ErrCount)
	case total > a.Largest(now):
		return nil, fmt.Errorf("%s of %s on %s: %w", money.Format(total, r.Currency), money.Format(a.Largest(now), r.Currency), a.ID(), ErrInsufficient)
	}
	if err := checkPrice(request, r.Amount, tip); err != nil {
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

// pays reports whether the certificate may pay the request: it is bound to
// none, or to this one.
func (a Authorization) pays(request Hash) bool {
	b := a.Cert.Body.BoundTo
	return len(b) == 0 || Hash(b) == request
}

// Select returns the pre-authorization to draw on: on the instrument, in the
// request's currency, covering amount and tip, and of those the one that
// expires first; one bound to the request comes before all others. If there
// is none, the error says what came closest: ErrInsufficient, ErrCount,
// ErrPreauthExpired, ErrVoided, ErrCurrency, or ErrNotAvailable if the
// instrument has none at all.
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
		switch s := a.Status(now); {
		case a.Instrument != instrument || !a.pays(request.Hash):
		case a.Cert.Body.Currency != request.Body.Currency:
			miss(1, fmt.Errorf("%s asked, %s is %s: %w", request.Body.Currency, a.ID(), a.Cert.Body.Currency, ErrCurrency))
		case s == Voided:
			miss(2, fmt.Errorf("%s: %w", a.ID(), ErrVoided))
		case s == Expired:
			miss(3, fmt.Errorf("%s: %w", a.ID(), ErrPreauthExpired))
		case a.Counter >= a.Cert.Body.PaymentsMax:
			miss(4, fmt.Errorf("%s after %d: %w", a.ID(), a.Counter, ErrCount))
		case total > a.Largest(now):
			miss(5, fmt.Errorf("%s needed, %s covers %s: %w", money.Format(total, request.Body.Currency), a.ID(),
				money.Format(a.Largest(now), request.Body.Currency), ErrInsufficient))
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
