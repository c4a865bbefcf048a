package prove

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"

	"github.com/vipaso/vipasod/cmd/internal/prove/report"
)

// share is which part of the seeds a process runs: one with threads of its own
// is a third slower than one that has a single one.
var share = flag.String("share", "", "run only one part of the seeds, such as 0/2; used by TestSimulation itself")

// fewSeeds are too few to start processes for.
const fewSeeds = 10

// inProcesses runs the seeds in as many processes as there are cores.
func inProcesses(t *testing.T, p *progress) (all report.Simulation) {
	parts := min(runtime.GOMAXPROCS(0), int(*seeds))
	dirs := make([]string, parts)
	outs := make([][]byte, parts)
	var running sync.WaitGroup
	for part := range parts {
		dirs[part] = t.TempDir()
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSimulation$", "-test.timeout=0", fmt.Sprint("-seeds=", *seeds), fmt.Sprint("-from=", *from),
			fmt.Sprintf("-share=%d/%d", part, parts), fmt.Sprint("-ticks=", ticksFile), "-out="+dirs[part])
		cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
		ticks, write, err := os.Pipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.ExtraFiles = []*os.File{write} // ticksFile
		running.Go(func() {
			outs[part], _ = cmd.CombinedOutput() // what it found is in its results
			write.Close()
		})
		running.Go(func() {
			p.read(ticks)
			ticks.Close()
		})
	}
	running.Wait()
	for part, dir := range dirs {
		b, err := os.ReadFile(filepath.Join(dir, "simulation.json"))
		var one report.Simulation
		if err == nil {
			err = json.Unmarshal(b, &one)
		}
		if err != nil {
			t.Errorf("%v\n%s", err, outs[part])
		}
		join(&all, one)
	}
	return all
}

// add counts a run.
func add(s *report.Simulation, r Result) {
	one := report.Simulation{Seeds: 1, Payments: r.Payments, Steps: r.Steps, Simulated: r.Simulated, Edges: r.Edges, Harm: r.Harm}
	if r.Err != nil {
		one.Failures = []report.Failure{{Seed: r.Seed, Err: r.Err.Error(), Ladder: r.Ladder()}}
	}
	join(s, one)
}

// join adds what other runs have done.
func join(s *report.Simulation, o report.Simulation) {
	if s.Edges == nil {
		s.Edges, s.Harm = make(map[string]int), make(map[string]int)
	}
	s.Seeds, s.Payments, s.Steps, s.Simulated = s.Seeds+o.Seeds, s.Payments+o.Payments, s.Steps+o.Steps, s.Simulated+o.Simulated
	for e, n := range o.Edges {
		s.Edges[e] += n
	}
	for e, n := range o.Harm {
		s.Harm[e] += n
	}
	s.Failures = append(s.Failures, o.Failures...)
}
