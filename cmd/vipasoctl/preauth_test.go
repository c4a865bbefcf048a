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
