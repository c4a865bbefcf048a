package daemon

import (
	"errors"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
)

const (
	redialAfter   = 5 * time.Second        // before the same advertisement is dialled again
	redialMax     = time.Minute            // the same for one that was refused again and again
	newcomerAfter = 250 * time.Millisecond // after a session in vain, before somebody new is dialled
	newcomerMax   = 2 * time.Second        // the same after many in a row; below freshFor
)

// dials is whom a till has dialled for a payment, and what came of it. A
// customer with whom nothing can be agreed would be dialled again and again:
// one that keeps its identifier is left alone for longer each time, and one
// that takes a new identifier looks like somebody new. Those wait a little
// after each session in vain, at most newcomerMax: an honest customer who
// turns up then can be told from such a one by dialling only. Who was heard
// before that session ended waits for nothing, as nobody advertises while
// linked. Guarded by the till's mu.
type dials struct {
	all  map[link.EID]dialled
	vain int       // sessions in a row that came to nothing
	last time.Time // when the newest of them ended
}

// dialled is what is known of one advertisement.
type dialled struct {
	until   time.Time // not to be dialled before
	refused int       // sessions that one of both sides has refused
}

// free reports whether an advertisement may be dialled, as far as it is known.
func (d *dials) free(eid link.EID, now time.Time) bool { return now.After(d.all[eid].until) }

// ripe reports whether a candidate has waited as long as somebody new has to.
func (d *dials) ripe(c candidate, now time.Time) bool {
	return d.vain == 0 || c.first.Before(d.last) || now.Sub(d.last) >= doubled(newcomerAfter, d.vain, newcomerMax)
}

// begin notes that an advertisement is dialled. What is long over is
// forgotten.
func (d *dials) begin(eid link.EID, now time.Time) {
	for e, was := range d.all {
		if now.Sub(was.until) > redialMax {
			delete(d.all, e)
		}
	}
	d.leave(eid, dialled{until: now.Add(redialAfter), refused: d.all[eid].refused})
}

// ended notes how a session ended that came to something or did not.
func (d *dials) ended(eid link.EID, vain bool, err error, now time.Time) {
	if !vain {
		d.vain = 0
		return
	}
	d.vain, d.last = d.vain+1, now
	if fleeting(err) {
		return
	}
	n := d.all[eid].refused + 1
	d.leave(eid, dialled{until: now.Add(doubled(redialAfter, n, redialMax)), refused: n})
}

// leave notes for how long an advertisement is left alone. All may have been
// forgotten while its session lasted.
func (d *dials) leave(eid link.EID, known dialled) {
	if d.all == nil {
		d.all = make(map[link.EID]dialled)
	}
	d.all[eid] = known
}

// fleeting reports whether a session may end otherwise the next time: the link
// was lost, and neither side has ended it.
func fleeting(err error) bool {
	var said *secure.PeerError
	return errors.Is(err, link.ErrLost) && !errors.As(err, &said)
}

// doubled is a pause after the nth time in a row.
func doubled(first time.Duration, n int, most time.Duration) time.Duration {
	return min(first<<min(n-1, 16), most)
}
