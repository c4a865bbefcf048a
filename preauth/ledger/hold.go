package ledger

import "time"

// Grace is how long after settle_by, or after a Charge was taken, a Cancel
// still reverses a payment by itself. Later it becomes a dispute.
const Grace = 30 * 24 * time.Hour

// An Outcome is what became of a claim. It is stored by its text; the zero
// Outcome means that nothing has been decided.
type Outcome string

// The outcomes, as in the backend's verdicts.
const (
	// Settled means paid, at least in part.
	Settled Outcome = "SETTLED"
	// Rejected means that nothing was paid.
	Rejected Outcome = "REJECTED"
	// Cancelled means that a valid Cancel ended the request. It is last.
	Cancelled Outcome = "CANCELLED"
)

// Reasons of a rejection that this package decides. Others come from the
// caller and are final unless a Cancel arrives.
const (
	// Exhausted means that neither the hold nor the guarantee had anything
	// left. A reversal may still turn it into Settled.
	Exhausted = "EXHAUSTED"
	// TooLate means that the claim arrived after settle_by.
	TooLate = "TOO_LATE"
)

// A Claim is one voucher with its till's receipt, keyed by H(Request).
type Claim struct {
	Request  [32]byte
	Till     [16]byte // device that is paid; guarantees are counted per till
	Business [16]byte
	Total    int64 // amount plus tip, positive

	Paid       int64 // from the hold
	Guaranteed int64 // from the issuer
	Outcome    Outcome
	Reason     string // of Rejected
}

// Settled is what the till got so far.
func (c Claim) Settled() int64 { return c.Paid + c.Guaranteed }

// Shortfall is what of the total could not be paid.
func (c Claim) Shortfall() int64 { return c.Total - c.Settled() }

// owed is what a reversal could still add: nothing for a claim that was
// refused, came late or is cancelled.
func (c Claim) owed() int64 {
	if c.Outcome == Settled || c.Outcome == Rejected && c.Reason == Exhausted {
		return c.Shortfall()
	}
	return 0
}

// A Hold is one pre-authorization as settlement sees it. Limit is at all
// times the sum of what its claims were paid, what is held and what was
// released.
type Hold struct {
	Preauth    [16]byte
	Instrument [16]byte
	Currency   string
	Limit      int64
	Guarantee  int64    // what the issuer adds per till
	BoundTo    [32]byte // the only request that can capture it, zero if any
	SettleBy   time.Time

	Released int64 // returned to the instrument so far
	Closed   bool  // the rest has been released; nothing is captured any more
	Claims   []Claim
}

// Paid is what all claims together took from the hold.
func (h Hold) Paid() int64 {
	var sum int64
	for _, c := range h.Claims {
		sum += c.Paid
	}
	return sum
}

// Held is what is still set aside.
func (h Hold) Held() int64 { return h.Limit - h.Paid() - h.Released }

// GuaranteeUsed is what the issuer has paid to one till.
func (h Hold) GuaranteeUsed(till [16]byte) int64 {
	var sum int64
	for _, c := range h.Claims {
		if c.Till == till {
			sum += c.Guaranteed
		}
	}
	return sum
}

func (h Hold) instrument() Account { return Account{Kind: Instrument, ID: h.Instrument} }
func (h Hold) held() Account       { return Account{Kind: Held, ID: h.Preauth} }

func (h Hold) find(request [32]byte) int {
	for i, c := range h.Claims {
		if c.Request == request {
			return i
		}
	}
	return -1
}
