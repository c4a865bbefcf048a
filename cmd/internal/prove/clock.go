package prove

import "time"

// clock is trusted time on a device, as package daemon keeps it: the floor is
// the last time that the backend signed plus what has passed since by the
// monotonic clock; the wall clock moves trusted time forward while it lasts,
// never back, and never feeds the floor.
type clock struct {
	floor time.Time // at set
	set   time.Time // true time: what a monotonic clock counts
}

// at returns the floor at a true time.
func (c clock) at(now time.Time) time.Time {
	if c.floor.IsZero() {
		return time.Time{}
	}
	return c.floor.Add(now.Sub(c.set))
}

// hear sets the floor to a fresh time of the backend, also downwards. lowered
// reports whether it went down by more than a moment.
func (c *clock) hear(backend, now time.Time) (lowered bool) {
	before := c.at(now)
	c.floor, c.set = backend, now
	return backend.Add(5 * time.Minute).Before(before)
}

// raise moves the floor up to a time that a backend signed for somebody else.
func (c *clock) raise(signed, now time.Time) {
	if signed.After(c.at(now)) {
		c.floor, c.set = signed, now
	}
}
