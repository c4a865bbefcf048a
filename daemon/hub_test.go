package daemon

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// book is an event log in memory.
type book struct {
	mu     sync.Mutex
	events []*paymentv1.Event
	reads  int
}

// Events returns events as the store does.
func (b *book) Events(_ context.Context, after uint64, limit int) ([]*paymentv1.Event, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.reads++
	rest := b.events[after:]
	return rest[:min(limit, len(rest))], nil
}

// write appends n events and publishes them.
func (b *book) write(h *hub, n int) {
	b.mu.Lock()
	from := len(b.events)
	for range n {
		b.events = append(b.events, &paymentv1.Event{Sequence: uint64(len(b.events) + 1)})
	}
	fresh := b.events[from:]
	b.mu.Unlock()
	h.publish(fresh)
}

// gapless returns a send function that fails at the first event that is not
// the one after the last, and cancels after the nth event.
func gapless(after, n uint64, cancel func()) func(*paymentv1.Event) error {
	return func(e *paymentv1.Event) error {
		if e.GetSequence() != after+1 {
			return fmt.Errorf("event %d after %d", e.GetSequence(), after)
		}
		if after++; after == n {
			cancel()
		}
		return nil
	}
}

func TestHubResumesExactly(t *testing.T) {
	for _, after := range []uint64{0, 1, 3, ringSize, 2*ringSize + 6, 2*ringSize + 7} {
		b := &book{}
		h := newHub(b, 0)
		b.write(h, 2*ringSize+7)
		ctx, cancel := context.WithCancel(t.Context())
		go b.write(h, 3)
		if err := h.watch(ctx, after, gapless(after, 2*ringSize+10, cancel)); !errors.Is(err, context.Canceled) {
			t.Errorf("after %d: %v", after, err)
		}
	}
}

// A hub over a store with history reads it from there.
func TestHubStartsWhereTheStoreEnds(t *testing.T) {
	old := &book{}
	old.write(newHub(old, 0), 40)
	h := newHub(old, 40)
	if h.Head() != 40 {
		t.Errorf("head %d", h.Head())
	}
	ctx, cancel := context.WithCancel(t.Context())
	go old.write(h, 2)
	if err := h.watch(ctx, 10, gapless(10, 42, cancel)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Who keeps up never makes the store work.
func TestHubServesRecentEventsFromMemory(t *testing.T) {
	b := &book{}
	h := newHub(b, 0)
	b.write(h, ringSize+5)
	if _, err := h.next(t.Context(), 5, false); err != nil {
		t.Fatal(err)
	}
	if b.reads != 0 {
		t.Error("the oldest event in memory was read from the store")
	}
	if _, err := h.next(t.Context(), 4, false); err != nil {
		t.Fatal(err)
	}
	if b.reads != 1 {
		t.Error("an event that is in memory no more was not read from the store")
	}
}

func TestHubKnowsOnlyItsOwnNumbers(t *testing.T) {
	b := &book{}
	h := newHub(b, 0)
	b.write(h, 3)
	if err := h.watch(t.Context(), 4, nil); !errors.Is(err, errWatchExpired) {
		t.Errorf("resume after a number never given out: %v", err)
	}
}

// An event that is on disk and not published yet is not taken for one that was
// never given out: it comes when it is published.
func TestHubReadsAheadOfWhatIsPublished(t *testing.T) {
	b := &book{}
	b.write(newHub(b, 0), 3)
	h := newHub(b, 2)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var once sync.Once
	watch := gapless(0, 3, cancel)
	err := h.watch(ctx, 0, func(e *paymentv1.Event) error {
		once.Do(func() { go h.publish(b.events[2:]) })
		return watch(e)
	})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A watcher that stands still delays nobody, and is ended when it is too far
// behind; until then it misses nothing.
func TestHubEndsASlowWatcher(t *testing.T) {
	for _, tt := range []struct {
		missed int
		want   error
	}{
		{behindMax, context.Canceled},
		{behindMax + 1, errWatchBehind},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := &book{}
			h := newHub(b, 0)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			last, release, ended := uint64(1+tt.missed), make(chan struct{}), make(chan error)
			check := gapless(0, last, cancel)
			go func() {
				ended <- h.watch(ctx, 0, func(e *paymentv1.Event) error {
					if e.GetSequence() == 1 {
						<-release
					}
					return check(e)
				})
			}()
			synctest.Wait() // it has caught up and follows
			b.write(h, 1)
			synctest.Wait() // it hangs in its first event
			b.write(h, tt.missed)
			if h.Head() != last {
				t.Errorf("head %d: the watcher held up the writer", h.Head())
			}
			close(release)
			if err := <-ended; !errors.Is(err, tt.want) {
				t.Errorf("%d behind: %v, want %v", tt.missed, err, tt.want)
			}
		})
	}
}

// Who resumes may be as far behind as it likes.
func TestHubLetsAResumerCatchUp(t *testing.T) {
	b := &book{}
	h := newHub(b, 0)
	b.write(h, 2*behindMax)
	ctx, cancel := context.WithCancel(t.Context())
	if err := h.watch(ctx, 0, gapless(0, 2*behindMax, cancel)); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// Many watchers and a writer at the same time: each sees every event once.
func TestHubManyWatchers(t *testing.T) {
	b := &book{}
	h := newHub(b, 0)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			ctx, cancel := context.WithCancel(t.Context())
			if err := h.watch(ctx, 0, gapless(0, 3000, cancel)); !errors.Is(err, context.Canceled) {
				t.Errorf("watcher %d: %v", i, err)
			}
		})
	}
	for range 1000 {
		b.write(h, 3)
	}
	all.Wait()
}

// A hundred watchers, one of which stands still: the others see every event as
// it happens, nobody waits for the slow one, and it is ended. When all callers
// have gone no goroutine is left: the bubble would not end.
func TestHubHundredWatchersOneStandsStill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &book{}
		h := newHub(b, 0)
		const watchers, atOnce, last = 100, 200, behindMax + 10*200
		var seen [watchers]uint64
		ended := make([]error, watchers)
		release := make(chan struct{})
		var all sync.WaitGroup
		for i := range watchers {
			all.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				check := gapless(0, last, cancel)
				ended[i] = h.watch(ctx, 0, func(e *paymentv1.Event) error {
					if i == 0 && e.GetSequence() == 1 {
						<-release
					}
					seen[i] = e.GetSequence()
					return check(e)
				})
			})
		}
		synctest.Wait() // all follow
		for n := uint64(atOnce); n <= last; n += atOnce {
			b.write(h, atOnce)
			synctest.Wait()
			for i := 1; i < watchers; i++ {
				if seen[i] != n {
					t.Fatalf("watcher %d has seen %d of %d", i, seen[i], n)
				}
			}
		}
		if seen[0] != 0 {
			t.Errorf("who stands still has seen %d", seen[0])
		}
		close(release)
		all.Wait()
		for i, err := range ended {
			want := context.Canceled
			if i == 0 {
				want = errWatchBehind
			}
			if !errors.Is(err, want) {
				t.Errorf("watcher %d: %v, want %v", i, err, want)
			}
		}
	})
}

func TestHubStopsWithItsCaller(t *testing.T) {
	h := newHub(&book{}, 0)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.watch(ctx, 0, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("caller gone: %v", err)
	}
	b := &book{}
	h = newHub(b, 0)
	b.write(h, 1)
	full := errors.New("full")
	if err := h.watch(t.Context(), 0, func(*paymentv1.Event) error { return full }); !errors.Is(err, full) {
		t.Errorf("send failed: %v", err)
	}
}

// A wait that began before a fire ends with it, one that began after does not.
func TestSignal(t *testing.T) {
	var s signal
	s.fire() // with nobody there
	first, same := s.wait(), s.wait()
	s.fire()
	second := s.wait()
	for i, want := range map[<-chan struct{}]bool{first: true, same: true, second: false} {
		select {
		case <-i:
			if !want {
				t.Error("woken by an older fire")
			}
		default:
			if want {
				t.Error("not woken")
			}
		}
	}
}
