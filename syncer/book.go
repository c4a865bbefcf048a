package syncer

import (
	"context"
	"crypto/tls"
	"time"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// Book is what the device knows and owes. Its methods may be called from
// several goroutines, and must not wait for the Syncer's.
type Book interface {
	// Credentials returns how the device shows itself to its backend. The
	// error wraps ErrNotEnrolled if it has none.
	Credentials(ctx context.Context) (Credentials, error)

	// Due returns at most limit items whose NextTry is not after now, the
	// earliest deadline first and of equal ones the one that was stored first.
	Due(ctx context.Context, now time.Time, limit int) ([]outbox.Item, error)

	// Judge applies a verified verdict on an item: the payment's state, its
	// event and the end of the item are one commit. If the error wraps
	// payment.ErrState, the item is kept and shown.
	Judge(ctx context.Context, item outbox.Item, v preauth.Verdict) error

	// Postpone stores Tries, NextTry and Error of items that stay. An empty
	// Error means that the backend has answered, and has not decided yet.
	Postpone(ctx context.Context, items []outbox.Item) error

	// Claims returns the claims on those requests, whether or not they still
	// wait to be handed in. Requests that the device does not know are left
	// out.
	Claims(ctx context.Context, requests []preauth.Hash) ([]outbox.Item, error)

	// Report returns what the device says when it asks for what changed.
	Report(ctx context.Context) (Report, error)

	// Refreshed takes the present trust bundle and what came with it.
	Refreshed(ctx context.Context, r Refresh) error

	// Renewed takes fresh certificates for the same keys: a signed
	// DeviceCert, and X.509 in DER.
	Renewed(ctx context.Context, deviceCert, tlsCert []byte) error

	// Heard takes a fresh time of the backend.
	Heard(ctx context.Context, serverTime time.Time) error
}

// Credentials is how a device shows itself to its backend, and by what it
// knows the backend.
type Credentials struct {
	URL string
	CA  []byte // PEM; nothing else vouches for the backend
	TLS tls.Certificate

	Root        preauth.PublicKey
	Trust       preauth.Trust // the newest bundle of Root
	BundleEpoch uint64        // of that bundle

	// DeviceCert is the present certificate. If it is given, a renewed one
	// must be of the same device, role and keys.
	DeviceCert   []byte    // Signed
	CertNotAfter time.Time // end of DeviceCert
}

// Report is what a device says when it asks for what changed.
type Report struct {
	VerdictsAfter int64       // VerdictsTo of the last Refresh that was stored
	JournalHead   []byte      // Signed, nil without events
	Allowances    []Allowance // that the backend does not know, oldest first, at most 50
}

// Allowance is what a person allowed on the device beyond a rule.
type Allowance struct {
	N            int64  // the book's own number of it
	Kind         string // STALE_BUNDLE, OWN_LIMITS or EMERGENCY
	Reason       string
	By           string // user name of the caller
	Since, Until time.Time
}

// Refresh is what the backend says when asked for what changed.
type Refresh struct {
	Trust       preauth.Trust
	Instruments []Instrument
	Voided      []preauth.ID // pre-authorizations of this device
	// Preauths are certificates of this device that Trust's issuers signed in
	// place of one that is withdrawn. They say what they said before.
	Preauths []preauth.PreauthCert
	// VerdictsTo is how far changed verdicts were read; all up to there have
	// been judged but those on Unjudged, which met a payment.ErrState and are
	// to be handed in again so that people see them.
	VerdictsTo int64
	Unjudged   []outbox.Item
	Told       []Allowance // of the report, as the backend has them now
	ServerTime time.Time
}

// Instrument is a funding source of the customer.
type Instrument struct {
	ID             preauth.ID
	Type           string // CARD, BANK_ACCOUNT or MNO
	Label          string
	Currency       string
	Balance        int64 // free, minor units
	PreAuthCapable bool
	Delegated      bool
}

// Result is what became of one item that was handed over.
type Result struct {
	Item    outbox.Item
	Verdict preauth.Verdict // zero if the item stays
	Err     error           // why it stays; wraps outbox.ErrUnanswered if only nothing is known yet
}

// Summary ends a synchronization.
type Summary struct {
	Synced    int            // items that are done
	Remaining int            // items that were tried and stay
	Totals    []outbox.Total // over the requests that got a verdict
}
