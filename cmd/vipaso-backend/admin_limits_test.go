package main

import (
	"strings"
	"testing"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// An operator changes the limits beside serve: devices get them with their
// certificates, and what was allowed on one is listed.
func TestLimits(t *testing.T) {
	s := serve(t, t.TempDir())
	defer s.stop()
	customer := s.create("customer_id", "customer", "create", "--name", "Ada")
	code := s.create("code", "enroll-code", "create", "--customer", customer)
	phone := s.enroll(byCode(code, 2), code, newKey(t))

	if exit, out, _ := s.admin("limits", "show"); exit != exitOK || !strings.Contains(out, "USD  50.00    500.00  -") || !strings.Contains(out, "any number") {
		t.Errorf("before: %d\n%s", exit, out)
	}
	for _, args := range [][]string{
		{"--currency", "USD", "--payment-max", "40.00", "--counterparty-max", "100.00"},
		{"--currency", "USD", "--emergency-payment-max", "80.00", "--emergency-total-max", "900.00", "--emergency-max", "8h"},
		{"--stored-count", "20", "--offline-max", "72h", "--velocity", "10/1h"},
	} {
		if exit, _, errs := s.admin(append([]string{"limits", "set"}, args...)...); exit != exitOK {
			t.Errorf("%q: %d %s", args, exit, errs)
		}
	}
	exit, out, _ := s.admin("limits", "show")
	for _, want := range []string{"USD  40.00    500.00  100.00        80.00              900.00", " 20\n", "72h\n", "10/1h\n", "8h\n"} {
		if exit != exitOK || !strings.Contains(out, want) {
			t.Errorf("%d, no %q in\n%s", exit, want, out)
		}
	}
	if exit, out, _ := s.admin("--json", "limits", "show"); exit != exitOK || !strings.Contains(out, `"velocity":"10/1h"`) || !strings.Contains(out, `"counterparty_max":"100.00"`) {
		t.Errorf("for scripts: %d\n%s", exit, out)
	}
	resp, err := phone.calls.Renew(t.Context(), &backendv1.RenewRequest{})
	must(t, err)
	cert, err := preauth.Open[*peerv1.DeviceCert](resp.DeviceCert)
	must(t, err)
	if c := cert.Body; c.Caps[0].PaymentMax != 40_00 || c.Caps[0].EmergencyTotalMax != 900_00 || c.StoredCountMax != 20 || c.VelocityMax != 10 {
		t.Errorf("certificate %v", c)
	}

	_, err = phone.calls.Refresh(t.Context(), &backendv1.RefreshRequest{Allowances: []*backendv1.Allowance{{
		Kind: "EMERGENCY", Reason: "the line is down", By: "ann", SinceMs: time.Now().UnixMilli(), UntilMs: time.Now().Add(time.Hour).UnixMilli(),
	}}})
	must(t, err)
	for _, args := range [][]string{{"audit"}, {"--json", "audit"}} {
		if exit, out, _ := s.admin(args...); exit != exitOK || !strings.Contains(out, "EMERGENCY") || !strings.Contains(out, "ann") || !strings.Contains(out, "the line is down") {
			t.Errorf("%q: %d\n%s", args, exit, out)
		}
	}
	if exit, _, errs := s.admin("limits", "set", "--velocity", "0", "--offline-max", "0"); exit != exitOK {
		t.Errorf("without bound: %d %s", exit, errs)
	}
	if _, out, _ := s.admin("limits", "show"); !strings.Contains(out, "any number") || !strings.Contains(out, "as long as") {
		t.Errorf("without bound:\n%s", out)
	}
}

func TestLimitsMisused(t *testing.T) {
	s := serve(t, t.TempDir())
	defer s.stop()
	for _, args := range [][]string{
		{}, {"--payment-max", "1.00"}, {"--currency", "USD"}, {"--currency", "USD", "--payment-max", "1.001"}, {"--velocity", "10"},
		{"--currency", "USD", "--emergency-payment-max", "49.99"}, {"--emergency-max", "25h"}, {"--offline-max", "-1h"},
	} {
		if exit, _, errs := s.admin(append([]string{"limits", "set"}, args...)...); exit != exitUsage {
			t.Errorf("%q: %d %s", args, exit, errs)
		}
	}
}

// A limit that is no part of the total is named, with both amounts, and a time
// that is too long with how long it may be.
func TestLimitsSayTheirBounds(t *testing.T) {
	s := serve(t, t.TempDir())
	defer s.stop()
	for _, tt := range []struct{ flag, value, want string }{
		{"--payment-max", "500.01", "payment-max would be 500.01 USD, more than total-max, which is 500.00"},
		{"--counterparty-max", "600.00", "counterparty-max would be 600.00 USD, more than total-max, which is 500.00"},
		{"--emergency-payment-max", "500.01", "emergency-payment-max would be 500.01 USD, more than total-max, which is 500.00: set it lower, or emergency-total-max higher"},
		{"--offline-max", "9000h", "0 to 720h"},
		{"--emergency-max", "25h", "0 to 24h"},
		{"--velocity", "10/169h", "of at most 168h"},
		{"--stored-count", "-1", `--stored-count takes a whole number from 0 on, not "-1"`},
	} {
		exit, _, errs := s.admin("limits", "set", "--currency", "USD", tt.flag, tt.value)
		if exit != exitUsage || !strings.Contains(errs, tt.want) {
			t.Errorf("%s %s: %d %s", tt.flag, tt.value, exit, errs)
		}
	}
}

// An emergency limit that the change leaves below the normal one is named,
// with both amounts.
func TestLimitsOfAnEmergencyBelowThoseOfADay(t *testing.T) {
	s := serve(t, t.TempDir())
	defer s.stop()
	set := func(args ...string) (int, string) {
		exit, _, errs := s.admin(append([]string{"limits", "set", "--currency", "USD"}, args...)...)
		return exit, errs
	}
	if exit, errs := set("--emergency-payment-max", "80.00", "--emergency-total-max", "600.00"); exit != exitOK {
		t.Fatalf("%d %s", exit, errs)
	}
	for args, want := range map[[2]string]string{
		{"--payment-max", "90.00"}: "emergency-payment-max would be 80.00 USD, less than payment-max, which is 90.00",
		{"--total-max", "700.00"}:  "emergency-total-max would be 600.00 USD, less than total-max, which is 700.00",
	} {
		if exit, errs := set(args[:]...); exit != exitUsage || !strings.Contains(errs, want) {
			t.Errorf("%q: %d %s", args, exit, errs)
		}
	}
	if exit, errs := set("--payment-max", "90.00", "--emergency-payment-max", "0"); exit != exitOK {
		t.Errorf("with none: %d %s", exit, errs)
	}
}

// What the issuer guarantees is shown for every currency that devices deal in,
// also where nothing is, and for those that it was set for.
func TestGuarantee(t *testing.T) {
	s := serve(t, t.TempDir())
	defer s.stop()
	for _, amount := range [][2]string{{"20.00", "USD"}, {"300", "JPY"}} {
		if exit, _, errs := s.admin("guarantee", "set", amount[0], amount[1]); exit != exitOK {
			t.Errorf("%v: %d %s", amount, exit, errs)
		}
	}
	for _, tt := range []struct {
		args []string
		want string
	}{
		{[]string{"guarantee", "show"}, "CUR  DEVICES   PER TILL\nUSD  SOFTWARE  20.00\nEUR  SOFTWARE  0.00\nGBP  SOFTWARE  0.00\nKES  SOFTWARE  0.00\nJPY  SOFTWARE  300\n"},
		{[]string{"--json", "guarantee", "show"}, `{"assurance":"SOFTWARE","currency":"USD","guarantee":"20.00"}
{"assurance":"SOFTWARE","currency":"EUR","guarantee":"0.00"}
{"assurance":"SOFTWARE","currency":"GBP","guarantee":"0.00"}
{"assurance":"SOFTWARE","currency":"KES","guarantee":"0.00"}
{"assurance":"SOFTWARE","currency":"JPY","guarantee":"300"}
`},
		{[]string{"--json", "guarantee", "set", "0.00", "USD"}, `{"assurance":"SOFTWARE","currency":"USD","guarantee":"0.00"}` + "\n"},
	} {
		if exit, out, errs := s.admin(tt.args...); exit != exitOK || out != tt.want {
			t.Errorf("%q: %d %s\n%s", tt.args, exit, errs, out)
		}
	}
}
