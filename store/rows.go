package store

import (
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// Change is everything that one step changes. Commit stores it in one
// transaction: state, events, outbox, holds and the caller's request id
// stand or fall together.
type Change struct {
	Attempts []Attempt // customer: stored over revision Rev-1, inserted with Rev 1
	Sale     *Sale     // business: likewise
	Asks     []Ask     // business: inserted or replaced, by request
	// Events get their sequence number and time here, in order.
	Events []*paymentv1.Event
	Outbox []Item          // inserted, or made due again, by kind and request
	Done   []ItemKey       // taken out of the outbox: the backend has them
	Put    []Authorization // new or voided pre-authorizations
	// Instruments replaces the list of instruments if not nil.
	Instruments []Instrument
	Identity    *Identity // replaces who the device is
	Call        *Call     // remembers a request id
	// Floor is the trusted-time floor, persisted with every change. Zero
	// leaves it.
	Floor time.Time
	// Heard is when the backend last answered, by its own clock. Zero leaves
	// it.
	Heard time.Time
	// Allow begins what a person has allowed; one of the same kind that has
	// not ended yet ends with it.
	Allow *Allowance
	// Ended are allowances whose end the events tell: until Until, which moves
	// back if they ended early.
	Ended []Allowance
	// Told are allowances that the backend knows, as they were told.
	Told []Allowance
	// VerdictsTo is how far the backend's list of changed verdicts was read,
	// by the backend's numbers. Nil leaves it.
	VerdictsTo *int64
	// FloorLowered allows Floor to be before the stored one: a fresh answer
	// of the backend said so.
	FloorLowered bool
}

// Attempt is a customer's side of one request, with its signed objects.
type Attempt struct {
	payment.Attempt
	RequestBytes []byte // Signed Request
	VoucherBytes []byte // Signed Voucher or Charge
	ReceiptBytes []byte // Signed Receipt, the newest
	CancelBytes  []byte // Signed Cancel
	DeclineBytes []byte // Signed Decline
	VerdictBytes []byte // Signed Verdict
	Amount       int64  // minor units
	Tip          int64
	Currency     string
	Guaranteed   int64      // minor units, what the till may count on
	Preauth      preauth.ID // zero for a Charge
	Counter      uint32     // of the voucher
	Instrument   preauth.ID
	Delegated    bool
	ResumeKey    [16]byte
	Code         string // four digits
	Online       bool   // the till takes a Charge
	SettleBy     time.Time
	CreatedAt    time.Time
	ExpiresAt    time.Time
	CancelAcked  bool // the backend has the Cancel
	// Latest marks the newest attempt of a payment: the one that lists show.
	// Commit clears it on older attempts when a new one is inserted.
	Latest bool
}

// Sale is a business's side of one payment.
type Sale struct {
	payment.Sale // its Asks are filled by reads and ignored by Commit
	Amount       int64
	Currency     string
	Reference    string
	Policy       Policy
	TipAllowed   bool
	TipMax       int64      // minor units, 0 means no bound
	Tag          preauth.ID // zero: any customer
	Online       bool       // registered for charges at the backend
	VerdictBytes []byte     // Signed Verdict
	CreatedAt    time.Time
	Deadline     time.Time // when an unanswered payment ends
}

// Policy says whether a payment uses a network. Stored by name.
type Policy string

// The policies.
const (
	PreferOnline  Policy = "PREFER_ONLINE"
	RequireOnline Policy = "REQUIRE_ONLINE"
	ForceOffline  Policy = "FORCE_OFFLINE"
)

// Ask is one Request of a sale, with its signed objects. Its Receipt and
// Cancel are signed from this row, with the same bytes each time.
type Ask struct {
	payment.Ask
	Payment      preauth.ID
	Customer     preauth.ID // device that was asked
	CustomerCert []byte     // Signed DeviceCert
	RequestBytes []byte     // Signed Request
	VoucherBytes []byte     // Signed Voucher or Charge
	CertBytes    []byte     // Signed PreauthCert, empty with a Charge
	Preauth      preauth.ID // zero without a voucher
	Counter      uint32
	Total        int64 // of the voucher, minor units
	Guaranteed   int64 // of Total
	Currency     string
	ResumeKey    [16]byte
	CreatedAt    time.Time
	StoredAt     time.Time // of the voucher; in the Receipt
	CancelledAt  time.Time
	// Owed: the customer has not been seen to get the Receipt or Cancel.
	Owed bool
}

// Allowance is what a person has allowed beyond a rule, for a while.
type Allowance struct {
	preauth.Allowance
	N      int64 // its number, given by Commit
	Reason string
	Person string // user name
}

// Authorization is a pre-authorization of this customer.
type Authorization struct {
	preauth.Authorization
	Delegated bool
}

// ItemKey names an item of the outbox.
type ItemKey struct {
	Kind    payment.ItemKind
	Request preauth.Hash
}

// Item is something to hand in to the backend.
type Item struct {
	ItemKey
	Payment   preauth.ID
	Deadline  time.Time // when the backend stops taking it
	Total     int64     // minor units
	Currency  string
	CreatedAt time.Time
	Stored    int64 // place in the order of storing; Commit's to fill in
	// Set by the syncer after a try; zero at first.
	Tries   int
	NextTry time.Time
	Error   string // of the last try, a reason of the catalogue
}

// Instrument is a funding source of this customer, as last heard.
type Instrument struct {
	ID             preauth.ID
	Type           string // CARD, BANK_ACCOUNT or MNO
	Label          string
	Currency       string
	Balance        int64
	PreAuthCapable bool
	Delegated      bool
}

// Identity is who the device is. The zero value is a device that is not
// enrolled. Private keys are never here.
type Identity struct {
	DeviceCert  []byte // Signed DeviceCert
	TLSCert     []byte // X.509, DER
	RootKey     preauth.PublicKey
	TrustBundle []byte // Signed TrustBundle
	CA          []byte // PEM
	BackendURL  string
	Locked      bool
	// VoidUntil is up to when the backend issued what is not spent from: the
	// device may have done so and forgotten it. Zero for none.
	VoidUntil time.Time
}

// Enrolled reports whether there is a certificate.
func (i Identity) Enrolled() bool { return len(i.DeviceCert) > 0 }

// Call is a mutating call that a caller may repeat.
type Call struct {
	RequestID preauth.ID
	Method    string
	Content   preauth.Hash // of the request without its id
	Subject   preauth.ID   // the payment or pre-authorization it made or changed
}

// Unsettled is money not settled yet, in one currency. Amounts are minor
// units.
type Unsettled struct {
	Currency   string
	Count      int64
	Total      int64
	Guaranteed int64
	// Awaited is the part of Total for which nothing was given away yet: the
	// backend decides first. Reads fill it.
	Awaited int64
}

// Filter selects payments of the history.
type Filter struct {
	States   []payment.State // empty: all
	From, To time.Time       // created at or after, before; zero: no bound
	Unsynced bool            // only those the backend has not judged
	After    string          // page token of the previous page
	Limit    int             // at most this many; 0 means 50
}
