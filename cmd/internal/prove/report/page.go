package report

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"maps"
	"slices"
	"time"
)

//go:embed page.html
var pages embed.FS

// Figure is one number with what it means.
type Figure struct{ Value, Means string }

// notRun stands for a number that nobody has counted.
const notRun = "not run"

// Page writes a page that needs nothing else: no other file, no network.
func (r *Results) Page(w io.Writer) error {
	t, err := template.New("page.html").Funcs(template.FuncMap{
		"number": number, "svg": func(s string) template.HTML { return template.HTML(s) }, // drawn here, with all texts escaped
		"days": func(d time.Duration) string { return number(int(d.Hours() / 24)) },
		"time": func(d time.Duration) string { return d.Round(100 * time.Millisecond).String() },
	}).ParseFS(pages, "page.html")
	if err != nil {
		return err
	}
	return t.Execute(w, r)
}

// Figures are the numbers for who reads nothing else. What was not run says so.
func (r *Results) Figures() []Figure {
	value := func(ran bool, n func() int) string {
		if !ran {
			return notRun
		}
		return number(n())
	}
	return []Figure{
		{value(r.Simulation != nil, func() int { return r.Simulation.Payments }), "payments in simulated days full of faults"},
		{value(r.Simulation != nil, func() int { return r.Simulation.Faults() }), "faults in them: crashes, lost messages, full disks …"},
		{value(r.PowerCuts != nil, func() int { return r.PowerCuts.Images() }), "power cuts, at any write to the disk"},
		{value(r.Kills != nil, func() int { return r.Kills.Killed }), "real programs killed while they paid"},
		{value(r.Damage != nil, func() int { return r.Damage.Flips }), "bits flipped on the disk"},
		{value(r.Mutants != nil, func() int { return r.Mutants.Killed }), r.mutantsMean()},
		{value(r.Fuzz != nil, func() int { return r.Fuzz.Executions() }), "malformed and random inputs"},
		{value(r.Simulation != nil || r.PowerCuts != nil || r.Damage != nil, r.Wrong), "times money was lost or doubled"},
	}
}

func (r *Results) mutantsMean() string {
	if r.Mutants == nil {
		return "defects put in by hand, to see whether the tests find them"
	}
	return fmt.Sprintf("of %s defects that were put in by hand were found", number(r.Mutants.Tried))
}

// Wrong is how often money was lost or doubled, in whatever has been run.
func (r *Results) Wrong() (n int) {
	if r.Simulation != nil {
		n += len(r.Simulation.Failures)
	}
	if r.Pairs != nil {
		n += r.Pairs.Count(Wrong)
	}
	if r.PowerCuts != nil {
		for _, f := range r.PowerCuts.Real() {
			n += f.Lost + f.Corrupt + f.Phantom
		}
	}
	if r.Damage != nil {
		n += r.Damage.Wrong
	}
	if r.Kills != nil {
		for _, cells := range r.Kills.Cells {
			n += cells[Wrong]
		}
	}
	return n
}

// Missing says what was not run, by the command that runs it.
func (r *Results) Missing() (all []string) {
	for _, one := range []struct {
		missing bool
		command string
	}{
		{r.Simulation == nil, "make sim SEEDS=1000"}, {r.Pairs == nil || r.Payment == nil || r.Drain == nil, "make pairs OFFLINE=1000"},
		{r.PowerCuts == nil, "make crash"}, {r.Kills == nil, "make kill"}, {r.Damage == nil, "make faults FLIPS=10000"},
		{r.Mutants == nil, "make mutants"}, {r.Fuzz == nil, "make fuzz"},
	} {
		if one.missing {
			all = append(all, one.command)
		}
	}
	return all
}

// Faults is how much went wrong in all simulated days.
func (s *Simulation) Faults() (n int) {
	for _, times := range s.Harm {
		n += times
	}
	return n
}

// Images is how many power cuts were tried, without those of the controls.
func (p *PowerCuts) Images() (n int) {
	for _, f := range p.Real() {
		n += f.Images
	}
	return n
}

// Real are the programs as they are.
func (p *PowerCuts) Real() []Flow { return p.with(false) }

// Controls are the same with less of safety.
func (p *PowerCuts) Controls() []Flow { return p.with(true) }

func (p *PowerCuts) with(control bool) (all []Flow) {
	for _, f := range p.Flows {
		if (f.Control != "") == control {
			all = append(all, f)
		}
	}
	return all
}

// Executions is how many inputs all targets were given.
func (f *Fuzz) Executions() (n int) {
	for _, t := range f.Targets {
		n += t.Executions
	}
	return n
}

// Bar is one line of a chart of counts.
type Bar struct {
	Name  string
	Count int
	Share float64 // of the longest, in percent
}

// Bars are what went wrong in the simulated days, most often first.
func (s *Simulation) Bars() []Bar { return bars(s.Harm) }

// Bars are the fuzz targets by how much they were given.
func (f *Fuzz) Bars() []Bar {
	counts := make(map[string]int)
	for _, t := range f.Targets {
		counts[t.Name] = t.Executions
	}
	return bars(counts)
}

func bars(counts map[string]int) (all []Bar) {
	most := 1
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		all = append(all, Bar{Name: name, Count: counts[name]})
		most = max(most, counts[name])
	}
	for i := range all {
		all[i].Share = 100 * float64(all[i].Count) / float64(most)
	}
	slices.SortStableFunc(all, func(a, b Bar) int { return b.Count - a.Count })
	return all
}

// KillRow is who was killed, and what came of the payments.
type KillRow struct {
	Who                 string
	Paid, Unpaid, Wrong int
}

// Rows are the kills of real programs by who was killed.
func (k *Kills) Rows() (all []KillRow) {
	for _, who := range slices.Sorted(maps.Keys(k.Cells)) {
		c := k.Cells[who]
		all = append(all, KillRow{who, c[Paid], c[Unpaid], c[Wrong]})
	}
	return all
}
