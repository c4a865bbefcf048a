// Package report makes a page and a picture of what the proofs have found.
//
// Each proof leaves a file of results in one directory when it is asked to.
// All numbers of a page come from these files; what has not been run is shown
// as not run.
package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Results is all that the proofs have left. What was not run is nil.
type Results struct {
	Simulation *Simulation
	Pairs      *Pairs
	Payment    *Payment
	Mutants    *Mutants
	PowerCuts  *PowerCuts
	Damage     *Damage
	Kills      *Kills
	Fuzz       *Fuzz
	Drain      *Drain
}

// Simulation is what all simulated days together came to.
type Simulation struct {
	Seeds     int
	Payments  int
	Steps     int
	Simulated time.Duration
	Edges     map[string]int // of the two machines, how often each was taken
	Harm      map[string]int // what went wrong, how often
	Failures  []Failure
}

// Failure is a simulated day that broke a rule.
type Failure struct {
	Seed        uint64
	Err, Ladder string
}

// Pairs says what became of one payment whose till and customer were killed,
// each at any of its effects or not at all.
type Pairs struct {
	Till, Customer   []string    // what the effects are, in order; the first is none
	Outcomes         [][]Outcome // by till and customer, if they never meet again
	Again, PaidAgain int         // tried once more, with meetings after it, and how many of these were paid
}

// Outcome is what a payment came to.
type Outcome string

// The outcomes.
const (
	Paid   Outcome = "paid"   // once, and both know it
	Unpaid Outcome = "unpaid" // nothing was paid, and both know it
	Wrong  Outcome = "wrong"  // anything else
)

// Payment is one payment as the parties have logged it.
type Payment struct {
	Parties []string
	Rungs   []Rung
}

// Rung is one thing that happened: something that From did, or, with To, a
// message. Stored marks what was on disk before the next rung.
type Rung struct {
	After    time.Duration // since the payment was opened
	From, To string
	What     string
	Stored   bool
}

// Mutants are defects that were put in, each with the test that found it.
type Mutants struct {
	Killed, Tried int
}

// PowerCuts counts the images of a disk that a power cut may leave, by whose
// disk it was.
type PowerCuts struct {
	Flows []Flow
}

// Flow is one program whose power was cut.
type Flow struct {
	Name                   string
	Writes, Images         int
	Lost, Corrupt, Phantom int
	Control                string // what was taken away to see that the proof finds it; empty: nothing
}

// Damage is what disks and people did to files, and what became of it.
type Damage struct {
	Flips, Found, Harmless, Wrong int // bits
	Rows                          []DamageRow
}

// DamageRow is one kind of damage.
type DamageRow struct{ What, Who, Outcome string }

// Kills counts real processes that were killed while they paid.
type Kills struct {
	Cycles, Killed int                        // payments, and processes that were killed during them
	Cells          map[string]map[Outcome]int // by who was killed, and then what the payment came to
}

// Fuzz counts what each fuzz target was given.
type Fuzz struct{ Targets []Target }

// Target is one fuzz target.
type Target struct {
	Name       string
	Executions int
}

// Drain is how a till handed in what it had sold in a day without a network.
type Drain struct {
	Payments int
	Took     time.Duration
}

// files are the names of the results, below their directory.
func (r *Results) files() map[string]any {
	return map[string]any{
		"simulation.json": &r.Simulation, "pairs.json": &r.Pairs, "payment.json": &r.Payment, "mutants.json": &r.Mutants,
		"power.json": &r.PowerCuts, "damage.json": &r.Damage, "kills.json": &r.Kills, "drain.json": &r.Drain,
	}
}

// Save leaves a result in a file of dir, such as "kills.json". Without a
// directory it does nothing.
func Save(dir, name string, result any) error {
	if dir == "" {
		return nil
	}
	b, err := json.MarshalIndent(result, "", "\t")
	if err == nil {
		err = os.MkdirAll(dir, 0o755)
	}
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), append(b, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("result %s: %w", name, err)
	}
	return nil
}

// Load reads all results in dir.
func Load(dir string) (*Results, error) {
	r := new(Results)
	for name, into := range r.files() {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			err = json.Unmarshal(b, into)
		}
		if err != nil {
			return nil, fmt.Errorf("result %s: %w", name, err)
		}
	}
	b, err := os.ReadFile(filepath.Join(dir, FuzzLog))
	if err == nil {
		r.Fuzz = readFuzz(string(b))
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("result %s: %w", FuzzLog, err)
	}
	return r, nil
}

// FuzzLog is where the output of tools/fuzz.sh is kept.
const FuzzLog = "fuzz.txt"

// readFuzz reads the lines that say how much each target was given.
func readFuzz(log string) *Fuzz {
	f := new(Fuzz)
	for text := range strings.Lines(log) {
		var dir string
		var t Target
		if n, _ := fmt.Sscanf(text, "fuzz %s %s executions %d", &dir, &t.Name, &t.Executions); n == 3 {
			f.Targets = append(f.Targets, t)
		}
	}
	if len(f.Targets) == 0 {
		return nil
	}
	return f
}
