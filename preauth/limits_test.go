package preauth

import (
	"errors"
	"reflect"
	"testing"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// signedCert is a certificate with every limit.
func signedCert() *peerv1.DeviceCert {
	return &peerv1.DeviceCert{
		Caps: []*peerv1.Cap{
			{Currency: "USD", PaymentMax: 5000, TotalMax: 50000, CounterpartyMax: 10000, EmergencyPaymentMax: 7000, EmergencyTotalMax: 90000},
			{Currency: "EUR", PaymentMax: 4000, TotalMax: 40000},
		},
		StoredCountMax: 100, OfflineMaxMs: (48 * time.Hour).Milliseconds(), VelocityMax: 10, VelocityMs: time.Hour.Milliseconds(),
		EmergencyMaxMs: (8 * time.Hour).Milliseconds(),
	}
}

func signedLimitsOf() Limits {
	return Limits{
		Currencies: map[string]Limit{"USD": {5000, 50000, 10000}, "EUR": {4000, 40000, 0}},
		CountMax:   100, Velocities: []Velocity{{10, time.Hour}}, OfflineMax: 48 * time.Hour,
	}
}

// with is signedLimitsOf, changed.
func with(change func(*Limits)) Limits {
	l := signedLimitsOf()
	change(&l)
	return l
}

func TestADeviceLowersItsLimitsAndNeverRaisesThem(t *testing.T) {
	signed := signedLimitsOf()
	usd := func(l Limit) Limits { return Limits{Currencies: map[string]Limit{"USD": l}} }
	limited := func(l Limit) Limits { return with(func(w *Limits) { w.Currencies["USD"] = l }) }
	tests := []struct {
		name      string
		own, want Limits
	}{
		{"no setting", Limits{}, signed},
		{"lower for one currency", usd(Limit{2000, 9000, 3000}), limited(Limit{2000, 9000, 3000})},
		{"none in one currency", Limits{Currencies: map[string]Limit{"EUR": {}}}, with(func(w *Limits) { w.Currencies["EUR"] = Limit{} })},
		{"higher", usd(Limit{5001, 50001, 10001}), signed},
		{"one lower and one higher", usd(Limit{9999, 10, 0}), limited(Limit{5000, 10, 10000})},
		{"a bound for one counterparty where none is signed", Limits{Currencies: map[string]Limit{"EUR": {4000, 40000, 500}}},
			with(func(w *Limits) { w.Currencies["EUR"] = Limit{4000, 40000, 500} })},
		{"a currency the backend did not sign", Limits{Currencies: map[string]Limit{"GBP": {1, 1, 1}}}, signed},
		{"fewer payments", Limits{CountMax: 5}, with(func(w *Limits) { w.CountMax = 5 })},
		{"more payments", Limits{CountMax: 101}, signed},
		{"a shorter time", Limits{OfflineMax: time.Hour}, with(func(w *Limits) { w.OfflineMax = time.Hour })},
		{"a longer time", Limits{OfflineMax: 49 * time.Hour}, signed},
		{"another velocity counts beside the signed one", Limits{Velocities: []Velocity{{50, time.Hour}}},
			with(func(w *Limits) { w.Velocities = []Velocity{{10, time.Hour}, {50, time.Hour}} })},
		{"nobody allows a stale bundle for oneself", Limits{StaleBundle: true}, signed},
	}
	for _, tt := range tests {
		if got := LimitsOf(signedCert(), tt.own, nil, noon, noon); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	own := LimitsOf(&peerv1.DeviceCert{StoredCountMax: 1}, Limits{OfflineMax: time.Hour}, nil, noon, noon)
	if own.OfflineMax != time.Hour || own.CountMax != 1 || len(own.Velocities) != 0 {
		t.Errorf("only the device's own setting: %+v", own)
	}
	if got := LimitsOf(nil, usd(Limit{1, 1, 1}), nil, noon, noon); len(got.Currencies) != 0 || got.CountMax != 0 {
		t.Errorf("no certificate: %+v", got)
	}
}

func TestWhatPeopleAllow(t *testing.T) {
	own := Limits{Currencies: map[string]Limit{"USD": {2000, 9000, 3000}}, CountMax: 5, OfflineMax: time.Hour, Velocities: []Velocity{{1, time.Hour}}}
	lowered := LimitsOf(signedCert(), own, nil, noon, noon)
	emergency := with(func(w *Limits) { w.Currencies["USD"] = Limit{7000, 90000, 10000} })
	hour := func(kind AllowanceKind) Allowance { return Allow(kind, noon, noon, time.Hour) }
	stale := lowered
	stale.StaleBundle = true
	tests := []struct {
		name    string
		allowed []Allowance
		after   time.Duration
		want    Limits
	}{
		{"own limits are lifted up to the signed ones", []Allowance{hour(AllowOwnLimits)}, 0, signedLimitsOf()},
		{"until they are not", []Allowance{hour(AllowOwnLimits)}, time.Hour, lowered},
		{"an emergency alone leaves the device's own limits", []Allowance{hour(AllowEmergency)}, 0, lowered},
		{"an emergency, and own limits lifted", []Allowance{hour(AllowOwnLimits), hour(AllowEmergency)}, time.Hour - 1, emergency},
		{"an emergency that has ended", []Allowance{hour(AllowEmergency), Allow(AllowOwnLimits, noon, noon, 2*time.Hour)}, time.Hour, signedLimitsOf()},
		{"a stale bundle changes no amount", []Allowance{hour(AllowStaleBundle)}, 0, stale},
	}
	for _, tt := range tests {
		if got := LimitsOf(signedCert(), own, tt.allowed, noon.Add(tt.after), noon.Add(tt.after)); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

// An emergency declared under an older certificate ends with the present one.
func TestAnEmergencyEndsAsTheCertificateSays(t *testing.T) {
	cert := signedCert()
	all := []Allowance{Allow(AllowEmergency, noon, noon, 8*time.Hour)}
	at := func(after time.Duration) int64 {
		return LimitsOf(cert, Limits{}, all, noon.Add(after), noon.Add(after)).Currencies["USD"].PaymentMax
	}
	if got := at(2 * time.Hour); got != 7000 {
		t.Errorf("during it: %d", got)
	}
	cert.EmergencyMaxMs = time.Hour.Milliseconds()
	if at(time.Hour-1) != 7000 || at(time.Hour) != 5000 {
		t.Error("not ended after an hour")
	}
	cert.EmergencyMaxMs = 0
	if got := at(0); got != 5000 {
		t.Errorf("without one in the certificate: %d", got)
	}
}

func TestParseVelocity(t *testing.T) {
	for text, want := range map[string]Velocity{
		"10/1h": {10, time.Hour}, "1/90s": {1, 90 * time.Second}, "4294967295/168h": {1<<32 - 1, 168 * time.Hour}, "0": {},
	} {
		if got, err := ParseVelocity(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "10", "/1h", "10/", "0/1h", "-1/1h", "x/1h", "10/x", "10/0s", "10/-1h", "4294967296/1h", "1/168h1s", "1/1h/1h"} {
		if got, err := ParseVelocity(text); !errors.Is(err, ErrVelocity) || got != (Velocity{}) {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
}
