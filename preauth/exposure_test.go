package preauth

import (
	"errors"
	"maps"
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

func TestExposureCheck(t *testing.T) {
	e := Exposure{
		Limits:   map[string]Limit{"USD": {PaymentMax: 5000, TotalMax: 8000}, "JPY": {PaymentMax: 9000, TotalMax: 9000}},
		CountMax: 3, Totals: map[string]int64{"USD": 4000}, Count: 2,
	}
	full := e
	full.Count = 3
	tests := []struct {
		name     string
		e        Exposure
		currency string
		total    int64
		want     error
	}{
		{"fills the total and the count", e, "USD", 4000, nil},
		{"currencies are counted apart", e, "JPY", 9000, nil},
		{"one cent above a payment", e, "USD", 5001, ErrLimitPayment},
		{"one cent above the total", e, "USD", 4001, ErrLimitTotal},
		{"one payment too many", full, "USD", 1, ErrLimitCount},
		{"a currency without limits", e, "EUR", 1, ErrLimitPayment},
		{"no limits at all", Exposure{}, "USD", 1, ErrLimitPayment},
	}
	for _, tt := range tests {
		if err := tt.e.Check(tt.currency, tt.total); !errors.Is(err, tt.want) || tt.want != nil && Code(err) != Code(tt.want) {
			t.Errorf("%s: %v; want %v", tt.name, err, tt.want)
		}
	}
}

func TestExposureSaysWhichLimit(t *testing.T) {
	e := Exposure{Limits: map[string]Limit{"USD": {PaymentMax: 5000, TotalMax: 8000}}, CountMax: 3, Totals: map[string]int64{"USD": 4000}}
	for currency, want := range map[string]string{
		"USD": "50.01 USD, at most 50.00: above the limit for one offline payment",
		"JPY": "5001 JPY, and nothing in JPY is allowed offline: above the limit for one offline payment",
	} {
		if err := e.Check(currency, 5001); err == nil || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}

func TestADeviceLowersItsLimitsAndNeverRaisesThem(t *testing.T) {
	cert := &peerv1.DeviceCert{Caps: []*peerv1.Cap{
		{Currency: "USD", PaymentMax: 5000, TotalMax: 50000}, {Currency: "EUR", PaymentMax: 4000, TotalMax: 40000},
	}}
	signed := map[string]Limit{"USD": {5000, 50000}, "EUR": {4000, 40000}}
	tests := []struct {
		name string
		own  map[string]Limit
		want map[string]Limit
	}{
		{"no setting", nil, signed},
		{"lower for one currency", map[string]Limit{"USD": {2000, 9000}}, map[string]Limit{"USD": {2000, 9000}, "EUR": {4000, 40000}}},
		{"none in one currency", map[string]Limit{"EUR": {}}, map[string]Limit{"USD": {5000, 50000}, "EUR": {}}},
		{"higher", map[string]Limit{"USD": {5001, 50001}}, signed},
		{"one lower and one higher", map[string]Limit{"USD": {9999, 10}}, map[string]Limit{"USD": {5000, 10}, "EUR": {4000, 40000}}},
		{"a currency the backend did not sign", map[string]Limit{"GBP": {1, 1}}, signed},
	}
	for _, tt := range tests {
		if got := LimitsOf(cert, tt.own); !maps.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	if got := LimitsOf(nil, map[string]Limit{"USD": {1, 1}}); len(got) != 0 {
		t.Errorf("no certificate: %v", got)
	}
}
