package sim

import (
	"container/heap"
	"time"
)

// event is something that the air does by itself at a time.
type event struct {
	at    time.Time
	order uint64 // of two at the same time, the one planned first is first
	do    func(now time.Time)
}

// agenda holds what is still to happen, earliest first.
type agenda struct {
	events eventHeap
	order  uint64
}

// plan adds something to do at a time.
func (a *agenda) plan(at time.Time, do func(now time.Time)) {
	a.order++
	heap.Push(&a.events, event{at: at, order: a.order, do: do})
}

func (a *agenda) next() (time.Time, bool) {
	if len(a.events) == 0 {
		return time.Time{}, false
	}
	return a.events[0].at, true
}

func (a *agenda) due(now time.Time) bool {
	at, ok := a.next()
	return ok && !at.After(now)
}

func (a *agenda) pop() event { return heap.Pop(&a.events).(event) }

// eventHeap is a container/heap.
type eventHeap []event

func (h eventHeap) Len() int      { return len(h) }
func (h eventHeap) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h eventHeap) Less(i, j int) bool {
	if h[i].at.Equal(h[j].at) {
		return h[i].order < h[j].order
	}
	return h[i].at.Before(h[j].at)
}

// Push adds an event.
func (h *eventHeap) Push(x any) { *h = append(*h, x.(event)) }

// Pop removes the last event.
func (h *eventHeap) Pop() any {
	last := len(*h) - 1
	ev := (*h)[last]
	(*h)[last] = event{}
	*h = (*h)[:last]
	return ev
}
