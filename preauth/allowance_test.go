package preauth

import (
	"errors"
	"testing"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// The clock may be set back, and may have been ahead of the floor: neither
// makes an allowance longer than the time in which the device was on.
func TestAnAllowanceEnds(t *testing.T) {
	ahead := noon.Add(5 * time.Hour) // the wall clock, and so trusted time
	tests := []struct {
		name             string
		now, floor       time.Time
		since, sinceOnes time.Time // trusted time and floor when it began
		want             bool
	}{
		{"at its beginning", noon, noon, noon, noon, false},
		{"just before its end", noon.Add(time.Hour - 1), noon.Add(time.Hour - 1), noon, noon, false},
		{"at its end", noon.Add(time.Hour), noon.Add(time.Hour), noon, noon, true},
		{"by a clock that has jumped ahead", noon.Add(time.Hour), noon, noon, noon, true},
		{"by the floor, after the clock was set back", noon.Add(time.Hour), noon.Add(time.Hour), ahead, noon, true},
		{"not by the floor yet", noon.Add(time.Hour - 1), noon.Add(time.Hour - 1), ahead, noon, false},
	}
	for _, tt := range tests {
		a := Allow(AllowOwnLimits, tt.since, tt.sinceOnes, time.Hour)
		if got := a.Ended(tt.now, tt.floor); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

func TestEmergency(t *testing.T) {
	hours := func(n int) time.Duration { return time.Duration(n) * time.Hour }
	began := func(ago, floorAgo, length int) Allowance {
		return Allowance{
			Kind: AllowEmergency, Since: noon.Add(-hours(ago)), Until: noon.Add(hours(length - ago)), Floor: noon.Add(-hours(floorAgo)),
		}
	}
	other := Allow(AllowOwnLimits, noon.Add(-hours(9)), noon.Add(-hours(9)), hours(10))
	tests := []struct {
		name   string
		before []Allowance
		asked  int
		want   int // hours
		err    error
	}{
		{"as long as asked", nil, 8, 8, nil},
		{"no longer than signed", nil, 9, 8, nil},
		{"other allowances do not count", []Allowance{other}, 8, 8, nil},
		{"from the first one on", []Allowance{began(5, 5, 1), began(2, 2, 1)}, 4, 3, nil},
		{"by the floor, if the clock was set back since", []Allowance{began(0, 7, 1)}, 4, 1, nil},
		{"used up", []Allowance{began(8, 8, 1)}, 1, 0, ErrEmergencyUsed},
	}
	for _, tt := range tests {
		got, err := Emergency(signedCert(), tt.before, noon, noon, hours(tt.asked))
		if !errors.Is(err, tt.err) || err == nil && got != Allow(AllowEmergency, noon, noon, hours(tt.want)) {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
	for name, cert := range map[string]*peerv1.DeviceCert{
		"no certificate": nil,
		"no time":        {Caps: signedCert().Caps},
		"no limits":      {Caps: signedCert().Caps[1:], EmergencyMaxMs: signedCert().EmergencyMaxMs},
	} {
		if _, err := Emergency(cert, nil, noon, noon, time.Hour); !errors.Is(err, ErrEmergencyNotSigned) {
			t.Errorf("%s: %v", name, err)
		}
	}
	total := &peerv1.DeviceCert{Caps: []*peerv1.Cap{{Currency: "USD", EmergencyTotalMax: 1}}, EmergencyMaxMs: 1000}
	if got, err := Emergency(total, nil, noon, noon, time.Hour); err != nil || got.Until.Sub(got.Since) != time.Second {
		t.Errorf("only a total: %+v, %v", got, err)
	}
}
