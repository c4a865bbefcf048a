package outbox

import (
	"errors"
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestWhenToTryNext(t *testing.T) {
	p := Pace{Splay: 5 * time.Second, Max: time.Minute}
	const most = math.MaxUint64
	tests := []struct {
		name    string
		wait    func(entropy uint64) time.Duration
		at, end time.Duration // largest wait, and the entropy that gives it
	}{
		{"the first call within the splay", p.First, 5 * time.Second, 5 * time.Second},
		{"without splay at once", Pace{}.First, 0, 0},
		{"a splay below zero is none", Pace{Splay: -1}.First, 0, 0},
		{"the first retry within a second", func(e uint64) time.Duration { return p.Next(1, 0, e) }, time.Second, time.Second},
		{"the second within two", func(e uint64) time.Duration { return p.Next(2, 0, e) }, 2 * time.Second, 2 * time.Second},
		{"the fifth within sixteen", func(e uint64) time.Duration { return p.Next(5, 0, e) }, 16 * time.Second, 16 * time.Second},
		{"all others within the bound", func(e uint64) time.Duration { return p.Next(1_000_000, 0, e) }, time.Minute, time.Minute},
		{"a bound below the base counts", func(e uint64) time.Duration { return Pace{Max: time.Millisecond}.Next(3, 0, e) }, time.Millisecond, time.Millisecond},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.wait(uint64(tt.end)); got != tt.at {
				t.Errorf("waits %s at most, want %s", got, tt.at)
			}
			if got := tt.wait(uint64(tt.end) + 1); got != 0 {
				t.Errorf("waits %s of a larger bound", got)
			}
			if got := tt.wait(0); got != 0 {
				t.Errorf("waits %s at least, want 0", got)
			}
			if got := tt.wait(most); got < 0 || got > tt.at {
				t.Errorf("waits %s, above %s", got, tt.at)
			}
		})
	}
}

func TestTheBackendPaces(t *testing.T) {
	p := Pace{Max: time.Minute}
	tests := []struct {
		name       string
		told, want time.Duration
	}{
		{"its word counts", 1370 * time.Millisecond, 1370 * time.Millisecond},
		{"above the device's own bound", 5 * time.Minute, 5 * time.Minute},
		{"but not for days", 72 * time.Hour, ToldMax},
	}
	for _, tt := range tests {
		for _, entropy := range []uint64{0, 7, math.MaxUint64} {
			if got := p.Next(9, tt.told, entropy); got != tt.want {
				t.Errorf("%s: waits %s, want %s", tt.name, got, tt.want)
			}
		}
	}
}

func TestAWaitIsAlwaysWithinItsBound(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := Pace{Max: time.Duration(rapid.Int64Range(1, int64(24*time.Hour)).Draw(t, "max"))}
		tries := rapid.IntRange(1, 1<<20).Draw(t, "tries")
		wait := p.Next(tries, 0, rapid.Uint64().Draw(t, "entropy"))
		bound := p.Max
		if tries <= 17 {
			bound = min(bound, Base<<(tries-1))
		}
		if wait < 0 || wait > bound {
			t.Fatalf("try %d waits %s of %s", tries, wait, bound)
		}
	})
}

func TestWhatStaysIsPostponed(t *testing.T) {
	p := Pace{Max: time.Minute}
	d := newDeal(t, 0, 500, 0, "USD")
	tests := []struct {
		name, error string
		err         error
	}{
		{"no verdict yet is no error", "", ErrUnanswered},
		{"a refusal is shown", "CLAIM_CONFLICT", Refusal("CLAIM_CONFLICT")},
		{"so is a difference in the sums", "SYNC_MISMATCH", errors.Join(ErrTotals)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			it := d.claim()
			it.Tries, it.Error = 3, "OLD"
			got := p.Postpone(it, tt.err, noon, uint64(8*time.Second))
			if got.Tries != 4 || !got.NextTry.Equal(noon.Add(8*time.Second)) || got.Error != tt.error {
				t.Errorf("try %d at %s, error %q", got.Tries, got.NextTry, got.Error)
			}
			if it.Tries != 3 {
				t.Error("changed its argument")
			}
		})
	}
}
