package daemon

import (
	"testing"
	"time"
)

// TestClockOfAWallClock: the wall clock that a device is given counts as the
// machine's would: ahead while it lasts, behind not at all.
func TestClockOfAWallClock(t *testing.T) {
	const year = 365 * 24 * time.Hour
	for _, ahead := range []time.Duration{-year, 0, year} {
		now := time.Now()
		c := &clock{floor: now, set: now, wall: func() time.Time { return time.Now().Add(ahead) }}
		if got := c.Now().Sub(now); got < max(ahead, 0) || got > max(ahead, 0)+time.Hour {
			t.Errorf("%s ahead: it is %s later", ahead, got)
		}
		if c.Regressed() != (ahead < 0) {
			t.Errorf("%s ahead: regressed %v", ahead, c.Regressed())
		}
		if got := c.Floor().Sub(now); got > time.Hour {
			t.Errorf("%s ahead: the floor is %s later", ahead, got)
		}
	}
}
