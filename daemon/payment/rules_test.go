package payment

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// ruleOfAttempt returns what a customer's step broke of the money rules.
func ruleOfAttempt(a, next Attempt, in CustomerInput, fx Effects) error {
	from, to := a.State.Funds(), next.State.Funds()
	backend := in.Event == VerdictSettled || in.Event == VerdictRejected
	switch {
	case to != Free && next.Voucher.Zero():
		return errors.New("funds are bound without a voucher")
	case from == Held && to == Free && !proof(in.Event):
		return errors.New("a hold was freed without proof")
	case from == Spent && to != Spent && in.Event != VerdictCancelled && !(a.Settled == 0 && to == Held): // only its till had called it spent
		return errors.New("a captured hold was freed without a reversal")
	case from == Free && to != Free && in.Event != Accept && !(a.State == Released && backend):
		return errors.New("funds were bound by something else than a voucher")
	case ended(a.State) && next.State != a.State:
		return errors.New("CANCELLED was not last")
	case next.State == Provisional && a.State != Provisional && (a.State != Authorized || in.Event != ReceiptStored):
		return errors.New("PROVISIONAL came out of something else than a receipt")
	case next.State == Provisional && (next.Charge || !next.Receipt):
		return errors.New("PROVISIONAL without a receipt, or of a charge")
	case a.Cancel && !next.Cancel:
		return errors.New("a Cancel was dropped")
	case cancelEvent(in.Event) && (!next.Cancel || !slices.Contains(fx.Outbox, Item{Kind: ItemCancel})):
		return errors.New("a Cancel was neither stored nor handed in")
	case a.Cancel && backend && !slices.Contains(fx.Outbox, Item{Kind: ItemCancel}):
		return errors.New("a verdict against a Cancel was not answered with it")
	case next.Settled > 0 && next.State != Settled:
		return errors.New("an amount is settled of a payment that is not")
	case slices.Contains(fx.Send, Message{Kind: SendVoucher}) && a.State != Requested:
		return errors.New("a voucher was sent twice")
	case next.Rev != a.Rev+1:
		return errors.New("the revision did not grow by one")
	}
	return nil
}

// proof: only these free a hold.
func proof(ev CustomerEvent) bool {
	return cancelEvent(ev) || ev == VerdictCancelled || ev == SettleByPassed
}

func cancelEvent(ev CustomerEvent) bool { return ev == CancelReceived || ev == CancelOtherPaid }

func ended(s State) bool { return s == Cancelled || s == OtherPaid }

// ruleOfSale returns what a till's step broke of the money rules.
func ruleOfSale(s, next Sale, in BusinessInput, fx Effects) error {
	winner, _ := next.Asked(next.Winner)
	paid := next.State == Provisional || next.State == Awaiting || next.State == Settled
	switch {
	case next.State == Open && s.State != Open:
		return errors.New("it was OPEN twice")
	case !s.Winner.Zero() && next.Winner != s.Winner:
		return errors.New("the winner changed")
	case s.State == Cancelled && next.State != Cancelled:
		return errors.New("CANCELLED was not last")
	case paid && (!winner.Receipt || winner.Cancel != ""):
		return fmt.Errorf("%s without a receipt that counts", next.State)
	case next.State == Provisional && s.State != Provisional && (in.Event != Paid || s.State != Open):
		return errors.New("PROVISIONAL came out of something else than a voucher")
	case s.State == Awaiting && !paid && winner.Cancel != ReasonOnlineRequired:
		return errors.New("failure was reported for a stored voucher without a Cancel")
	case next.State == Awaiting && next.Guaranteed != 0:
		return errors.New("something is guaranteed before the verdict")
	case (next.Settled > 0) != (next.State == Settled):
		return fmt.Errorf("%d settled of a payment that is %s", next.Settled, next.State)
	case next.Rev != s.Rev+1:
		return errors.New("the revision did not grow by one")
	}
	return errors.Join(ruleOfAsks(s, next, fx), ruleOfSending(s, next, fx))
}

// ruleOfAsks: each request ends with exactly one outcome, which stays, except
// that a receipt can still be followed by two kinds of Cancel, and that what
// was open in a store that was put back has none; and what is new is handed
// in.
func ruleOfAsks(s, next Sale, fx Effects) error {
	receipts := 0
	for i, a := range next.Asks {
		var was Ask
		if i < len(s.Asks) {
			was = s.Asks[i]
		}
		late := a.Cancel == ReasonOnlineRequired || a.Cancel == ReasonReversal
		item := func(k ItemKind) bool { return slices.Contains(fx.Outbox, Item{k, a.Request}) }
		if a.Receipt {
			receipts++
		}
		switch {
		case was.Cancel != "" && a != was:
			return fmt.Errorf("the Cancel of %s changed", named(a.Request))
		case was.Receipt && (!a.Receipt || a.Voucher != was.Voucher):
			return fmt.Errorf("the receipt of %s changed", named(a.Request))
		case a.Receipt && a.Cancel != "" && !late:
			return fmt.Errorf("%s has a receipt and Cancel(%s)", named(a.Request), a.Cancel)
		case !a.Receipt && late:
			return fmt.Errorf("%s has Cancel(%s) and no receipt", named(a.Request), a.Cancel)
		case a.Receipt && a.Request != next.Winner:
			return fmt.Errorf("%s has a receipt and did not win", named(a.Request))
		case !a.Answered() && next.State != Open && next.Reason != "DEVICE_LOCKED":
			return fmt.Errorf("%s has no outcome", named(a.Request))
		case a.Cancel != was.Cancel && !item(ItemCancel), a.Receipt != was.Receipt && !item(ItemClaim):
			return fmt.Errorf("the outcome of %s was not handed in", named(a.Request))
		}
	}
	if receipts > 1 || len(next.Asks) < len(s.Asks) {
		return fmt.Errorf("%d receipts, %d requests after %d", receipts, len(next.Asks), len(s.Asks))
	}
	return nil
}

// ruleOfSending: what is sent is what is stored, the winner's receipt first,
// and none before the verdict.
func ruleOfSending(s, next Sale, fx Effects) error {
	for i, m := range fx.Send {
		a, asked := next.Asked(m.Request)
		switch {
		case !asked:
			return fmt.Errorf("%s for a request never made", m.Kind)
		case m.Kind == SendReceipt && (i > 0 || !a.Receipt || a.Cancel != "" || next.State == Awaiting):
			return fmt.Errorf("receipt %d of %s while %s", i, named(m.Request), next.State)
		case m.Kind == SendCancel && a.Cancel == "":
			return fmt.Errorf("Cancel of %s that is not stored", named(m.Request))
		}
	}
	for i, a := range next.Asks {
		if i < len(s.Asks) && a.Cancel != s.Asks[i].Cancel && !slices.Contains(fx.Send, Message{SendCancel, a.Request}) {
			return fmt.Errorf("Cancel of %s is stored and not sent", named(a.Request))
		}
	}
	return nil
}

// TestCancels: what a till does by itself, and signs, waits while it is locked;
// what it is told does not.
func TestCancels(t *testing.T) {
	for _, ev := range businessEvents {
		own := slices.Contains([]BusinessEvent{Withdraw, AllDeclined, TimedOut, Reverse}, ev)
		if ev.Cancels() != own {
			t.Errorf("%s: %v", ev, ev.Cancels())
		}
	}
}
