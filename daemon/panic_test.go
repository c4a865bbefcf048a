package daemon

import (
	"testing"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// A call that panics ends alone: the lock around the steps is free again, and
// the next call is served.
func TestAPanicFreesTheLock(t *testing.T) {
	b := newBench(t, asTill, nil)
	whole := b.store
	for name, call := range map[string]func() error{
		"a step of a till": func() error {
			_, err := b.stepSale(t.Context(), paymentName(0), saleStep{in: payment.BusinessInput{Event: payment.Withdraw}})
			return err
		},
		"a step of a customer": func() error {
			_, err := b.stepAttempt(t.Context(), namedHash("request"), payment.CustomerInput{Event: payment.LinkLost}, nil)
			return err
		},
		"an acceptance": func() error {
			_, err := b.stepAccept(t.Context(), b.self.Load(), preauth.Request{}, store.Instrument{}, acceptance{})
			return err
		},
		"a time of the backend": func() error {
			b.clock.Raise(time.Now().Add(time.Hour))
			return b.Heard(t.Context(), time.Now())
		},
	} {
		b.store = nil // whatever asks it panics
		err := func() (err error) {
			defer recovered(&err)
			return call()
		}()
		b.store = whole
		if err == nil {
			t.Errorf("%s did not fail", name)
		}
		if !b.mu.TryLock() {
			t.Fatalf("%s holds the lock for ever", name)
		}
		b.mu.Unlock()
	}
}
