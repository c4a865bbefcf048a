package payment

import (
	"reflect"
	"testing"
)

// TestConservation walks every path of bounded length through both machines.
// After each step the money rules hold; along each path a hold is captured at
// most once and success is said at most once.
func TestConservation(t *testing.T) {
	t.Run("customer", func(t *testing.T) {
		w := customerWalk{t: t}
		w.from(Attempt{Request: hash("r1"), State: Requested}, tally{}, 6)
		if w.steps < 10_000 {
			t.Errorf("only %d steps", w.steps)
		}
	})
	t.Run("business", func(t *testing.T) {
		w := businessWalk{t: t, inputs: walkInputs()}
		w.from(Sale{State: Open}, tally{}, 6)
		if w.steps < 10_000 {
			t.Errorf("only %d steps", w.steps)
		}
	})
}

// tally is what may happen only so often on one path.
type tally struct {
	captures, successes, doubts int
}

func (n tally) count(from, to State, fx Effects) tally {
	if from != Settled && to == Settled {
		n.captures++
	}
	for _, note := range fx.Notes {
		switch note.Kind {
		case NoteSuccessful:
			n.successes++
		case NoteUnconfirmed:
			n.doubts++
		}
	}
	return n
}

func (n tally) holds() bool { return n.captures <= 1 && n.successes <= 1 && n.doubts <= 1 }

type customerWalk struct {
	t     *testing.T
	path  []CustomerEvent
	steps int
}

func (w *customerWalk) from(a Attempt, n tally, depth int) {
	if depth == 0 {
		return
	}
	for _, ev := range customerEvents {
		in := customerIn(ev)
		next, fx, err := a.Step(in, noon)
		if err != nil {
			continue
		}
		w.path = append(w.path, ev)
		w.steps++
		if err := ruleOfAttempt(a, next, in, fx); err != nil {
			w.t.Fatalf("%v: %v", w.path, err)
		}
		m := n.count(a.State, next.State, fx)
		if ev == VerdictRejected && a.State == Settled {
			m.captures-- // it never was one: only its till had said so
		}
		if !m.holds() {
			w.t.Fatalf("%v: %+v", w.path, m)
		}
		again, fx2, _ := a.Step(in, noon)
		if again != next || !reflect.DeepEqual(fx, fx2) {
			w.t.Fatalf("%v: equal arguments gave two results", w.path)
		}
		w.from(next, m, depth-1)
		w.path = w.path[:len(w.path)-1]
	}
}

type businessWalk struct {
	t      *testing.T
	inputs []BusinessInput
	path   []BusinessInput
	steps  int
}

// walkInputs is every event about each of two requests.
func walkInputs() []BusinessInput {
	var inputs []BusinessInput
	for _, ev := range businessEvents {
		in := businessIn(ev)
		if in.Request.Zero() {
			inputs = append(inputs, in)
			continue
		}
		for _, r := range []string{"r1", "r2"} {
			in.Request = hash(r)
			inputs = append(inputs, in)
		}
	}
	return inputs
}

func (w *businessWalk) from(s Sale, n tally, depth int) {
	if depth == 0 {
		return
	}
	for _, in := range w.inputs {
		next, fx, err := s.Step(in, noon)
		if err != nil {
			continue
		}
		w.path = append(w.path, in)
		w.steps++
		if err := ruleOfSale(s, next, in, fx); err != nil {
			w.t.Fatalf("%s: %v", w.trail(), err)
		}
		m := n.count(s.State, next.State, fx)
		if !m.holds() {
			w.t.Fatalf("%s: %+v", w.trail(), m)
		}
		again, fx2, _ := s.Step(in, noon)
		if !reflect.DeepEqual(again, next) || !reflect.DeepEqual(fx, fx2) {
			w.t.Fatalf("%s: equal arguments gave two results", w.trail())
		}
		w.from(next, m, depth-1)
		w.path = w.path[:len(w.path)-1]
	}
}

func (w *businessWalk) trail() (s string) {
	for _, in := range w.path {
		s += string(in.Event) + " " + named(in.Request) + "; "
	}
	return s
}
