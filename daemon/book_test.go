package daemon

import (
	"testing"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/store"
)

// A Charge that the backend does not know ends when it could not take it any
// more, by the backend's own time from the first time it was asked; before that
// the question stays. What the wall clock said then does not matter.
func TestUnknownChargeEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		wall  time.Duration // of the request, against the backend's time
		after time.Duration // from the first answer to the second
		want  payment.State
	}{
		{"while it could still be taken", 0, chargeMargin - time.Minute, payment.Authorized},
		{"when it could not", 0, 2 * chargeMargin, payment.Released},
		{"not sooner for a clock that was late", -48 * time.Hour, chargeMargin - time.Minute, payment.Authorized},
		{"not later for a clock that was early", 48 * time.Hour, 2 * chargeMargin, payment.Released},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, asCustomer, nil)
			in := payment.CustomerInput{Event: payment.Accept, Voucher: namedHash("charge"), Charge: true}
			a, err := b.stepAttempt(t.Context(), b.ask("pay").Request, in, func(a *store.Attempt, _ *store.Change) { a.VoucherBytes = []byte("charge") })
			if err != nil {
				t.Fatal(err)
			}
			first := a.ExpiresAt.Add(-tt.wall)
			for n, at := range []time.Time{first, first.Add(tt.after)} {
				b.clock.Hear(at)
				items, err := b.Due(t.Context(), time.Now().Add(240*time.Hour), 10)
				if err != nil || len(items) != 1 {
					t.Fatalf("%d items, %v", len(items), err)
				}
				items[0].Tries++
				if err := b.Postpone(t.Context(), items); err != nil {
					t.Fatal(err)
				}
				want := payment.Authorized
				if n == 1 {
					want = tt.want
				}
				got, err := b.store.Attempt(t.Context(), a.Request)
				if err != nil || got.State != want {
					t.Errorf("after answer %d it is %s, %v; want %s", n+1, got.State, err, want)
				}
			}
			left := 1
			if tt.want == payment.Released {
				left = 0
			}
			if n, err := b.store.OutboxSize(t.Context()); err != nil || int(n) != left {
				t.Errorf("%d items left, %v; want %d", n, err, left)
			}
		})
	}
}
