package daemon

import (
	"context"
	"testing"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// A link that was lost while the store took no write is recorded as soon as it
// does: nobody is shown a request that can be answered no more.
func TestLostLinkIsRecordedLater(t *testing.T) {
	b := withHistory(t, asCustomer, payment.Requested, payment.Requested)
	state := func(n int) payment.State {
		all, err := b.store.AttemptsOf(t.Context(), paymentName(n))
		must(t, err)
		return all[0].State
	}
	var both []preauth.Hash
	for n := range 2 {
		all, err := b.store.AttemptsOf(t.Context(), paymentName(n))
		must(t, err)
		both = append(both, all[0].Request)
	}
	noWrites, stop := context.WithCancel(t.Context())
	stop()
	b.wallet.lose(noWrites, both)
	if !b.wallet.loseAgain(noWrites) || state(0) != payment.Requested {
		t.Fatalf("given up as %s", state(0))
	}
	b.wallet.byRequest[both[1]] = &merchant{} // asked for again in another session
	if b.wallet.loseAgain(t.Context()) || state(0) != payment.Expired || state(1) != payment.Requested {
		t.Errorf("%s and %s", state(0), state(1))
	}
}

// A request that the store did not take was never shown: that its link is lost
// is nothing to record, now or later.
func TestALostLinkOfARequestThatWasNotStored(t *testing.T) {
	b := newBench(t, asCustomer, nil)
	b.wallet.lose(t.Context(), []preauth.Hash{namedHash("not stored")})
	if b.wallet.loseAgain(t.Context()) {
		t.Error("to be recorded for ever")
	}
}
