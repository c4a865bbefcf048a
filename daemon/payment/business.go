package payment

import (
	"fmt"
	"slices"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// Sale is a business's side of one payment: it asks several customers, each
// in a session of its own, and is paid by at most one.
type Sale struct {
	ID         preauth.ID
	State      State
	Rev        int64 // grows by one with each step
	Asks       []Ask // in the order they were made
	Winner     preauth.Hash
	Tip        int64 // the winner's, minor units
	Guaranteed int64 // what the issuer pays in any case, minor units
	Settled    int64 // what the backend paid, minor units
	Reason     string
	UpdatedAt  time.Time
}

// Ask is one Request of a payment and what the till has signed about it. An
// outcome, once there, is the answer to whatever arrives for the request.
type Ask struct {
	Request preauth.Hash
	Voucher preauth.Hash // H(Voucher) or H(Charge) the receipt is for
	Receipt bool         // a Receipt exists
	Cancel  Reason       // a Cancel exists, with this reason
	Code    string       // with REFUSED: why
}

// Answered reports whether the request has an outcome.
func (a Ask) Answered() bool { return a.Receipt || a.Cancel != "" }

// BusinessEvent is what can happen to a business's payment.
type BusinessEvent string

// The events. What customers sent has been verified before.
const (
	AskMade        BusinessEvent = "Ask"            // a Request is made for one more session
	CustomerSaidNo BusinessEvent = "CustomerSaidNo" // a verified Decline
	Refuse         BusinessEvent = "Refuse"         // an answer failed a check
	Paid           BusinessEvent = "Paid"           // a voucher passed every check
	PaidOnline     BusinessEvent = "PaidOnline"     // a charge, or a voucher that needs the verdict first
	Withdraw       BusinessEvent = "Withdraw"       // somebody at the till cancels
	AllDeclined    BusinessEvent = "AllDeclined"    // every customer in range declined
	TimedOut       BusinessEvent = "TimedOut"       // nobody answered, or no verdict came, in time
	Reverse        BusinessEvent = "Reverse"        // the till gives the money back
	SaleSettled    BusinessEvent = "SaleSettled"    // verdict
	SaleRejected   BusinessEvent = "SaleRejected"   // verdict
	SaleCancelled  BusinessEvent = "SaleCancelled"  // verdict
)

// BusinessInput is an event with what came along.
type BusinessInput struct {
	Event      BusinessEvent
	Request    preauth.Hash // AskMade, CustomerSaidNo, Refuse, Paid, PaidOnline
	Voucher    preauth.Hash // Paid, PaidOnline
	Tip        int64        // Paid, PaidOnline, minor units
	Guaranteed int64        // Paid, minor units
	Code       string       // Refuse: reason of the catalogue
	Reason     string       // CustomerSaidNo: the customer's words; SaleRejected
	Settled    int64        // SaleSettled, minor units
}

// businessEdge is what one event does in one state: the next state, the log
// entry, and the Cancel that the winner (or, while there is none, every
// unanswered request) gets.
type businessEdge struct {
	to     State
	note   NoteKind
	cancel Reason
}

// business is the state machine of the business role.
var business = map[State]map[BusinessEvent]businessEdge{
	Open: {
		AskMade:        {Open, "", ""},
		CustomerSaidNo: {Open, NoteDeclined, ReasonDeclined},
		Refuse:         {Open, NoteDeclined, ReasonRefused},
		Paid:           {Provisional, NoteSuccessful, ReasonOtherPaid},
		PaidOnline:     {Awaiting, NoteAwaiting, ReasonOtherPaid},
		Withdraw:       {Cancelled, NoteCancelled, ReasonUser},
		AllDeclined:    {Cancelled, NoteCancelled, ReasonDeclined},
		TimedOut:       {Expired, NoteFailed, ReasonTimeout},
	},
	Awaiting: {
		Withdraw:    {Cancelled, NoteCancelled, ReasonOnlineRequired},
		TimedOut:    {Cancelled, NoteCancelled, ReasonOnlineRequired},
		SaleSettled: {Settled, NoteSettled, ""},
		// The customer leaves without the goods. A reversal elsewhere could
		// still pay a rejected voucher, so the till's Cancel ends it.
		SaleRejected:  {Rejected, NoteRejected, ReasonOnlineRequired},
		SaleCancelled: {Cancelled, NoteCancelled, ""},
	},
	Provisional: {
		Reverse:       {Cancelled, NoteCancelled, ReasonReversal},
		SaleSettled:   {Settled, NoteSettled, ""},
		SaleRejected:  {Rejected, NoteRejected, ""},
		SaleCancelled: {Cancelled, NoteCancelled, ""},
	},
	Settled: {
		Reverse:       {Cancelled, NoteCancelled, ReasonReversal},
		SaleCancelled: {Cancelled, NoteCancelled, ""},
	},
	Rejected: {
		SaleSettled:   {Settled, NoteSettled, ""},
		SaleCancelled: {Cancelled, NoteCancelled, ""},
	},
}

// Step returns what s becomes when in happens at now, and what follows from
// it. Equal arguments give equal results.
//
// The error wraps ErrState if s's state has no edge for the event, or if the
// event speaks of a request that s never made or has answered; s is then
// returned unchanged.
func (s Sale) Step(in BusinessInput, now time.Time) (Sale, Effects, error) {
	e, ok := business[s.State][in.Event]
	ok = ok && !s.outranked(in.Event)
	if !ok && !s.absorbs(in.Event) || !s.expects(in) {
		return s, Effects{}, fmt.Errorf("%s of a payment that is %s: %w", in.Event, s.State, ErrState)
	}
	next := s
	next.Asks = slices.Clone(s.Asks)
	next.Rev, next.UpdatedAt = s.Rev+1, now
	var fx Effects
	if !ok {
		if s.winnerCancelled() {
			fx.Outbox = []Item{{Kind: ItemCancel, Request: s.Winner}}
		}
		return next, fx, nil
	}
	next.State = e.to
	next.record(e, in)
	fx.Notes = s.notes(e, in)
	next.answer(e, in, &fx)
	return next, fx, nil
}

// expects reports whether the event's request may have this event now.
func (s Sale) expects(in BusinessInput) bool {
	switch in.Event {
	case AskMade:
		return !in.Request.Zero() && s.find(in.Request) < 0
	case CustomerSaidNo, Refuse, Paid, PaidOnline:
		i := s.find(in.Request)
		return i >= 0 && !s.Asks[i].Answered()
	}
	return true
}

// absorbs reports whether a verdict changes nothing and is no error: it says
// what is known, or the till's own Cancel or a CANCELLED verdict outranks it.
func (s Sale) absorbs(ev BusinessEvent) bool {
	switch ev {
	case SaleSettled:
		return s.State == Settled || s.State == Cancelled || s.outranked(ev)
	case SaleRejected:
		return s.State == Rejected || s.State == Cancelled
	case SaleCancelled:
		return s.State == Cancelled || s.State == Expired
	}
	return false
}

// outranked reports whether a SETTLED verdict meets the till's own Cancel for
// the paid request: the Cancel is handed in again and wins.
func (s Sale) outranked(ev BusinessEvent) bool {
	return ev == SaleSettled && s.winnerCancelled()
}

func (s Sale) find(request preauth.Hash) int {
	return slices.IndexFunc(s.Asks, func(a Ask) bool { return a.Request == request })
}

// Asked returns the request of that hash. ok is false if s never made it.
func (s Sale) Asked(request preauth.Hash) (a Ask, ok bool) {
	if i := s.find(request); i >= 0 {
		return s.Asks[i], true
	}
	return Ask{}, false
}

func (s Sale) winnerCancelled() bool {
	i := s.find(s.Winner)
	return i >= 0 && s.Asks[i].Cancel != ""
}

// record keeps what came along with the event.
func (s *Sale) record(e businessEdge, in BusinessInput) {
	switch in.Event {
	case AskMade:
		s.Asks = append(s.Asks, Ask{Request: in.Request})
	case Paid, PaidOnline:
		s.Winner, s.Tip, s.Guaranteed = in.Request, in.Tip, in.Guaranteed
	case SaleSettled:
		s.Settled, s.Reason = in.Settled, ""
	case SaleRejected:
		s.Settled, s.Reason = 0, in.Reason
	case Withdraw, TimedOut, AllDeclined, Reverse:
		s.Reason = string(e.cancel)
	case SaleCancelled:
		s.Settled, s.Reason = 0, in.Reason
	}
}

// answer writes outcomes and says what is handed in and sent. The winner's
// receipt goes out before the losers' Cancels.
func (s *Sale) answer(e businessEdge, in BusinessInput, fx *Effects) {
	switch in.Event {
	case AskMade:
		fx.Send = append(fx.Send, Message{SendRequest, in.Request})
	case CustomerSaidNo, Refuse:
		s.cancel(s.find(in.Request), e.cancel, in.Code, fx)
	case Paid, PaidOnline:
		w := s.find(in.Request)
		s.Asks[w].Receipt, s.Asks[w].Voucher = true, in.Voucher
		fx.Outbox = append(fx.Outbox, Item{ItemClaim, in.Request})
		if in.Event == Paid {
			fx.Send = append(fx.Send, Message{SendReceipt, in.Request})
		}
		s.cancelUnanswered(e.cancel, fx)
	case Withdraw, TimedOut, AllDeclined, Reverse:
		if w := s.find(s.Winner); w >= 0 {
			s.cancel(w, e.cancel, "", fx)
			return
		}
		s.cancelUnanswered(e.cancel, fx)
	case SaleSettled:
		fx.Send = append(fx.Send, Message{SendReceipt, s.Winner})
	case SaleRejected:
		if e.cancel != "" {
			s.cancel(s.find(s.Winner), e.cancel, "", fx)
		}
	}
}

func (s *Sale) cancelUnanswered(r Reason, fx *Effects) {
	for i := range s.Asks {
		if !s.Asks[i].Answered() {
			s.cancel(i, r, "", fx)
		}
	}
}

// cancel ends one request. Its Cancel is signed from this row whenever it is
// needed, with the same bytes each time.
func (s *Sale) cancel(i int, r Reason, code string, fx *Effects) {
	s.Asks[i].Cancel, s.Asks[i].Code = r, code
	fx.Outbox = append(fx.Outbox, Item{ItemCancel, s.Asks[i].Request})
	fx.Send = append(fx.Send, Message{SendCancel, s.Asks[i].Request})
}

// notes are the log entries of an edge. A verdict that ends AWAITING well
// also says that the payment was successful.
func (s Sale) notes(e businessEdge, in BusinessInput) []Note {
	var notes []Note
	if s.State == Awaiting && e.to == Settled {
		notes = append(notes, Note{Kind: NoteSuccessful})
	}
	if e.note != "" {
		notes = append(notes, Note{Kind: e.note, Reason: businessReason(e, in)})
	}
	return notes
}

func businessReason(e businessEdge, in BusinessInput) string {
	switch in.Event {
	case Refuse:
		return in.Code
	case CustomerSaidNo, SaleRejected, SaleCancelled:
		return in.Reason
	}
	if e.to == Cancelled || e.to == Expired {
		return string(e.cancel)
	}
	return ""
}
