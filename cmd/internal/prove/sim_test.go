package prove

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/vipaso/vipasod/cmd/internal/prove/report"
	"github.com/vipaso/vipasod/daemon/payment"
)

var (
	seeds = flag.Uint64("seeds", 6, "how many seeds to simulate")
	from  = flag.Uint64("from", 1, "the first of them")
	whole = flag.Bool("whole", false, "print the whole trace of each seed")
	out   = flag.String("out", "", "leave the results in this directory")
)

// theStage is set before all tests of the package.
var theStage *Stage

func TestMain(m *testing.M) {
	flag.Parse()
	s, err := NewStage(memoryDir(), 0)
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

// TestSimulation runs seeds. The first one and every thousandth run twice, and
// must do the very same.
func TestSimulation(t *testing.T) {
	begun := time.Now()
	var all report.Simulation
	if *share != "" {
		all = inThisOne(t, toParent())
	} else {
		p := &progress{of: *seeds}
		end := p.tell(os.Stderr)
		if *seeds > fewSeeds {
			all = inProcesses(t, p)
		} else {
			all = inThisOne(t, p.add)
		}
		end()
	}
	for i, f := range all.Failures {
		if i < 3 {
			t.Errorf("%s\n%s\nreplay it: make sim SEEDS=1 FROM=%d", f.Ladder, f.Err, f.Seed)
		} else {
			t.Errorf("%s", f.Err)
		}
	}
	t.Logf("%d seeds, %d payments, %d steps, %.0f days in %s", all.Seeds, all.Payments, all.Steps, all.Simulated.Hours()/24, time.Since(begun).Round(time.Millisecond))
	if *share == "" {
		reached(t, all)
	}
	if err := report.Save(*out, "simulation.json", all); err != nil {
		t.Error(err)
	}
}

// mine are the seeds that this process runs.
func mine() (all []uint64) {
	part, parts := uint64(0), uint64(1)
	if *share != "" {
		if _, err := fmt.Sscanf(*share, "%d/%d", &part, &parts); err != nil {
			panic(err)
		}
	}
	for seed := *from + part; seed < *from+*seeds; seed += parts {
		all = append(all, seed)
	}
	return all
}

// inThisOne runs the seeds of this process, one after the other, and says of
// each that it is done.
func inThisOne(t *testing.T, done func(tick)) (all report.Simulation) {
	for _, seed := range mine() {
		r := theStage.Run(seed)
		if seed == *from || seed%1000 == 0 {
			r.Err = errors.Join(r.Err, differs(r, theStage.Run(seed)))
		}
		if *whole {
			t.Logf("seed %d\n%s", r.Seed, strings.Join(r.Trace, "\n"))
		}
		add(&all, r)
		done(tickOf(r))
	}
	return all
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

// reached fails if the runs were too tame to take every edge that the machines
// have: what is never done is not tested. A few seeds do not take them all.
func reached(t *testing.T, s report.Simulation) {
	if *seeds < 100 || len(s.Failures) > 0 {
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
				if e := fmt.Sprintf("%s %s → %s", who, from, to); s.Edges[e] == 0 && !slices.Contains(never, e) {
					t.Errorf("no run took the edge %s", e)
				}
			}
		}
	}
	check("customer", customerEdges)
	check("till", businessEdges)
}
