package daemon

import (
	"errors"
	"strings"
	"testing"
	"time"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

const (
	isOK      = devicev1.CheckResult_CHECK_RESULT_OK
	isWarning = devicev1.CheckResult_CHECK_RESULT_WARNING
	isFailed  = devicev1.CheckResult_CHECK_RESULT_FAILED
)

// looks is what a finding must be.
type looks struct {
	result devicev1.CheckResult
	reason string
	detail string
}

func wantFinding(t testing.TB, what string, got finding, want looks) {
	t.Helper()
	if (looks{got.result, got.reason, got.detail}) != want {
		t.Errorf("%s:\n%+v, want\n%+v", what, got, want)
	}
	if got.result != isOK && firstOf(got.next, nextOf(got.reason)) == "" {
		t.Errorf("%s: nobody knows what to do", what)
	}
}

// noon is when the findings of these tests are made.
var noon = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func TestJudgeRadio(t *testing.T) {
	for _, tt := range []struct {
		name   string
		status link.Status
		want   looks
	}{
		{"up and silent", link.Status{Adapter: "hci1", Up: true}, looks{isOK, "", "hci hci1 is up; no other device heard yet"}},
		{"named like its driver", link.Status{Adapter: "hci", Up: true}, looks{isOK, "", "hci is up; no other device heard yet"}},
		{"up with others near", link.Status{Adapter: "hci1", Up: true, Restarts: 1, LastPeer: noon.Add(-5 * time.Second)},
			looks{isOK, "", "hci hci1 is up; another device heard 5s ago"}},
		{"attacked", link.Status{Adapter: "hci1", Up: true, Refused: map[string]uint64{"prepared write": 2, "empty PDU": 1}},
			looks{isOK, "", "hci hci1 is up; no other device heard yet; refused from strangers: 1 × empty PDU, 2 × prepared write"}},
		{"started again and again", link.Status{Adapter: "hci1", Up: true, Restarts: 7}, looks{isWarning, "", "hci hci1 is up, started 7 times; no other device heard yet"}},
	} {
		wantFinding(t, tt.name, judgeRadio("hci", tt.status, noon), tt.want)
	}
}

func TestJudgeBackend(t *testing.T) {
	const url = "https://b.test"
	lost := syncer.State{LastAnswer: noon.Add(-2 * time.Hour), LastError: "no route", Reason: catalogue.Offline}
	for _, tt := range []struct {
		name  string
		state syncer.State
		url   string
		money time.Duration // age of the oldest; 0: none
		want  looks
	}{
		{"not enrolled", syncer.State{Reason: catalogue.NotEnrolled}, "", 0, looks{isOK, "", "none before the device is enrolled"}},
		{"online", syncer.State{Online: true, LastAnswer: noon.Add(-3 * time.Second)}, url, time.Hour, looks{isOK, "", "https://b.test answers, last 3s ago"}},
		{"not tried yet", syncer.State{}, url, 0,
			looks{isOK, "", "https://b.test has not answered since the start; being offline is normal, payments are kept and sent later"}},
		{"offline", lost, url, 0,
			looks{isOK, "", "https://b.test answered last 2h ago (no route); being offline is normal, payments are kept and sent later"}},
		{"offline with a day's money", lost, url, 24 * time.Hour,
			looks{isOK, "", "https://b.test answered last 2h ago (no route); being offline is normal, payments are kept and sent later"}},
		{"offline with old money", lost, url, 25 * time.Hour,
			looks{isWarning, catalogue.Offline, "https://b.test answered last 2h ago (no route), and money waits since 2026-11-20 11:00 UTC"}},
		{"offline with money near its deadline", lost, url, 9 * 24 * time.Hour,
			looks{isFailed, catalogue.Offline, "https://b.test answered last 2h ago (no route), and money must be handed in before 2026-11-22 12:00 UTC"}},
		{"somebody else answers", syncer.State{LastError: "unknown authority", Reason: catalogue.BackendUntrusted}, url, 0,
			looks{isWarning, catalogue.BackendUntrusted, "https://b.test: unknown authority"}},
		{"it answers with a no", syncer.State{Online: true, LastError: "backend refuses", Reason: catalogue.DeviceRevoked}, url, 0,
			looks{isWarning, catalogue.DeviceRevoked, "https://b.test: backend refuses"}},
	} {
		var oldest, deadline time.Time
		if tt.money > 0 {
			oldest = noon.Add(-tt.money)
			deadline = oldest.Add(10 * 24 * time.Hour)
		}
		wantFinding(t, tt.name, judgeBackend(tt.state, tt.url, oldest, deadline, noon), tt.want)
	}
}

func TestJudgeCertificate(t *testing.T) {
	for _, tt := range []struct {
		name string
		left time.Duration // of 60 days
		want looks
	}{
		{"new", 60 * 24 * time.Hour, looks{isOK, "", "enrolled, the certificate ends in 60d"}},
		{"due to be renewed by itself", 15 * 24 * time.Hour, looks{isOK, "", "enrolled, the certificate ends in 15d"}},
		{"not renewed", 9 * 24 * time.Hour, looks{isWarning, catalogue.CertExpired, "enrolled, the certificate ends in 9d and was not renewed"}},
		{"about to end", time.Millisecond, looks{isWarning, catalogue.CertExpired, "enrolled, the certificate ends in 0s and was not renewed"}},
		{"ended", 0, looks{isFailed, catalogue.CertExpired, "enrolled, but the certificate ended at 2026-11-21 12:00 UTC"}},
	} {
		end := noon.Add(tt.left)
		cert := &peerv1.DeviceCert{NotBeforeMs: end.Add(-60 * 24 * time.Hour).UnixMilli(), NotAfterMs: end.UnixMilli()}
		wantFinding(t, tt.name, judgeCertificate(cert, noon), tt.want)
	}
}

func TestJudgeClock(t *testing.T) {
	heard := func(ahead time.Duration) *clock {
		return newClock(time.Now().Add(-ahead), time.Time{})
	}
	for _, tt := range []struct {
		name   string
		clock  *clock
		online bool
		want   devicev1.CheckResult
		reason string
	}{
		{"no backend yet", newClock(time.Time{}, time.Time{}), false, isOK, ""},
		{"agrees", heard(0), true, isOK, ""},
		{"four minutes behind", heard(-4 * time.Minute), true, isOK, ""},
		{"six minutes behind", heard(-6 * time.Minute), true, isWarning, catalogue.ClockRegressed},
		{"behind is told offline too", heard(-6 * time.Minute), false, isWarning, catalogue.ClockRegressed},
		{"six minutes ahead", heard(6 * time.Minute), true, isWarning, ""},
		{"hours offline are not ahead", heard(6 * time.Hour), false, isOK, ""},
	} {
		got := judgeClock(tt.clock, tt.online)
		if got.result != tt.want || got.reason != tt.reason {
			t.Errorf("%s: %+v, want %s %s", tt.name, got, tt.want, tt.reason)
		}
	}
}

func TestJudgeBundle(t *testing.T) {
	for _, tt := range []struct {
		name     string
		age      time.Duration
		business bool
		allowed  bool
		want     looks
	}{
		{"fresh", time.Minute, true, false, looks{isOK, "", "epoch 7, 1m old"}},
		{"two days old", 48 * time.Hour, true, true, looks{isOK, "", "epoch 7, 2d old"}},
		{"over two days old", 49 * time.Hour, true, false, looks{isWarning, catalogue.BundleStale, "epoch 7, 2d old: in 23h this till takes no offline payments"}},
		{"three days old", 72 * time.Hour, true, true, looks{isWarning, catalogue.BundleStale, "epoch 7, 3d old: in 0s this till takes no offline payments"}},
		{"too old", 72*time.Hour + time.Millisecond, true, false, looks{isFailed, catalogue.BundleStale, "epoch 7, 3d old: this till takes no offline payments"}},
		{"older than that, and allowed", 100 * time.Hour, true, true, looks{isWarning, catalogue.BundleStale, "epoch 7, 4d old, which somebody has allowed: every offline payment is at risk"}},
		{"too old for anybody to allow", 168*time.Hour + time.Millisecond, true, true, looks{isFailed, catalogue.BundleStale, "epoch 7, 7d old: this till takes no offline payments"}},
		{"a customer judges nobody by it", 500 * time.Hour, false, false, looks{isOK, "", "epoch 7, 20d old"}},
	} {
		var trust preauth.Trust
		trust.Bundle.Body = &peerv1.TrustBundle{Epoch: 7, ServerTimeMs: noon.Add(-tt.age).UnixMilli()}
		wantFinding(t, tt.name, judgeBundle(trust, tt.business, preauth.Limits{StaleBundle: tt.allowed}, noon), tt.want)
	}
}

func TestJudgeOutbox(t *testing.T) {
	item := func(age time.Duration, left time.Duration, reason string) store.Item {
		return store.Item{CreatedAt: noon.Add(-age), Deadline: noon.Add(left), Error: reason}
	}
	for _, tt := range []struct {
		name  string
		items []store.Item
		want  looks
	}{
		{"empty", nil, looks{isOK, "", "empty"}},
		{"waiting", []store.Item{item(time.Hour, time.Hour, ""), item(3*time.Hour, 2*time.Hour, "")},
			looks{isOK, "", "2 waiting, the oldest since 2026-11-21 09:00 UTC"}},
		{"refused", []store.Item{item(time.Hour, time.Hour, ""), item(time.Hour, time.Hour, "VERDICT_UNEXPECTED"), item(0, time.Hour, "CLAIM_CONFLICT")},
			looks{isWarning, "VERDICT_UNEXPECTED", "3 waiting, the oldest since 2026-11-21 11:00 UTC; 2 were not accepted"}},
		{"late", []store.Item{item(time.Hour, -time.Second, "TOO_LATE"), item(time.Hour, time.Hour, "")},
			looks{isFailed, catalogue.TooLate, "2 waiting, the oldest since 2026-11-21 11:00 UTC; 1 past their deadline"}},
	} {
		wantFinding(t, tt.name, judgeOutbox(len(tt.items), tt.items, noon), tt.want)
	}
	unknown := judgeOutbox(1, []store.Item{item(0, time.Hour, catalogue.PreauthNotFound)}, noon)
	if !strings.Contains(unknown.next, "ask its operator") { // and not to look on the till
		t.Errorf("next step of a backend that does not know the money: %q", unknown.next)
	}
}

func TestJudgeLimits(t *testing.T) {
	exposure := func(usd, eur, count int64) preauth.Exposure {
		return preauth.Exposure{
			Limits: preauth.Limits{
				Currencies: map[string]preauth.Limit{"USD": {PaymentMax: 50_00, TotalMax: 500_00}, "EUR": {PaymentMax: 50_00, TotalMax: 100_00}},
				CountMax:   10,
			},
			Totals: map[string]int64{"USD": usd, "EUR": eur}, Count: count,
		}
	}
	for _, tt := range []struct {
		name string
		in   preauth.Exposure
		want looks
	}{
		{"room", exposure(100_00, 0, 3), looks{isOK, "", "3 of 10 payments, 0.00 of 100.00 EUR, 100.00 of 500.00 USD not settled"}},
		{"a fifth is left", exposure(400_00, 80_00, 8), looks{isOK, "", "8 of 10 payments, 80.00 of 100.00 EUR, 400.00 of 500.00 USD not settled"}},
		{"a sum near its limit", exposure(400_01, 0, 3), looks{isWarning, "", "3 of 10 payments, 0.00 of 100.00 EUR, 400.01 of 500.00 USD not settled"}},
		{"the count near its limit", exposure(0, 0, 9), looks{isWarning, "", "9 of 10 payments, 0.00 of 100.00 EUR, 0.00 of 500.00 USD not settled"}},
		{"one currency used up", exposure(100_00, 100_00, 3), looks{isWarning, "", "3 of 10 payments, 100.00 of 100.00 EUR, 100.00 of 500.00 USD not settled"}},
	} {
		wantFinding(t, tt.name, judgeLimits(tt.in, nil), tt.want)
	}
	full := judgeLimits(exposure(0, 0, 10), nil)
	wantFinding(t, "more is allowed", judgeLimits(exposure(100_00, 0, 3), allowed{
		preauth.AllowOwnLimits: {Allowance: preauth.Allowance{Until: noon}, Person: "ann"},
	}), looks{isWarning, "", "3 of 10 payments, 0.00 of 100.00 EUR, 100.00 of 500.00 USD not settled; OWN_LIMITS until 2026-11-21 12:00 UTC, allowed by ann"})
	if full.result != isFailed || full.reason != catalogue.LimitCount {
		t.Errorf("no payment fits: %+v", full)
	}
}

func TestJudgeDisk(t *testing.T) {
	for _, tt := range []struct {
		name string
		free uint64
		want looks
	}{
		{"room", 20e9, looks{isOK, "", "20.0 GB left in /var/lib/x"}},
		{"just enough", 100e6, looks{isOK, "", "100.0 MB left in /var/lib/x"}},
		{"little", 100e6 - 1, looks{isWarning, catalogue.StoreFull, "100.0 MB left in /var/lib/x"}},
		{"too little to write", 8<<20 - 1, looks{isFailed, catalogue.StoreFull, "8.4 MB left in /var/lib/x"}},
	} {
		wantFinding(t, tt.name, judgeDisk(tt.free, "/var/lib/x"), tt.want)
	}
}

// An error that ends a check is a finding with its reason.
func TestBrokenCheck(t *testing.T) {
	if f := broken(store.ErrCorrupt); f.result != isFailed || f.reason != catalogue.StoreCorrupt {
		t.Errorf("damaged: %+v", f)
	}
	if f := broken(errors.New("bug")); f.result != isFailed || f.reason != catalogue.Internal {
		t.Errorf("unknown: %+v", f)
	}
}

func TestSpanAndSize(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 0: "0s", 59 * time.Second: "59s", time.Minute: "1m", 119 * time.Minute: "1h",
		47 * time.Hour: "47h", 48 * time.Hour: "2d", 365 * 24 * time.Hour: "365d",
	} {
		if got := span(d); got != want {
			t.Errorf("span %s: %s, want %s", d, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0 B", 999: "999 B", 1500: "1.5 kB", 2.5e6: "2.5 MB", 3e9: "3.0 GB"} {
		if got := size(n); got != want {
			t.Errorf("size %d: %s, want %s", n, got, want)
		}
	}
}
