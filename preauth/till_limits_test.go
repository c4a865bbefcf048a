package preauth

import (
	"errors"
	"testing"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// A till whose bundle is older than three days refuses, unless somebody has
// allowed it; then everything is at risk. After a week nobody can allow it.
func TestAStaleBundle(t *testing.T) {
	tests := []struct {
		name       string
		age        time.Duration
		allowed    bool
		guaranteed int64
		err        error
	}{
		{"as old as it may be", BundleMaxAge, false, 1300, nil},
		{"as old as it may be, with more allowed", BundleMaxAge, true, 1300, nil},
		{"older", BundleMaxAge + 1e6, false, 0, ErrBundleStale},
		{"older, and allowed", BundleMaxAge + 1e6, true, 0, nil},
		{"a week, and allowed", BundleOldest, true, 0, nil},
		{"more than a week", BundleOldest + 1e6, true, 0, ErrBundleStale},
	}
	for _, tt := range tests {
		for _, bound := range []bool{false, true} {
			d := newDeal()
			d.bundle.ServerTimeMs = d.now.Add(-tt.age).UnixMilli()
			d.exposure.Limits.StaleBundle = tt.allowed
			if h := d.signRequest(t).Hash; bound {
				d.preauth.BoundTo = h[:]
			}
			got, err := d.check(t)
			if !errors.Is(err, tt.err) || got.Guaranteed != tt.guaranteed || err == nil && got.AtRisk != 1300-tt.guaranteed {
				t.Errorf("%s, bound %t: guaranteed %d, at risk %d, %v", tt.name, bound, got.Guaranteed, got.AtRisk, err)
			}
		}
	}
}

func TestSignedLimitsOutOfBounds(t *testing.T) {
	day := (24 * time.Hour).Milliseconds()
	good := func() *peerv1.DeviceCert {
		d := newDeal()
		c := d.tillCert
		c.Caps = signedCert().Caps
		c.OfflineMaxMs, c.VelocityMs, c.VelocityMax, c.EmergencyMaxMs = 30*day, 7*day, 1, day
		return c
	}
	if _, err := Sign(testKey("issuer"), good()); err != nil {
		t.Fatalf("the largest limits: %v", err)
	}
	if err := CheckLimits(&peerv1.DeviceCert{Caps: signedCert().Caps}); err != nil {
		t.Errorf("limits alone: %v", err)
	}
	for name, bend := range map[string]func(*peerv1.DeviceCert){
		"counterparty below zero":             func(c *peerv1.DeviceCert) { c.Caps[0].CounterpartyMax = -1 },
		"emergency payment below zero":        func(c *peerv1.DeviceCert) { c.Caps[0].EmergencyPaymentMax = -1 },
		"emergency payment below the normal":  func(c *peerv1.DeviceCert) { c.Caps[0].EmergencyPaymentMax = 4999 },
		"emergency total below the normal":    func(c *peerv1.DeviceCert) { c.Caps[0].EmergencyTotalMax = 49999 },
		"time offline below zero":             func(c *peerv1.DeviceCert) { c.OfflineMaxMs = -1 },
		"a month and more offline":            func(c *peerv1.DeviceCert) { c.OfflineMaxMs++ },
		"a velocity without time":             func(c *peerv1.DeviceCert) { c.VelocityMs = 0 },
		"a velocity without number":           func(c *peerv1.DeviceCert) { c.VelocityMax = 0 },
		"a velocity in more than a week":      func(c *peerv1.DeviceCert) { c.VelocityMs++ },
		"a velocity in less than no time":     func(c *peerv1.DeviceCert) { c.VelocityMs = -1 },
		"an emergency of more than a day":     func(c *peerv1.DeviceCert) { c.EmergencyMaxMs++ },
		"an emergency that ends as it begins": func(c *peerv1.DeviceCert) { c.EmergencyMaxMs = -1 },
	} {
		c := good()
		bend(c)
		if _, err := Sign(testKey("issuer"), c); !errors.Is(err, ErrDecode) {
			t.Errorf("%s: %v", name, err)
		}
		if err := CheckLimits(c); !errors.Is(err, ErrDecode) {
			t.Errorf("%s, alone: %v", name, err)
		}
	}
}
