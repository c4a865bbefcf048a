package daemon

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
)

// refuser is a radio near customers who end every handshake, by no frame of
// the protocol.
type refuser struct{ *mast }

// Dial implements link.Radio.
func (r refuser) Dial(ctx context.Context, address string, discover bool) (link.Link, error) {
	if _, err := r.mast.Dial(ctx, address, discover); err != nil {
		return nil, err
	}
	first := make(chan []byte, 1)
	first <- []byte{0xff}
	return rude{wire{done: make(chan struct{}), once: new(sync.Once)}, first}, nil
}

// rude is a link on which nonsense arrives at once.
type rude struct {
	wire
	first chan []byte
}

func (l rude) Receive(ctx context.Context) ([]byte, error) {
	select {
	case b := <-l.first:
		return b, nil
	default:
		return l.wire.Receive(ctx)
	}
}

// newRefuser runs a till with an open payment near such customers.
func newRefuser(t *testing.T) (r refuser, stop func()) {
	r = refuser{newMast()}
	b := newBench(t, asTill, func(o *Options, _ *papers) { o.Radio = r })
	stop = b.runFor()
	b.opened()
	synctest.Wait()
	return r, stop
}

// hearsFor lets the till hear who is there ten times a second, for at most a
// minute: that is how long the payment is open.
func (r *mast) hearsFor(t *testing.T, long time.Duration, there func(at time.Duration) []int) {
	for at := time.Duration(0); at < long; at += 100 * time.Millisecond {
		r.hears(t, at, there(at)...)
	}
}

// shifty is a customer who takes a new identifier after each session, and is
// not on the air while linked.
type shifty struct {
	n    int
	back time.Duration // on the air
}

func (s *shifty) there(r *mast, at time.Duration) []int {
	if r.dialled(s.n) != "" {
		s.n, s.back = s.n+16, at+1100*time.Millisecond
	}
	if at < s.back {
		return nil
	}
	return []int{s.n}
}

// dialled is when a phone was first dialled, empty for never.
func (r *mast) dialled(n int) string {
	for _, d := range r.dials() {
		if at, ok := strings.CutPrefix(d, fmt.Sprintf("phone %d at ", n)); ok {
			return at
		}
	}
	return ""
}

// Who refuses, and keeps its identifier, is dialled after pauses that double.
func TestARefusedAdvertisementIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRefuser(t)
		defer stop()
		r.hearsFor(t, time.Minute, func(time.Duration) []int { return []int{1} })
		r.wantDials(t, "phone 1 at 150ms", "phone 1 at 6.2s", "phone 1 at 17.3s", "phone 1 at 38.4s")
	})
}

// Who was refused by an older trust may be sound by a newer one, and the other
// way round: they are dialled at once.
func TestNewTrustDialsWhoWasRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := refuser{newMast()}
		var own *peerv1.TrustBundle
		b := newBench(t, asTill, func(o *Options, p *papers) { o.Radio, own = r, p.bundle })
		defer b.runFor()()
		b.opened()
		synctest.Wait()
		there := func(time.Duration) []int { return []int{1} }
		r.hearsFor(t, 3*time.Second, there)
		must(t, b.adoptBundle(t.Context(), passed(t, own, "root", func(in *peerv1.TrustBundle) { in.Epoch++ })))
		r.hearsFor(t, time.Second, there)
		if got := len(r.dials()); got != 2 {
			t.Errorf("dialled %d times: %v", got, r.dials())
		}
	})
}

// One that takes a new identifier each time is not dialled as fast as the
// radio can, but once in three seconds.
func TestNewcomersArePacedAfterRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRefuser(t)
		defer stop()
		var s shifty
		r.hearsFor(t, time.Minute, func(at time.Duration) []int { return s.there(r.mast, at) })
		if got := len(r.dials()); got != 22 {
			t.Errorf("dialled %d times in a minute", got)
		}
	})
}

// A weak customer who is heard together with twelve strong ones who refuse under
// ever new identifiers has her turn before any of those has a second one: four
// are dialled in a second. One that turns up among them later waits two seconds,
// and for her turn.
func TestWhoRefusesKeepsNobodyWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRefuser(t)
		defer stop()
		s := make([]shifty, 3*linksMax)
		for n := range s {
			s[n].n = n
		}
		r.hearsFor(t, 30*time.Second, func(at time.Duration) []int {
			heard := []int{254}
			for n := range s {
				heard = append(heard, s[n].there(r.mast, at)...)
			}
			if at > 20*time.Second {
				heard = append(heard, 255)
			}
			return heard
		})
		for n, limit := range map[int]time.Duration{254: 4 * time.Second, 255: 26 * time.Second} {
			if at, err := time.ParseDuration(r.dialled(n)); err != nil || at > limit {
				t.Errorf("phone %d was dialled at %q: %q", n, r.dialled(n), r.dials())
			}
		}
	})
}

// A lost link is no refusal: the customer is dialled as soon as after any
// other session. A new payment dials everybody.
func TestALostLinkIsNoRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newMast()
		defer r.looking(t)()
		r.hearsFor(t, 16*time.Second, func(time.Duration) []int { return []int{1} })
		r.wantDials(t, "phone 1 at 150ms", "phone 1 at 5.2s", "phone 1 at 10.3s", "phone 1 at 15.4s")
	})
}

func TestDialsAfterASessionThatCameToSomething(t *testing.T) {
	var d dials
	now := time.Now()
	for range 5 {
		d.begin(link.EID{1}, now)
		d.ended(link.EID{1}, true, link.ErrClosed, now)
	}
	late := candidate{first: now.Add(time.Second)}
	if d.ripe(late, late.first) || d.ripe(candidate{first: now}, now) || !d.ripe(candidate{first: now.Add(-1)}, now) || !d.ripe(late, now.Add(newcomerMax)) {
		t.Error("somebody new does not wait, or who is not new does, or the wait is too long")
	}
	d.ended(link.EID{2}, false, link.ErrLost, now)
	if !d.ripe(late, late.first) || d.free(link.EID{1}, now.Add(redialMax)) {
		t.Error("one good session does not clear the way, or clears that of the refused")
	}
	for n := range 100 {
		d.begin(link.EID{9, byte(n)}, now.Add(3*redialMax))
	}
	if len(d.all) != 100 {
		t.Errorf("%d are remembered", len(d.all))
	}
}

// Everybody may be dialled anew while a session is under way; that it came to
// nothing is noted all the same.
func TestASessionThatEndsAfterAllWasForgotten(t *testing.T) {
	var d dials
	now, eid := time.Unix(1e9, 0), link.EID{1}
	d.begin(eid, now)
	d = dials{}
	d.ended(eid, true, link.ErrClosed, now)
	if d.free(eid, now) || d.vain != 1 {
		t.Errorf("%+v", d)
	}
}
