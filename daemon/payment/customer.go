package payment

import (
	"cmp"
	"fmt"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// Attempt is a customer's side of one request. A payment may see several,
// one for each session in which the till asked.
type Attempt struct {
	Request   preauth.Hash // its identity
	Payment   preauth.ID
	Business  preauth.ID   // device id of the till
	State     State        //
	Rev       int64        // grows by one with each step
	Voucher   preauth.Hash // H(Voucher) or H(Charge), zero until accepted
	Charge    bool         // paid by a Charge, without pre-authorization
	Cancel    bool         // a verified Cancel is stored
	Receipt   bool         // a verified Receipt is stored
	Notified  bool         // PaymentSuccessful was sent
	Doubtful  bool         // PaymentUnconfirmed was sent
	Settled   int64        // what the backend paid, minor units; 0 while only the till says so
	Reason    string       // why it ended, of the error catalogue
	UpdatedAt time.Time    // when State last changed
}

// CustomerEvent is what can happen to a customer's payment.
type CustomerEvent string

// The events. Those of the till have been verified before they are made.
const (
	Accept           CustomerEvent = "Accept"           // the voucher or charge is signed
	Decline          CustomerEvent = "Decline"          // the customer says no
	Supersede        CustomerEvent = "Supersede"        // a newer request of the payment came
	RequestExpired   CustomerEvent = "RequestExpired"   // the request's ttl has passed
	LinkLost         CustomerEvent = "LinkLost"         // the session ended
	Unanswered       CustomerEvent = "Unanswered"       // no receipt in time
	ReceiptStored    CustomerEvent = "ReceiptStored"    // Receipt(STORED) verified
	ReceiptSettled   CustomerEvent = "ReceiptSettled"   // Receipt(SETTLED) verified
	CancelOtherPaid  CustomerEvent = "CancelOtherPaid"  // Cancel(OTHER_PAID) verified
	CancelReceived   CustomerEvent = "CancelReceived"   // any other Cancel verified
	VerdictSettled   CustomerEvent = "VerdictSettled"   // the backend paid
	VerdictRejected  CustomerEvent = "VerdictRejected"  // the backend refused
	VerdictCancelled CustomerEvent = "VerdictCancelled" // the backend knows a valid Cancel
	SettleByPassed   CustomerEvent = "SettleByPassed"   // a backend-signed time is past settle_by
)

// CustomerInput is an event with what came along.
type CustomerInput struct {
	Event   CustomerEvent
	Voucher preauth.Hash // Accept
	Charge  bool         // Accept
	Reason  string       // CancelReceived, VerdictRejected, VerdictCancelled; may be empty
	Settled int64        // VerdictSettled, minor units
}

// customerEdge is what one event does in one state.
type customerEdge struct {
	to   State
	note NoteKind
}

// customer is the state machine of the customer role. What is missing is
// refused; what a verdict may not change stands in absorbs.
var customer = map[State]map[CustomerEvent]customerEdge{
	Requested: {
		Accept:          {Authorized, NoteAccepted},
		Decline:         {Declined, NoteCancelled},
		Supersede:       {Expired, ""},
		RequestExpired:  {Expired, NoteFailed},
		LinkLost:        {Expired, NoteFailed},
		CancelOtherPaid: {OtherPaid, NoteAnotherUserPaid},
		CancelReceived:  {Cancelled, NoteCancelled},
	},
	Authorized: {
		LinkLost:         {Authorized, NoteUnconfirmed},
		Unanswered:       {Authorized, NoteUnconfirmed},
		ReceiptStored:    {Provisional, NoteSuccessful},
		ReceiptSettled:   {Settled, NoteSettled},
		CancelOtherPaid:  {OtherPaid, NoteAnotherUserPaid},
		CancelReceived:   {Cancelled, NoteCancelled},
		VerdictSettled:   {Settled, NoteSettled},
		VerdictRejected:  {Rejected, NoteRejected},
		VerdictCancelled: {Cancelled, NoteCancelled},
		SettleByPassed:   {Released, NoteFailed},
	},
	Provisional: {
		ReceiptSettled:   {Settled, NoteSettled},
		CancelOtherPaid:  {OtherPaid, NoteAnotherUserPaid},
		CancelReceived:   {Cancelled, NoteCancelled},
		VerdictSettled:   {Settled, NoteSettled},
		VerdictRejected:  {Rejected, NoteRejected},
		VerdictCancelled: {Cancelled, NoteCancelled},
		SettleByPassed:   {Released, NoteFailed},
	},
	Settled: {
		VerdictSettled:   {Settled, NoteSettled}, // the rest of a shortfall
		VerdictCancelled: {Cancelled, NoteCancelled},
	},
	Rejected: {
		CancelOtherPaid:  {OtherPaid, NoteAnotherUserPaid},
		CancelReceived:   {Cancelled, NoteCancelled},
		VerdictSettled:   {Settled, NoteSettled},
		VerdictCancelled: {Cancelled, NoteCancelled},
		SettleByPassed:   {Released, ""}, // no reversal can pay it any more
	},
	Released: {
		CancelOtherPaid:  {OtherPaid, NoteAnotherUserPaid},
		CancelReceived:   {Cancelled, NoteCancelled},
		VerdictSettled:   {Settled, NoteSettled},
		VerdictCancelled: {Cancelled, NoteCancelled},
	},
}

// Step returns what a becomes when in happens at now, and what follows from
// it: first store, then notify and send. Equal arguments give equal results.
//
// The error wraps ErrState if a's state has no edge for the event; a is then
// returned unchanged.
func (a Attempt) Step(in CustomerInput, now time.Time) (Attempt, Effects, error) {
	e, ok := a.edge(in.Event)
	if !ok && !a.absorbs(in.Event) {
		return a, Effects{}, fmt.Errorf("%s of a payment that is %s: %w", in.Event, a.State, ErrState)
	}
	var fx Effects
	fx.handIn(a.handsIn(in.Event))
	next := a
	next.Rev++
	next.record(in)
	if !ok {
		return next, fx, nil
	}
	next.State = e.to
	if e.to != a.State {
		next.Reason, next.UpdatedAt = a.reasonOf(in), now
	}
	fx.Notes = a.notes(e, in)
	next.Notified = a.Notified || e.to == Provisional || e.to == Settled
	next.Doubtful = a.Doubtful || e.note == NoteUnconfirmed
	fx.send(in.Event)
	return next, fx, nil
}

// edge looks the event up. A charge is never PROVISIONAL, whatever its till
// says, and what a Cancel outranks changes nothing.
func (a Attempt) edge(ev CustomerEvent) (e customerEdge, ok bool) {
	if a.outranks(ev) || a.Charge && ev == ReceiptStored {
		return customerEdge{}, false
	}
	if a.State == Settled && a.Settled == 0 && ev == VerdictRejected {
		return customerEdge{Rejected, NoteRejected}, true // only the till had said SETTLED
	}
	e, ok = customer[a.State][ev]
	return e, ok
}

// absorbs reports whether the event changes no state but is no error either:
// a verdict that says what is known already, one that a Cancel outranks, and
// a Cancel that comes to a payment it cannot change any more.
func (a Attempt) absorbs(ev CustomerEvent) bool {
	switch ev {
	case CancelReceived, CancelOtherPaid:
		return true // never dropped: stored and handed in, in every state
	case VerdictRejected:
		return a.State == Rejected || a.State == Released || a.outranks(ev)
	case VerdictCancelled:
		return a.State.Status() == Withdrawn || a.State == Expired
	}
	return a.outranks(ev)
}

// outranks reports whether a verdict comes too late: CANCELLED is last, for
// whoever holds a valid Cancel or has that verdict.
func (a Attempt) outranks(ev CustomerEvent) bool {
	return (ev == VerdictSettled || ev == VerdictRejected) && (a.Cancel || a.State == Cancelled)
}

// record keeps what came along with the event.
func (a *Attempt) record(in CustomerInput) {
	switch in.Event {
	case Accept:
		a.Voucher, a.Charge = in.Voucher, in.Charge
	case ReceiptStored, ReceiptSettled:
		a.Receipt = true
	case CancelReceived, CancelOtherPaid:
		a.Cancel = true
	case VerdictSettled:
		if !a.outranks(in.Event) {
			a.Settled = max(a.Settled, in.Settled) // a smaller one is older
		}
	case VerdictCancelled:
		a.Settled = 0
	}
}

// handsIn says what goes into the outbox: the claim as soon as a voucher
// exists and again with its first receipt, and every Cancel with its request,
// again if a verdict contradicts it.
func (a Attempt) handsIn(ev CustomerEvent) ItemKind {
	switch ev {
	case Accept:
		return ItemClaim
	case ReceiptStored, ReceiptSettled:
		if !a.Receipt {
			return ItemClaim
		}
	case CancelReceived, CancelOtherPaid:
		return ItemCancel
	case VerdictSettled, VerdictRejected:
		if a.Cancel {
			return ItemCancel
		}
	}
	return ""
}

// notes are the log entries of an edge. A settlement that comes before any
// receipt also says that the payment was successful; a link lost says so
// beside what it did to the payment; doubt is said once, and so is an amount.
func (a Attempt) notes(e customerEdge, in CustomerInput) []Note {
	var notes []Note
	if e.to == Settled && !a.Notified {
		notes = append(notes, Note{Kind: NoteSuccessful})
	}
	if e.note != "" && !a.noted(e, in) {
		notes = append(notes, Note{Kind: e.note, Reason: a.reasonOf(in)})
	}
	if in.Event == LinkLost {
		notes = append(notes, Note{Kind: NoteDisconnected, Reason: a.reasonOf(in)})
	}
	return notes
}

// noted reports whether an edge that leads back to its state has nothing new
// to say.
func (a Attempt) noted(e customerEdge, in CustomerInput) bool {
	switch {
	case e.note == NoteUnconfirmed:
		return a.Doubtful
	case a.State == Settled && e.to == Settled:
		return a.Settled == 0 || in.Settled <= a.Settled
	}
	return false
}

// reasonOf returns why, in words of the error catalogue. A verdict that
// cancels a paid payment is a reversal.
func (a Attempt) reasonOf(in CustomerInput) string {
	switch in.Event {
	case RequestExpired:
		return string(ReasonTimeout)
	case LinkLost, Supersede: // the newer request has a session of its own
		return "LINK_LOST"
	case CancelOtherPaid:
		return string(ReasonOtherPaid)
	case SettleByPassed:
		return "RELEASED"
	case Decline:
		return string(ReasonDeclined)
	case VerdictCancelled:
		if a.State.Status() == Completed {
			return cmp.Or(in.Reason, string(ReasonReversal))
		}
		return cmp.Or(in.Reason, "REQUEST_CANCELLED")
	}
	return in.Reason
}
