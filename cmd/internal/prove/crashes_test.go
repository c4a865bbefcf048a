package prove

import (
	"testing"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// Effects of one payment at each side: before and after each commit, and
// before each message.
const (
	effectsTill     = 8
	effectsCustomer = 7
)

// TestCrashesInPairs kills the till at each of its effects of a payment, the
// customer at each of its own, and both in every combination. Whatever is left
// then meets again: it ends paid once or not at all, and both know which.
func TestCrashesInPairs(t *testing.T) {
	paid, unpaid := 0, 0
	for till := range effectsTill + 2 {
		for customer := range effectsCustomer + 2 {
			luna, _ := play(t, allHonest, func(s *script) {
				s.reserve(s.ann(), 12_00) // enough for one
				s.luna().fuse, s.ann().fuse = till, customer
				for range 5 {
					s.encounter()
				}
				if customer == 0 && (till <= effectsTill) != (s.luna().fuse == 0) || till == 0 && (customer <= effectsCustomer) != (s.ann().fuse == 0) {
					s.t.Errorf("killed at %d and %d: a payment has not %d effects at the till and %d at the customer", till, customer, effectsTill, effectsCustomer)
				}
				s.luna().fuse, s.ann().fuse = 0, 0
				for _, o := range []owner{s.luna(), s.ann()} {
					if !o.base().up() {
						s.ok(s.w.start(o))
					}
				}
			})
			switch luna {
			case 12_00:
				paid++
			case 0:
				unpaid++
			default:
				t.Fatalf("killed at %d and %d: luna is owed %d", till, customer, luna)
			}
		}
	}
	if paid < unpaid {
		t.Errorf("%d were paid and %d were not: nobody comes back", paid, unpaid)
	}
}

// encounter starts who is down, and goes on with the payment from wherever it
// stands.
func (s *script) encounter() {
	s.t.Helper()
	for _, o := range []owner{s.luna(), s.ann()} {
		if !o.base().up() {
			s.ok(s.w.start(o))
		}
	}
	if s.luna().up() && len(s.w.check.of(s.luna().device).payments) == 0 {
		s.ok(s.w.after(s.luna(), s.luna().open(order{amount: 12_00, policy: store.ForceOffline, timeout: time.Minute})))
	}
	if s.luna().up() && s.ann().up() {
		_, err := s.w.meet(s.luna(), s.ann())
		s.ok(s.w.cleanUp(err))
		s.carry()
	}
	for _, h := range append([]preauth.Hash(nil), s.w.check.of(s.ann().device).order...) {
		if s.ann().up() && s.w.check.of(s.ann().device).attempts[h].State == payment.Requested && s.ann().sessionOf(h) != nil {
			a, err := s.ann().st.Attempt(ctx, h)
			s.ok(err)
			s.ok(s.w.after(s.ann(), s.ann().accept(a, 0)))
		}
	}
	s.carry()
	s.part()
}
