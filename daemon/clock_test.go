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
