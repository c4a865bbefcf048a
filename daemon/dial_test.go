package daemon

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

// mast is a tower that connects: nobody is behind the dead addresses, and who
// is behind the others leaves at once, or stays silent.
type mast struct {
	*tower
	begun  time.Time
	dead   []string
	silent bool
}

func newMast(dead ...string) *mast { return &mast{tower: newTower(), begun: time.Now(), dead: dead} }

// Dial notes whom it calls, and when.
func (r *mast) Dial(ctx context.Context, address string, _ bool) (link.Link, error) {
	r.mu.Lock()
	r.dialed = append(r.dialed, fmt.Sprintf("%s at %s", address, time.Since(r.begun)))
	r.mu.Unlock()
	if slices.Contains(r.dead, address) {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	w := wire{done: make(chan struct{}), once: new(sync.Once)}
	if !r.silent {
		w.Close("")
	}
	return w, nil
}

// wire is a link on which nothing arrives.
type wire struct {
	done chan struct{}
	once *sync.Once
}

func (w wire) ValueMax() int         { return link.ValueMin }
func (w wire) PeerReadValue() []byte { return nil }
func (w wire) Address() string       { return "" }
func (w wire) Done() <-chan struct{} { return w.done }

func (w wire) Send(context.Context, []byte) error {
	select {
	case <-w.done:
		return link.ErrLost
	default:
		return nil
	}
}

func (w wire) Receive(ctx context.Context) ([]byte, error) {
	select {
	case <-w.done:
		return nil, link.ErrLost
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (w wire) Close(string) error {
	w.once.Do(func() { close(w.done) })
	return nil
}

// looking runs a till with an open payment under the radio.
func (r *mast) looking(t *testing.T) (stop func()) {
	b := newBench(t, asTill, func(o *Options, _ *papers) { o.Radio = r })
	stop = b.runFor()
	b.opened()
	synctest.Wait()
	return stop
}

// hears lets the till hear phones after so long.
func (r *mast) hears(t *testing.T, after time.Duration, phones ...int) {
	pause(t.Context(), after-time.Since(r.begun))
	for _, n := range phones {
		r.air <- phone(n)
	}
	synctest.Wait()
}

func (r *mast) wantDials(t *testing.T, want ...string) {
	t.Helper()
	if got := r.dials(); !slices.Equal(got, want) {
		t.Errorf("dialled %q, want %q", got, want)
	}
}

// The nearest customer is asked first, though another was heard sooner; who
// turns up later does not wait again.
func TestTheStrongestIsDialledFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMast()
		r.silent = true
		defer r.looking(t)()
		r.hears(t, 0, 3)
		r.hears(t, 100*time.Millisecond, 1, 3, 2)
		pause(t.Context(), time.Second)
		r.hears(t, 2*time.Second, 4)
		r.wantDials(t, "phone 1 at 150ms", "phone 2 at 150ms", "phone 3 at 150ms", "phone 4 at 2s")
	})
}

// An advertisement with nobody behind it does not keep the others waiting:
// neither those that were heard with it nor who turns up later. Alone it is
// tried for longer.
func TestADeadAdvertisementIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMast("phone 1")
		defer r.looking(t)()
		r.hears(t, 0, 1, 2)
		pause(t.Context(), 2*time.Second)
		r.wantDials(t, "phone 1 at 150ms", "phone 2 at 1.15s")
	})
	synctest.Test(t, func(t *testing.T) {
		r := newMast("phone 1")
		defer r.looking(t)()
		r.hears(t, 0, 1)
		r.hears(t, 500*time.Millisecond, 2)
		pause(t.Context(), 2*time.Second)
		r.wantDials(t, "phone 1 at 150ms", "phone 2 at 1.15s")
	})
	synctest.Test(t, func(t *testing.T) {
		r := newMast("phone 1")
		defer r.looking(t)()
		r.hears(t, 0, 1)
		r.hears(t, 2*time.Second, 2)
		r.wantDials(t, "phone 1 at 150ms", "phone 2 at 2s")
	})
	synctest.Test(t, func(t *testing.T) {
		r := newMast("phone 1", "phone 2")
		defer r.looking(t)()
		r.hears(t, 0, 1)
		r.hears(t, 3100*time.Millisecond, 1) // not again so soon
		r.hears(t, 3200*time.Millisecond, 2)
		r.wantDials(t, "phone 1 at 150ms", "phone 2 at 3.2s")
	})
}

// However strong the dead ones are, and however many: who waits longest has
// the turn after a dial that failed.
func TestTheWeakHaveTheirTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMast("phone 1", "phone 2", "phone 3")
		defer r.looking(t)()
		r.hears(t, 0, 3, 9, 2, 1)
		pause(t.Context(), 3*time.Second)
		r.hears(t, 3*time.Second, 1, 2, 3)
		r.wantDials(t, "phone 1 at 150ms", "phone 3 at 1.15s", "phone 9 at 2.15s", "phone 2 at 2.15s")
	})
}

// Four links are what a till has; who is heard while all are taken is dialled
// when one is free.
func TestFourAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMast()
		r.silent = true
		defer r.looking(t)()
		r.hears(t, 0, 1, 2, 3, 4, 5)
		r.hears(t, time.Second, 5)
		if got := r.dials(); len(got) != linksMax || slices.Contains(got, "phone 5 at 150ms") {
			t.Errorf("dialled %q", got)
		}
		r.hears(t, time.Minute-time.Second, 5) // the handshakes have failed meanwhile
		if got := r.dials(); len(got) != linksMax+1 {
			t.Errorf("dialled %q", got)
		}
	})
}

// Of more advertisements than are kept the strongest stay, and none for long.
func TestTheCrowdIsBounded(t *testing.T) {
	var c crowd
	c.open = true
	free := func(candidate) (ok, vain bool) { return true, false }
	now := time.Now()
	for n := range 3 * crowdMax {
		b, err := link.DecodeBeacon(phone(n).ServiceData)
		if err != nil {
			t.Fatal(err)
		}
		c.add(candidate{Sighting: phone(n), Beacon: b, first: now, last: now})
	}
	if best, ok := c.next(now, free); len(c.all) != crowdMax || !ok || best.Address != "phone 0" {
		t.Errorf("%d are kept, the strongest is %q", len(c.all), best.Address)
	}
	if best, ok := c.next(now.Add(freshFor), free); ok {
		t.Errorf("%q would be dialled long after it was heard", best.Address)
	}
}
