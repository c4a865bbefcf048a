package main

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 22 * time.Second: "22s", 185 * time.Second: "3m 5s",
		3*time.Hour + 31*time.Minute: "3h 31m", 76 * time.Hour: "3d 4h", 59*time.Second + 900*time.Millisecond: "1m 0s",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %q, want %q", d, got, want)
		}
	}
}

func TestSize(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 2_100_000: "2.1 MB", 3_000_000_000: "3.0 GB"} {
		if got := size(n); got != want {
			t.Errorf("size(%d) = %q, want %q", n, got, want)
		}
	}
}

func TestPerMille(t *testing.T) {
	for s, want := range map[string]uint32{"0%": 0, "10%": 100, "10": 100, "0.5%": 5, "99.9%": 999, "100%": 1000, "100.0%": 1000} {
		if got, err := perMille(s); err != nil || got != want {
			t.Errorf("perMille(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "%", "-1%", "100.1%", "1000000%", "0.55%", "x", "1.x%", "1e1%", "+5%"} {
		if got, err := perMille(s); err == nil {
			t.Errorf("perMille(%q) = %d", s, got)
		}
	}
}

func TestWords(t *testing.T) {
	if got := word(paymentv1.PaymentState(99)); got != "99" {
		t.Errorf("an unknown state is %q", got)
	}
	if _, ok := number(paymentv1.PaymentState(0).Descriptor(), "unspecified"); ok {
		t.Error("unspecified may be asked for")
	}
	if got := words(paymentv1.PaymentStatus(0).Descriptor()); !slices.Equal(got, []string{"initiated", "in-progress", "completed", "cancelled", "failed"}) {
		t.Errorf("statuses are %v", got)
	}
}

func TestClean(t *testing.T) {
	for s, want := range map[string]string{
		"Café – 5 €": "Café – 5 €", "a\x1b[31mb": "a?[31mb", "a\r\nb": "a??b", "\u202eevil": "?evil", "bad\xff": "bad?", "日本": "日本",
	} {
		if got := clean(s); got != want {
			t.Errorf("clean(%q) = %q, want %q", s, got, want)
		}
	}
}

// TestReceiptFits: whatever the texts are, no line is wider than the paper,
// and nothing is lost.
func TestReceiptFits(t *testing.T) {
	a := newApp(nil, nil, nil, os.Getenv)
	a.zone = time.UTC
	for _, text := range []string{"", "x", strings.Repeat("Ä", 42), strings.Repeat("Ä", 43), strings.Repeat("long words ", 30), strings.Repeat("ü", 200), "  a  "} {
		p := paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)
		p.PaymentReference, p.Receipt.BusinessName, p.Amount = text, text, "1"+strings.Repeat("0", 60)+".00"
		var b strings.Builder
		if err := writeText(&b, a.receipt(p)); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > receiptWidth {
				t.Errorf("a line of %d: %q", n, line)
			}
		}
		letters := func(s string) string { return strings.Join(strings.Fields(s), "") }
		if !strings.Contains(letters(b.String()), letters(text)) {
			t.Errorf("%q is not whole in\n%s", text, b.String())
		}
	}
}

// TestReceiptSaysHowFirm: a receipt never promises more than was known.
func TestReceiptSaysHowFirm(t *testing.T) {
	a := newApp(nil, nil, nil, os.Getenv)
	settled, rejected := paid(paymentv1.PaymentState_PAYMENT_STATE_SETTLED), paid(paymentv1.PaymentState_PAYMENT_STATE_REJECTED)
	rejected.Finality = paymentv1.Finality_FINALITY_REJECTED
	for want, p := range map[string]*paymentv1.Payment{
		"PAID OFFLINE, PROVISIONAL": paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL), "PAID": settled, "REJECTED, NOT PAID": rejected,
		"CANCELLED": paid(paymentv1.PaymentState_PAYMENT_STATE_CANCELLED),
	} {
		if got := a.receipt(p).Verdict; got != want {
			t.Errorf("%s is shown as %q, want %q", word(p.GetState()), got, want)
		}
	}
}

// TestReceiptPageIsHarmless: a business's name is text, not markup.
func TestReceiptPageIsHarmless(t *testing.T) {
	a := newApp(nil, nil, nil, os.Getenv)
	p := paid(paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)
	p.Receipt.BusinessName = `<script>alert(1)</script>`
	var b strings.Builder
	if err := writeHTML(&b, a.receipt(p)); err != nil {
		t.Fatal(err)
	}
	if page := b.String(); strings.Contains(page, "<script") || strings.Contains(page, "http") || !strings.Contains(page, "&lt;script&gt;") {
		t.Errorf("page:\n%s", page)
	}
}

// TestScreens: what a status says in other conditions than the usual.
func TestScreens(t *testing.T) {
	a := newApp(nil, nil, nil, os.Getenv)
	a.stdout, a.now, a.zone = &output{}, func() time.Time { return noon }, time.UTC
	tests := []struct {
		file   string
		change func(*devicev1.Status)
	}{
		{"status_fresh.txt", func(s *devicev1.Status) {
			s.Identity, s.Backend, s.Unsynced, s.Limits, s.Outbox, s.NextStep = nil, nil, nil, nil, 0, "vipasoctl enroll --backend URL --ca FILE --code CODE"
			s.Radio = &devicev1.RadioStatus{Driver: "hci", Reason: "ADAPTER_NOT_CONFIGURED", Detail: "no adapter is named"}
		}},
		{"status_locked.txt", func(s *devicev1.Status) {
			s.Identity.State, s.Store.Writable, s.Store.Reason = devicev1.AuthenticationState_AUTHENTICATION_STATE_LOCKED, false, "MIGRATION_FAILED"
			s.Backend.Online, s.OpenPaymentId, s.NextStep = true, paymentID, ""
			s.Radio.Advertising, s.Radio.Links, s.Radio.Restarts = true, 2, 3
			s.Backend.Since = before(36 * time.Hour)
		}},
		{"status_allowed.txt", func(s *devicev1.Status) {
			s.Limits[0].CounterpartyMax, s.CountMax, s.OfflineUntil = "100.00", 100, before(-50*time.Hour)
			s.Allowances = []*devicev1.Allowance{allowance()}
		}},
	}
	for _, test := range tests {
		st := offlineTill().GetStatus()
		test.change(st)
		golden(t, test.file, a.screen(st))
	}
}

// TestLastErrorIsForThoseWhoAsk: being offline is normal, so a status does not
// show what the system says of it, but --verbose and sync status do.
func TestLastErrorIsForThoseWhoAsk(t *testing.T) {
	f := answering(t)
	for args, want := range map[string]bool{"status": false, "status --verbose": true, "status --json": true, "sync status": true} {
		if got := f.run(strings.Fields(args)...); got.code != 0 || strings.Contains(got.stdout, "connection refused") != want {
			t.Errorf("%s: %+v; the last error shown: want %t", args, got, want)
		}
	}
	locked := offlineTill()
	locked.Status.Identity.State = devicev1.AuthenticationState_AUTHENTICATION_STATE_LOCKED
	f.answer("GetStatus", locked)
	if got := f.run("status"); strings.Contains(got.stdout, "payments go on") {
		t.Errorf("a locked device: %s", got.stdout)
	}
}

// TestLimitsInUse: beside the currency in which money waits, the others only
// fill the screen; where none does, each may be the one wanted.
func TestLimitsInUse(t *testing.T) {
	st := offlineTill().GetStatus()
	for _, currency := range []string{"EUR", "JPY"} {
		st.Limits = append(st.Limits, &devicev1.Limit{Currency: currency, PaymentMax: "50", TotalMax: "500"})
	}
	shown := func() string {
		var list []string
		for _, l := range limitsInUse(st) {
			list = append(list, l.GetCurrency())
		}
		return strings.Join(list, " ")
	}
	if got := shown(); got != "USD" {
		t.Errorf("7 USD payments wait: %s", got)
	}
	st.Role = paymentv1.Role_ROLE_CUSTOMER
	if got := shown(); got != "USD EUR JPY" {
		t.Errorf("a customer: %s", got)
	}
	st.Role, st.Unsynced[0].Currency = paymentv1.Role_ROLE_BUSINESS, "GBP"
	if got := shown(); got != "USD EUR JPY" {
		t.Errorf("money without a limit waits: %s", got)
	}
	st.Unsynced = nil
	if got := shown(); got != "USD EUR JPY" {
		t.Errorf("nothing waits: %s", got)
	}
}
