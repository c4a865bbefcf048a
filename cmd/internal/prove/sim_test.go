package prove

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
)

var (
	seeds = flag.Uint64("seeds", 6, "how many seeds to simulate")
	from  = flag.Uint64("from", 1, "the first of them")
	whole = flag.Bool("whole", false, "print the whole trace of each seed")
)

// theStage is set before all tests of the package.
var theStage *Stage

func TestMain(m *testing.M) {
	flag.Parse()
	s, err := NewStage(memoryDir())
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	theStage = s
	code := m.Run()
	if err := s.Close(); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// memoryDir is where files cost no disk, if there is such a place.
func memoryDir() string {
	const shm = "/dev/shm"
	if dir, err := os.MkdirTemp(shm, "prove-"); err == nil {
		os.Remove(dir)
		return shm
	}
	return os.TempDir()
}

// TestSimulation runs seeds, on all cores. The first one and every thousandth
// run twice, and must do the very same.
func TestSimulation(t *testing.T) {
	s := theStage
	begun := time.Now()
	next := make(chan uint64)
	results := make(chan Result)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for seed := range next {
				r := s.Run(seed)
				if seed == *from || seed%1000 == 0 {
					r.Err = errors.Join(r.Err, differs(r, s.Run(seed)))
				}
				results <- r
			}
		})
	}
	go func() {
		for seed := *from; seed < *from+*seeds; seed++ {
			next <- seed
		}
		close(next)
		workers.Wait()
		close(results)
	}()
	var all sum
	for r := range results {
		all.add(t, r)
	}
	t.Logf("%d seeds, %d payments, %d steps, %.0f days in %s", *seeds, all.payments, all.steps, all.simulated.Hours()/24, time.Since(begun).Round(time.Millisecond))
	all.reached(t)
}

// differs says where two runs of one seed part.
func differs(a, b Result) error {
	if a.Digest == b.Digest {
		return nil
	}
	for i := range min(len(a.Trace), len(b.Trace)) {
		if a.Trace[i] != b.Trace[i] {
			return fmt.Errorf("seed %d does not replay:\n%s\n%s", a.Seed, a.Trace[i], b.Trace[i])
		}
	}
	return fmt.Errorf("seed %d does not replay: %d lines, then %d", a.Seed, len(a.Trace), len(b.Trace))
}

// sum is what all runs together have done.
type sum struct {
	payments, steps int
	simulated       time.Duration
	edges           map[string]int
	failed          int
}

func (s *sum) add(t *testing.T, r Result) {
	s.payments, s.steps, s.simulated = s.payments+r.Payments, s.steps+r.Steps, s.simulated+r.Simulated
	if s.edges == nil {
		s.edges = make(map[string]int)
	}
	for e, n := range r.Edges {
		s.edges[e] += n
	}
	if *whole {
		t.Logf("seed %d\n%s", r.Seed, strings.Join(r.Trace, "\n"))
	}
	if r.Err == nil {
		return
	}
	if s.failed++; s.failed > 3 {
		t.Errorf("%v", r.Err)
		return
	}
	t.Errorf("%s\n%v\nreplay it: make sim SEEDS=1 FROM=%d", r.Ladder(), r.Err, r.Seed)
}

// reached fails if the runs were too tame to take every edge that the machines
// have: what is never done is not tested. A few seeds do not take them all.
func (s *sum) reached(t *testing.T) {
	if *seeds < 100 || s.failed > 0 {
		return
	}
	// The vouchers of an honest customer are paid in full or come too late, and
	// then it was released before, and owes no till an answer any more.
	never := []string{
		"customer PROVISIONAL → REJECTED", "customer REJECTED → SETTLED", "customer REJECTED → RELEASED",
		"customer REJECTED → OTHER_PAID", "customer RELEASED → REJECTED", "customer RELEASED → OTHER_PAID",
	}
	check := func(who string, edges map[payment.State][]payment.State) {
		for from, all := range edges {
			for _, to := range all {
				if e := fmt.Sprintf("%s %s → %s", who, from, to); s.edges[e] == 0 && !slices.Contains(never, e) {
					t.Errorf("no run took the edge %s", e)
				}
			}
		}
	}
	check("customer", customerEdges)
	check("till", businessEdges)
}
