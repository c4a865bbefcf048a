package payment

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/vipaso/vipasod/daemon/catalogue"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

var update = flag.Bool("update", false, "write the files in testdata anew")

// TestStates pins down what each state means outside of this package.
func TestStates(t *testing.T) {
	tests := map[State]struct {
		status     Status
		funds      Funds
		unfinished bool
	}{
		Requested:   {Initiated, Free, true},
		Open:        {Initiated, Free, true},
		Authorized:  {InProgress, Held, true},
		Awaiting:    {InProgress, Free, true},
		Provisional: {Completed, Held, true},
		Settled:     {Completed, Spent, false},
		Declined:    {Withdrawn, Free, false},
		Cancelled:   {Withdrawn, Free, false},
		OtherPaid:   {Withdrawn, Free, false},
		Expired:     {Failed, Free, false},
		Rejected:    {Failed, Held, false},
		Released:    {Failed, Free, false},
	}
	for _, name := range constants(t, "State") {
		s := State(name)
		tt, ok := tests[s]
		if !ok {
			t.Errorf("%s is not in this test", s)
		}
		if s.Status() != tt.status || s.Funds() != tt.funds || s.Unfinished() != tt.unfinished {
			t.Errorf("%s: %s, funds %d, unfinished %t; want %+v", s, s.Status(), s.Funds(), s.Unfinished(), tt)
		}
		if _, ok := paymentv1.PaymentState_value["PAYMENT_STATE_"+name]; !ok {
			t.Errorf("the API has no state %s", s)
		}
		if _, ok := paymentv1.PaymentStatus_value["PAYMENT_STATUS_"+string(s.Status())]; !ok {
			t.Errorf("the API has no status %s", s.Status())
		}
		if !slices.Contains(customerStates, s) && !slices.Contains(businessStates, s) {
			t.Errorf("%s belongs to no role in these tests", s)
		}
	}
	if got, want := len(paymentv1.PaymentState_value)-1, len(tests); got != want {
		t.Errorf("the API has %d states, this package %d", got, want)
	}
}

// TestEventsAreTested: the lists that the other tests go through are whole.
func TestEventsAreTested(t *testing.T) {
	for _, name := range constants(t, "CustomerEvent") {
		if !slices.Contains(customerEvents, CustomerEvent(name)) {
			t.Errorf("customer event %s is not tested", name)
		}
	}
	for _, name := range constants(t, "BusinessEvent") {
		if !slices.Contains(businessEvents, BusinessEvent(name)) {
			t.Errorf("business event %s is not tested", name)
		}
	}
}

// TestNames: notes are messages of the API, reasons are those of a Cancel and
// of the catalogue.
func TestNames(t *testing.T) {
	messages := paymentv1.File_vipaso_payment_v1_payment_proto.Messages()
	for _, kind := range constants(t, "NoteKind") {
		found := false
		for i := range messages.Len() {
			found = found || string(messages.Get(i).Name()) == kind
		}
		if !found {
			t.Errorf("the API has no event %s", kind)
		}
	}
	for _, reason := range constants(t, "Reason") {
		if _, ok := peerv1.CancelReason_value["CANCEL_REASON_"+reason]; !ok {
			t.Errorf("no Cancel has the reason %s", reason)
		}
		if _, ok := catalogue.Lookup(reason); !ok {
			t.Errorf("the catalogue does not explain %s", reason)
		}
	}
	for _, s := range customerStates {
		for _, ev := range customerEvents {
			next, _, _ := attemptIn(s).Step(CustomerInput{Event: ev}, noon)
			if _, ok := catalogue.Lookup(next.Reason); next.Reason != "" && !ok {
				t.Errorf("the catalogue does not explain %s, of %s in %s", next.Reason, ev, s)
			}
		}
	}
}

// constants returns the values of this package's string constants of a type.
func constants(t *testing.T, typeName string) []string {
	t.Helper()
	var values []string
	for _, file := range []string{"state.go", "effects.go", "customer.go", "business.go"} {
		src, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, src, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(f, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok {
				if id, ok := spec.Type.(*ast.Ident); ok && id.Name == typeName && len(spec.Values) == 1 {
					v, err := strconv.Unquote(spec.Values[0].(*ast.BasicLit).Value)
					if err != nil {
						t.Fatal(err)
					}
					values = append(values, v)
				}
			}
			return true
		})
	}
	if len(values) == 0 {
		t.Fatalf("no constants of type %s", typeName)
	}
	return values
}

// TestDiagrams keeps the drawings equal to the tables.
func TestDiagrams(t *testing.T) {
	for file, drawn := range map[string]string{
		"testdata/customer.mmd": CustomerDiagram(),
		"testdata/business.mmd": BusinessDiagram(),
	} {
		golden(t, file, drawn)
		lines := strings.Split(strings.TrimSpace(drawn), "\n")
		if !slices.IsSorted(lines[2:]) {
			t.Errorf("%s is not in order", file)
		}
	}
}

// golden compares text with a file, or writes it with -update.
func golden(t *testing.T, file, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s has changed; with -update it is written anew. Now it is:\n%s", file, got)
	}
}
