package daemon

import (
	"strings"
	"testing"
	"time"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/daemon/catalogue"
)

func TestNextStep(t *testing.T) {
	now := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	const (
		notEnrolled = devicev1.AuthenticationState_AUTHENTICATION_STATE_NOT_ENROLLED
		enrolled    = devicev1.AuthenticationState_AUTHENTICATION_STATE_ENROLLED
		locked      = devicev1.AuthenticationState_AUTHENTICATION_STATE_LOCKED
	)
	days := func(n float64) time.Duration { return time.Duration(n * 24 * float64(time.Hour)) }
	waiting := func(n int64, oldest time.Duration) func(*situation) {
		return func(s *situation) {
			s.unsynced, s.oldest, s.deadline = n, now.Add(-oldest), now.Add(days(10)-oldest)
		}
	}
	offline := func(s *situation) { s.online = false }
	customer := func(s *situation) { s.business = false }
	soon := func(s *situation) { s.horizon = horizon{Until: now.Add(22 * time.Hour), Soon: true} }
	for _, tt := range []struct {
		name string
		with []func(*situation)
		want string
	}{
		{"a till that is online", nil, "nothing to do."},
		{"a customer with funds set aside", []func(*situation){customer}, "nothing to do."},

		{"being offline is normal", []func(*situation){offline}, "nothing to do. There is no network at the moment; payments work without."},
		{"so is money that waits for the network", []func(*situation){offline, waiting(3, time.Hour)},
			"nothing to do. Payments are safe on disk; they are sent when the network returns."},
		{"money on its way", []func(*situation){waiting(3, time.Minute)}, "nothing to do. Payments are safe on disk and are being settled."},
		{"an open payment", []func(*situation){offline, waiting(3, time.Minute), func(s *situation) { s.open = true }},
			"nothing to do here. A payment is open: the customer accepts it on their device."},

		{"money shortly before its deadline", []func(*situation){offline, waiting(3, days(8.5))},
			"connect a network before 2026-11-23 00:00 UTC: after that 3 payments can no longer be settled."},
		{"one payment is not many", []func(*situation){offline, waiting(1, days(8.5))},
			"connect a network before 2026-11-23 00:00 UTC: after that 1 payment can no longer be settled."},
		{"a backend that answers and settles nothing", []func(*situation){waiting(2, 11*time.Minute)},
			"the backend answers, but has not settled 2 payments: see `vipasoctl doctor`."},
		{"a clock that stands behind", []func(*situation){func(s *situation) { s.regressed = true }}, nextOf(catalogue.ClockRegressed)},
		{"a backend that should answer soon", []func(*situation){offline, soon},
			"connect a network within 22h: after that this till takes no offline payments until it has been online."},
		{"likewise for a customer", []func(*situation){customer, offline, soon},
			"connect a network within 22h: after that this device pays nothing offline until it has been online."},
		{"a customer with nothing set aside, online", []func(*situation){customer, func(s *situation) { s.spendable = false }},
			"set funds aside, to pay without a network: `vipasoctl preauth create AMOUNT CUR --instrument ID`."},
		{"a customer with nothing set aside, offline", []func(*situation){customer, offline, func(s *situation) { s.spendable = false }},
			"connect a network and set funds aside: `vipasoctl preauth create AMOUNT CUR --instrument ID`."},

		{"a trust bundle that is too old", []func(*situation){offline, func(s *situation) { s.stale, s.full = true, catalogue.LimitOfflineTime }}, nextOf(catalogue.BundleStale)},
		{"a limit that is reached comes before the deadline", []func(*situation){offline, waiting(100, days(8.5)), func(s *situation) { s.full = catalogue.LimitCount }},
			nextOf(catalogue.LimitCount)},
		{"no radio", []func(*situation){func(s *situation) { s.radio, s.full = catalogue.AdapterRfkill, catalogue.LimitCount }}, nextOf(catalogue.AdapterRfkill)},
		{"a locked device says why", []func(*situation){func(s *situation) {
			s.state, s.locked, s.radio = locked, catalogue.DeviceRevoked, catalogue.AdapterRfkill
		}}, nextOf(catalogue.DeviceRevoked)},
		{"not enrolled", []func(*situation){func(s *situation) {
			s.state, s.locked, s.radio = notEnrolled, catalogue.NotEnrolled, catalogue.AdapterRfkill
		}},
			"enroll this device: `vipasoctl enroll --backend URL --ca FILE --code CODE`."},
		{"a store without writes comes first", []func(*situation){func(s *situation) { s.store, s.state = catalogue.MigrationFailed, notEnrolled }},
			nextOf(catalogue.MigrationFailed)},
	} {
		s := situation{now: now, business: true, state: enrolled, online: true, spendable: true}
		for _, with := range tt.with {
			with(&s)
		}
		if got := s.nextStep(); got != tt.want || got == "" {
			t.Errorf("%s:\n%q, want\n%q", tt.name, got, tt.want)
		}
	}
}

// Where being offline is all there is, nobody is told to do something.
func TestNextStepLeavesOfflineDevicesAlone(t *testing.T) {
	now := time.Now()
	for hours := range 24 * 7 {
		age := time.Duration(hours) * time.Hour
		s := situation{
			now: now, business: true, state: devicev1.AuthenticationState_AUTHENTICATION_STATE_ENROLLED,
			unsynced: 1, oldest: now.Add(-age), deadline: now.Add(14*24*time.Hour - age),
		}
		if got := s.nextStep(); !strings.HasPrefix(got, "nothing to do") {
			t.Errorf("after %s offline: %q", age, got)
		}
	}
}
