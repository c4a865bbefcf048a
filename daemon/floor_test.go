package daemon

import (
	"slices"
	"testing"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/store"
)

// TestFloorIsKept: the floor is on disk with each commit, so neither a restart
// nor a clock that comes up a year early takes it back.
func TestFloorIsKept(t *testing.T) {
	b := newBench(t, asTill, func(o *Options, _ *papers) {
		o.Wall = func() time.Time { return time.Now().AddDate(-1, 0, 0) }
	})
	signed := time.Now().Add(3 * time.Hour).Truncate(time.Millisecond)
	must(t, b.Heard(t.Context(), signed))
	b.change(&store.Change{})
	must(t, b.store.Close())
	again := reopen(t, b)
	if floor := again.clock.Floor(); floor.Before(signed) {
		t.Errorf("floor %s, signed was %s", floor, signed)
	}
	if now := again.now(); now.Before(signed) {
		t.Errorf("trusted time %s, signed was %s", now, signed)
	}
	if !again.clock.Regressed() {
		t.Error("the clock is a year early and plausible")
	}
}

// TestWallIsNotKept: what the wall clock says is on disk nowhere, so a clock
// that was a year ahead has left nothing behind.
func TestWallIsNotKept(t *testing.T) {
	ahead := 1
	b := newBench(t, asTill, func(o *Options, _ *papers) {
		o.Wall = func() time.Time { return time.Now().AddDate(ahead, 0, 0) }
	})
	signed := time.Now().Add(-time.Minute)
	must(t, b.Heard(t.Context(), signed))
	b.change(&store.Change{})
	must(t, b.store.Close())
	ahead = 0
	again := reopen(t, b)
	if floor := again.clock.Floor(); floor.After(time.Now()) {
		t.Errorf("floor %s, it is %s", floor, time.Now())
	}
	if now := again.now(); now.After(time.Now()) {
		t.Errorf("trusted time %s, it is %s", now, time.Now())
	}
}

// TestFloorIsLowered: an answer of the backend lowers the floor, on disk too,
// and says so, once, if it is by more than a moment.
func TestFloorIsLowered(t *testing.T) {
	b := newBench(t, asTill, nil)
	high := time.Now().Add(48 * time.Hour)
	must(t, b.Heard(t.Context(), high))
	must(t, b.Heard(t.Context(), high.Add(-time.Minute))) // the answers crossed
	if got := deviceEvents(t, b); slices.Contains(got, "CLOCK_FLOOR_LOWERED") {
		t.Errorf("by a minute: %v", got)
	}
	low := time.Now()
	for range 2 {
		must(t, b.Heard(t.Context(), low))
	}
	if got := deviceEvents(t, b); !slices.Equal(got, []string{"CLOCK_FLOOR_LOWERED"}) {
		t.Errorf("by two days: %v", got)
	}
	must(t, b.store.Close())
	if floor := reopen(t, b).clock.Floor(); floor.After(high.Add(-time.Hour)) {
		t.Errorf("after a restart the floor is %s", floor)
	}
}

// What a till has of money is dated by trusted time: a wall clock that has begun
// anew makes none of it look old, or past its deadline, and the payment is open
// as long as ever.
func TestMoneyIsDatedByTrustedTime(t *testing.T) {
	b := newBench(t, asTill, nil)
	b.clock.Raise(time.Now().AddDate(0, 0, 20))
	near := func(what string, got, want time.Time) {
		t.Helper()
		if got.Sub(want).Abs() > 20*time.Second {
			t.Errorf("%s %s, want %s", what, got, want)
		}
	}
	sale := b.opened()
	near("asked for at", sale.CreatedAt, b.now())
	near("open until", b.till.deadline(sale), time.Now().Add(time.Minute))
	ask := store.Ask{
		Ask: payment.Ask{Request: namedHash("ann")}, Payment: sale.ID, Customer: namedID("ann"),
		RequestBytes: []byte{1}, CustomerCert: []byte{1}, Currency: "USD", CreatedAt: b.now(),
	}
	b.change(&store.Change{Asks: []store.Ask{ask}})
	in := payment.BusinessInput{Event: payment.CustomerSaidNo, Request: ask.Request}
	if _, err := b.stepSale(t.Context(), sale.ID, saleStep{in: in}); err != nil {
		t.Fatal(err)
	}
	items, err := b.store.DueItems(t.Context(), farFuture, 10)
	must(t, err)
	if len(items) != 1 {
		t.Fatalf("%d items", len(items))
	}
	near("handed in since", items[0].CreatedAt, b.now())
	ended, err := b.stepSale(t.Context(), sale.ID, saleStep{in: payment.BusinessInput{Event: payment.TimedOut}})
	must(t, err)
	near("ended at", ended.UpdatedAt, b.now())
	near("taken until", items[0].Deadline, b.now().AddDate(0, 0, 30))
}
