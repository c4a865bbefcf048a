// Package payment is the life of a payment on one device: two state machines,
// one for the customer and one for the business, as tables and pure
// functions. Step decides what a payment becomes and what follows from it;
// the caller stores that, in one transaction, and only then notifies and
// sends.
//
// The rule behind every edge: a customer whose voucher may have left is
// AUTHORIZED, neither paid nor failed, and only proof frees its funds. The
// proofs are the till's signed Cancel for that very request, the backend's
// verdict, and a backend-signed time past settle_by. A lost link, a clock
// and a timeout prove nothing.
package payment

import "errors"

// ErrState: the event is not allowed in the payment's state. Peers repeat
// themselves, so callers drop it for what came over the air, and only for
// that; a backend verdict that meets it is kept and shown.
var ErrState = errors.New("not possible in this state")

// State is where a payment stands on this device. It is stored by name.
type State string

// The states. REQUESTED, AUTHORIZED, DECLINED, OTHER_PAID and RELEASED are
// the customer's, OPEN and AWAITING the business's, the others of both.
const (
	Requested   State = "REQUESTED"
	Authorized  State = "AUTHORIZED"
	Open        State = "OPEN"
	Awaiting    State = "AWAITING"
	Provisional State = "PROVISIONAL"
	Settled     State = "SETTLED"
	Declined    State = "DECLINED"
	Cancelled   State = "CANCELLED"
	OtherPaid   State = "OTHER_PAID"
	Expired     State = "EXPIRED"
	Rejected    State = "REJECTED"
	Released    State = "RELEASED"
)

// Status is the coarse status of the Vipaso SDK.
type Status string

// The statuses, each the sum of some states.
const (
	Initiated  Status = "INITIATED"
	InProgress Status = "IN_PROGRESS"
	Completed  Status = "COMPLETED"
	Withdrawn  Status = "CANCELLED"
	Failed     Status = "FAILED"
)

// Status returns the coarse status of a state.
func (s State) Status() Status {
	switch s {
	case Requested, Open:
		return Initiated
	case Authorized, Awaiting:
		return InProgress
	case Provisional, Settled:
		return Completed
	case Declined, Cancelled, OtherPaid:
		return Withdrawn
	}
	return Failed
}

// Unfinished reports whether the state still waits for somebody: a person, a
// peer or the backend.
func (s State) Unfinished() bool {
	switch s {
	case Requested, Open, Authorized, Awaiting, Provisional:
		return true
	}
	return false
}

// Funds is what a customer's payment does to its pre-authorization.
type Funds int

// The three things a voucher can do to a hold.
const (
	Free  Funds = iota // nothing, or no more
	Held               // may still be captured
	Spent              // captured
)

// Funds returns what a voucher in this state does to its hold. A rejected
// voucher stays held: a reversal elsewhere may yet pay it.
func (s State) Funds() Funds {
	switch s {
	case Authorized, Provisional, Rejected:
		return Held
	case Settled:
		return Spent
	}
	return Free
}

// Note is an entry for the event log.
type Note struct {
	Kind   NoteKind
	Reason string // of the error catalogue, or a customer's words
}

// NoteKind is what an entry of the event log says.
type NoteKind string

// The entries, named as their events in vipaso.payment.v1.
const (
	NoteOpened          NoteKind = "PaymentOpened"
	NoteRequestReceived NoteKind = "PaymentRequestReceived"
	NoteAccepted        NoteKind = "PaymentAccepted"
	NoteSuccessful      NoteKind = "PaymentSuccessful"
	NoteCancelled       NoteKind = "PaymentCancelled"
	NoteAnotherUserPaid NoteKind = "AnotherUserPaid"
	NoteFailed          NoteKind = "PaymentFailed"
	NoteUnconfirmed     NoteKind = "PaymentUnconfirmed"
	NoteAwaiting        NoteKind = "PaymentAwaiting"
	NoteSettled         NoteKind = "PaymentSettled"
	NoteRejected        NoteKind = "PaymentRejected"
	NoteDeclined        NoteKind = "PaymentDeclined"
	NoteDisconnected    NoteKind = "Disconnected"
)

// Reason is why a payment ended or a request was cancelled, as in the signed
// Cancel.
type Reason string

// The reasons of a Cancel.
const (
	ReasonTimeout        Reason = "TIMEOUT"
	ReasonOtherPaid      Reason = "OTHER_PAID"
	ReasonUser           Reason = "USER"
	ReasonDeclined       Reason = "DECLINED"
	ReasonRefused        Reason = "REFUSED"
	ReasonOnlineRequired Reason = "ONLINE_REQUIRED"
	ReasonReversal       Reason = "REVERSAL"
)
