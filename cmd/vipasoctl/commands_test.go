package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	simv1 "github.com/vipaso/vipasod/proto/vipaso/sim/v1"
)

// givenBack is a payment that was reversed, as one side has it.
func givenBack(role paymentv1.Role) *paymentv1.Payment {
	p := paid(paymentv1.PaymentState_PAYMENT_STATE_CANCELLED)
	p.Role, p.Reason = role, "REVERSAL"
	return p
}

// answering is a fake that has an answer to everything, as a till.
func answering(t *testing.T) *fake {
	f := newFake(t)
	f.answer("GetStatus", offlineTill())
	f.answer("WatchStatus", &devicev1.WatchStatusResponse{Status: offlineTill().GetStatus()})
	f.answer("ListInstruments", instruments())
	f.answer("PreAuthorizeInstrument", &customerv1.PreAuthorizeInstrumentResponse{Authorization: authorization()})
	f.answer("VoidPreAuthorization", &customerv1.VoidPreAuthorizationResponse{Authorization: authorization()})
	f.answer("StreamPaymentRequest", searching(), outcomeOf(paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)))
	f.answer("AcceptPayment", &customerv1.AcceptPaymentResponse{Payment: paid(paymentv1.PaymentState_PAYMENT_STATE_AUTHORIZED)})
	f.answer("DeclinePayment", &customerv1.DeclinePaymentResponse{Payment: paid(paymentv1.PaymentState_PAYMENT_STATE_DECLINED)})
	f.answer("CancelPayment", &businessv1.CancelPaymentResponse{Payment: paid(paymentv1.PaymentState_PAYMENT_STATE_CANCELLED)})
	f.answer("ReversePayment", &businessv1.ReversePaymentResponse{Payment: givenBack(paymentv1.Role_ROLE_BUSINESS)})
	f.answer("FetchPayments", &paymentv1.FetchPaymentsResponse{Payments: history4()})
	f.answer("FetchOfflinePayments", &paymentv1.FetchOfflinePaymentsResponse{Payments: history4()[:1]})
	f.answer("FetchPayment", &paymentv1.FetchPaymentResponse{
		Payment: paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL), Timeline: []*paymentv1.Event{requested(3), successful(7)},
	})
	f.answer("SyncPayments",
		&paymentv1.SyncPaymentsResponse{Step: &paymentv1.SyncPaymentsResponse_Verdict{Verdict: &paymentv1.SyncVerdict{
			PaymentId: paymentID, Total: "13.00", SettledAmount: "13.00", Currency: "USD", State: paymentv1.PaymentState_PAYMENT_STATE_SETTLED,
		}}},
		&paymentv1.SyncPaymentsResponse{Step: &paymentv1.SyncPaymentsResponse_Summary{Summary: &paymentv1.SyncSummary{
			Synced: 1, Totals: []*paymentv1.SyncTotal{{Currency: "USD", Verdict: "SETTLED", Count: 1, Sum: "13.00", SettledSum: "13.00"}},
		}}})
	f.answer("CheckReadiness", &paymentv1.CheckReadinessResponse{Ready: true})
	f.answer("Enroll", &devicev1.EnrollResponse{Identity: offlineTill().GetStatus().GetIdentity()})
	f.answer("Logout", &devicev1.LogoutResponse{Identity: &devicev1.Identity{State: devicev1.AuthenticationState_AUTHENTICATION_STATE_NOT_ENROLLED}})
	f.answer("Diagnose", &devicev1.DiagnoseResponse{Checks: []*devicev1.Check{
		{Name: "store", Result: devicev1.CheckResult_CHECK_RESULT_OK, Detail: "2.1 MB"},
		{Name: "backend", Result: devicev1.CheckResult_CHECK_RESULT_WARNING, Reason: "OFFLINE", Detail: "since 08:20", NextStep: "nothing to do"},
	}})
	f.answer("CheckStore", &devicev1.CheckStoreResponse{Ok: true})
	f.answer("SetLogLevel", &devicev1.SetLogLevelResponse{Level: "debug"})
	f.answer("Allow", &devicev1.AllowResponse{Allowance: allowance()})
	f.answer("EndAllowance", &devicev1.EndAllowanceResponse{})
	f.answer("ScanRadio", &devicev1.ScanRadioResponse{Address: "C0:FF:EE:00:00:01", Rssi: -60, Version: 1, Resume: true})
	f.answer("ListPeers", &simv1.ListPeersResponse{Peers: []*simv1.Peer{{Name: "till", Address: "C0:FF:EE:00:00:01", Scanning: true, Links: 1, Rssi: -40}}})
	f.answer("SetConditions", &simv1.SetConditionsResponse{LossPerMille: 105, Latency: durationpb.New(50 * time.Millisecond)})
	f.answer("DropLink", &simv1.DropLinkResponse{})
	f.answer("SetOffline", &simv1.SetOfflineResponse{Offline: true})
	f.answer("GetTrust", trusts(t))
	f.answer("ExportPayments", &devicev1.ExportPaymentsResponse{Payment: paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)})
	return f
}

// history4 is four payments, newest first.
func history4() []*paymentv1.Payment {
	var list []*paymentv1.Payment
	for _, s := range []paymentv1.PaymentState{
		paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL, paymentv1.PaymentState_PAYMENT_STATE_SETTLED,
		paymentv1.PaymentState_PAYMENT_STATE_CANCELLED, paymentv1.PaymentState_PAYMENT_STATE_EXPIRED,
	} {
		list = append(list, paid(s))
	}
	return list
}

// TestCalls: what each command asks of the daemon.
func TestCalls(t *testing.T) {
	ca := filepath.Join(t.TempDir(), "ca.pem")
	pem := caPEM(t)
	if err := os.WriteFile(ca, pem, 0o600); err != nil {
		t.Fatal(err)
	}
	loss, none := uint32(105), uint32(0)
	tests := []struct {
		args   string
		method string
		want   proto.Message // without request_id
	}{
		{"enroll --backend https://b --ca " + ca + " --code C", "Enroll", &devicev1.EnrollRequest{BackendUrl: "https://b", CaPem: string(pem), Code: "C"}},
		{"logout", "Logout", &devicev1.LogoutRequest{}},
		{"logout --force", "Logout", &devicev1.LogoutRequest{Force: true}},
		{"ready", "BusinessService/CheckReadiness", &paymentv1.CheckReadinessRequest{}},
		{"ready 20.00 USD", "CheckReadiness", &paymentv1.CheckReadinessRequest{Amount: "20.00", Currency: "USD"}},
		{"preauth create 100.00 USD --instrument " + instrumentID, "PreAuthorizeInstrument", &customerv1.PreAuthorizeInstrumentRequest{InstrumentId: instrumentID, Amount: "100.00", Currency: "USD"}},
		{"preauth void " + preauthID, "VoidPreAuthorization", &customerv1.VoidPreAuthorizationRequest{PreAuthorizationId: preauthID}},
		{"pay accept " + paymentID + " --amount 12.00 --currency USD --instrument " + instrumentID + " --tip 1.00 --delegated", "AcceptPayment", &customerv1.AcceptPaymentRequest{
			PaymentId: paymentID, Amount: "12.00", Tip: "1.00", Currency: "USD", InstrumentId: instrumentID, IsDelegatedInstrument: true,
		}},
		{"pay decline " + paymentID + " --reason no", "DeclinePayment", &customerv1.DeclinePaymentRequest{PaymentId: paymentID, Reason: "no"}},
		{"pay cancel " + paymentID, "CancelPayment", &businessv1.CancelPaymentRequest{PaymentId: paymentID}},
		{"pay reverse " + paymentID, "ReversePayment", &businessv1.ReversePaymentRequest{PaymentId: paymentID}},
		{"payments list --status completed,CANCELLED", "BusinessService/FetchPayments", &paymentv1.FetchPaymentsRequest{
			PageSize: 200, Statuses: []paymentv1.PaymentStatus{paymentv1.PaymentStatus_PAYMENT_STATUS_COMPLETED, paymentv1.PaymentStatus_PAYMENT_STATUS_CANCELLED},
		}},
		{"payments list --status settled,failed", "FetchPayments", &paymentv1.FetchPaymentsRequest{PageSize: 200}},
		{"payments list --unsynced", "BusinessService/FetchOfflinePayments", &paymentv1.FetchOfflinePaymentsRequest{PageSize: 200}},
		{"payments show " + paymentID, "BusinessService/FetchPayment", &paymentv1.FetchPaymentRequest{PaymentId: paymentID}},
		{"payments receipt " + paymentID, "BusinessService/FetchPayment", &paymentv1.FetchPaymentRequest{PaymentId: paymentID}},
		{"sync now", "BusinessService/SyncPayments", &paymentv1.SyncPaymentsRequest{}},
		{"store export --unsynced", "ExportPayments", &devicev1.ExportPaymentsRequest{UnsyncedOnly: true}},
		{"log level DEBUG --for 10m", "SetLogLevel", &devicev1.SetLogLevelRequest{Level: "debug", For: durationpb.New(10 * time.Minute)}},
		{"log level info", "SetLogLevel", &devicev1.SetLogLevelRequest{Level: "info"}},
		{"override stale-bundle --reason why", "Allow", &devicev1.AllowRequest{
			Kind: devicev1.AllowanceKind_ALLOWANCE_KIND_STALE_BUNDLE, Reason: "why", For: durationpb.New(time.Hour),
		}},
		{"override own-limits --reason why --for 2h", "Allow", &devicev1.AllowRequest{
			Kind: devicev1.AllowanceKind_ALLOWANCE_KIND_OWN_LIMITS, Reason: "why", For: durationpb.New(2 * time.Hour),
		}},
		{"emergency on --reason why", "Allow", &devicev1.AllowRequest{
			Kind: devicev1.AllowanceKind_ALLOWANCE_KIND_EMERGENCY, Reason: "why", For: durationpb.New(4 * time.Hour),
		}},
		{"override end stale-bundle", "EndAllowance", &devicev1.EndAllowanceRequest{Kind: devicev1.AllowanceKind_ALLOWANCE_KIND_STALE_BUNDLE}},
		{"emergency off", "EndAllowance", &devicev1.EndAllowanceRequest{Kind: devicev1.AllowanceKind_ALLOWANCE_KIND_EMERGENCY}},
		{"radio scan --for 10s", "ScanRadio", &devicev1.ScanRadioRequest{For: durationpb.New(10 * time.Second)}},
		{"sim set --loss 10.5% --latency 50ms", "SetConditions", &simv1.SetConditionsRequest{LossPerMille: &loss, Latency: durationpb.New(50 * time.Millisecond)}},
		{"sim set --loss 0%", "SetConditions", &simv1.SetConditionsRequest{LossPerMille: &none}},
		{"sim drop-link", "DropLink", &simv1.DropLinkRequest{}},
		{"sim offline on", "SetOffline", &simv1.SetOfflineRequest{Offline: true}},
		{"sim offline off", "SetOffline", &simv1.SetOfflineRequest{}},
		{"pay request 12.00 USD --ref x --timeout 90s --policy force-offline --tag " + otherID + " --tip max:5.00", "StreamPaymentRequest", &businessv1.StreamPaymentRequestRequest{
			Request: &businessv1.SendPaymentRequestViaBleRequest{
				Amount: "12.00", Currency: "USD", PaymentReference: "x", Policy: businessv1.Policy_POLICY_FORCE_OFFLINE, Timeout: durationpb.New(90 * time.Second),
				TagId: otherID, Tip: &businessv1.TipPolicy{Allowed: true, Max: "5.00"},
			},
		}},
		{"pay request 12.00 USD --tip none", "StreamPaymentRequest", &businessv1.StreamPaymentRequestRequest{
			Request: &businessv1.SendPaymentRequestViaBleRequest{
				Amount: "12.00", Currency: "USD", Policy: businessv1.Policy_POLICY_PREFER_ONLINE, Timeout: durationpb.New(time.Minute), Tip: &businessv1.TipPolicy{},
			},
		}},
	}
	f := answering(t)
	for _, test := range tests {
		if got := f.run(strings.Fields(test.args)...); got.code != 0 {
			t.Errorf("%s: exit %d, stderr %q", test.args, got.code, got.stderr)
		}
		got := f.last(test.method)
		takeRequestID(t, test.args, got)
		if !proto.Equal(got, test.want) {
			t.Errorf("%s asked %s with\n%v, want\n%v", test.args, test.method, got, test.want)
		}
	}
}

// takeRequestID checks and removes the request_id of m, if its kind has one.
func takeRequestID(t *testing.T, args string, m proto.Message) {
	t.Helper()
	if s, ok := m.(*businessv1.StreamPaymentRequestRequest); ok {
		m = s.GetRequest()
	}
	if m == nil {
		return
	}
	field := m.ProtoReflect().Descriptor().Fields().ByName("request_id")
	if field == nil {
		return
	}
	if id, err := uuid.Parse(m.ProtoReflect().Get(field).String()); err != nil || id.Version() != 4 {
		t.Errorf("%s: request_id %v: %v", args, id, err)
	}
	m.ProtoReflect().Set(field, protoreflect.ValueOfString(""))
}

// TestCustomerIsAskedAsCustomer: the role comes from the daemon.
func TestCustomerIsAskedAsCustomer(t *testing.T) {
	f := answering(t)
	f.answer("GetStatus", customerDevice())
	for args, method := range map[string]string{
		"payments list": "FetchPayments", "payments list --unsynced": "FetchOfflinePayments", "payments show " + paymentID: "FetchPayment",
		"sync now": "SyncPayments", "ready": "CheckReadiness",
	} {
		if got := f.run(strings.Fields(args)...); got.code != 0 || f.last("CustomerService/"+method) == nil || f.last("BusinessService/"+method) != nil {
			t.Errorf("%s: exit %d, did not ask the customer's service alone", args, got.code)
		}
	}
}

var humanGoldens = map[string]string{
	"status.txt":         "status",
	"doctor.txt":         "doctor",
	"instruments.txt":    "instruments list",
	"preauth.txt":        "preauth list",
	"payments.txt":       "payments list",
	"payment.txt":        "payments show " + paymentID + " --timeline",
	"receipt.txt":        "payments receipt " + paymentID,
	"receipt.html":       "payments receipt " + paymentID + " --format html",
	"sync_now.txt":       "sync now",
	"sync_status.txt":    "sync status",
	"request.txt":        "pay request 12.00 USD",
	"accept.txt":         "pay accept " + paymentID + " --amount 12.00 --currency USD --instrument " + instrumentID,
	"cancel.txt":         "pay cancel " + paymentID,
	"reverse.txt":        "pay reverse " + paymentID,
	"peers.txt":          "sim peers",
	"conditions.txt":     "sim set --loss 10.5%",
	"export.csv":         "store export --format csv",
	"error_code.txt":     "errors amount-syntax",
	"radio_scan.txt":     "radio scan",
	"radio_status.txt":   "radio status",
	"logout.txt":         "logout",
	"help_request.txt":   "help pay request",
	"help.txt":           "--help",
	"trust.txt":          "trust",
	"ready.txt":          "ready",
	"override.txt":       "override own-limits --reason x",
	"override_end.txt":   "override end own-limits",
	"log_level.txt":      "log level debug --for 10m",
	"payments_limit.txt": "payments list --status settled,expired --limit 1",
}

func TestHumanOutput(t *testing.T) {
	f := answering(t)
	for file, args := range humanGoldens {
		got := f.run(strings.Fields(args)...)
		if got.code != 0 || got.stderr != "" {
			t.Errorf("%s: exit %d, stderr %q", args, got.code, got.stderr)
		}
		golden(t, file, got.stdout)
		if strings.Contains(got.stdout, "\x1b") {
			t.Errorf("%s: colours although stdout is no terminal", args)
		}
	}
}

// TestEmptyLists: nothing on stdout, a word on stderr, and success.
func TestEmptyLists(t *testing.T) {
	f := answering(t)
	f.answer("ListInstruments", &customerv1.ListInstrumentsResponse{})
	f.answer("FetchPayments", &paymentv1.FetchPaymentsResponse{})
	f.answer("ListPeers", &simv1.ListPeersResponse{})
	f.answer("ScanRadio")
	for _, args := range []string{"instruments list", "preauth list", "payments list", "sim peers", "radio scan"} {
		if got := f.run(strings.Fields(args)...); got.code != 0 || got.stdout != "" || got.stderr == "" {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

// TestJSON: one compact object a line, proto names, 64-bit numbers as text.
func TestJSON(t *testing.T) {
	f := answering(t)
	f.answer("WatchEvents", &devicev1.WatchEventsResponse{Event: requested(3)}, &devicev1.WatchEventsResponse{Event: successful(7)})
	lines := map[string]int{
		"status": 1, "doctor": 1, "ready": 1, "logout": 1, "instruments list": 2, "preauth list": 1, "preauth void " + preauthID: 1,
		"preauth create 1 USD --instrument " + instrumentID: 1, "pay request 12.00 USD": 1, "pay cancel " + paymentID: 1, "pay reverse " + paymentID: 1, "pay decline " + paymentID: 1,
		"pay accept " + paymentID + " --amount 1 --currency USD --instrument x": 1, "payments list": 4, "payments show " + paymentID: 1,
		"payments show --timeline " + paymentID: 1, "payments receipt " + paymentID: 1, "sync now": 1, "sync status": 1, "store check": 1, "store export": 1,
		"log level debug": 1, "radio status": 1, "radio scan": 1, "sim peers": 1, "sim set --loss 1%": 1, "sim drop-link": 1, "sim offline on": 1, "trust": 1,
		"errors AMOUNT_SYNTAX": 1, "version": 1,
	}
	name := regexp.MustCompile(`^[a-z][a-z0-9_]*$`)
	for args, want := range lines {
		got := f.run(append(strings.Fields(args), "--json")...)
		if got.code != 0 || got.stderr != "" || strings.Count(got.stdout, "\n") != want {
			t.Errorf("%s: exit %d, stderr %q, want %d lines:\n%s", args, got.code, got.stderr, want, got.stdout)
		}
		for line := range strings.Lines(got.stdout) {
			var object map[string]any
			if err := json.Unmarshal([]byte(line), &object); err != nil {
				t.Errorf("%s: %v in %s", args, err, line)
			}
			for key := range object {
				if !name.MatchString(key) {
					t.Errorf("%s: field %q is not a proto name", args, key)
				}
			}
			if regexp.MustCompile(`[{,]"[a-z_]+": |, "`).MatchString(line) {
				t.Errorf("%s: not compact: %s", args, line)
			}
		}
	}
}

func TestJSONForms(t *testing.T) {
	f := answering(t)
	f.answer("GetStatus", customerDevice())
	tests := []struct{ args, want string }{
		{"store check", `{"ok":true,"problems":[]}`},
		{"sim offline on", `{"offline":true}`},
		{"sim drop-link", `{}`},
		{"logout", `{"state":"AUTHENTICATION_STATE_NOT_ENROLLED","device_id":"","business_name":"","business_id":"","backend_url":""}`},
		{"sync now", `{"summary":{"synced":1,"remaining":0,"totals":[{"currency":"USD","verdict":"SETTLED","count":1,"sum":"13.00","settled_sum":"13.00"}]},` +
			`"verdicts":[{"payment_id":"` + paymentID + `","request_hash":"","total":"13.00","settled_amount":"13.00","currency":"USD","state":"PAYMENT_STATE_SETTLED","reason":""}]}`},
		{"ready", `{"ready":true,"problems":[]}`},
	}
	for _, test := range tests {
		if got := f.run(append(strings.Fields(test.args), "--json")...); got.stdout != test.want+"\n" {
			t.Errorf("%s prints\n%s, want\n%s", test.args, got.stdout, test.want)
		}
	}
}

// TestNotSoGood: results that are answers, and their exit codes.
func TestNotSoGood(t *testing.T) {
	f := answering(t)
	failing := &devicev1.DiagnoseResponse{Checks: []*devicev1.Check{{Name: "radio", Result: devicev1.CheckResult_CHECK_RESULT_FAILED, Reason: "ADAPTER_BUSY", Detail: "hci0 is held", NextStep: "use another"}}}
	unready := &paymentv1.CheckReadinessResponse{Problems: []*paymentv1.ReadinessProblem{{Reason: "NOT_ENROLLED", Detail: "no certificate", NextStep: "vipasoctl enroll"}}}
	high := &paymentv1.ReadinessProblem{Reason: "LIMIT_PAYMENT", Detail: "at most 50.00", NextStep: "less"}
	higher := &paymentv1.ReadinessProblem{Reason: "LIMIT_PAYMENT", Detail: "at most 40.00", NextStep: "less"}
	twice := &paymentv1.CheckReadinessResponse{Problems: []*paymentv1.ReadinessProblem{high, high, higher, {Reason: "LIMIT_COUNT", Detail: "7", NextStep: "sync"}}}
	tests := []struct {
		method string
		answer proto.Message
		args   string
		want   string
	}{
		{"Diagnose", failing, "doctor", "failed   radio           ADAPTER_BUSY  hci0 is held\n         next: use another\n"},
		{"Diagnose", &devicev1.DiagnoseResponse{Checks: []*devicev1.Check{{Name: "radio"}}}, "doctor", "-        radio           \n"},
		{"CheckReadiness", unready, "ready", "not ready\nNOT_ENROLLED  no certificate\n  next: vipasoctl enroll\n"},
		{"CheckReadiness", twice, "ready 60.00 USD", "not ready\nLIMIT_PAYMENT  at most 50.00\nLIMIT_PAYMENT  at most 40.00\n  next: less\nLIMIT_COUNT  7\n  next: sync\n"},
		{"CheckStore", &devicev1.CheckStoreResponse{Problems: []string{"sum differs"}}, "store check", "not ok\n  sum differs\n"},
		{"CancelPayment", &businessv1.CancelPaymentResponse{Payment: paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)}, "pay cancel x", "PROVISIONAL"},
		{"ReversePayment", &businessv1.ReversePaymentResponse{Payment: paid(paymentv1.PaymentState_PAYMENT_STATE_SETTLED)}, "pay reverse x", "SETTLED"},
		{"AcceptPayment", &customerv1.AcceptPaymentResponse{Payment: paid(paymentv1.PaymentState_PAYMENT_STATE_REJECTED)}, "pay accept x --amount 1 --currency USD --instrument y", "REJECTED"},
	}
	for _, test := range tests {
		f.answer(test.method, test.answer)
		if got := f.run(strings.Fields(test.args)...); got.code != 1 || got.stderr != "" || !strings.Contains(got.stdout, test.want) {
			t.Errorf("%s: exit %d, stderr %q, stdout\n%s\nwant\n%s", test.args, got.code, got.stderr, got.stdout, test.want)
		}
	}
}

// TestNoReceiptYet: a payment without receipt is in the wrong state for one.
func TestNoReceiptYet(t *testing.T) {
	f := answering(t)
	f.answer("FetchPayment", &paymentv1.FetchPaymentResponse{Payment: paid(paymentv1.PaymentState_PAYMENT_STATE_EXPIRED)})
	if got := f.run("payments", "receipt", paymentID); got.code != 5 || !strings.Contains(got.stderr, "PAYMENT_STATE") || !strings.Contains(got.stderr, "payments show "+paymentID) || !strings.Contains(got.stderr, "EXPIRED") {
		t.Errorf("%+v", got)
	}
}

// TestPages: a listing goes on to the last page.
func TestPages(t *testing.T) {
	f := answering(t)
	f.on("FetchPayments", func(c *call) error {
		resp := &paymentv1.FetchPaymentsResponse{Payments: history4()}
		if c.in.(*paymentv1.FetchPaymentsRequest).GetPageToken() == "" {
			resp.NextPageToken = "two"
		}
		return c.send(resp)
	})
	if got := f.run("payments", "list", "--json"); strings.Count(got.stdout, "\n") != 8 || f.last("FetchPayments").(*paymentv1.FetchPaymentsRequest).GetPageToken() != "two" {
		t.Errorf("%+v", got)
	}
}

// TestSyncNowSaysThatNobodyAnswered: with nothing to hand in, a silent backend is
// not passed over.
func TestSyncNowSaysThatNobodyAnswered(t *testing.T) {
	f := answering(t)
	f.answer("SyncPayments", &paymentv1.SyncPaymentsResponse{Step: &paymentv1.SyncPaymentsResponse_Summary{Summary: &paymentv1.SyncSummary{}}})
	for online, want := range map[bool]string{
		true:  "nothing to do; everything is handed in\n",
		false: "nothing waits, but the backend did not answer: limits and trust are of 07:00\n",
	} {
		st := offlineTill()
		st.Status.Backend.Online = online
		f.answer("GetStatus", st)
		if got := f.run("sync", "now"); got.code != 0 || got.stdout != want {
			t.Errorf("online %t: %+v, want %q", online, got, want)
		}
	}
}
