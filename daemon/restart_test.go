package daemon

import (
	"testing"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/store"
)

// TestRestartEndsBeforeAnyCall: the API is served as soon as there is a device,
// so what the restart has ended is ended by then.
func TestRestartEndsBeforeAnyCall(t *testing.T) {
	b := newBench(t, asCustomer, nil)
	shown, accepted := b.ask("shown"), b.charge(b.ask("accepted"))
	must(t, b.store.Close())
	b = reopen(t, b)
	for _, tt := range []struct {
		store.Attempt
		state payment.State
		doubt bool
	}{{shown, payment.Expired, false}, {accepted, payment.Authorized, true}} {
		a, err := b.store.Attempt(t.Context(), tt.Request)
		must(t, err)
		if a.State != tt.state || a.Doubtful != tt.doubt {
			t.Errorf("after the restart: %s, in doubt %t, want %s, %t", a.State, a.Doubtful, tt.state, tt.doubt)
		}
	}
}
