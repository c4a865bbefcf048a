//go:build !race

package hci

import (
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/testbed"
)

// TestRoundTrips counts the PDUs of a dial, each of which waits for its
// response: MTU and subscription, and what discovery adds.
func TestRoundTrips(t *testing.T) {
	for name, tt := range map[string]struct {
		base     uint16
		discover bool
		sent     int
	}{
		"at the advertised handle":  {link.DefaultBaseHandle, false, 2},
		"with discovery":            {link.DefaultBaseHandle, true, 8},
		"at a handle that is wrong": {300, false, 9},
	} {
		t.Run(name, func(t *testing.T) {
			b, radios := benchRadios(t, testbed.Config{Paced: true}, 2)
			a := &attack{T: t, bench: b, till: radios[0], wallet: radios[1]}
			adv := link.Advertisement{On: true, ServiceData: link.Beacon{Version: 1, BaseHandle: tt.base}.Encode()}
			a.ok(a.wallet.Advertise(t.Context(), adv))
			a.ok(a.till.Scan(t.Context(), true))
			s, err := a.till.NextSighting(t.Context())
			a.ok(err)
			begin := time.Now()
			c, err := a.till.Dial(t.Context(), s.Address, tt.discover)
			a.ok(err)
			t.Logf("dial took %s", time.Since(begin).Round(time.Millisecond))
			b.Do(func(air *testbed.Air) {
				if got := air.Counts(0); got.Sent != tt.sent || got.Overrun != 0 {
					t.Errorf("%d PDUs sent, want %d", got.Sent, tt.sent)
				}
			})
			if c.ValueMax() != mtuMax-3 {
				t.Errorf("values of %d bytes", c.ValueMax())
			}
		})
	}
}
