package testbed

import (
	"container/heap"
	"time"
)

// event is something that will happen.
type event struct {
	at  time.Time
	seq int // events of one time happen in the order they were added
	run func()
}

// agenda holds what will happen, the earliest first.
type agenda struct {
	events events
	seq    int
}

func (g *agenda) add(at time.Time, run func()) {
	g.seq++
	heap.Push(&g.events, event{at, g.seq, run})
}

// pop removes the earliest event, if it is due.
func (g *agenda) pop(now time.Time) (event, bool) {
	if len(g.events) == 0 || g.events[0].at.After(now) {
		return event{}, false
	}
	return heap.Pop(&g.events).(event), true
}

func (g *agenda) next() (time.Time, bool) {
	if len(g.events) == 0 {
		return time.Time{}, false
	}
	return g.events[0].at, true
}

// events is a heap.
type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	if e[i].at.Equal(e[j].at) {
		return e[i].seq < e[j].seq
	}
	return e[i].at.Before(e[j].at)
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	last := len(*e) - 1
	x := (*e)[last]
	(*e)[last] = event{}
	*e = (*e)[:last]
	return x
}
