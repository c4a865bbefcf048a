package main

import (
	"strings"
	"testing"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
)

// TestPreauthsThatCannotPay: what is available in name only is not shown as
// if it could pay; for scripts the status stays what it is.
func TestPreauthsThatCannotPay(t *testing.T) {
	f := answering(t)
	list := instruments()
	for _, amounts := range [][2]string{{"12.00", "0.00"}, {"0.00", "12.00"}, {"0", "0"}} {
		p := authorization()
		p.Limit, p.Spent, p.Held, p.Remaining = "12.00", amounts[0], amounts[1], "0.00"
		list.Instruments[0].PreAuthorizations = append(list.Instruments[0].PreAuthorizations, p)
	}
	list.Instruments[0].PreAuthorizations[3].Status = customerv1.VipasoPreAuthorizationStatus_VIPASO_PRE_AUTHORIZATION_STATUS_VOIDED
	f.answer("ListInstruments", list)
	lines := strings.Split(f.run("preauth", "list").stdout, "\n")
	for i, want := range []string{"SETTLE BY", "AVAILABLE", "USED UP", "ALL HELD", "VOIDED"} {
		if !strings.Contains(lines[i], want) || i > 0 && !strings.Contains(lines[i], "Blue card") {
			t.Errorf("line %d lacks %q: %s", i, want, lines[i])
		}
	}
	if got := f.run("preauth", "list", "--json"); strings.Count(got.stdout, "STATUS_AVAILABLE") != 3 {
		t.Errorf("--json: %s", got.stdout)
	}
}

// TestPreauthThatNobodyKnowsTheEndOf: whoever sets money aside and hears of no
// end is told how to make the same call again, and whoever was refused is not.
func TestPreauthThatNobodyKnowsTheEndOf(t *testing.T) {
	f := answering(t)
	const again = "the same call again: --request-id "
	create := []string{"preauth", "create", "100.00", "USD", "--instrument", instrumentID}
	tests := []struct {
		code, reason string
		undecided    bool
	}{
		{"UNAVAILABLE", "OFFLINE", true},
		{"DEADLINE_EXCEEDED", "DEADLINE", true},
		{"INTERNAL", "INTERNAL", true},
		{"NOT_FOUND", "INSTRUMENT_NOT_FOUND", false},
		{"RESOURCE_EXHAUSTED", "LIMIT_TOTAL", false},
	}
	for _, tt := range tests {
		f.fail("PreAuthorizeInstrument", failure(tt.code, tt.reason, "it went wrong"))
		got := f.run(create...)
		id := f.last("PreAuthorizeInstrument").(*customerv1.PreAuthorizeInstrumentRequest).RequestId
		if strings.Contains(got.stderr, again+id) != tt.undecided || got.code == 0 {
			t.Errorf("%s: %+v", tt.reason, got)
		}
		f.run(append(create, "--request-id", id)...)
		if got := f.run(append(create, "--request-id", "")...); got.code != exitUsage {
			t.Errorf("with the id of a variable that is not set: %+v", got)
		}
		if next := f.last("PreAuthorizeInstrument").(*customerv1.PreAuthorizeInstrumentRequest).RequestId; next != id {
			t.Errorf("repeated as %s, not %s", next, id)
		}
	}
}

// TestVoidSaysWhenTheMoneyReturns: also when the instrument cannot be named.
func TestVoidSaysWhenTheMoneyReturns(t *testing.T) {
	f := answering(t)
	const want = "the 88.00 USD left of it return after 2026-11-16 12:00\n"
	if got := f.run("preauth", "void", preauthID); got.code != 0 || !strings.HasSuffix(got.stdout, want) || !strings.Contains(got.stdout, "Blue card") {
		t.Errorf("%+v, want %q", got, want)
	}
	f.fail("ListInstruments", failure("INTERNAL", "INTERNAL", "no list"))
	if got := f.run("preauth", "void", preauthID); got.code != 0 || !strings.HasSuffix(got.stdout, want) || !strings.Contains(got.stdout, instrumentID) {
		t.Errorf("without labels: %+v", got)
	}
}
