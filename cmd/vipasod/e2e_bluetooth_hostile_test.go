//go:build vm

package main_test

import (
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/testbed"
)

// attacked: the radio process of either side is broken, by radio and while the
// customer decides. The payment is made all the same, and once.
func (p *pair) attacked(t *testing.T) {
	x := p.customer().deciding(t)
	fragment := func(handle uint16, data ...byte) []byte { // the first of an L2CAP packet
		return append([]byte{2, byte(handle), byte(handle>>8) | 0x20, byte(len(data)), 0}, data...)
	}
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
			asking := p.ask(t, x)
			victim := p.devices()[attack.victim]
			troubles := victim.troubles(t)
			begin := time.Now()
			var links []uint16
			p.k.Do(func(air *testbed.Air) {
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
			p.paid(t, asking)
			took := time.Since(begin)
			said := ""
			eventually(t, patience, "a counter says what happened", func() (bool, string) {
				said = troubles()
				return said != "", "none does"
			})
			figure(t, attack.name, "paid %s later; %s", milliseconds(took), said)
			for _, d := range p.devices() {
				if !d.daemon.running() {
					t.Errorf("%s is dead", d.name)
				}
			}
		})
	}
	p.promised(t)
}
