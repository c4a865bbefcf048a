package daemon

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

const year = 365 * 24 * time.Hour

// opened asks for 12.00 USD for a minute, as a caller does.
func (b *bench) opened() store.Sale {
	b.t.Helper()
	s, err := b.openSale(b.t.Context(), saleRequest{
		call: store.Call{RequestID: namedID("call"), Method: methodRequest}, amount: 12_00, currency: "USD",
		policy: store.ForceOffline, timeout: time.Minute,
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return s
}

func (b *bench) wantSale(id preauth.ID, what string, want payment.State) {
	b.t.Helper()
	s, err := b.store.Sale(b.t.Context(), id)
	if err != nil || s.State != want {
		b.t.Errorf("%s: %s, %v; want %s", what, s.State, err, want)
	}
}

// Whoever sets the clock while a payment is open neither ends it nor keeps it
// open: what the store says of the end is a year off, either way, and the
// payment lasts its minute.
func TestTheClockIsSetWhileAPaymentIsOpen(t *testing.T) {
	for what, jump := range map[string]time.Duration{"ahead": -year, "back": year} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, asTill, nil)
			defer b.runFor()()
			s := b.opened()
			synctest.Wait()
			s.Rev, s.Deadline = s.Rev+1, s.Deadline.Add(jump)
			b.change(&store.Change{Sale: &s})
			b.till.wake.fire()
			pause(t.Context(), time.Minute-time.Millisecond)
			synctest.Wait()
			b.wantSale(s.ID, "clock set "+what+", within the minute", payment.Open)
			pause(t.Context(), time.Millisecond)
			synctest.Wait()
			b.wantSale(s.ID, "clock set "+what+", after it", payment.Expired)
		})
	}
}

// After a restart what is left by the clock counts, and never more than there
// was: a payment from a clock that stood a year ahead lasts its minute anew.
func TestAPaymentOutlivesARestart(t *testing.T) {
	for _, tt := range []struct {
		name  string
		age   time.Duration
		floor time.Duration // ahead of the clock
		left  time.Duration
	}{
		{"a while later", 20 * time.Second, 0, 40 * time.Second},
		{"too late", 2 * time.Minute, 0, 0},
		{"after the clock was set back", -year, 0, time.Minute},
		{"after it was set ahead", year, 0, 0},
		{"with a clock that is behind all the time", 20 * time.Second, 20 * 24 * time.Hour, 40 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, asTill, nil)
			b.clock.Raise(time.Now().Add(tt.floor))
			from := b.now().Add(-tt.age)
			s := store.Sale{
				Sale:   payment.Sale{ID: paymentName(1), State: payment.Open, Rev: 1, UpdatedAt: from},
				Amount: 12_00, Currency: "USD", Policy: store.ForceOffline, CreatedAt: from, Deadline: from.Add(time.Minute),
			}
			b.change(&store.Change{Sale: &s})
			defer b.runFor()()
			synctest.Wait()
			if tt.left > 0 {
				pause(t.Context(), tt.left-time.Millisecond)
				synctest.Wait()
				b.wantSale(s.ID, tt.name, payment.Open)
				pause(t.Context(), time.Millisecond)
				synctest.Wait()
			}
			b.wantSale(s.ID, tt.name, payment.Expired)
		})
	}
}

// The time for another customer to turn up begins when the last one said no,
// by the same clock, and ends at the latest with the payment.
func TestEveryoneSaysNo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil)
		s := b.opened()
		begun := time.Now()
		ends := func(what string, at time.Duration, ev payment.BusinessEvent) {
			t.Helper()
			got, how, err := b.till.ends(t.Context(), s)
			if err != nil || got.Sub(begun) != at || how != ev {
				t.Errorf("%s: %s after %s, %v; want %s after %s", what, how, got.Sub(begun), err, ev, at)
			}
		}
		says := func(name string, reason payment.Reason) {
			a := store.Ask{
				Ask: payment.Ask{Request: namedHash(name), Cancel: reason}, Payment: s.ID, Customer: namedID(name),
				RequestBytes: []byte{1}, CustomerCert: []byte{1}, Currency: "USD", CreatedAt: begun,
			}
			if reason != "" {
				a.CancelledAt = begun.Add(year) // the clock was set ahead
			}
			b.change(&store.Change{Asks: []store.Ask{a}})
		}
		ends("nobody was asked", time.Minute, payment.TimedOut)
		says("ann", "")
		says("bob", payment.ReasonDeclined)
		ends("ann still decides", time.Minute, payment.TimedOut)
		pause(t.Context(), 10*time.Second)
		says("ann", payment.ReasonRefused)
		ends("ann's answer was no good", time.Minute, payment.TimedOut)
		says("ann", payment.ReasonDeclined)
		ends("both said no", 13*time.Second, payment.AllDeclined)
		pause(t.Context(), time.Second)
		ends("they still have", 13*time.Second, payment.AllDeclined)
		says("cay", "")
		ends("cay turned up", time.Minute, payment.TimedOut)
		pause(t.Context(), 48*time.Second)
		says("cay", payment.ReasonDeclined)
		ends("said no at the end", time.Minute, payment.TimedOut)
	})
}

// A till that could not read whom to look for does not wait for somebody to
// wake it.
func TestWhatWasNotReadIsReadAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil)
		b.opened()
		must(t, b.store.Close())
		wake := b.till.wake.wait()
		if b.till.aim(t.Context()).any() {
			t.Error("read from a closed store")
		}
		select {
		case <-wake:
		case <-time.After(time.Hour):
			t.Error("not read again")
		}
	})
}

// However often somebody else wakes it meanwhile, a till reads once in a while
// what cannot be read.
func TestWhatCannotBeReadIsReadOnceInAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil)
		b.opened()
		must(t, b.store.Close())
		for range 20 {
			b.till.aim(t.Context())
		}
		for range 5 {
			wake := b.till.wake.wait()
			<-wake // of all that was to be read again
			begun := time.Now()
			wake = b.till.wake.wait()
			b.till.aim(t.Context())
			<-wake
			if took := time.Since(begun); took != adapterPause {
				t.Errorf("read again after %s", took)
			}
			b.till.aim(t.Context())
		}
	})
}
