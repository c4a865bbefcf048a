//go:build vm

package main_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/testbed"
)

// TestVMHostile breaks the radio process of either side, by radio and while
// the customer decides: the payment is made all the same, and once.
func TestVMHostile(t *testing.T) {
	t.Parallel()
	k := airwaves(t, 2, nil)
	s := newBluetoothShop(t, k, "ann")
	ann := s.customers[0]
	x := ann.deciding(t)
	fragment := func(handle uint16, data ...byte) []byte { // the first of an L2CAP packet
		return append([]byte{2, byte(handle), byte(handle>>8) | 0x20, byte(len(data)), 0}, data...)
	}
	count := 0
	for _, attack := range []struct {
		name   string
		victim int // controller
		data   []byte
		times  int
	}{
		{"a fragment of 2 bytes to the till", 0, []byte{1, 0}, 1},
		{"a fragment of 2 bytes to the customer", 1, []byte{1, 0}, 1},
		{"a signal beyond its packet to the customer", 1, []byte{4, 0, 5, 0, 6, 1, 0xff, 0xff}, 1},
		{"fragments that are never continued to the customer", 1, []byte{0x64, 0, 4, 0, 1}, 60},
		{"fragments that are never continued to the till", 0, []byte{0x64, 0, 4, 0, 1}, 60},
		{"an execute without prepare to the customer", 1, []byte{2, 0, 4, 0, 0x18, 1}, 1},
		{"an empty PDU to the till", 0, []byte{0, 0, 4, 0}, 1},
	} {
		t.Run(attack.name, func(t *testing.T) {
			asking := s.ask(t, x)
			victim := []*device{s.till, ann}[attack.victim]
			troubles := victim.troubles(t)
			begin := time.Now()
			var links []uint16
			k.Do(func(air *testbed.Air) {
				links = air.Handles(attack.victim)
				for _, handle := range links {
					for range attack.times {
						air.Inject(attack.victim, fragment(handle, attack.data...))
					}
				}
			})
			x.accept()
			if len(links) != 1 {
				t.Errorf("attacked on %d links", len(links))
			}
			s.paid(t, asking)
			count++
			figure(t, attack.name, "paid %s later; %s", milliseconds(time.Since(begin)), troubles())
			for _, d := range []*device{s.till, ann} {
				if !d.daemon.running() {
					t.Errorf("%s is dead", d.name)
				}
			}
		})
	}
	ann.holds(t, "0.00", fmt.Sprintf("%d.00", 5*count), fmt.Sprintf("%d.00", 100-5*count))
}
