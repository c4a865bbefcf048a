package payment

import (
	"errors"
	"testing"
)

// TestCustomerStories tells what a customer can live through, event by event.
func TestCustomerStories(t *testing.T) {
	tests := []struct {
		name   string
		events []CustomerEvent
		want   State
		funds  Funds
		err    error // of the last event
	}{
		{"a receipt makes it paid", []CustomerEvent{Accept, ReceiptStored}, Provisional, Held, nil},
		{"the backend spends the hold", []CustomerEvent{Accept, ReceiptStored, VerdictSettled}, Settled, Spent, nil},
		{"a receipt after reconnect", []CustomerEvent{Accept, LinkLost, ReceiptStored}, Provisional, Held, nil},
		{"a lost link holds the funds", []CustomerEvent{Accept, LinkLost, LinkLost}, Authorized, Held, nil},
		{"so does silence", []CustomerEvent{Accept, Unanswered}, Authorized, Held, nil},
		{"a clock frees nothing", []CustomerEvent{Accept, RequestExpired}, Authorized, Held, ErrState},
		{"nor does regret", []CustomerEvent{Accept, Decline}, Authorized, Held, ErrState},
		{"nor a newer request", []CustomerEvent{Accept, Supersede}, Authorized, Held, ErrState},
		{"a second acceptance signs nothing", []CustomerEvent{Accept, Accept}, Authorized, Held, ErrState},
		{"a signed Cancel frees them", []CustomerEvent{Accept, LinkLost, CancelReceived}, Cancelled, Free, nil},
		{"so does another's payment", []CustomerEvent{Accept, CancelOtherPaid}, OtherPaid, Free, nil},
		{"so does a backend-signed time past settle_by", []CustomerEvent{Accept, SettleByPassed}, Released, Free, nil},
		{"and the backend's CANCELLED", []CustomerEvent{Accept, VerdictCancelled}, Cancelled, Free, nil},
		{"a rejected voucher may yet be paid", []CustomerEvent{Accept, VerdictRejected}, Rejected, Held, nil},
		{"but not past settle_by: its hold ends", []CustomerEvent{Accept, VerdictRejected, SettleByPassed}, Released, Free, nil},
		{"and a late REJECTED does not take it again", []CustomerEvent{Accept, SettleByPassed, VerdictRejected}, Released, Free, nil},
		{"and is, by a reversal elsewhere", []CustomerEvent{Accept, VerdictRejected, VerdictSettled}, Settled, Spent, nil},
		{"a released one may have been paid", []CustomerEvent{Accept, SettleByPassed, VerdictSettled}, Settled, Spent, nil},
		{"SETTLED waits for the verdict on its Cancel", []CustomerEvent{Accept, VerdictSettled, CancelReceived}, Settled, Spent, nil},
		{"which ends it", []CustomerEvent{Accept, VerdictSettled, CancelReceived, VerdictCancelled}, Cancelled, Free, nil},
		{"CANCELLED is last, even for SETTLED", []CustomerEvent{Accept, CancelReceived, VerdictSettled}, Cancelled, Free, nil},
		{"and for REJECTED", []CustomerEvent{Accept, VerdictCancelled, VerdictRejected}, Cancelled, Free, nil},
		{"and for a receipt", []CustomerEvent{Accept, CancelReceived, ReceiptStored}, Cancelled, Free, ErrState},
		{"a request not accepted ends with its link", []CustomerEvent{LinkLost}, Expired, Free, nil},
		{"and cannot be accepted then", []CustomerEvent{LinkLost, Accept}, Expired, Free, ErrState},
		{"nor after a no", []CustomerEvent{Decline, Accept}, Declined, Free, ErrState},
		{"a no is answered with a Cancel", []CustomerEvent{Decline, CancelReceived}, Declined, Free, nil},
		{"a receipt without a voucher is nonsense", []CustomerEvent{ReceiptStored}, Requested, Free, ErrState},
		{"so is a verdict", []CustomerEvent{VerdictSettled}, Requested, Free, ErrState},
		{"a till that lies about SETTLED is corrected", []CustomerEvent{Accept, ReceiptSettled, VerdictRejected}, Rejected, Held, nil},
		{"SETTLED and then REJECTED is for people to see", []CustomerEvent{Accept, VerdictSettled, VerdictRejected}, Settled, Spent, ErrState},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a := Attempt{Request: hash("r1"), State: Requested}
			var err error
			for i, ev := range tt.events {
				if a, _, err = a.Step(customerIn(ev), noon); err != nil && i < len(tt.events)-1 {
					t.Fatalf("event %d: %v", i+1, err)
				}
			}
			if a.State != tt.want || a.State.Funds() != tt.funds || !errors.Is(err, tt.err) {
				t.Errorf("%s, funds %d, error %v; want %s, funds %d, error %v", a.State, a.State.Funds(), err, tt.want, tt.funds, tt.err)
			}
		})
	}
}

// TestBusinessStories tells what a till can live through with customers r1
// and r2.
func TestBusinessStories(t *testing.T) {
	by := func(ev BusinessEvent, request string) BusinessInput {
		in := businessIn(ev)
		in.Request = hash(request)
		return in
	}
	ask1, ask2 := by(AskMade, "r1"), by(AskMade, "r2")
	paid1, paid2 := by(Paid, "r1"), by(Paid, "r2")
	online1 := by(PaidOnline, "r1")
	tests := []struct {
		name   string
		events []BusinessInput
		want   State
		winner string
		err    error // of the last event
	}{
		{"the first voucher wins", []BusinessInput{ask1, ask2, paid2}, Provisional, "r2", nil},
		{"the second is too late", []BusinessInput{ask1, ask2, paid2, paid1}, Provisional, "r2", ErrState},
		{"and a voucher sent again too", []BusinessInput{ask1, paid1, paid1}, Provisional, "r1", ErrState},
		{"one says no, the other pays", []BusinessInput{ask1, ask2, by(CustomerSaidNo, "r1"), paid2}, Provisional, "r2", nil},
		{"a refused voucher leaves it OPEN", []BusinessInput{ask1, by(Refuse, "r1")}, Open, "", nil},
		{"and the next request may be paid", []BusinessInput{ask1, by(Refuse, "r1"), ask2, paid2}, Provisional, "r2", nil},
		{"a no is final for its request", []BusinessInput{ask1, by(CustomerSaidNo, "r1"), paid1}, Open, "", ErrState},
		{"a cancelled payment takes no voucher", []BusinessInput{ask1, {Event: Withdraw}, paid1}, Cancelled, "", ErrState},
		{"nor does one that timed out", []BusinessInput{ask1, {Event: TimedOut}, paid1}, Expired, "", ErrState},
		{"nor asks anybody else", []BusinessInput{ask1, {Event: TimedOut}, ask2}, Expired, "", ErrState},
		{"a paid one cannot be withdrawn", []BusinessInput{ask1, paid1, {Event: Withdraw}}, Provisional, "r1", ErrState},
		{"nor time out", []BusinessInput{ask1, paid1, {Event: TimedOut}}, Provisional, "r1", ErrState},
		{"only given back", []BusinessInput{ask1, paid1, {Event: Reverse}}, Cancelled, "r1", nil},
		{"once", []BusinessInput{ask1, paid1, {Event: Reverse}, {Event: Reverse}}, Cancelled, "r1", ErrState},
		{"also when settled", []BusinessInput{ask1, paid1, by(SaleSettled, "r1"), {Event: Reverse}}, Cancelled, "r1", nil},
		{"and then stays so", []BusinessInput{ask1, paid1, {Event: Reverse}, by(SaleSettled, "r1")}, Cancelled, "r1", nil},
		{"an OPEN payment cannot be given back", []BusinessInput{ask1, {Event: Reverse}}, Open, "", ErrState},
		{"an online one waits", []BusinessInput{ask1, online1}, Awaiting, "r1", nil},
		{"it is not given back, it is withdrawn", []BusinessInput{ask1, online1, {Event: Reverse}}, Awaiting, "r1", ErrState},
		{"nobody else may pay it meanwhile", []BusinessInput{ask1, ask2, online1, paid2}, Awaiting, "r1", ErrState},
		{"until the verdict", []BusinessInput{ask1, online1, by(SaleSettled, "r1")}, Settled, "r1", nil},
		{"or the end of patience", []BusinessInput{ask1, online1, {Event: TimedOut}}, Cancelled, "r1", nil},
		{"which a late capture cannot undo", []BusinessInput{ask1, online1, {Event: TimedOut}, by(SaleSettled, "r1")}, Cancelled, "r1", nil},
		{"a rejected one is over", []BusinessInput{ask1, online1, by(SaleRejected, "r1"), by(SaleSettled, "r1")}, Rejected, "r1", nil},
		{"an offline rejection may be paid later", []BusinessInput{ask1, paid1, by(SaleRejected, "r1"), by(SaleSettled, "r1")}, Settled, "r1", nil},
		{"SETTLED and then REJECTED is for people to see", []BusinessInput{ask1, paid1, by(SaleSettled, "r1"), by(SaleRejected, "r1")}, Settled, "r1", ErrState},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := Sale{State: Open}
			var err error
			for i, in := range tt.events {
				if s, _, err = s.Step(in, noon); err != nil && i < len(tt.events)-1 {
					t.Fatalf("event %d: %v", i+1, err)
				}
			}
			if s.State != tt.want || s.Winner != hash(tt.winner) || !errors.Is(err, tt.err) {
				t.Errorf("%s, winner %q, error %v; want %s, %q, %v", s.State, named(s.Winner), err, tt.want, tt.winner, tt.err)
			}
		})
	}
}
