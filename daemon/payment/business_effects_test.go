package payment

import (
	"errors"
	"reflect"
	"testing"
)

// businessIn is an event as it comes along with what it brings. Customers
// speak of r2, which is unanswered while a payment is OPEN; the backend
// speaks of r1.
func businessIn(ev BusinessEvent) BusinessInput {
	in := BusinessInput{Event: ev}
	switch ev {
	case AskMade:
		in.Request = hash("r4")
	case CustomerSaidNo:
		in.Request, in.Reason, in.Code = hash("r2"), "no cash on me", "NOT_FOR_A_DECLINE"
	case Refuse:
		in.Request, in.Code = hash("r2"), "SIGNATURE_INVALID"
	case Paid, PaidOnline:
		in.Request, in.Voucher, in.Tip, in.Guaranteed = hash("r2"), hash("v2"), 50, 800
	case SaleSettled:
		in.Request, in.Settled = hash("r1"), 1000
	case SaleRejected:
		in.Request, in.Reason = hash("r1"), "EXHAUSTED"
	case SaleCancelled:
		in.Request = hash("r1")
	}
	return in
}

// saleIn is a payment that has come to a state in the plainest way: OPEN, r1
// has declined; else r1 has paid, except where nobody has.
func saleIn(s State) Sale {
	ask := func(r string, why Reason) Ask { return Ask{Request: hash(r), Cancel: why} }
	sale := Sale{State: s, Rev: 7, UpdatedAt: noon}
	switch s {
	case Open:
		sale.Asks = []Ask{ask("r1", ReasonDeclined), ask("r2", ""), ask("r3", "")}
		return sale
	case Expired:
		sale.Asks = []Ask{ask("r1", ReasonTimeout), ask("r2", ReasonTimeout)}
		sale.Reason = string(ReasonTimeout)
		return sale
	}
	sale.Winner = hash("r1")
	paid := Ask{Request: hash("r1"), Voucher: hash("v1"), Receipt: true}
	switch s {
	case Settled:
		sale.Settled = 1000
	case Cancelled:
		paid.Cancel, sale.Reason = ReasonReversal, string(ReasonReversal)
	}
	sale.Asks = []Ask{paid, ask("r2", ReasonOtherPaid)}
	return sale
}

// businessEffects is all that the business's machine does: what is missing is
// refused.
var businessEffects = map[State]map[BusinessEvent]string{
	Open: {
		AskMade:        `ask r4, send Request r4`,
		CustomerSaidNo: `ask r2 cancel DECLINED, log PaymentDeclined no cash on me, hand in CANCEL r2, send Cancel r2`,
		Refuse: `ask r2 cancel REFUSED(SIGNATURE_INVALID), log PaymentDeclined SIGNATURE_INVALID, ` +
			`hand in CANCEL r2, send Cancel r2`,
		Paid: `PROVISIONAL, winner r2, tip 50, guaranteed 800, ask r2 receipt for v2, ask r3 cancel OTHER_PAID, ` +
			`log PaymentSuccessful, hand in CLAIM r2, hand in CANCEL r3, send Receipt r2, send Cancel r3`,
		PaidOnline: `AWAITING, winner r2, tip 50, ask r2 receipt for v2, ask r3 cancel OTHER_PAID, ` +
			`log PaymentAwaiting, hand in CLAIM r2, hand in CANCEL r3, send Cancel r3`,
		Withdraw: `CANCELLED, because "USER", ask r2 cancel USER, ask r3 cancel USER, log PaymentCancelled USER, ` +
			`hand in CANCEL r2, hand in CANCEL r3, send Cancel r2, send Cancel r3`,
		AllDeclined: `CANCELLED, because "DECLINED", ask r2 cancel DECLINED, ask r3 cancel DECLINED, ` +
			`log PaymentCancelled DECLINED, hand in CANCEL r2, hand in CANCEL r3, send Cancel r2, send Cancel r3`,
		TimedOut: `EXPIRED, because "TIMEOUT", ask r2 cancel TIMEOUT, ask r3 cancel TIMEOUT, log PaymentFailed TIMEOUT, ` +
			`hand in CANCEL r2, hand in CANCEL r3, send Cancel r2, send Cancel r3`,
		Forgotten:     `EXPIRED, because "DEVICE_LOCKED", log PaymentFailed DEVICE_LOCKED`,
		SaleSettled:   `hand in CANCEL r1`,
		SaleRejected:  `hand in CANCEL r1`,
		SaleCancelled: `nothing`,
	},
	Awaiting: {
		Withdraw: `CANCELLED, because "ONLINE_REQUIRED", ask r1 receipt for v1 cancel ONLINE_REQUIRED, ` +
			`log PaymentCancelled ONLINE_REQUIRED, hand in CANCEL r1, send Cancel r1`,
		TimedOut: `CANCELLED, because "ONLINE_REQUIRED", ask r1 receipt for v1 cancel ONLINE_REQUIRED, ` +
			`log PaymentCancelled ONLINE_REQUIRED, hand in CANCEL r1, send Cancel r1`,
		SaleSettled: `SETTLED, settled 1000, log PaymentSuccessful, log PaymentSettled, send Receipt r1`,
		SaleRejected: `REJECTED, because "EXHAUSTED", ask r1 receipt for v1 cancel ONLINE_REQUIRED, ` +
			`log PaymentRejected EXHAUSTED, hand in CANCEL r1, send Cancel r1`,
		SaleCancelled: `CANCELLED, because "ONLINE_REQUIRED", ask r1 receipt for v1 cancel ONLINE_REQUIRED, ` +
			`log PaymentCancelled ONLINE_REQUIRED, hand in CANCEL r1, send Cancel r1`,
	},
	Provisional: {
		Reverse: `CANCELLED, because "REVERSAL", ask r1 receipt for v1 cancel REVERSAL, ` +
			`log PaymentCancelled REVERSAL, hand in CANCEL r1, send Cancel r1`,
		SaleSettled:   `SETTLED, settled 1000, log PaymentSettled, send Receipt r1`,
		SaleRejected:  `REJECTED, because "EXHAUSTED", log PaymentRejected EXHAUSTED`,
		SaleCancelled: `CANCELLED, because "REVERSAL", log PaymentCancelled REVERSAL`,
	},
	Settled: {
		Reverse: `CANCELLED, settled 0, because "REVERSAL", ask r1 receipt for v1 cancel REVERSAL, ` +
			`log PaymentCancelled REVERSAL, hand in CANCEL r1, send Cancel r1`,
		SaleSettled:   `nothing`,
		SaleCancelled: `CANCELLED, settled 0, because "REVERSAL", log PaymentCancelled REVERSAL`,
	},
	Cancelled: {
		SaleSettled:   `hand in CANCEL r1`,
		SaleRejected:  `hand in CANCEL r1`,
		SaleCancelled: `nothing`,
	},
	Expired: {
		SaleSettled:   `hand in CANCEL r1`,
		SaleRejected:  `hand in CANCEL r1`,
		SaleCancelled: `nothing`,
	},
	Rejected: {
		SaleSettled:   `SETTLED, settled 1000, log PaymentSettled, send Receipt r1`,
		SaleRejected:  `nothing`,
		SaleCancelled: `CANCELLED, because "REVERSAL", log PaymentCancelled REVERSAL`,
	},
}

// TestBusinessStepEffects meets every event in every state.
func TestBusinessStepEffects(t *testing.T) {
	for _, s := range businessStates {
		for _, ev := range businessEvents {
			t.Run(string(s)+"/"+string(ev), func(t *testing.T) {
				checkSale(t, saleIn(s), businessIn(ev), businessEffects[s][ev])
			})
		}
	}
}

// checkSale steps once. An empty want means that the event is refused.
func checkSale(t *testing.T, s Sale, in BusinessInput, want string) {
	t.Helper()
	was := append([]Ask(nil), s.Asks...)
	next, fx, err := s.Step(in, later)
	if len(was) > 0 && !reflect.DeepEqual(s.Asks, was) {
		t.Fatal("the step wrote to its argument")
	}
	if want == "" {
		if !errors.Is(err, ErrState) || !reflect.DeepEqual(next, s) || change(nil).with(fx) != "nothing" {
			t.Fatalf("got %s, error %v; want it refused and unchanged", showSale(s, next, fx), err)
		}
		return
	}
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if got := showSale(s, next, fx); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if next.Rev != s.Rev+1 {
		t.Errorf("revision %d after %d", next.Rev, s.Rev)
	}
	if changed := next.State != s.State; changed != next.UpdatedAt.Equal(later) || !changed && next.UpdatedAt != s.UpdatedAt {
		t.Errorf("state changed %t, UpdatedAt %s", changed, next.UpdatedAt)
	}
	if next.ID != s.ID {
		t.Error("the step changed which payment it is")
	}
}

// TestBusinessStepDetails: what depends on more than the state.
func TestBusinessStepDetails(t *testing.T) {
	about := func(ev BusinessEvent, request string) BusinessInput {
		in := businessIn(ev)
		in.Request = hash(request)
		return in
	}
	rejectedAwaiting := func(s *Sale) { s.Asks[0].Cancel = ReasonOnlineRequired }
	cancelledByVerdict := func(s *Sale) { s.Asks[0].Cancel = "" }
	tests := []struct {
		name  string
		state State
		with  func(*Sale)
		in    BusinessInput
		want  string
	}{
		{"a request is made once", Open, nil, about(AskMade, "r2"), ``},
		{"a request has a hash", Open, nil, about(AskMade, ""), ``},
		{"nobody pays for a request never made", Open, nil, about(Paid, "r9"), ``},
		{"an outcome is the answer to a voucher", Open, nil, about(Paid, "r1"), ``},
		{"and to a charge", Open, nil, about(PaidOnline, "r1"), ``},
		{"and to a Decline", Open, nil, about(CustomerSaidNo, "r1"), ``},
		{"and to what fails a check", Open, nil, about(Refuse, "r1"), ``},
		{"the only customer pays", Open, func(s *Sale) { s.Asks = s.Asks[1:2] }, businessIn(Paid),
			`PROVISIONAL, winner r2, tip 50, guaranteed 800, ask r2 receipt for v2, log PaymentSuccessful, ` +
				`hand in CLAIM r2, send Receipt r2`},
		{"a payment nobody was asked for ends too", Open, func(s *Sale) { s.Asks = nil }, businessIn(TimedOut),
			`EXPIRED, because "TIMEOUT", log PaymentFailed TIMEOUT`},
		{"no verdict is about nothing", Provisional, nil, about(SaleSettled, ""), ``},
		{"no verdict is about nothing while OPEN", Open, nil, about(SaleSettled, ""), ``},
		{"a verdict on an open request is kept as an error", Open, nil, about(SaleCancelled, "r2"), ``},
		{"a loser's CANCELLED leaves the winner alone", Provisional, nil, about(SaleCancelled, "r2"), `nothing`},
		{"a loser's SETTLED meets its Cancel", Provisional, nil, about(SaleSettled, "r2"), `hand in CANCEL r2`},
		{"a loser's REJECTED as well", Settled, nil, about(SaleRejected, "r2"), `hand in CANCEL r2`},
		{"a stranger's verdict is refused", Settled, nil, about(SaleCancelled, "r9"), ``},
		{"also when all is over", Cancelled, nil, about(SaleCancelled, "r9"), ``},
		{"whatever it says", Cancelled, nil, about(SaleSettled, "r9"), ``},
		{"or denies", Rejected, nil, about(SaleRejected, "r9"), ``},
		{"the rest of a shortfall is news", Settled, func(s *Sale) { s.Settled = 600 }, businessIn(SaleSettled),
			`settled 1000, log PaymentSettled`},
		{"an older verdict of less is none", Settled, func(s *Sale) { s.Settled = 1500 }, businessIn(SaleSettled), `nothing`},
		{"REJECTED with the till's Cancel stays unpaid", Rejected, rejectedAwaiting, businessIn(SaleSettled), `hand in CANCEL r1`},
		{"and offers that Cancel until it is known", Rejected, rejectedAwaiting, businessIn(SaleRejected), `hand in CANCEL r1`},
		{"and is CANCELLED in the end", Rejected, rejectedAwaiting, businessIn(SaleCancelled),
			`CANCELLED, because "ONLINE_REQUIRED", log PaymentCancelled ONLINE_REQUIRED`},
		{"a CANCELLED verdict outranks SETTLED", Cancelled, cancelledByVerdict, businessIn(SaleSettled), `nothing`},
		{"and REJECTED", Cancelled, cancelledByVerdict, businessIn(SaleRejected), `nothing`},
		{"and is no event again", Cancelled, cancelledByVerdict, businessIn(SaleCancelled), `nothing`},
		{"a verdict may say why it cancels", Provisional, nil,
			BusinessInput{Event: SaleCancelled, Request: hash("r1"), Reason: "USER"},
			`CANCELLED, because "USER", log PaymentCancelled USER`},
		{"a settlement forgets why it was rejected", Rejected, func(s *Sale) { s.Reason = "EXHAUSTED" },
			businessIn(SaleSettled), `SETTLED, settled 1000, because "", log PaymentSettled, send Receipt r1`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := saleIn(tt.state)
			if tt.with != nil {
				tt.with(&s)
			}
			checkSale(t, s, tt.in, tt.want)
		})
	}
}
