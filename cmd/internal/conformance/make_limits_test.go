package conformance

import (
	"slices"
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth/vectors"
)

const hour = 3600 * 1000

// TestMakeLimits makes the vectors of the limits in force: lowered by a
// device's own setting, never raised by it.
func TestMakeLimits(t *testing.T) {
	w := newWorld(t)
	cert := w.tillCert
	cert.Caps = []*peerv1.Cap{
		{Currency: "EUR", PaymentMax: 40_00, TotalMax: 400_00},
		{Currency: "USD", PaymentMax: 50_00, TotalMax: 500_00, CounterpartyMax: 100_00, EmergencyPaymentMax: 70_00, EmergencyTotalMax: 900_00},
	}
	cert.StoredCountMax, cert.OfflineMaxMs, cert.VelocityMax, cert.VelocityMs, cert.EmergencyMaxMs = 100, 48*hour, 10, hour, 8*hour
	shown := signed(t, "issuer", cert).Bytes
	eur := vectors.Bound{Currency: "EUR", PaymentMax: 40_00, TotalMax: 400_00}
	full := vectors.Setting{
		Currencies: []vectors.Bound{eur, {Currency: "USD", PaymentMax: 50_00, TotalMax: 500_00, CounterpartyMax: 100_00}},
		CountMax:   100, Velocities: []vectors.Pace{{Max: 10, Within: hour}}, OfflineMax: 48 * hour,
	}
	with := func(change func(*vectors.Setting)) vectors.Setting {
		s := full
		s.Currencies, s.Velocities = slices.Clone(s.Currencies), slices.Clone(s.Velocities)
		change(&s)
		return s
	}
	usd := func(payment, total, with int64) vectors.Bound {
		return vectors.Bound{Currency: "USD", PaymentMax: payment, TotalMax: total, CounterpartyMax: with}
	}
	none := vectors.Setting{Currencies: []vectors.Bound{}, Velocities: []vectors.Pace{}}
	own := vectors.Setting{
		Currencies: []vectors.Bound{usd(20_00, 90_00, 30_00)}, CountMax: 5, OfflineMax: hour, Velocities: []vectors.Pace{{Max: 1, Within: hour}},
	}
	lowered := with(func(s *vectors.Setting) {
		s.Currencies[1], s.CountMax, s.OfflineMax = usd(20_00, 90_00, 30_00), 5, hour
		s.Velocities = append(s.Velocities, vectors.Pace{Max: 1, Within: hour})
	})
	raising := vectors.Setting{
		Currencies: []vectors.Bound{{Currency: "GBP", PaymentMax: 1, TotalMax: 1}, usd(50_01, 500_01, 100_01)}, CountMax: 101, OfflineMax: 49 * hour,
		Velocities: []vectors.Pace{}, StaleBundle: true,
	}
	allow := func(kinds ...string) (all []vectors.Allowance) {
		for _, k := range kinds {
			all = append(all, vectors.Allowance{Kind: k, SinceMs: noon, UntilMs: noon + hour, FloorMs: noon})
		}
		return all
	}
	stale := lowered
	stale.StaleBundle = true
	emergency := with(func(s *vectors.Setting) { s.Currencies[1] = usd(70_00, 900_00, 100_00) })
	all := []vectors.Bounds{
		{Name: "as signed", Own: none, InForce: full},
		{Name: "lowered", Own: own, InForce: lowered},
		{Name: "not raised, and nothing of what was not signed", Own: raising, InForce: full},
		{Name: "own limits lifted, up to the signed ones", Own: own, Allowed: allow("OWN_LIMITS"), InForce: full},
		{Name: "lifted until an hour has passed", Own: own, Allowed: allow("OWN_LIMITS"), NowMs: noon + hour, FloorMs: noon, InForce: lowered},
		{Name: "lifted until the floor has moved on by an hour", Own: own, Allowed: allow("OWN_LIMITS"), NowMs: noon, FloorMs: noon + hour, InForce: lowered},
		{Name: "an emergency alone leaves the own limits", Own: own, Allowed: allow("EMERGENCY"), InForce: lowered},
		{Name: "an emergency, and own limits lifted", Own: own, Allowed: allow("EMERGENCY", "OWN_LIMITS"), InForce: emergency},
		{Name: "an emergency without own limits", Own: none, Allowed: allow("EMERGENCY"), InForce: emergency},
		{Name: "a stale bundle changes no amount", Own: own, Allowed: allow("STALE_BUNDLE"), InForce: stale},
	}
	for i := range all {
		b := &all[i]
		if b.DeviceCert = shown; b.NowMs == 0 {
			b.NowMs, b.FloorMs = noon, noon
		}
		if b.Allowed == nil {
			b.Allowed = []vectors.Allowance{}
		}
		if name, want, got := runBounds(*b); want != got {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	keep(t, vectors.KindLimits, "The limits in force on a device: as signed, lowered by its own setting, lifted for a while by people.", all)
}
