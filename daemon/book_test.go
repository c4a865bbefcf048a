package daemon

import (
	"testing"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/store"
)

// A Charge that the backend does not know ends when it could not take it any
// more, by the backend's own time; before that the question stays.
func TestUnknownChargeEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		after time.Duration // past the end of the request, by the backend's time
		want  payment.State
		asked bool
	}{
		{"while it could still be taken", 0, payment.Authorized, true},
		{"when it could not", 2 * chargeMargin, payment.Released, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, asCustomer, nil)
			in := payment.CustomerInput{Event: payment.Accept, Voucher: namedHash("charge"), Charge: true}
			a, err := b.stepAttempt(t.Context(), b.ask("pay").Request, in, func(a *store.Attempt, _ *store.Change) { a.VoucherBytes = []byte("charge") })
			if err != nil {
				t.Fatal(err)
			}
			if b.clock.Hear(a.ExpiresAt.Add(tt.after)); b.clock.Floor().IsZero() {
				t.Fatal("the backend was not heard")
			}
			items, err := b.Due(t.Context(), time.Now().Add(time.Hour), 10)
			if err != nil || len(items) != 1 {
				t.Fatalf("%d items, %v", len(items), err)
			}
			items[0].Tries++
			if err := b.Postpone(t.Context(), items); err != nil {
				t.Fatal(err)
			}
			got, err := b.store.Attempt(t.Context(), a.Request)
			if err != nil || got.State != tt.want {
				t.Errorf("it is %s, %v; want %s", got.State, err, tt.want)
			}
			n, err := b.store.OutboxSize(t.Context())
			if err != nil || (n == 1) != tt.asked {
				t.Errorf("%d items left, %v", n, err)
			}
		})
	}
}
