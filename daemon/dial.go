package daemon

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/preauth"
)

const (
	gatherFor = 150 * time.Millisecond // after the first is heard for a payment, so that the nearest can be dialled first
	freshFor  = 3 * time.Second        // in which what was heard can be dialled
	crowdMax  = 32                     // advertisements that are kept: anybody can make more
	dialLimit = 3 * time.Second        // one dial
	dialBrief = time.Second            // one dial while somebody else waits
)

// crowd is who was heard, is wanted, and was not dialled yet.
type crowd struct {
	aim
	gathered preauth.ID // the payment that the window was opened for
	ready    time.Time  // when that ends
	all      []candidate
	failed   bool // the last dial
}

// candidate is an advertisement that a till may dial.
type candidate struct {
	link.Sighting
	link.Beacon
	first, last time.Time // when it was heard
}

// add takes in who was heard. Of too many the weakest goes.
func (c *crowd) add(n candidate) {
	if c.gathered != c.sale.ID {
		c.gathered, c.ready = c.sale.ID, n.last.Add(gatherFor)
	}
	c.all = slices.DeleteFunc(c.all, func(o candidate) bool {
		if o.EID == n.EID {
			n.first = o.first
		}
		return o.EID == n.EID || n.last.Sub(o.last) >= freshFor
	})
	c.all = append(c.all, n)
	if len(c.all) > crowdMax {
		weakest := slices.MinFunc(c.all, func(a, b candidate) int { return cmp.Compare(a.RSSI, b.RSSI) })
		c.drop(weakest)
	}
}

func (c *crowd) drop(n candidate) {
	c.all = slices.DeleteFunc(c.all, func(o candidate) bool { return o.EID == n.EID })
}

// next returns who is to be dialled next of those for whom free says so: the
// strongest. After a dial that failed, or a session in vain, it is who waits
// longest, or strong advertisements with nobody behind them who pays would
// keep a customer waiting for ever.
func (c *crowd) next(now time.Time, free func(candidate) (ok, vain bool)) (best candidate, ok bool) {
	for _, o := range c.all {
		may, vain := free(o)
		if !c.wants(o.Beacon) || now.Sub(o.last) >= freshFor || !may {
			continue
		}
		fair := c.failed || vain
		if !ok || fair && o.first.Before(best.first) || !fair && o.RSSI > best.RSSI {
			best, ok = o, true
		}
	}
	return best, ok
}

// watch dials who is wanted, one after the other and the strongest first,
// until the aim may have changed: strangers can advertise as much as they like
// without a read of the store for each.
func (t *till) watch(ctx context.Context, ear *ear, wake <-chan struct{}, c *crowd, sessions *sync.WaitGroup) {
	looking, stop := context.WithCancel(ctx) // sessions outlast it
	done := make(chan struct{})
	defer func() {
		stop()
		<-done
	}()
	go func() {
		defer close(done)
		select {
		case <-wake:
			stop()
		case <-looking.Done():
		}
	}()
	for looking.Err() == nil {
		now := time.Now()
		best, ok := c.next(now, t.ripe)
		switch {
		case !ok:
			t.hear(looking, ear, c, time.Time{})
		case now.Before(c.ready):
			t.hear(looking, ear, c, c.ready)
		default:
			t.dial(ctx, ear, c, best, sessions)
		}
	}
}

// hear waits for one sighting, until a time if that is not zero. It reports
// whether there was one.
func (t *till) hear(ctx context.Context, ear *ear, c *crowd, until time.Time) bool {
	if !until.IsZero() {
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, until)
		defer cancel()
	}
	s, err := ear.next(ctx)
	if err != nil {
		return false
	}
	if b, err := link.DecodeBeacon(s.ServiceData); err == nil && c.wants(b) && t.free(b.EID) {
		c.add(candidate{Sighting: s, Beacon: b, first: time.Now(), last: time.Now()})
	}
	return true
}

// dial connects to a candidate and serves it. The till hears on meanwhile: an
// advertisement that nobody stands behind is given up sooner when somebody
// else waits.
func (t *till) dial(ctx context.Context, ear *ear, c *crowd, to candidate, sessions *sync.WaitGroup) {
	c.drop(to)
	t.reserve(to.EID)
	if c.visits(to.Beacon) {
		t.visiting()
		c.visit = false
	}
	dialCtx, cancel := context.WithTimeout(ctx, dialLimit)
	brief, done := time.Now().Add(dialBrief), make(chan struct{})
	go func() {
		defer close(done)
		defer cancel()
		for {
			var until time.Time
			if _, waits := c.next(time.Now(), t.ripe); waits {
				until = brief
			}
			if !t.hear(dialCtx, ear, c, until) {
				return
			}
		}
	}()
	l, err := t.d.opt.Radio.Dial(dialCtx, to.Address, false)
	cancel()
	<-done
	if c.failed = err != nil; c.failed {
		t.d.log.Debug("dial", "error", err)
		t.release(to.EID)
		return
	}
	sessions.Go(func() { t.serve(ctx, l, to.Sighting, to.EID) })
}

// free reports whether an advertisement has no link, and is not to be left
// alone.
func (t *till) free(eid link.EID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, linked := t.payers[eid]
	return !linked && t.dials.free(eid, time.Now())
}

// ripe reports whether a candidate may be dialled now, with a link that is
// left, and whether the last session was in vain.
func (t *till) ripe(c candidate) (ok, vain bool) {
	free := t.free(c.EID)
	t.mu.Lock()
	defer t.mu.Unlock()
	return free && len(t.payers) < linksMax && t.dials.ripe(c, time.Now()), t.dials.vain > 0
}

// reserve takes one of few links for an advertisement.
func (t *till) reserve(eid link.EID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dials.begin(eid, time.Now())
	t.payers[eid] = nil
}

// release gives a link back.
func (t *till) release(eid link.EID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.payers, eid)
}

// concluded notes how the session with an advertisement ended.
func (t *till) concluded(eid link.EID, vain bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dials.ended(eid, vain, err, time.Now())
}
