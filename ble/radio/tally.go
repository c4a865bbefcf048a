package radio

import "maps"

// kindsMax is how many kinds of refusals are told apart.
const kindsMax = 32

// tally adds up what was refused by all the radio processes that there were,
// each of which counts from 0. The zero value is ready for use.
type tally struct {
	past, now map[string]uint64
}

// report takes the counts of the present process. What it says may be anything.
func (t *tally) report(counts map[string]uint64) {
	t.now = map[string]uint64{}
	for kind, n := range counts {
		if len(t.now) < kindsMax {
			t.now[clip(kind)] = n
		}
	}
}

// restart begins with another process.
func (t *tally) restart() { t.past, t.now = t.total(), nil }

// total returns the counts of all processes; nil if there are none.
func (t *tally) total() map[string]uint64 {
	sum := maps.Clone(t.past)
	for kind, n := range t.now {
		if sum == nil {
			sum = map[string]uint64{}
		}
		if _, known := sum[kind]; known || len(sum) < kindsMax {
			sum[kind] += n
		}
	}
	return sum
}
