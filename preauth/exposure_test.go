package preauth

import (
	"errors"
	"testing"
	"time"
)

// lately answers Dealings.Lately with n payments in the last hour.
func lately(n int64) func(time.Duration) int64 {
	return func(within time.Duration) int64 {
		if within < time.Hour {
			return 0
		}
		return n
	}
}

func someExposure() Exposure {
	return Exposure{
		Limits: Limits{
			Currencies: map[string]Limit{"USD": {PaymentMax: 5000, TotalMax: 8000, CounterpartyMax: 6000}, "JPY": {PaymentMax: 9000, TotalMax: 9000}},
			CountMax:   3, OfflineMax: 72 * time.Hour, Velocities: []Velocity{{Max: 4, Within: time.Hour}, {Max: 1, Within: time.Minute}},
		},
		Totals: map[string]int64{"USD": 4000}, Count: 2, Offline: 72 * time.Hour,
		With: Dealings{Totals: map[string]int64{"USD": 2000, "JPY": 1}, Lately: lately(3)},
	}
}

func TestExposureCheck(t *testing.T) {
	tests := []struct {
		name     string
		change   func(*Exposure)
		currency string
		total    int64
		want     error
	}{
		{"fills total, count, counterparty, velocity and time", func(*Exposure) {}, "USD", 4000, nil},
		{"currencies are counted apart", func(*Exposure) {}, "JPY", 9000, nil},
		{"nothing with this device", func(e *Exposure) { e.With = Dealings{} }, "USD", 4000, nil},
		{"a device of its own", func(e *Exposure) { e.With.Totals["USD"] = 4000; e.Limits.Currencies["USD"] = Limit{5000, 8000, 0} }, "USD", 4000, nil},
		{"no bound on the time offline", func(e *Exposure) { e.Limits.OfflineMax, e.Offline = 0, 1e6*time.Hour }, "USD", 1, nil},
		{"one cent above a payment", func(*Exposure) {}, "USD", 5001, ErrLimitPayment},
		{"one cent above the total", func(*Exposure) {}, "USD", 4001, ErrLimitTotal},
		{"one cent above the total of this device", func(e *Exposure) { e.With.Totals["USD"] = 2001 }, "USD", 4000, ErrLimitCounterparty},
		{"one payment too many", func(e *Exposure) { e.Count = 3 }, "USD", 1, ErrLimitCount},
		{"one payment too many with this device", func(e *Exposure) { e.With.Lately = lately(4) }, "USD", 1, ErrLimitVelocity},
		{"too long without the backend", func(e *Exposure) { e.Offline++ }, "USD", 1, ErrLimitOffline},
		{"a currency without limits", func(*Exposure) {}, "EUR", 1, ErrLimitPayment},
		{"no limits at all", func(e *Exposure) { *e = Exposure{} }, "USD", 1, ErrLimitPayment},
	}
	for _, tt := range tests {
		e := someExposure()
		tt.change(&e)
		if err := e.Check(tt.currency, tt.total); !errors.Is(err, tt.want) || tt.want != nil && Code(err) != Code(tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
	}
}

func TestExposureSaysWhichLimits(t *testing.T) {
	e := someExposure()
	e.Count, e.Offline, e.With.Lately, e.With.Totals = 3, 80*time.Hour+time.Second, lately(5), map[string]int64{"USD": 2001}
	for currency, want := range map[string][]string{
		"USD": {
			"80h0m0s, at most 72h0m0s: too long without the backend",
			"50.01 USD, at most 50.00: above the limit for one offline payment",
			"50.01 USD on top of 40.00, at most 80.00: above the limit for all unsettled payments",
			"3 payments: too many unsettled payments",
			"50.01 USD on top of 20.01 with this device, at most 60.00: above the limit for all unsettled payments with one device",
			"5 in 1h0m0s, at most 4: too many offline payments with one device",
		},
		"KWD": {
			"80h0m0s, at most 72h0m0s: too long without the backend",
			"5.001 KWD, and nothing in KWD is allowed offline: above the limit for one offline payment",
			"5 in 1h0m0s, at most 4: too many offline payments with one device",
		},
	} {
		got := e.Obstacles(currency, 5001)
		if len(got) != len(want) {
			t.Errorf("%s: %v", currency, got)
			continue
		}
		for i, err := range got {
			if err.Error() != want[i] {
				t.Errorf("%v, want %s", err, want[i])
			}
		}
	}
}
