package payment

import (
	"errors"
	"testing"
)

// customerIn is an event as it comes along with what it brings.
func customerIn(ev CustomerEvent) CustomerInput {
	in := CustomerInput{Event: ev}
	switch ev {
	case Accept:
		in.Voucher = hash("v1")
	case Decline:
		in.Reason = "no cash on me"
	case CancelReceived:
		in.Reason = "USER"
	case VerdictRejected:
		in.Reason = "EXHAUSTED"
	case VerdictSettled:
		in.Settled = 1000
	}
	return in
}

// attemptIn is a payment that has come to a state in the plainest way.
func attemptIn(s State) Attempt {
	a := Attempt{Request: hash("r1"), State: s, Rev: 4, UpdatedAt: noon}
	switch s {
	case Requested, Declined, Expired:
		return a
	}
	a.Voucher = hash("v1")
	switch s {
	case Provisional:
		a.Receipt, a.Notified = true, true
	case Settled:
		a.Receipt, a.Notified, a.Settled = true, true, 1000
	case Cancelled, OtherPaid:
		a.Cancel = true
	}
	return a
}

// customerEffects is all that the customer's machine does: what is missing is
// refused.
var customerEffects = map[State]map[CustomerEvent]string{
	Requested: {
		Accept:          `AUTHORIZED, voucher v1, log PaymentAccepted, hand in CLAIM, send Voucher`,
		Decline:         `DECLINED, because "DECLINED", log PaymentCancelled DECLINED, send Decline`,
		Supersede:       `EXPIRED, because "LINK_LOST"`,
		RequestExpired:  `EXPIRED, because "TIMEOUT", log PaymentFailed TIMEOUT`,
		LinkLost:        `EXPIRED, because "LINK_LOST", log PaymentFailed LINK_LOST, log Disconnected LINK_LOST`,
		CancelOtherPaid: `OTHER_PAID, cancel true, because "OTHER_PAID", log AnotherUserPaid OTHER_PAID, hand in CANCEL`,
		CancelReceived:  `CANCELLED, cancel true, because "USER", log PaymentCancelled USER, hand in CANCEL`,
	},
	Authorized: {
		LinkLost:         `doubtful true, log PaymentUnconfirmed LINK_LOST, log Disconnected LINK_LOST`,
		Unanswered:       `doubtful true, log PaymentUnconfirmed`,
		ReceiptStored:    `PROVISIONAL, receipt true, notified true, log PaymentSuccessful, hand in CLAIM`,
		ReceiptSettled:   `SETTLED, receipt true, notified true, log PaymentSuccessful, log PaymentSettled, hand in CLAIM`,
		CancelOtherPaid:  `OTHER_PAID, cancel true, because "OTHER_PAID", log AnotherUserPaid OTHER_PAID, hand in CANCEL`,
		CancelReceived:   `CANCELLED, cancel true, because "USER", log PaymentCancelled USER, hand in CANCEL`,
		VerdictSettled:   `SETTLED, notified true, settled 1000, log PaymentSuccessful, log PaymentSettled`,
		VerdictRejected:  `REJECTED, because "EXHAUSTED", log PaymentRejected EXHAUSTED`,
		VerdictCancelled: `CANCELLED, because "REQUEST_CANCELLED", log PaymentCancelled REQUEST_CANCELLED`,
		SettleByPassed:   `RELEASED, because "RELEASED", log PaymentFailed RELEASED`,
	},
	Provisional: {
		ReceiptSettled:   `SETTLED, log PaymentSettled`,
		CancelOtherPaid:  `OTHER_PAID, cancel true, because "OTHER_PAID", log AnotherUserPaid OTHER_PAID, hand in CANCEL`,
		CancelReceived:   `CANCELLED, cancel true, because "USER", log PaymentCancelled USER, hand in CANCEL`,
		VerdictSettled:   `SETTLED, settled 1000, log PaymentSettled`,
		VerdictRejected:  `REJECTED, because "EXHAUSTED", log PaymentRejected EXHAUSTED`,
		VerdictCancelled: `CANCELLED, because "REVERSAL", log PaymentCancelled REVERSAL`,
		SettleByPassed:   `RELEASED, because "RELEASED", log PaymentFailed RELEASED`,
	},
	Settled: {
		CancelOtherPaid:  `cancel true, hand in CANCEL`,
		CancelReceived:   `cancel true, hand in CANCEL`,
		VerdictSettled:   `nothing`,
		VerdictCancelled: `CANCELLED, settled 0, because "REVERSAL", log PaymentCancelled REVERSAL`,
	},
	Declined: {
		CancelOtherPaid:  `cancel true, hand in CANCEL`,
		CancelReceived:   `cancel true, hand in CANCEL`,
		VerdictCancelled: `nothing`,
	},
	Cancelled: {
		CancelOtherPaid:  `hand in CANCEL`,
		CancelReceived:   `hand in CANCEL`,
		VerdictSettled:   `hand in CANCEL`,
		VerdictRejected:  `hand in CANCEL`,
		VerdictCancelled: `nothing`,
	},
	OtherPaid: {
		CancelOtherPaid:  `hand in CANCEL`,
		CancelReceived:   `hand in CANCEL`,
		VerdictSettled:   `hand in CANCEL`,
		VerdictRejected:  `hand in CANCEL`,
		VerdictCancelled: `nothing`,
	},
	Expired: {
		CancelOtherPaid:  `cancel true, hand in CANCEL`,
		CancelReceived:   `cancel true, hand in CANCEL`,
		VerdictCancelled: `nothing`,
	},
	Rejected: {
		CancelOtherPaid:  `OTHER_PAID, cancel true, because "OTHER_PAID", log AnotherUserPaid OTHER_PAID, hand in CANCEL`,
		CancelReceived:   `CANCELLED, cancel true, because "USER", log PaymentCancelled USER, hand in CANCEL`,
		VerdictSettled:   `SETTLED, notified true, settled 1000, log PaymentSuccessful, log PaymentSettled`,
		VerdictRejected:  `nothing`,
		VerdictCancelled: `CANCELLED, because "REQUEST_CANCELLED", log PaymentCancelled REQUEST_CANCELLED`,
		SettleByPassed:   `RELEASED, because "RELEASED"`,
	},
	Released: {
		CancelOtherPaid:  `OTHER_PAID, cancel true, because "OTHER_PAID", log AnotherUserPaid OTHER_PAID, hand in CANCEL`,
		CancelReceived:   `CANCELLED, cancel true, because "USER", log PaymentCancelled USER, hand in CANCEL`,
		VerdictSettled:   `SETTLED, notified true, settled 1000, log PaymentSuccessful, log PaymentSettled`,
		VerdictRejected:  `nothing`,
		VerdictCancelled: `CANCELLED, because "REQUEST_CANCELLED", log PaymentCancelled REQUEST_CANCELLED`,
	},
}

// TestCustomerStepEffects meets every event in every state.
func TestCustomerStepEffects(t *testing.T) {
	for _, s := range customerStates {
		for _, ev := range customerEvents {
			t.Run(string(s)+"/"+string(ev), func(t *testing.T) {
				checkAttempt(t, attemptIn(s), customerIn(ev), customerEffects[s][ev])
			})
		}
	}
}

// checkAttempt steps once. An empty want means that the event is refused.
func checkAttempt(t *testing.T, a Attempt, in CustomerInput, want string) {
	t.Helper()
	next, fx, err := a.Step(in, later)
	if want == "" {
		if !errors.Is(err, ErrState) || next != a || change(nil).with(fx) != "nothing" {
			t.Fatalf("got %s, error %v; want it refused and unchanged", showAttempt(a, next, fx), err)
		}
		return
	}
	if err != nil {
		t.Fatalf("refused: %v", err)
	}
	if got := showAttempt(a, next, fx); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if next.Rev != a.Rev+1 {
		t.Errorf("revision %d after %d", next.Rev, a.Rev)
	}
	if changed := next.State != a.State; changed != next.UpdatedAt.Equal(later) || !changed && next.UpdatedAt != a.UpdatedAt {
		t.Errorf("state changed %t, UpdatedAt %s", changed, next.UpdatedAt)
	}
	if next.Request != a.Request || next.Payment != a.Payment || next.Business != a.Business {
		t.Error("the step changed whose payment it is")
	}
}

// TestCustomerStepDetails: what depends on more than the state.
func TestCustomerStepDetails(t *testing.T) {
	tests := []struct {
		name  string
		state State
		with  func(*Attempt)
		in    CustomerInput
		want  string
	}{
		{"a charge is accepted as one", Requested, nil,
			CustomerInput{Event: Accept, Voucher: hash("c1"), Charge: true},
			`AUTHORIZED, voucher c1, charge true, log PaymentAccepted, hand in CLAIM, send Voucher`},
		{"a charge is never provisional", Authorized, func(a *Attempt) { a.Charge = true }, customerIn(ReceiptStored), ``},
		{"a charge settles", Authorized, func(a *Attempt) { a.Charge = true }, customerIn(ReceiptSettled),
			`SETTLED, receipt true, notified true, log PaymentSuccessful, log PaymentSettled, hand in CLAIM`},
		{"doubt is said once", Authorized, func(a *Attempt) { a.Doubtful = true }, customerIn(LinkLost),
			`log Disconnected LINK_LOST`},
		{"and not again in time", Authorized, func(a *Attempt) { a.Doubtful = true }, customerIn(Unanswered), `nothing`},
		{"success is said once", Released, func(a *Attempt) { a.Notified = true }, customerIn(VerdictSettled),
			`SETTLED, settled 1000, log PaymentSettled`},
		{"the first verdict names the amount that the till could not", Settled, func(a *Attempt) { a.Settled = 0 },
			customerIn(VerdictSettled), `settled 1000`},
		{"the rest of a shortfall is news", Settled, func(a *Attempt) { a.Settled = 600 }, customerIn(VerdictSettled),
			`settled 1000, log PaymentSettled`},
		{"an older verdict of less is none", Settled, func(a *Attempt) { a.Settled = 1500 }, customerIn(VerdictSettled), `nothing`},
		{"a Cancel held outranks the verdict in SETTLED", Settled, func(a *Attempt) { a.Cancel, a.Settled = true, 600 },
			customerIn(VerdictSettled), `hand in CANCEL`},
		{"and REJECTED", Settled, func(a *Attempt) { a.Cancel = true }, customerIn(VerdictRejected), `hand in CANCEL`},
		{"and where no money was", Expired, func(a *Attempt) { a.Cancel = true }, customerIn(VerdictSettled), `hand in CANCEL`},
		{"a CANCELLED verdict outranks without a Cancel", Cancelled, func(a *Attempt) { a.Cancel = false },
			customerIn(VerdictSettled), `nothing`},
		{"and REJECTED too", Cancelled, func(a *Attempt) { a.Cancel = false }, customerIn(VerdictRejected), `nothing`},
		{"a verdict may say why it cancels", Authorized, nil, CustomerInput{Event: VerdictCancelled, Reason: "TIMEOUT"},
			`CANCELLED, because "TIMEOUT", log PaymentCancelled TIMEOUT`},
		{"and why it reverses", Settled, nil, CustomerInput{Event: VerdictCancelled, Reason: "ONLINE_REQUIRED"},
			`CANCELLED, settled 0, because "ONLINE_REQUIRED", log PaymentCancelled ONLINE_REQUIRED`},
		{"a settlement forgets why it was rejected", Rejected, func(a *Attempt) { a.Reason = "EXHAUSTED" },
			customerIn(VerdictSettled),
			`SETTLED, notified true, settled 1000, because "", log PaymentSuccessful, log PaymentSettled`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := attemptIn(tt.state)
			if tt.with != nil {
				tt.with(&a)
			}
			checkAttempt(t, a, tt.in, tt.want)
		})
	}
}
