package daemon

import (
	"testing"
	"testing/synctest"
	"time"
)

// The floor runs on with the monotonic clock, and trusted time is never
// before it.
func TestClockFloorRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ahead := time.Now().Add(time.Hour)
		c := newClock(ahead, time.Time{})
		<-time.After(10 * time.Minute)
		if want := ahead.Add(10 * time.Minute); !c.Floor().Equal(want) || !c.Now().Equal(want) {
			t.Errorf("floor %s, now %s, want %s", c.Floor(), c.Now(), want)
		}
	})
}

// A wall clock ahead of the floor counts while it lasts, and does not feed
// the floor.
func TestClockWallDoesNotFeedTheFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		behind := time.Now().Add(-time.Hour)
		c := newClock(behind, time.Time{})
		<-time.After(time.Minute)
		if !c.Now().Equal(time.Now()) {
			t.Errorf("now %s, want the wall clock's %s", c.Now(), time.Now())
		}
		if want := behind.Add(time.Minute); !c.Floor().Equal(want) {
			t.Errorf("floor %s, want %s", c.Floor(), want)
		}
	})
}

func TestClockWithoutFloor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClock(time.Time{}, time.Time{})
		<-time.After(time.Minute)
		if !c.Floor().IsZero() || !c.Now().Equal(time.Now()) || c.Regressed() {
			t.Errorf("floor %s, now %s, regressed %v", c.Floor(), c.Now(), c.Regressed())
		}
	})
}

func TestClockRegressed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			floor time.Duration // from the wall clock
			want  bool
		}{
			{-time.Hour, false}, {0, false}, {5 * time.Minute, false}, {5*time.Minute + 1, true}, {time.Hour, true},
		} {
			if got := newClock(time.Now().Add(tt.floor), time.Time{}).Regressed(); got != tt.want {
				t.Errorf("wall clock %s behind: %v", tt.floor, got)
			}
		}
	})
}

// A fresh answer of the backend sets the floor, also downwards; only going
// down by more than a moment is worth telling.
func TestClockHear(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct {
			heard   time.Duration // from the floor
			lowered bool
		}{
			{time.Hour, false}, {0, false}, {-5 * time.Minute, false}, {-5*time.Minute - 1, true},
		} {
			floor := time.Now().Add(24 * time.Hour)
			c := newClock(floor, time.Time{})
			if got := c.Hear(floor.Add(tt.heard)); got != tt.lowered {
				t.Errorf("%s from the floor: lowered %v", tt.heard, got)
			}
			if !c.Floor().Equal(floor.Add(tt.heard)) {
				t.Errorf("%s from the floor: it is now %s", tt.heard, c.Floor())
			}
		}
	})
}

// What a backend signed for somebody else only ever raises the floor.
func TestClockRaise(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		floor := time.Now()
		c := newClock(floor, time.Time{})
		c.Raise(floor.Add(-time.Hour))
		if !c.Floor().Equal(floor) {
			t.Errorf("lowered to %s", c.Floor())
		}
		c.Raise(floor.Add(time.Hour))
		<-time.After(time.Second)
		if want := floor.Add(time.Hour + time.Second); !c.Floor().Equal(want) {
			t.Errorf("floor %s, want %s", c.Floor(), want)
		}
	})
}

// Steady time runs like trusted time, but a wall clock that is set forward
// while the device is on does not move it, and the backend's time puts it
// right. How long the device was off is what the wall clock says when it starts.
func TestClockSteady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, jump := time.Now(), time.Duration(0)
		c := newClock(start.Add(-8*time.Hour), time.Time{})
		c.wall = func() time.Time { return time.Now().Add(jump) }
		c.Start()
		want := func(what string, ahead time.Duration) {
			t.Helper()
			if got := time.Until(c.Steady()); got != ahead {
				t.Errorf("%s: %s from the time, want %s", what, got, ahead)
			}
		}
		want("off for eight hours", 0)
		<-time.After(time.Minute)
		jump = 2 * time.Hour
		want("set forward", 0)
		jump = -24 * time.Hour
		want("set back, it is trusted time", -8*time.Hour)
		jump = 2 * time.Hour
		c.Raise(time.Now().Add(-3 * time.Hour))
		want("raised", 0)
		c.Raise(time.Now().Add(time.Hour))
		want("raised beyond", time.Hour)
		c.Hear(time.Now())
		want("the backend has answered", 0)

		c = newClock(time.Time{}, time.Time{})
		c.wall = func() time.Time { return time.Now().Add(jump) }
		c.Start()
		want("without a floor it is the wall clock", 2*time.Hour)
	})
}
