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
		{"answers of the backend crossed", noon, noon.Add(-5 * time.Minute), noon, noon, false},
		{"the backend has lowered the floor", noon, noon.Add(-5*time.Minute - 1), noon, noon, true},
	}
	for _, tt := range tests {
		a := Allow(AllowOwnLimits, tt.since, tt.sinceOnes, time.Hour)
		if got := a.Ended(tt.now, tt.floor); got != tt.want {
			t.Errorf("%s: %t", tt.name, got)
		}
	}
}

// An emergency is no longer than the present certificate says, by whichever of
// clock and floor went further.
func TestAnEmergencyEndsWithTheCertificate(t *testing.T) {
	cert := signedCert() // eight hours
	begun := func(now, floor time.Duration) bool {
		a := Allow(AllowEmergency, noon, noon, 20*time.Hour)
		return a.InForce(cert, noon.Add(now), noon.Add(floor))
	}
	if last := 8*time.Hour - 1; !begun(last, last) || begun(8*time.Hour, 0) || begun(0, 8*time.Hour) {
		t.Error("not eight hours")
	}
}

func TestEmergency(t *testing.T) {
	hours := func(n int) time.Duration { return time.Duration(n) * time.Hour }
	began := func(ago, floorAgo, length int) Allowance {
		return Allowance{
			Kind: AllowEmergency, Since: noon.Add(-hours(ago)), Until: noon.Add(hours(length - ago)), Floor: noon.Add(-hours(floorAgo)),
		}
	}
	told := func(a Allowance) Allowance {
		a.Told = true
		return a
	}
	other := Allow(AllowOwnLimits, noon.Add(-hours(9)), noon.Add(-hours(9)), hours(10))
	tests := []struct {
		name   string
		before []Allowance
		heard  int // hours ago
		asked  int
		want   int // hours
		err    error
	}{
		{"as long as asked", nil, 9, 8, 8, nil},
		{"no longer than signed", nil, 9, 9, 8, nil},
		{"other allowances do not count", []Allowance{other}, 9, 8, 8, nil},
		{"from the first one on", []Allowance{began(5, 5, 1), began(2, 2, 1)}, 9, 4, 3, nil},
		{"by the floor, if the clock was set back since", []Allowance{began(0, 7, 1)}, 9, 4, 1, nil},
		{"used up", []Allowance{began(8, 8, 1)}, 9, 1, 0, ErrEmergencyUsed},
		{"untold, though the backend answered after its end", []Allowance{began(5, 5, 1)}, 1, 8, 3, nil},
		{"told while it was open", []Allowance{told(began(5, 5, 3))}, 3, 8, 3, nil},
		{"told while it was open, and used up", []Allowance{told(began(8, 8, 8))}, 7, 1, 0, ErrEmergencyUsed},
		{"told, and the backend answered at its end", []Allowance{told(began(5, 5, 3))}, 2, 8, 8, nil},
		{"only the one that is over for the backend does not count", []Allowance{told(began(7, 7, 1)), told(began(5, 5, 3))}, 3, 8, 3, nil},
		{"begun before the floor was lowered", []Allowance{told(began(-9, -9, 3))}, 0, 8, 8, nil},
		{"told, begun by a clock that was ahead, and not over yet", []Allowance{told(began(-99, 3, 3))}, 1, 8, 5, nil},
		{"told, begun by a clock that was ahead, and over for the backend", []Allowance{told(began(-99, 5, 3))}, 1, 8, 8, nil},
	}
	for _, tt := range tests {
		got, err := Emergency(signedCert(), tt.before, noon, noon, noon.Add(-hours(tt.heard)), hours(tt.asked))
		if !errors.Is(err, tt.err) || err == nil && got != Allow(AllowEmergency, noon, noon, hours(tt.want)) {
			t.Errorf("%s: %+v, %v", tt.name, got, err)
		}
	}
	for name, cert := range map[string]*peerv1.DeviceCert{
		"no certificate": nil,
		"no time":        {Caps: signedCert().Caps},
		"no limits":      {Caps: signedCert().Caps[1:], EmergencyMaxMs: signedCert().EmergencyMaxMs},
	} {
		if _, err := Emergency(cert, nil, noon, noon, noon, time.Hour); !errors.Is(err, ErrEmergencyNotSigned) {
			t.Errorf("%s: %v", name, err)
		}
	}
	total := &peerv1.DeviceCert{Caps: []*peerv1.Cap{{Currency: "USD", EmergencyTotalMax: 1}}, EmergencyMaxMs: 1000}
	if got, err := Emergency(total, nil, noon, noon, noon, time.Hour); err != nil || got.Until.Sub(got.Since) != time.Second {
		t.Errorf("only a total: %+v, %v", got, err)
	}
}
