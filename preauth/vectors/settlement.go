package vectors

// Settlement is one pre-authorization at the backend, and what happens to it,
// in order. Its balances before the first step are 0, but for the account HELD
// with the whole limit.
type Settlement struct {
	Name       string `json:"name"`
	Preauth    B16    `json:"preauth_id"`
	Instrument B16    `json:"instrument_id"`
	Currency   string `json:"currency"`
	Limit      int64  `json:"limit"`
	Guarantee  int64  `json:"guarantee"` // per till
	BoundTo    Hex    `json:"bound_to"`  // the only request that can capture it, or empty
	SettleByMs int64  `json:"settle_by_ms"`

	Arrivals []Arrival `json:"arrivals"`

	// In the end.
	Balances []Balance `json:"balances"` // accounts with another balance than 0, their sum is the limit
}

// Arrival is one thing that reaches the backend: exactly one of Claim, Cancel
// and Passed is there.
type Arrival struct {
	AtMs   int64  `json:"at_ms"` // by the backend's clock
	Claim  *Claim `json:"claim,omitempty"`
	Cancel *B32   `json:"cancel,omitempty"` // H(Request) of a valid Cancel
	Passed bool   `json:"passed,omitempty"` // nothing but time

	Changed  []Outcome `json:"changed"`  // new verdicts, in order of the claims' arrival
	Disputed bool      `json:"disputed"` // the Cancel came too late to reverse by itself
}

// Claim is a voucher with the till's receipt.
type Claim struct {
	Request  B32   `json:"request_hash"`
	Till     B16   `json:"till_id"`
	Business B16   `json:"business_id"`
	Total    int64 `json:"total"` // amount and tip

	Cancelled bool   `json:"cancelled"` // a valid Cancel of the request is known already
	Refused   string `json:"refused"`   // why, if it is not good whatever the funds; or empty
}

// Outcome is the verdict on a claim.
type Outcome struct {
	Request    B32    `json:"request_hash"`
	Outcome    string `json:"outcome"` // SETTLED, REJECTED or CANCELLED
	Reason     string `json:"reason"`
	Settled    int64  `json:"settled"`
	Guaranteed int64  `json:"guaranteed"` // the issuer's part of what was settled
	Shortfall  int64  `json:"shortfall"`
}

// Balance is what an account holds.
type Balance struct {
	Account string `json:"account"` // INSTRUMENT, HELD, BUSINESS or ISSUER
	ID      Hex    `json:"id"`      // empty for the issuer
	Amount  int64  `json:"amount"`
}
