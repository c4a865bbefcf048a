package payment

import (
	"cmp"
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
	Tip        int64     // the winner's, minor units
	Guaranteed int64     // what the issuer pays in any case, minor units
	Settled    int64     // what the backend paid, minor units
	Reason     string    // why it ended, of the error catalogue
	UpdatedAt  time.Time // when State last changed
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
	Forgotten      BusinessEvent = "Forgotten"      // the store was put back from an older copy
	Reverse        BusinessEvent = "Reverse"        // the till gives the money back
	SaleSettled    BusinessEvent = "SaleSettled"    // the backend paid a request
	SaleRejected   BusinessEvent = "SaleRejected"   // the backend refused it
	SaleCancelled  BusinessEvent = "SaleCancelled"  // the backend knows a valid Cancel of it
)

// Cancels reports whether the event is the till's own wish to end a payment,
// which it signs. A locked till waits with it.
func (e BusinessEvent) Cancels() bool {
	return e == Withdraw || e == AllDeclined || e == TimedOut || e == Reverse
}

// BusinessInput is an event with what came along.
type BusinessInput struct {
	Event      BusinessEvent
	Request    preauth.Hash // AskMade, CustomerSaidNo, Refuse, Paid, PaidOnline, Sale*
	Voucher    preauth.Hash // Paid, PaidOnline
	Tip        int64        // Paid, PaidOnline, minor units
	Guaranteed int64        // Paid, minor units
	Code       string       // Refuse: reason of the catalogue
	Reason     string       // CustomerSaidNo: the customer's words; SaleRejected, SaleCancelled
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
		// What the till has signed since is not known, so it signs nothing:
		// its requests stay without an outcome.
		Forgotten: {Expired, NoteFailed, ""},
	},
	// The customer of an AWAITING payment leaves without the goods. A reversal
	// elsewhere could still pay a rejected voucher, so every end but SETTLED
	// is the till's own Cancel too.
	Awaiting: {
		Withdraw:      {Cancelled, NoteCancelled, ReasonOnlineRequired},
		TimedOut:      {Cancelled, NoteCancelled, ReasonOnlineRequired},
		SaleSettled:   {Settled, NoteSettled, ""},
		SaleRejected:  {Rejected, NoteRejected, ReasonOnlineRequired},
		SaleCancelled: {Cancelled, NoteCancelled, ReasonOnlineRequired},
	},
	Provisional: {
		Reverse:       {Cancelled, NoteCancelled, ReasonReversal},
		SaleSettled:   {Settled, NoteSettled, ""},
		SaleRejected:  {Rejected, NoteRejected, ""},
		SaleCancelled: {Cancelled, NoteCancelled, ""},
	},
	Settled: {
		Reverse:       {Cancelled, NoteCancelled, ReasonReversal},
		SaleSettled:   {Settled, NoteSettled, ""}, // the rest of a shortfall
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
	e, ok := s.edge(in)
	if !ok && !s.absorbs(in) {
		return s, Effects{}, fmt.Errorf("%s of a payment that is %s: %w", in.Event, s.State, ErrState)
	}
	var fx Effects
	next := s
	next.Asks = slices.Clone(s.Asks)
	next.Rev++
	if !ok {
		if s.outranks(in) {
			fx.Outbox = []Item{{Kind: ItemCancel, Request: in.Request}}
		}
		return next, fx, nil
	}
	fx.Notes = s.notes(e, in)
	next.record(in)
	next.answer(e, in, &fx)
	if e.to != s.State {
		next.State, next.Reason, next.UpdatedAt = e.to, s.reasonOf(e, in), now
	}
	return next, fx, nil
}

// edge looks the event up. An answer must meet an open request, and only the
// winner's verdict is the payment's: a backend answers the Cancels of the
// others with verdicts too.
func (s Sale) edge(in BusinessInput) (e businessEdge, ok bool) {
	switch in.Event {
	case AskMade:
		ok = !in.Request.Zero() && s.find(in.Request) < 0
	case CustomerSaidNo, Refuse, Paid, PaidOnline:
		a, asked := s.Asked(in.Request)
		ok = asked && !a.Answered()
	case SaleSettled, SaleRejected, SaleCancelled:
		ok = s.won(in.Request) && !s.outranks(in)
	default:
		ok = true
	}
	if !ok {
		return businessEdge{}, false
	}
	e, ok = business[s.State][in.Event]
	return e, ok
}

// absorbs reports whether a verdict changes nothing and is no error: it says
// what is known, or a Cancel outranks it.
func (s Sale) absorbs(in BusinessInput) bool {
	a, _ := s.Asked(in.Request)
	switch in.Event {
	case SaleSettled:
		return s.outranks(in) || s.won(in.Request) && s.State == Cancelled
	case SaleRejected:
		return s.outranks(in) || s.won(in.Request) && (s.State == Cancelled || s.State == Rejected)
	case SaleCancelled:
		return a.Cancel != "" || s.won(in.Request) && s.State == Cancelled
	}
	return false
}

// outranks reports whether a verdict meets the till's own Cancel for that
// request: the Cancel is handed in again and wins.
func (s Sale) outranks(in BusinessInput) bool {
	a, _ := s.Asked(in.Request)
	return a.Cancel != "" && (in.Event == SaleSettled || in.Event == SaleRejected)
}

func (s Sale) won(request preauth.Hash) bool { return !request.Zero() && request == s.Winner }

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

// record keeps what came along with the event.
func (s *Sale) record(in BusinessInput) {
	switch in.Event {
	case AskMade:
		s.Asks = append(s.Asks, Ask{Request: in.Request})
	case Paid:
		s.Winner, s.Tip, s.Guaranteed = in.Request, in.Tip, in.Guaranteed
	case PaidOnline: // nothing is guaranteed before the verdict
		s.Winner, s.Tip = in.Request, in.Tip
	case SaleSettled:
		s.Settled = max(s.Settled, in.Settled) // a smaller one is older
	case SaleCancelled, Reverse:
		s.Settled = 0
	}
}

// answer writes outcomes and says what is handed in and sent. The winner's
// receipt goes out before the losers' Cancels.
func (s *Sale) answer(e businessEdge, in BusinessInput, fx *Effects) {
	switch in.Event {
	case AskMade:
		fx.Send = append(fx.Send, Message{SendRequest, in.Request})
	case CustomerSaidNo:
		s.cancel(s.find(in.Request), e.cancel, "", fx)
	case Refuse:
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
		if s.State != Settled {
			fx.Send = append(fx.Send, Message{SendReceipt, s.Winner})
		}
	case SaleRejected, SaleCancelled:
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
// also says that the payment was successful; an amount is said once.
func (s Sale) notes(e businessEdge, in BusinessInput) []Note {
	if e.note == "" || s.State == Settled && e.to == Settled && in.Settled <= s.Settled {
		return nil
	}
	var notes []Note
	if s.State == Awaiting && e.to == Settled {
		notes = append(notes, Note{Kind: NoteSuccessful})
	}
	return append(notes, Note{Kind: e.note, Reason: s.reasonOf(e, in)})
}

// reasonOf returns why, in words of the error catalogue or the customer's. A
// verdict that cancels a payment is the echo of a Cancel: the till's own, or,
// if its store has lost that, a reversal.
func (s Sale) reasonOf(e businessEdge, in BusinessInput) string {
	switch in.Event {
	case Refuse:
		return in.Code
	case CustomerSaidNo, SaleRejected:
		return in.Reason
	case SaleCancelled:
		a, _ := s.Asked(in.Request)
		return string(cmp.Or(Reason(in.Reason), a.Cancel, e.cancel, ReasonReversal))
	case Forgotten:
		return "DEVICE_LOCKED"
	}
	if e.to == Cancelled || e.to == Expired {
		return string(e.cancel)
	}
	return ""
}
