package main

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

func declinedEvent(sequence uint64, reason string) *paymentv1.Event {
	return &paymentv1.Event{Sequence: sequence, Time: before(0), Event: &paymentv1.Event_PaymentDeclined{
		PaymentDeclined: &paymentv1.PaymentDeclined{PaymentId: paymentID, Reason: reason},
	}}
}

// TestDeclineReasonsAreTold: where the payment's end is told, and where it is
// shown later; a stranger's words cannot steer the terminal.
func TestDeclineReasonsAreTold(t *testing.T) {
	f := answering(t)
	p := paid(paymentv1.PaymentState_PAYMENT_STATE_CANCELLED)
	p.Reason = "DECLINED"
	f.answer("StreamPaymentRequest", searching(), outcomeOf(p))
	f.answer("FetchPayment", &paymentv1.FetchPaymentResponse{Payment: p, Timeline: []*paymentv1.Event{
		declinedEvent(3, "not my\x1border"), declinedEvent(4, "LIMIT_PAYMENT"), declinedEvent(5, "not my\x1border"), declinedEvent(6, ""),
	}})
	for _, args := range []string{"pay request 12.00 USD", "payments show " + paymentID} {
		got := f.run(strings.Fields(args)...)
		lines := []string{`"not my?order"`, "by this till, LIMIT_PAYMENT: The payment is above the largest one allowed offline.", "without a reason"}
		for _, want := range lines {
			if strings.Count(got.stdout, want+"\n") != 1 {
				t.Errorf("%s: %+v, want %q once", args, got, want)
			}
		}
		if strings.Count(got.stdout, "\ndeclined ") != len(lines) {
			t.Errorf("%s: not each reason once:\n%s", args, got.stdout)
		}
	}
	if got := f.run("pay", "request", "12.00", "USD", "--json"); strings.Contains(got.stdout, "not my") || strings.Count(got.stdout, "\n") != 1 {
		t.Errorf("--json: %+v", got)
	}
	f.fail("FetchPayment", failure("INTERNAL", "INTERNAL", "no story"))
	if got := f.run("pay", "request", "12.00", "USD"); got.code != 1 || !strings.Contains(got.stdout, "CANCELLED") || got.stderr != "" {
		t.Errorf("without a story: %+v", got)
	}
}

// TestRequestShowsTheCode: where people read, and not to a script.
func TestRequestShowsTheCode(t *testing.T) {
	f := answering(t)
	shown := &businessv1.StreamPaymentRequestResponse{PaymentId: paymentID, Update: &businessv1.StreamPaymentRequestResponse_Progress{
		Progress: &businessv1.Progress{Step: businessv1.ProgressStep_PROGRESS_STEP_REQUEST_SHOWN, Customers: 1, Detail: "code 4711"},
	}}
	f.answer("StreamPaymentRequest", searching(), shown, outcomeOf(paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)))
	if got := f.run("pay", "request", "12.00", "USD"); got.stderr != "request shown, 1 customer connected: code 4711; the customer's screen must show the same code\n" {
		t.Errorf("%+v", got)
	}
	if got := f.run("pay", "request", "12.00", "USD", "--json"); got.stderr != "" {
		t.Errorf("--json: %+v", got)
	}
	p := paid(paymentv1.PaymentState_PAYMENT_STATE_REQUESTED)
	p.Code = "4711"
	f.answer("FetchPayment", &paymentv1.FetchPaymentResponse{Payment: p})
	if got := f.run("payments", "show", paymentID); !strings.Contains(got.stdout, "code        4711\n") {
		t.Errorf("%+v", got)
	}
}

// TestUnconfirmed: what is known, what ends it and when, and what to do; in
// the answer, in the payment, and in the event.
func TestUnconfirmed(t *testing.T) {
	f := answering(t)
	p := paid(paymentv1.PaymentState_PAYMENT_STATE_AUTHORIZED)
	p.Role = paymentv1.Role_ROLE_CUSTOMER
	e := unconfirmed(4)
	e.GetPaymentUnconfirmed().ResolvesBy = after(336 * time.Hour)
	f.answer("AcceptPayment", &customerv1.AcceptPaymentResponse{Payment: p})
	f.answer("FetchPayment", &paymentv1.FetchPaymentResponse{Payment: p, Timeline: []*paymentv1.Event{requested(3), e}})
	for _, args := range []string{
		"pay accept " + paymentID + " --amount 12.00 --currency USD --instrument " + instrumentID,
		"payments show " + paymentID,
	} {
		got := f.run(strings.Fields(args)...)
		for _, want := range []string{"13.00 USD stays set aside", "look at the till", "Cancelled there: nothing was taken", "at the latest on 2026-11-16 12:00"} {
			if got.code != 0 || !strings.Contains(got.stdout, want) {
				t.Errorf("%s: exit %d, lacks %q:\n%s", args, got.code, want, got.stdout)
			}
		}
	}
	accepted := &paymentv1.Event{Sequence: 5, Time: before(0), Event: &paymentv1.Event_PaymentAccepted{
		PaymentAccepted: &paymentv1.PaymentAccepted{PaymentId: paymentID, Amount: "12.00", Tip: "1.00", Currency: "USD"},
	}}
	a := newApp(nil, &strings.Builder{}, &strings.Builder{}, nil)
	if got := strings.Join(a.eventDetails(accepted), "  "); got != "12.00 USD  tip 1.00" {
		t.Errorf("accepted: %s", got)
	}
	if got := f.run("payments", "show", paymentID, "--timeline"); !strings.Contains(got.stdout, "payment unconfirmed  the till has not answered yet; it becomes clear by itself  at the latest on 2026-11-16 12:00") {
		t.Errorf("%s", got.stdout)
	}
}

// TestNextStepsByRole: a customer is not sent to the till's commands.
func TestNextStepsByRole(t *testing.T) {
	a := newApp(nil, &strings.Builder{}, &strings.Builder{}, nil)
	tests := []struct {
		role   paymentv1.Role
		state  paymentv1.PaymentState
		reason string
		want   string
	}{
		{paymentv1.Role_ROLE_BUSINESS, paymentv1.PaymentState_PAYMENT_STATE_CANCELLED, "USER", "pay request"},
		{paymentv1.Role_ROLE_CUSTOMER, paymentv1.PaymentState_PAYMENT_STATE_CANCELLED, "USER", "the till may ask again"},
		{paymentv1.Role_ROLE_BUSINESS, paymentv1.PaymentState_PAYMENT_STATE_EXPIRED, "TIMEOUT", "ask again"},
		{paymentv1.Role_ROLE_CUSTOMER, paymentv1.PaymentState_PAYMENT_STATE_EXPIRED, "TIMEOUT", "the till may ask again"},
		{paymentv1.Role_ROLE_CUSTOMER, paymentv1.PaymentState_PAYMENT_STATE_OTHER_PAID, "OTHER_PAID", "another customer paid; nothing was taken from you"},
		{paymentv1.Role_ROLE_CUSTOMER, paymentv1.PaymentState_PAYMENT_STATE_DECLINED, "not my order", "the till may ask again"},
		{paymentv1.Role_ROLE_CUSTOMER, paymentv1.PaymentState_PAYMENT_STATE_CANCELLED, "COUNTER_REUSED", "preauth create"},
		{paymentv1.Role_ROLE_CUSTOMER, paymentv1.PaymentState_PAYMENT_STATE_REJECTED, "EXHAUSTED", "admin --dir DIR payment show"},
		{paymentv1.Role_ROLE_BUSINESS, paymentv1.PaymentState_PAYMENT_STATE_AWAITING, "", "tells how it ends"},
		{paymentv1.Role_ROLE_BUSINESS, paymentv1.PaymentState_PAYMENT_STATE_CANCELLED, "", "nothing was paid"},
	}
	for _, test := range tests {
		p := paid(test.state)
		p.Role, p.Reason = test.role, test.reason
		if got := a.nextStep(p, nil); !strings.Contains(got, test.want) {
			t.Errorf("%s that is %s for %q: next step %q, want %q in it", word(test.role), word(test.state), test.reason, got, test.want)
		}
	}
}

// TestStateAndReasonAreNotTheSameWord: a reason that only repeats the state is
// left out.
func TestStateAndReasonAreNotTheSameWord(t *testing.T) {
	f := answering(t)
	p := paid(paymentv1.PaymentState_PAYMENT_STATE_OTHER_PAID)
	p.Role, p.Tip, p.Reason = paymentv1.Role_ROLE_CUSTOMER, "0.00", "OTHER_PAID"
	f.answer("AcceptPayment", &customerv1.AcceptPaymentResponse{Payment: p})
	got := f.run("pay", "accept", paymentID, "--amount", "12.00", "--currency", "USD", "--instrument", instrumentID)
	if want := "OTHER_PAID  12.00 USD\npayment"; got.code != 1 || !strings.HasPrefix(got.stdout, want) {
		t.Errorf("%+v, want %q first", got, want)
	}
}

// TestRiskIsTheTills: on a customer's device nothing is said of what the shop
// may lose, on a till it is.
func TestRiskIsTheTills(t *testing.T) {
	for _, role := range []paymentv1.Role{paymentv1.Role_ROLE_BUSINESS, paymentv1.Role_ROLE_CUSTOMER} {
		f := answering(t)
		st, p := offlineTill(), paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)
		st.Status.Role, p.Role = role, role
		f.answer("GetStatus", st)
		f.answer("FetchPayment", &paymentv1.FetchPaymentResponse{Payment: p, Timeline: []*paymentv1.Event{successful(7)}})
		f.answer("AcceptPayment", &customerv1.AcceptPaymentResponse{Payment: p})
		f.answer("WatchEvents", &devicev1.WatchEventsResponse{Event: successful(7)})
		f.answer("ReceivePaymentRequestsViaBle", &customerv1.ReceivePaymentRequestsViaBleResponse{Event: successful(7)})
		for _, args := range []string{
			"status", "sync status", "payments show " + paymentID, "payments show --timeline " + paymentID, "payments receipt " + paymentID,
			"payments receipt --format html " + paymentID, "pay receive --single",
			"pay accept " + paymentID + " --amount 12.00 --currency USD --instrument " + instrumentID,
		} {
			got := f.run(strings.Fields(args)...)
			told := strings.Contains(strings.ToLower(got.stdout), "guaranteed") && strings.Contains(strings.ToLower(got.stdout), "at risk")
			if got.code != 0 || got.stdout == "" || told != (role == paymentv1.Role_ROLE_BUSINESS) {
				t.Errorf("%s: %s: told of the risk is %t: %+v", word(role), args, told, got)
			}
		}
		s := f.begin("listen")
		if line := s.line(); strings.Contains(line, "at risk") != (role == paymentv1.Role_ROLE_BUSINESS) {
			t.Errorf("%s: listen: %s", word(role), line)
		}
		s.stop()
		s.end()
	}
}

// TestFailedStepsByRole: a customer whose time ran out is not sent to the
// till's command.
func TestFailedStepsByRole(t *testing.T) {
	timeout := &paymentv1.PaymentFailed{PaymentId: paymentID, Reason: "TIMEOUT", NextStep: "At the till, ask again: `vipasoctl pay request`."}
	lost := &paymentv1.PaymentFailed{PaymentId: paymentID, Reason: "LINK_LOST", NextStep: "Wait."}
	for _, test := range []struct {
		role paymentv1.Role
		what *paymentv1.PaymentFailed
		want string
	}{
		{paymentv1.Role_ROLE_CUSTOMER, timeout, "this device did not answer in time; nothing was paid, and the till may ask again"},
		{paymentv1.Role_ROLE_BUSINESS, timeout, timeout.GetNextStep()},
		{paymentv1.Role_ROLE_CUSTOMER, lost, "Wait."},
	} {
		a := newApp(nil, &strings.Builder{}, &strings.Builder{}, nil)
		a.role = test.role
		e := &paymentv1.Event{Event: &paymentv1.Event_PaymentFailed{PaymentFailed: test.what}}
		if got := strings.Join(a.eventDetails(e), "  "); got != test.what.GetReason()+"  "+test.want {
			t.Errorf("%s: %q, want %q", word(test.role), got, test.want)
		}
	}
}

// TestWhyNobodyCanBeAsked: staff are told what keeps somebody near from paying.
func TestWhyNobodyCanBeAsked(t *testing.T) {
	f := answering(t)
	f.answer("StreamPaymentRequest", &businessv1.StreamPaymentRequestResponse{Update: &businessv1.StreamPaymentRequestResponse_Progress{
		Progress: &businessv1.Progress{Step: businessv1.ProgressStep_PROGRESS_STEP_SEARCHING, Detail: "PEER_INCOMPATIBLE: another version"},
	}}, outcomeOf(paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)))
	if got := f.run("pay", "request", "12.00", "USD"); got.code != 0 || got.stderr != "searching: PEER_INCOMPATIBLE: another version\n" {
		t.Errorf("%+v", got)
	}
	if got := f.run("pay", "request", "12.00", "USD", "--json"); got.code != 0 || got.stderr != "" {
		t.Errorf("%+v", got)
	}
}

// TestTimeoutSaysWhyNobodyAnswered: when devices near could not be asked, the
// next step after the time is up is what helps, and it is said once before.
func TestTimeoutSaysWhyNobodyAnswered(t *testing.T) {
	const why = "a device near refused this till: let it go online once."
	f := answering(t)
	refused := &businessv1.StreamPaymentRequestResponse{Update: &businessv1.StreamPaymentRequestResponse_Progress{
		Progress: &businessv1.Progress{Step: businessv1.ProgressStep_PROGRESS_STEP_SEARCHING, Detail: why},
	}}
	expired := paid(paymentv1.PaymentState_PAYMENT_STATE_EXPIRED)
	expired.Reason = "TIMEOUT"
	for _, test := range []struct {
		steps []proto.Message
		said  string
		next  string
	}{
		{[]proto.Message{refused, searching(), refused, outcomeOf(expired)}, "searching: " + why + "\n", "next step: " + why + " Then ask again.\n"},
		{[]proto.Message{searching(), outcomeOf(expired)}, "", "next step: nobody accepted in time; ask again.\n"},
	} {
		f.answer("StreamPaymentRequest", test.steps...)
		if got := f.run("pay", "request", "12.00", "USD"); got.code != 6 || got.stderr != test.said || !strings.HasSuffix(got.stdout, test.next) {
			t.Errorf("%+v, want %q and %q", got, test.said, test.next)
		}
	}
}
