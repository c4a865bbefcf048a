package syncer

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	"github.com/vipaso/vipasod/syncer/outbox"
)

func TestTheFirstCallComesWithinTheSplay(t *testing.T) {
	bubble(t, func(t *testing.T) {
		const late = 4321 * time.Millisecond
		d := newDevice(t, func(o *Options) { o.Entropy = func() uint64 { return uint64(late) } })
		d.connect()
		d.owe(1)
		began := time.Now()
		d.run()
		d.s.Kick() // changes nothing: nobody knows of a backend yet
		pass(late - time.Millisecond)
		if d.b.count("Submit") != 0 || d.s.Online() {
			t.Fatal("called before the splay was over")
		}
		if next := d.s.State().NextTry; !next.Equal(began.Add(late)) {
			t.Errorf("next try at %s, want %s after the start", next, late)
		}
		pass(time.Second)
		if d.left() != 0 || d.b.count("Submit") != 1 {
			t.Fatalf("%d left after %v", d.left(), d.b.seen().calls)
		}
		if calls := d.b.seen().calls; !slices.Equal(calls, []string{"Refresh", "Renew", "Submit"}) {
			t.Errorf("calls %v", calls)
		}
	})
}

func TestSplayStaysWithinItsBound(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		began := time.Now()
		d.run()
		pass(5*time.Second + time.Millisecond)
		if l := d.b.seen(); l.count("Refresh") != 1 || l.times[0].Sub(began) > 5*time.Second {
			t.Errorf("calls %v at %v", l.calls, l.times)
		}
	})
}

func TestABootWithoutNetwork(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.plug(false)
		d.connect()
		d.owe(1)
		d.run()
		pass(time.Hour)
		st := d.s.State()
		if st.Online || st.Reason != "OFFLINE" || st.LastError == "" || !st.LastAnswer.IsZero() || st.Since.IsZero() {
			t.Errorf("state %+v", st)
		}
		if wait := time.Until(st.NextTry); wait < 0 || wait > time.Minute {
			t.Errorf("next try in %s", wait)
		}
		if it := d.item(d.owe(1).Key); it.Tries != 0 || it.Error != "" {
			t.Errorf("a lost network was held against the item: %+v", it)
		}
		// Full jitter below a minute: about 120 tries an hour, never thousands.
		if n := d.dialled(); n < 60 || n > 400 {
			t.Errorf("dialled %d times in an hour", n)
		}
		d.plug(true)
		pass(time.Minute + time.Second)
		if d.left() != 0 || !d.s.Online() {
			t.Errorf("%d left a minute after the network came, online %v", d.left(), d.s.Online())
		}
		if st := d.s.State(); st.LastError != "" || st.Reason != "" || st.LastAnswer.IsZero() || st.URL != "https://backend.test" {
			t.Errorf("state %+v", st)
		}
	})
}

func TestAfterAnAnswerTheTriesBeginAnew(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.plug(false)
		d.connect()
		d.run()
		pass(10 * time.Minute)
		d.plug(true)
		pass(2 * time.Minute)
		d.b.now(func() { d.b.lose = func(string) bool { return true } })
		for d.s.Online() {
			pass(10 * time.Millisecond)
		}
		if wait := time.Until(d.s.State().NextTry); wait > time.Second {
			t.Errorf("the first retry waits %s", wait)
		}
	})
}

// What was postponed is tried again when a turn could not end.
func TestATurnThatBrokeOffIsMadeWhole(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.run()
		pass(6 * time.Second)
		d.b.now(func() { d.b.lose = func(method string) bool { return method == "Submit" } })
		d.owe(1)
		d.owe(2, func(it *outbox.Item) { it.NextTry = time.Now().AddDate(1, 0, 0) })
		d.s.Kick()
		pass(time.Minute)
		if d.left() != 2 || d.s.Online() {
			t.Fatalf("%d left, online %v", d.left(), d.s.Online())
		}
		d.b.now(func() { d.b.lose = nil })
		pass(time.Minute)
		if d.left() != 0 {
			t.Errorf("%d left", d.left())
		}
	})
}

func TestOnlyAChangeIsTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		changed := d.s.Changed()
		must(t, d.s.RegisterPayment(t.Context(), [16]byte{1}))
		<-changed
		before := d.s.State().LastAnswer
		changed = d.s.Changed()
		pass(time.Second)
		must(t, d.s.RegisterPayment(t.Context(), [16]byte{1}))
		select {
		case <-changed:
			t.Error("told that nothing has changed")
		default:
		}
		if !d.s.State().LastAnswer.After(before) {
			t.Error("the answer was not noted")
		}
	})
}

func TestKicksAreOne(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.run()
		pass(6 * time.Second)
		for n := range 5 {
			d.owe(n)
		}
		for range 5 {
			d.s.Kick()
		}
		pass(time.Millisecond)
		if b := d.b.seen().batches; d.left() != 0 || !slices.Equal(b, []int{5}) {
			t.Errorf("%d left, batches %v", d.left(), b)
		}
		if d.b.count("Refresh") != 1 {
			t.Errorf("refreshed %d times within seconds", d.b.count("Refresh"))
		}
	})
}

func TestTheHeartbeat(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.run()
		pass(time.Hour)
		l := d.b.seen()
		n := l.count("Refresh")
		if n < 60 || n > 70 || l.count("Renew") != 1 || len(l.calls) != n+1 {
			t.Errorf("%d calls, %d refreshes in an idle hour", len(l.calls), n)
		}
		for i := 1; i < len(l.times); i++ {
			if gap := l.times[i].Sub(l.times[i-1]); gap > time.Minute {
				t.Errorf("silent for %s", gap)
			}
		}
		if heard := d.heardTimes(); len(heard) != n+1 || heard[n].Sub(l.times[n]).Abs() > time.Second {
			t.Errorf("heard the time %d times of %d", len(heard), n)
		}
		if d.dialled() != 1 {
			t.Errorf("dialled %d times", d.dialled())
		}
	})
}

func TestTheBackendSetsThePace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.owe(1)
		var wait atomic.Int64
		wait.Store(int64(137 * time.Second))
		d.b.refuse = func(method string) error {
			if told := time.Duration(wait.Load()); method == "Submit" && told > 0 {
				return refusal(codes.Unavailable, "OVERLOADED", told)
			}
			return nil
		}
		d.run()
		pass(5 * time.Second)
		l := d.b.seen()
		if l.count("Submit") != 1 {
			t.Fatalf("calls %v", l.calls)
		}
		refused := l.times[len(l.times)-1]
		st := d.s.State()
		if !st.Online || st.Reason != "OVERLOADED" {
			t.Errorf("state %+v: a refusal is an answer", st)
		}
		if got := d.item(d.owe(1).Key); got.Tries != 0 {
			t.Error("the backend's load was held against the item")
		}
		wait.Store(0)
		d.s.Kick()
		pass(time.Until(refused.Add(137*time.Second - time.Millisecond)))
		if calls := d.b.seen().calls; len(calls) != 3 {
			t.Fatalf("called %v before it was told to", calls)
		}
		pass(2 * time.Millisecond)
		if d.left() != 0 {
			t.Errorf("calls %v at the time told", d.b.seen().calls)
		}
	})
}

func TestWithoutEnrollmentThereIsNothingToDo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		enrolled := d.creds
		d.creds = Credentials{}
		d.owe(1)
		d.run()
		pass(10 * time.Minute)
		if d.dialled() != 0 || d.s.Online() || d.s.State().Reason != "NOT_ENROLLED" {
			t.Errorf("dialled %d times, state %+v", d.dialled(), d.s.State())
		}
		if _, err := d.s.SyncNow(t.Context(), nil); !errors.Is(err, ErrNotEnrolled) {
			t.Errorf("sync now: %v", err)
		}
		d.mu.Lock()
		d.creds = enrolled
		d.mu.Unlock()
		d.s.Kick()
		pass(time.Millisecond)
		if d.left() != 0 {
			t.Error("not handed over as soon as it was enrolled")
		}
		d.mu.Lock()
		d.creds = Credentials{}
		d.mu.Unlock()
		pass(time.Minute)
		if st := d.s.State(); st.Online || st.URL != "" {
			t.Errorf("logged out, state %+v", st)
		}
	})
}

func TestWhatFailsInTheBookIsTriedAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.owe(1)
		d.fail = errors.New("disk")
		d.run()
		pass(10 * time.Minute)
		if !d.s.Online() {
			t.Error("a failing book is not the network's fault")
		}
		d.mu.Lock()
		d.fail = nil
		d.mu.Unlock()
		pass(time.Minute + time.Second)
		if d.left() != 0 {
			t.Error("not tried again")
		}
	})
}

func TestAQuestionIsAskedUntilItIsAnswered(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		it := d.owe(1, asQuestion)
		d.run()
		pass(10 * time.Minute)
		got := d.item(it.Key)
		if got.Error != "" || got.Tries < 10 || d.b.count("Submit") != 0 {
			t.Fatalf("%d tries, %q, calls %v", got.Tries, got.Error, d.b.seen().calls)
		}
		// The till hands its claim in.
		with := it
		with.Receipt = []byte("receipt")
		if _, err := d.b.Submit(context.Background(), submission(with)); err != nil {
			t.Fatal(err)
		}
		pass(time.Minute + time.Second)
		if v := d.verdict(it.Key); d.left() != 0 || v.Body.GetAmount() != 1200 {
			t.Errorf("not learned within a minute: %v", v.Body)
		}
	})
}

func TestAPostponedItemIsTriedWhenItIsDue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		it := d.owe(1)
		d.b.silent[it.Key.Request] = "PREAUTH_NOT_FOUND"
		d.run()
		pass(5 * time.Second)
		first := d.item(it.Key)
		if first.Tries == 0 || first.Error != "PREAUTH_NOT_FOUND" || first.NextTry.IsZero() {
			t.Fatalf("postponed as %+v", first)
		}
		if next := d.s.State().NextTry; next.After(d.item(it.Key).NextTry) {
			t.Errorf("sleeps until %s, the item is due at %s", next, d.item(it.Key).NextTry)
		}
		d.b.now(func() { delete(d.b.silent, it.Key.Request) })
		pass(time.Minute)
		if d.left() != 0 {
			t.Error("not tried again")
		}
	})
}

func TestAllThatWaitsIsTriedWhenTheBackendReturns(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.owe(1, func(it *outbox.Item) { it.NextTry = time.Now().AddDate(1, 0, 0) }) // a clock that was wrong
		d.run()
		pass(6 * time.Second)
		if d.left() != 0 {
			t.Error("what was postponed before the start was not tried")
		}
	})
}

func TestAClockThatJumpsHoldsNothingBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var behind atomic.Int64
		d := newDevice(t, func(o *Options) {
			o.Now = func() time.Time { return time.Now().Add(-time.Duration(behind.Load())) }
		})
		d.connect()
		it := d.owe(1)
		d.b.silent[it.Key.Request] = "PREAUTH_NOT_FOUND"
		d.run()
		pass(10 * time.Minute)
		d.b.now(func() { delete(d.b.silent, it.Key.Request) })
		behind.Store(int64(50 * time.Minute)) // the item is due in 50 minutes, by this clock
		pass(time.Minute)
		if d.left() != 0 {
			t.Errorf("not tried: %+v", d.item(it.Key).NextTry)
		}
	})
}
