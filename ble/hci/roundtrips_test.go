//go:build !race

package hci

import (
	"testing"
	"testing/synctest"

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
			synctest.Test(t, func(t *testing.T) {
				a := newAttack(t, testbed.Config{Paced: true})
				a.advertise(1, tt.base)
				c, err := a.till.Dial(t.Context(), a.see(1).Address, tt.discover)
				a.ok(err)
				a.bench.Do(func(air *testbed.Air) {
					if got := air.Counts(0); got.Sent != tt.sent || got.Overrun != 0 {
						t.Errorf("%d PDUs sent, want %d", got.Sent, tt.sent)
					}
				})
				if c.ValueMax() != mtuMax-3 {
					t.Errorf("values of %d bytes", c.ValueMax())
				}
			})
		})
	}
}
