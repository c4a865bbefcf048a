package conformance

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// runBounds works out the limits in force.
func runBounds(c vectors.Bounds) (name, want, got string) {
	want = showSetting(c.InForce)
	cert, err := preauth.Open[*peerv1.DeviceCert](c.DeviceCert)
	if err != nil {
		return c.Name, want, class(err)
	}
	var allowed []preauth.Allowance
	for _, a := range c.Allowed {
		allowed = append(allowed, preauth.Allowance{
			Kind: preauth.AllowanceKind(a.Kind), Since: time.UnixMilli(a.SinceMs), Until: time.UnixMilli(a.UntilMs), Floor: time.UnixMilli(a.FloorMs),
		})
	}
	in := preauth.LimitsOf(cert.Body, limitsOf(c.Own), allowed, time.UnixMilli(c.NowMs), time.UnixMilli(c.FloorMs))
	return c.Name, want, showSetting(settingOf(in))
}

func limitsOf(s vectors.Setting) preauth.Limits {
	l := preauth.Limits{
		Currencies: map[string]preauth.Limit{}, CountMax: s.CountMax,
		OfflineMax: time.Duration(s.OfflineMax) * time.Millisecond, StaleBundle: s.StaleBundle,
	}
	for _, b := range s.Currencies {
		l.Currencies[b.Currency] = preauth.Limit{PaymentMax: b.PaymentMax, TotalMax: b.TotalMax, CounterpartyMax: b.CounterpartyMax}
	}
	for _, v := range s.Velocities {
		l.Velocities = append(l.Velocities, preauth.Velocity{Max: v.Max, Within: time.Duration(v.Within) * time.Millisecond})
	}
	return l
}

func settingOf(l preauth.Limits) vectors.Setting {
	s := vectors.Setting{
		Currencies: []vectors.Bound{}, CountMax: l.CountMax, Velocities: []vectors.Pace{},
		OfflineMax: l.OfflineMax.Milliseconds(), StaleBundle: l.StaleBundle,
	}
	for code, one := range l.Currencies {
		s.Currencies = append(s.Currencies, vectors.Bound{Currency: code, PaymentMax: one.PaymentMax, TotalMax: one.TotalMax, CounterpartyMax: one.CounterpartyMax})
	}
	slices.SortFunc(s.Currencies, func(a, b vectors.Bound) int { return cmp.Compare(a.Currency, b.Currency) })
	for _, v := range l.Velocities {
		s.Velocities = append(s.Velocities, vectors.Pace{Max: v.Max, Within: v.Within.Milliseconds()})
	}
	return s
}

func showSetting(s vectors.Setting) string {
	b, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return string(b)
}
