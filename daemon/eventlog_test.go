package daemon

import (
	"strings"
	"testing"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/store"
)

// Whoever is in doubt about a payment is told what ends the doubt and when, of
// a voucher as of a charge.
func TestUnconfirmedSaysWhatEndsItAndWhen(t *testing.T) {
	accepted := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	settle := accepted.Add(15 * 24 * time.Hour)
	for _, tt := range []struct {
		name string
		a    store.Attempt
		what string
		when time.Time
	}{
		{"voucher", store.Attempt{SettleBy: settle}, "settle_by has passed", settle},
		{"charge", store.Attempt{Attempt: payment.Attempt{Charge: true, UpdatedAt: accepted}}, "not heard of the charge", accepted.Add(2 * time.Hour)},
	} {
		got := attemptEvents(tt.a, []payment.Note{{Kind: payment.NoteUnconfirmed}})[0].GetPaymentUnconfirmed()
		if !strings.Contains(got.GetResolution(), tt.what) || !got.GetResolvesBy().AsTime().Equal(tt.when) {
			t.Errorf("%s: %q by %s, want %s", tt.name, got.GetResolution(), got.GetResolvesBy().AsTime(), tt.when)
		}
	}
}
