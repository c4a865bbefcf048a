package syncer

import (
	"errors"
	"slices"
	"testing"
	"time"
)

func TestOfflineAndBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.run()
		pass(6 * time.Second)
		if !d.s.Online() {
			t.Fatal("not online")
		}
		changed := d.s.Changed()
		d.s.SetOffline(true)
		select {
		case <-changed:
		default:
			t.Error("nobody was told")
		}
		if d.s.Online() {
			t.Error("online while cut off")
		}
		d.owe(1)
		d.s.Kick()
		if err := d.s.RegisterPayment(t.Context(), [16]byte{1}); !errors.Is(err, ErrOffline) {
			t.Errorf("registered: %v", err)
		}
		before := len(d.b.seen().calls)
		pass(10 * time.Minute)
		if calls := d.b.seen().calls; len(calls) != before || d.left() != 1 {
			t.Errorf("calls %v while cut off", calls[before:])
		}
		d.s.SetOffline(true)
		d.s.SetOffline(false)
		pass(5*time.Second + time.Millisecond)
		if d.left() != 0 || !d.s.Online() {
			t.Errorf("%d left, online %v within the splay of coming back", d.left(), d.s.Online())
		}
	})
}

func TestCuttingOffEndsACall(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		arrived, stuck := make(chan struct{}), make(chan struct{})
		d.b.refuse = func(string) error { close(arrived); <-stuck; return nil }
		result := make(chan error, 1)
		go func() { result <- d.s.RegisterPayment(t.Context(), [16]byte{1}) }()
		<-arrived
		d.s.SetOffline(true)
		if err := <-result; !errors.Is(err, ErrOffline) {
			t.Errorf("the call under way: %v", err)
		}
		close(stuck)
	})
}

func TestAnAnsweredCallBringsTheSyncBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t, func(o *Options) { o.Entropy = func() uint64 { return 59 * uint64(time.Second) } })
		d.plug(false)
		d.connect()
		d.owe(1)
		d.run()
		pass(10 * time.Minute)
		pass(time.Until(d.s.State().NextTry) + time.Second) // the next try is 58 s away
		d.plug(true)
		if err := d.s.RegisterPayment(t.Context(), [16]byte{1}); err != nil {
			t.Fatal(err)
		}
		pass(5*time.Second + time.Millisecond)
		if d.left() != 0 {
			t.Error("not handed over within the splay of a reconnect")
		}
	})
}

// An answer that had arrived when the network was cut says nothing of the
// backend any more: what comes back asks at once, and not when it is due.
func TestAnAnswerFromBeforeTheCut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.run()
		pass(6 * time.Second)
		d.s.SetOffline(true)
		if back := d.s.answered(t.Context(), d.s.State().URL, nil); back || d.s.Online() {
			t.Error("online while cut off")
		}
		before := len(d.b.seen().calls)
		d.s.SetOffline(false)
		pass(5*time.Second + time.Millisecond)
		if calls := d.b.seen().calls; len(calls) == before {
			t.Error("nothing is asked within the splay of coming back")
		}
	})
}

// A turn that was under way when the network was cut, and goes on after it is
// back, asked before the cut: what the backend has to say is asked for again.
func TestATurnAcrossTheCutAsksAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.owe(1)
		d.b.refuse = func(method string) error {
			if method == "Renew" { // the call after Refresh
				d.b.now(func() { d.b.refuse = nil })
				d.s.SetOffline(true)
				d.s.SetOffline(false)
				must(t, d.s.RegisterPayment(t.Context(), [16]byte{1})) // the backend is there
			}
			return nil
		}
		d.run()
		pass(10*time.Second + time.Millisecond)
		calls := d.b.seen().calls
		if at := slices.Index(calls, "RegisterPayment"); at < 0 || !slices.Contains(calls[at:], "Refresh") {
			t.Errorf("calls %v: nothing is asked for within the splay of coming back", calls)
		}
	})
}
