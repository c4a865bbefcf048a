package backend

import "testing"

// TestBoundPreauthorizationNobodyHeardOf: its answer was lost, and the request
// was paid otherwise. What was set aside for it is free again at once, and no
// more is set aside.
func TestBoundPreauthorizationNobodyHeardOf(t *testing.T) {
	s := newStreet(t)
	for name, pay := range map[string]func(*deal){
		"voucher": func(d *deal) {
			s.till.expect(s.phone.preauthorize(s.card, 12_00).pay(d, 0).take().claim(), settled(12_00))
		},
		"charge": func(d *deal) {
			s.register(d)
			s.till.expect(s.charge(d, 0).claim(), settled(12_00))
		},
	} {
		before := s.free(s.card)
		d := s.till.ask(12_00, online)
		_, err := s.bound(d, 12_00, "USD")
		must(t, err)
		pay(d)
		if got := s.free(s.card); got != before-12_00 {
			t.Errorf("%s: %d of %d left on the card", name, got, before)
		}
		_, err = s.bound(d, 12_00, "USD")
		wantReason(t, err, "PAYMENT_STATE")
	}
}
