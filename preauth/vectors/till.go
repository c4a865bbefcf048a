package vectors

// Decision is everything a till knows when a customer answers, the answer, and
// what the till says to it: the first check that fails names the class.
type Decision struct {
	Name     string `json:"name"`
	Root     B33    `json:"root"`
	Bundle   Hex    `json:"bundle"`
	NowMs    int64  `json:"now_ms"`  // trusted time
	Request  Hex    `json:"request"` // as stored before it was sent
	Customer Hex    `json:"customer_cert"`

	// What is stored already.
	Cancelled     bool  `json:"cancelled"`              // a Cancel for the request
	Seen          Hex   `json:"seen_with_this_counter"` // hash of a voucher with the same pre-authorization and counter, or empty
	GuaranteeUsed int64 `json:"guarantee_used"`         // by stored vouchers of the pre-authorization

	// Whether the payment waits for the backend's verdict: then limits do not
	// count, and nothing is guaranteed or at risk before it.
	Awaited bool `json:"awaited"`

	// What the till may have out, and has.
	Limits     []Limit    `json:"limits"`
	CountMax   int64      `json:"count_max"` // most unsettled payments
	Count      int64      `json:"count"`     // unsettled payments
	Velocities []Velocity `json:"velocities"`
	OfflineMax int64      `json:"offline_max_ms"` // 0 for any time
	Offline    int64      `json:"offline_ms"`     // since the backend answered
	// Whether somebody has allowed a bundle of up to 7 days.
	StaleBundle bool `json:"stale_bundle"`

	// The answer: a voucher with its certificate, or a charge.
	Voucher     Hex `json:"voucher,omitempty"`
	PreauthCert Hex `json:"preauth_cert,omitempty"`
	Charge      Hex `json:"charge,omitempty"`

	Class      string `json:"class"`
	Guaranteed int64  `json:"guaranteed"` // of a voucher that is accepted
	AtRisk     int64  `json:"at_risk"`    // the rest of amount and tip
}

// Limit bounds a till's offline payments in one currency, and says what it has
// out. A currency that has none is not taken.
type Limit struct {
	Currency        string `json:"currency"`
	PaymentMax      int64  `json:"payment_max"`      // one payment, tip included
	TotalMax        int64  `json:"total_max"`        // all payments that are not settled
	CounterpartyMax int64  `json:"counterparty_max"` // those with one customer's device; 0 for no bound of its own
	Unsettled       int64  `json:"unsettled"`        // the sum of all now
	With            int64  `json:"with"`             // the part of it with this customer's device
}

// Velocity bounds how many offline payments there are with one device.
type Velocity struct {
	Max    int64 `json:"max"`
	Within int64 `json:"within_ms"`
	Lately int64 `json:"lately"` // how many there were in that time
}
