package sim

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/link/linktest"
)

// TestContract runs the contract of ble/link on good and bad airs.
func TestContract(t *testing.T) {
	for _, cond := range []Conditions{
		{},
		{Interval: 15 * time.Millisecond},
		{Latency: 20 * time.Millisecond},
		{Interval: 30 * time.Millisecond, LossPerMille: 200, Latency: 5 * time.Millisecond},
		{LossPerMille: 100},
	} {
		t.Run(fmt.Sprintf("%+v", cond), func(t *testing.T) {
			mk := func(t *testing.T, n int) []link.Radio {
				air := NewAir(1, cond)
				t.Cleanup(func() { air.Close() })
				radios := make([]link.Radio, n)
				for i := range radios {
					radios[i] = air.Join(fmt.Sprintf("radio %d", i))
				}
				return radios
			}
			linktest.TestRadio(t, mk, func(t *testing.T, f func(*testing.T)) { synctest.Test(t, f) })
		})
	}
}
