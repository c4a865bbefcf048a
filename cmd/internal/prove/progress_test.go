package prove

import (
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// progressEvery is how often people who wait are told how far it is.
const progressEvery = 10 * time.Second

// ticksFile is the first file that a process inherits beside its standard ones.
const ticksFile = 3

var ticksTo = flag.Int("ticks", 0, "file descriptor that each seed is told to when it is done; used by TestSimulation itself")

// A tick is a seed that has been run.
type tick struct {
	Faults   int  // that went wrong on purpose
	Violated bool // a rule was broken, or it did not run
}

func tickOf(r Result) (k tick) {
	for _, n := range r.Harm {
		k.Faults += n
	}
	k.Violated = r.Err != nil
	return k
}

// progress counts ticks, for people alone: nothing goes by it.
type progress struct {
	of uint64

	mu                       sync.Mutex
	done, faults, violations int
}

func (p *progress) add(k tick) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.faults += k.Faults
	if k.Violated {
		p.violations++
	}
}

func (p *progress) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return fmt.Sprintf("%d of %d seeds done, %d faults so far, %d violations", p.done, p.of, p.faults, p.violations)
}

// read adds what a process writes, to its end.
func (p *progress) read(r io.Reader) {
	for d := json.NewDecoder(r); ; {
		var k tick
		if d.Decode(&k) != nil {
			return
		}
		p.add(k)
	}
}

// tell writes a line now and then, until end is called.
func (p *progress) tell(w io.Writer) (end func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		ticker := time.NewTicker(progressEvery)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				fmt.Fprintln(w, p)
			case <-done:
				return
			}
		}
	}()
	return func() {
		close(done)
		<-ended
	}
}

// toParent returns what writes ticks for the process that has started this one.
func toParent() func(tick) {
	if *ticksTo != ticksFile {
		return func(tick) {}
	}
	parent := json.NewEncoder(os.NewFile(ticksFile, "ticks"))
	return func(k tick) { _ = parent.Encode(k) } // the results say what was done
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, said := &progress{of: 100}, new(strings.Builder)
		end := p.tell(said)
		p.add(tickOf(Result{Harm: map[string]int{"a link cut": 3, "a full disk": 2}}))
		<-time.After(progressEvery + time.Second)
		p.read(strings.NewReader(`{"Faults":1,"Violated":true}` + "\n" + `{"Faults":4}` + "\n" + `{"Fau`))
		<-time.After(progressEvery)
		end()
		<-time.After(progressEvery)
		if got, want := said.String(), "1 of 100 seeds done, 5 faults so far, 0 violations\n3 of 100 seeds done, 10 faults so far, 1 violations\n"; got != want {
			t.Errorf("says %q, want %q", got, want)
		}
	})
}
