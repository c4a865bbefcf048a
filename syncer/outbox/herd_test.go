package outbox

import (
	"container/heap"
	"math/rand/v2"
	"testing"
	"time"
)

// A call is one device's next try.
type call struct {
	at    time.Duration
	tries int
}

type queue []call

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at < q[j].at }
func (q queue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)        { *q = append(*q, x.(call)) }
func (q *queue) Pop() any {
	last := (*q)[len(*q)-1]
	*q = (*q)[:len(*q)-1]
	return last
}

// Ten thousand tills get their network back in the same second. The backend
// serves 500 calls a second, lets 256 wait, and gives everybody else a time
// to come back: that is what spreads them. The bounds are ratios to what an
// ideal queue would do.
func TestAHerdIsSpread(t *testing.T) {
	const (
		devices = 10_000
		turn    = 2 * time.Millisecond // 500 a second
		waiting = 256
		window  = 100 * time.Millisecond
	)
	random := rand.New(rand.NewPCG(1, 2))
	pace := Pace{Splay: 5 * time.Second, Max: time.Minute}
	var calls queue
	for range devices {
		heap.Push(&calls, call{at: pace.First(random.Uint64())})
	}
	var free, slot, end time.Duration // when the backend is free, the next time it gives out, the last answer
	made, peak, inWindow := 0, 0, map[time.Duration]int{}
	for calls.Len() > 0 {
		c := heap.Pop(&calls).(call)
		made++
		c.tries++
		inWindow[c.at/window]++
		peak = max(peak, inWindow[c.at/window])
		free = max(free, c.at)
		if free-c.at < waiting*turn {
			free += turn
			end = free
			continue
		}
		slot = max(slot, free) + turn
		c.at += pace.Next(c.tries, slot-c.at, random.Uint64())
		heap.Push(&calls, c)
	}
	if ideal := devices * turn; float64(end) > 1.2*float64(ideal) {
		t.Errorf("drained in %s, %s is ideal", end, ideal)
	}
	if made > 2*devices {
		t.Errorf("%d calls of %d devices", made, devices)
	}
	if most := 6 * int(window/turn); peak > most {
		t.Errorf("%d calls in %s, above %d", peak, window, most)
	}
	t.Logf("drained in %s, %.2f calls each, at most %d in %s", end, float64(made)/devices, peak, window)
}
