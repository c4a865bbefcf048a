package sim

import (
	"sync"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

// Air is a running air. Use NewAir, and Close to end its timer. Its methods
// may be called concurrently.
type Air struct {
	mu      sync.Mutex
	core    *Core
	radios  map[DeviceID]*Radio
	halves  map[LinkID]*end // the other end of a link that is coming up
	timer   *time.Timer     // for Core.Next; nil if nothing was ever due
	armed   time.Time       // what timer is set to; zero if it is not
	refused []*end          // links that came up unwanted, to be ended
	lastID  DeviceID
	closed  bool
}

// NewAir returns an air without participants. Equal seeds give equal
// addresses, losses and signal strengths, as far as the participants do the
// same at the same times.
func NewAir(seed uint64, cond Conditions) *Air {
	return &Air{core: NewCore(seed, cond), radios: map[DeviceID]*Radio{}, halves: map[LinkID]*end{}}
}

// Join adds a radio under a name, which need not be unique. Once the air is
// closed, the radio is closed as well.
func (a *Air) Join(name string) link.Radio { return a.join(name) }

func (a *Air) join(name string) *Radio {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.lastID++
	r := newRadio(a, a.lastID)
	if a.closed {
		r.shut()
		return r
	}
	a.radios[r.id] = r
	a.step(Join{ID: r.id, Name: name})
	return r
}

// Close takes everybody off the air. It may be repeated.
func (a *Air) Close() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return nil
	}
	a.closed = true
	if a.timer != nil {
		a.timer.Stop()
	}
	for _, r := range a.radios {
		r.shut()
	}
	return nil
}

// Conditions returns what the air is like.
func (a *Air) Conditions() Conditions {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.core.Conditions()
}

// SetConditions changes the air for everybody.
func (a *Air) SetConditions(cond Conditions) { a.Do(SetConditions{cond}) }

// DropLinks ends all links.
func (a *Air) DropLinks() { a.Do(DropLinks{}) }

// CutAfter ends the first link on which n more values have been delivered,
// both directions counted. It works once; 0 ends all links now.
func (a *Air) CutAfter(n int) { a.Do(Cut{After: n}) }

// CutLinkOf is CutAfter for links of the radios that joined under a name.
func (a *Air) CutLinkOf(name string, n int) { a.Do(Cut{Name: name, After: n}) }

// Separate puts the radios that joined under two names out of each other's
// reach.
func (a *Air) Separate(one, other string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, d := range a.core.devices {
		for _, e := range a.core.devices {
			if d.name == one && e.name == other {
				a.step(SetRSSI{A: d.id, B: e.id, RSSI: rangeDBm - 1})
			}
		}
	}
}

// Peers returns who is on the air, in the order of joining.
func (a *Air) Peers() []Peer {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.core.Peers(0)
}

// PeersOf is Peers with the signal strengths at r, a radio of this air.
func (a *Air) PeersOf(r link.Radio) []Peer {
	a.mu.Lock()
	defer a.mu.Unlock()
	own, _ := r.(*Radio)
	if own == nil {
		return a.core.Peers(0)
	}
	return a.core.Peers(own.id)
}

// Do carries out any Input; the devices in it are those of Radio.ID.
func (a *Air) Do(in Input) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.step(in)
}

// step runs the core and hands out what it returns. The caller holds mu.
func (a *Air) step(in Input) {
	if a.closed {
		return
	}
	a.dispatch(a.core.Step(time.Now(), in))
	for len(a.refused) > 0 {
		e := a.refused[0]
		a.refused = a.refused[1:]
		a.hangup(e, "not wanted")
	}
	a.arm()
}

// dispatch hands outputs to the radios. The caller holds mu.
func (a *Air) dispatch(outs []Output) {
	for _, out := range outs {
		if r := a.radios[out.to()]; r != nil {
			r.notice(out)
		}
	}
}

// hangup ends a link from one of its ends. The caller holds mu.
func (a *Air) hangup(e *end, reason string) {
	if a.closed || e.radio.links[e.id] != e {
		return
	}
	delete(e.radio.links, e.id)
	e.finish(link.ErrClosed, reason)
	a.dispatch(a.core.Step(time.Now(), Hangup{ID: e.radio.id, Link: e.id, Reason: reason}))
}

// arm sets the timer to what is due next.
func (a *Air) arm() {
	at, ok := a.core.Next()
	switch {
	case !ok && a.armed.IsZero(), ok && at.Equal(a.armed):
		return
	case !ok:
		a.timer.Stop()
		a.armed = time.Time{}
		return
	case a.timer == nil:
		a.timer = time.AfterFunc(time.Until(at), a.tick)
	default:
		a.timer.Reset(time.Until(at))
	}
	a.armed = at
}

func (a *Air) tick() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.armed = time.Time{}
	a.step(nil)
}
