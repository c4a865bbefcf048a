package report

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sample is what proofs may leave.
func sample() *Results {
	return &Results{
		Simulation: &Simulation{Seeds: 1000, Payments: 50_000, Steps: 9, Simulated: 48 * time.Hour, Harm: map[string]int{"disk full": 3, "link lost": 12_000}},
		Pairs: &Pairs{
			Till: []string{"not at all", "before <it>"}, Customer: []string{"not at all"},
			Outcomes: [][]Outcome{{Paid}, {Unpaid}}, Again: 2, PaidAgain: 2,
		},
		Payment: &Payment{Parties: []string{"ann", "luna", "backend"}, Rungs: []Rung{
			{From: "luna", What: "opens payment of 1200", Stored: true}, {After: 2 * time.Hour, From: "luna", To: "ann", What: "Request"},
		}},
		Mutants:   &Mutants{Killed: 55, Tried: 55},
		PowerCuts: &PowerCuts{Flows: []Flow{{Name: "till", Writes: 5, Images: 40}, {Name: "till", Images: 7, Lost: 3, Control: "synchronous=OFF"}}},
		Damage:    &Damage{Flips: 10, Found: 4, Harmless: 6},
		Kills:     &Kills{Cycles: 25, Killed: 31, Cells: map[string]map[Outcome]int{"the till": {Paid: 20, Unpaid: 5}}},
		Fuzz:      &Fuzz{Targets: []Target{{"FuzzOpen", 123_456}}},
		Drain:     &Drain{Payments: 1000, Took: time.Second},
	}
}

func page(t *testing.T, r *Results) string {
	t.Helper()
	var b strings.Builder
	if err := r.Page(&b); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestPageShowsWhatWasRun checks that each figure is on the page.
func TestPageShowsWhatWasRun(t *testing.T) {
	got := page(t, sample())
	for _, want := range []string{"50,000", "12,003", "12,000", "123,456", "of 55 defects", "31 programs", "1,000 payments", "before &lt;it&gt;", "sale stored", "please pay", "2 h later"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not on the page", want)
		}
	}
	for _, never := range []string{`class="none"`, "<b>not run", "src=", "href=", "<script"} {
		if strings.Contains(got, never) {
			t.Errorf("%q is on the page", never)
		}
	}
	if r := sample(); r.Wrong() != 0 || len(r.Missing()) != 0 {
		t.Errorf("%d wrong, missing %q", r.Wrong(), r.Missing())
	}
}

// TestPageSaysWhatWasNotRun checks that nothing stands for what was not run.
func TestPageSaysWhatWasNotRun(t *testing.T) {
	r := &Results{}
	got := page(t, r)
	if n := strings.Count(got, "not run"); n < 15 {
		t.Errorf("%d times", n)
	}
	if len(r.Missing()) != 7 {
		t.Errorf("missing %q", r.Missing())
	}
	if _, err := r.Picture(); !errors.Is(err, ErrNotRun) {
		t.Errorf("a picture of nothing: %v", err)
	}
}

// TestWrongIsCounted checks that money that was lost anywhere shows, and that
// what a control loses does not count.
func TestWrongIsCounted(t *testing.T) {
	for name, harm := range map[string]func(*Results){
		"simulation": func(r *Results) { r.Simulation.Failures = []Failure{{Seed: 1}} },
		"pairs":      func(r *Results) { r.Pairs.Outcomes[0][0] = Wrong },
		"power cut":  func(r *Results) { r.PowerCuts.Flows[0].Lost = 1 },
		"damage":     func(r *Results) { r.Damage.Wrong = 1 },
		"kills":      func(r *Results) { r.Kills.Cells["the till"][Wrong] = 1 },
	} {
		r := sample()
		harm(r)
		if r.Wrong() != 1 || !strings.Contains(page(t, r), "tile wrong") {
			t.Errorf("%s: %d wrong", name, r.Wrong())
		}
	}
}

// TestDrawingsAreWellFormed reads the drawings as a browser would.
func TestDrawingsAreWellFormed(t *testing.T) {
	r := sample()
	picture, err := r.Picture()
	if err != nil {
		t.Fatal(err)
	}
	for name, svg := range map[string]string{"picture": picture, "heat map": r.Pairs.HeatMap(), "ladder": r.Payment.Ladder()} {
		d := xml.NewDecoder(strings.NewReader(svg))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Errorf("%s: %v", name, err)
				break
			}
		}
	}
}

// TestFuzzLog reads what the fuzzing script prints.
func TestFuzzLog(t *testing.T) {
	dir := t.TempDir()
	log := "fuzz ./preauth FuzzOpen executions 12\nsomething else\nfuzz ./ble/frame FuzzRead executions 30\n"
	if err := os.WriteFile(filepath.Join(dir, FuzzLog), []byte(log), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := Load(dir)
	if err != nil || r.Fuzz == nil || r.Fuzz.Executions() != 42 || len(r.Fuzz.Targets) != 2 {
		t.Fatalf("%+v, %v", r, err)
	}
}
