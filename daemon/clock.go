package daemon

import (
	"cmp"
	"sync"
	"time"
)

// clock is trusted time. Its floor is the last time that the backend signed,
// plus what has passed since by the monotonic clock; the wall clock can move
// trusted time forward while it lasts, never back, and never feeds the floor.
type clock struct {
	mu    sync.Mutex
	floor time.Time // at set
	set   time.Time // carries a monotonic reading
	heard time.Time // when the backend last answered, by its own clock
	// off is how long the device may have been off when it started, by the
	// wall clock of then; nothing once the backend has said what time it is.
	off time.Duration
	// skew is how far the wall clock may stand behind the floor unnoticed.
	// Zero means regressed.
	skew time.Duration
	wall func() time.Time // nil means that of the machine
}

func (c *clock) wallClock() time.Time {
	if c.wall != nil {
		return c.wall()
	}
	return time.Now()
}

// regressed is how far a clock may stand behind another unnoticed.
const regressed = 5 * time.Minute

func newClock(floor, heard time.Time) *clock {
	return &clock{floor: floor, set: time.Now(), heard: heard}
}

// Floor returns the present floor.
func (c *clock) Floor() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now()
}

// now is the floor with what has passed; mu is held.
func (c *clock) now() time.Time {
	if c.floor.IsZero() {
		return time.Time{}
	}
	return c.floor.Add(time.Since(c.set))
}

// Now returns trusted time: the later of wall clock and floor.
func (c *clock) Now() time.Time {
	wall, floor := c.wallClock(), c.Floor()
	if floor.After(wall) {
		return floor
	}
	return wall
}

// Start takes what the wall clock is ahead of the floor as the time for which
// the device was off. A device cannot know better.
func (c *clock) Start() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.floor.IsZero() {
		c.off = max(0, c.wallClock().Sub(c.now()))
	}
}

// Steady returns trusted time without what the wall clock has gained since the
// start: what counts how often something happens goes by it, so that a clock
// that is set forward makes no room.
func (c *clock) Steady() time.Time {
	now := c.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.floor.IsZero() {
		return now
	}
	if steady := c.now().Add(c.off); steady.Before(now) {
		return steady
	}
	return now
}

// Regressed reports whether the wall clock is implausibly early.
func (c *clock) Regressed() bool {
	return c.wallClock().Add(cmp.Or(c.skew, regressed)).Before(c.Floor())
}

// Hear sets the floor to a fresh time of the backend, also downwards. lowered
// reports whether it went down by more than a moment.
func (c *clock) Hear(backend time.Time) (lowered bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.now()
	c.floor, c.set, c.heard, c.off = backend, time.Now(), backend, 0
	return backend.Add(regressed).Before(before)
}

// LastHeard returns when the backend last answered, by its own clock; zero for
// never.
func (c *clock) LastHeard() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heard
}

// Raise moves the floor up to a time that a backend signed for somebody else.
func (c *clock) Raise(signed time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if raised := signed.Sub(c.now()); raised > 0 {
		c.floor, c.set, c.off = signed, time.Now(), max(0, c.off-raised)
	}
}
