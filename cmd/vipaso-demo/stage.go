package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

// stage is a world with a play going on in it: a backend, a till and three
// customers, and what has happened so far.
type stage struct {
	ctx  context.Context
	host host
	spec backendSpec
	tell func(string) // progress, for people; may be nil

	till, ann, bea, carl *party
	kiosk                *party // another till, in attacks, where Carl is not

	sales   []*sale
	opened  map[string]int64 // what instruments were created with, by currency
	mu      sync.Mutex
	journal []string // what was said
}

// everybody is all there are, the till first.
func (s *stage) everybody() []*party {
	return slices.DeleteFunc([]*party{s.till, s.kiosk, s.ann, s.bea, s.carl}, func(p *party) bool { return p == nil })
}

// parties are all with a device, the till first.
func (s *stage) parties() []*party {
	return slices.DeleteFunc(s.everybody(), func(p *party) bool { return p.turned })
}

// customers are those who may pay.
func (s *stage) customers() []*party { return slices.DeleteFunc(s.parties(), (*party).isTill) }

// exit is what a failed step panics with; perform turns it into an error.
type exit struct{ err error }

// fail ends the scenario.
func (s *stage) fail(format string, args ...any) {
	panic(exit{fmt.Errorf(format, args...)})
}

// check ends the scenario if a step failed.
func (s *stage) check(err error, format string, args ...any) {
	if err != nil {
		panic(exit{fmt.Errorf("%s: %w", fmt.Sprintf(format, args...), err)})
	}
}

// say notes what happened.
func (s *stage) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	s.mu.Lock()
	s.journal = append(s.journal, line)
	s.mu.Unlock()
	if s.tell != nil {
		s.tell(line)
	}
}

// limit bounds one step.
func (s *stage) limit() (context.Context, context.CancelFunc) {
	return context.WithTimeout(s.ctx, patience)
}

// perform runs play and returns how it failed.
func perform(play func()) (err error) {
	defer func() {
		switch e := recover().(type) {
		case nil:
		case exit:
			err = e.err
		default:
			panic(e)
		}
	}()
	play()
	return nil
}

// passes lets time pass while everything runs.
func (s *stage) passes(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.ctx.Done():
		s.check(s.ctx.Err(), "%s pass", d)
	}
}

// later lets a long time pass: everything stops, and starts again after it.
func (s *stage) later(days int) {
	for _, p := range s.parties() {
		p.isStopped()
	}
	s.check(s.host.stopBackend(), "the backend stops")
	s.host.forward(time.Duration(days) * 24 * time.Hour)
	s.startsBackend()
	for _, p := range s.parties() {
		p.begin()
	}
	s.say("%d days pass", days)
}

func (s *stage) startsBackend() {
	ctx, cancel := s.limit()
	defer cancel()
	s.check(s.host.startBackend(ctx, s.spec), "the backend starts")
}

// backendGoes ends the backend.
func (s *stage) backendGoes() {
	s.check(s.host.stopBackend(), "the backend stops")
	s.say("the backend is gone")
}

// backendComes starts it again.
func (s *stage) backendComes() {
	s.startsBackend()
	s.say("the backend is back")
}

// everybodySynchronizes gives everybody a network until nothing is left to
// hand over. It does so twice: what one device brings may change what the
// backend tells another.
func (s *stage) everybodySynchronizes() {
	s.part()
	for _, p := range s.parties() {
		if p.conn == nil {
			p.begin()
		}
		p.goesOnline()
	}
	for range 2 {
		for _, p := range s.parties() {
			p.synchronizes()
		}
	}
}

// close ends everything that runs.
func (s *stage) close() error {
	for _, p := range s.parties() {
		p.disconnect()
	}
	return s.host.close()
}

// sale is one payment of a scenario.
type sale struct {
	*stage
	at        *party // which asked
	id, label string
	amount    string        // "12.00 USD"
	done      chan struct{} // closed when the till's call has returned
	result    string        // what it returned, valid after done
	err       error
}

// ends waits for the till's call and checks how it ended: SUCCESSFUL,
// CANCELLED reason or FAILED reason.
func (s *sale) ends(want string) {
	ctx, cancel := s.limit()
	defer cancel()
	select {
	case <-s.done:
	case <-ctx.Done():
		s.fail("the till still waits for %s", s.label)
	}
	if s.err != nil {
		s.fail("the till's request for %s: %w", s.label, s.err)
	}
	if s.result != want {
		s.fail("%s ended as %s, not %s", s.label, s.result, want)
	}
	s.say("%s is told of %s: %s", s.at.name, s.label, s.result)
}

// errNotWhole says that the books do not add up.
var errNotWhole = errors.New("does not add up")

func title(key string) string { return strings.ToUpper(key[:1]) + key[1:] }

// part waits until the devices have said all and let go of each other.
func (s *stage) part() {
	for _, p := range s.parties() {
		p.awaitsStatus(func(d *devicev1.Status) bool { return d.GetRadio().GetLinks() == 0 })
	}
}
