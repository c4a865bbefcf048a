package prove

import (
	"testing"
	"time"

	"github.com/vipaso/vipasod/cmd/internal/prove/report"
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

// The effects as a report names them, in order.
var (
	tillEffects = []string{
		"before the sale is stored", "after the sale is stored", "before its request is stored", "after its request is stored", "before it sends the request",
		"before the promise is stored", "after the promise is stored", "before it sends the receipt",
	}
	customerEffects = []string{
		"before the request is stored", "after the request is stored", "before the promise is stored", "after the promise is stored",
		"before it sends the promise", "before the receipt is stored", "after the receipt is stored",
	}
)

// TestCrashesInPairs kills the till at each of its effects of a payment, the
// customer at each of its own, and both in every combination. Whether what is
// left meets again or never does: it ends paid once or not at all, and both
// know which.
func TestCrashesInPairs(t *testing.T) {
	if len(tillEffects) != effectsTill || len(customerEffects) != effectsCustomer {
		t.Fatal("effects without a name")
	}
	all := report.Pairs{Till: append([]string{"not at all"}, tillEffects...), Customer: append([]string{"not at all"}, customerEffects...)}
	for till := range effectsTill + 1 {
		var row []report.Outcome
		for customer := range effectsCustomer + 1 {
			row = append(row, killedAt(t, till, customer, 1))
			all.Again++
			if killedAt(t, till, customer, 5) == report.Paid {
				all.PaidAgain++
			}
		}
		all.Outcomes = append(all.Outcomes, row)
	}
	if all.PaidAgain != all.Again {
		t.Errorf("%d of %d are paid when both meet again", all.PaidAgain, all.Again)
	}
	for _, o := range []report.Outcome{report.Paid, report.Unpaid} {
		if all.Count(o) == 0 {
			t.Errorf("none ends as %s when both part for ever", o)
		}
	}
	if err := report.Save(*out, "pairs.json", all); err != nil {
		t.Error(err)
	}
}

// killedAt plays one payment whose till and customer are killed at an effect,
// counted from 1, or not at all. They meet a number of times, and after a
// single one never again. That both know what came of it, play has checked.
func killedAt(t *testing.T, till, customer, meetings int) report.Outcome {
	t.Helper()
	luna, _ := play(t, allHonest, func(s *script) {
		s.reserve(s.ann(), 12_00) // enough for one
		s.luna().fuse, s.ann().fuse = till, customer
		for range meetings {
			s.encounter()
		}
		if customer == 0 && s.luna().fuse > 0 || till == 0 && s.ann().fuse > 0 {
			s.t.Errorf("killed at %d and %d: a payment has not %d effects at the till and %d at the customer", till, customer, effectsTill, effectsCustomer)
		}
		s.luna().fuse, s.ann().fuse = 0, 0
		s.w.apart = meetings == 1
	})
	switch luna {
	case 12_00:
		return report.Paid
	case 0:
		return report.Unpaid
	}
	t.Errorf("killed at %d and %d: luna is owed %d", till, customer, luna)
	return report.Wrong
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
