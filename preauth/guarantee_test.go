package preauth

import (
	"testing"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// A customer's device takes the till's bundle to be as old as its own, unless
// the till announced a newer one, and both count by the same rule.
func TestGuaranteedAtTheTill(t *testing.T) {
	const day = 24 * time.Hour
	d := newDeal()
	d.bundle.Epoch = 7
	for _, tt := range []struct {
		name  string
		age   time.Duration // of the customer's bundle
		epoch uint64        // of the till's
		used  int64
		want  int64
	}{
		{"new", day, 7, 0, 800},
		{"some is used", day, 7, 600, 400},
		{"all is used", day, 7, 1100, 0},
		{"as old as it may be", BundleMaxAge, 7, 0, 800},
		{"older", BundleMaxAge + time.Millisecond, 7, 0, 0},
		{"older, and the till's too", 4 * day, 6, 0, 0},
		{"older, and the till's is not", 4 * day, 8, 0, 800},
	} {
		d.bundle.ServerTimeMs = d.now.Add(-tt.age).UnixMilli()
		cert := PreauthCert{Body: &peerv1.PreauthCert{Guarantee: 1000}}
		if got := Guaranteed(cert, 800, tt.used, d.trust(t).TillBundleAge(tt.epoch, d.now)); got != tt.want {
			t.Errorf("%s: %d, want %d", tt.name, got, tt.want)
		}
	}
}
