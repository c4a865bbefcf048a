package prove

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vipaso/vipasod/cmd/internal/prove/report"
)

// root of the module.
const root = "../../.."

var mutate = flag.String("mutants", "", "try the mutants whose name contains this; all of them with \"all\"")

// TestMutants holds every mutant against the files as they are: one that is
// out of date fails. With -mutants it tries them, each against its killer.
func TestMutants(t *testing.T) {
	names := make(map[string]bool)
	for _, m := range mutants() {
		if _, err := m.Text(root); err != nil {
			t.Error(err)
		}
		if names[m.Name] {
			t.Errorf("two mutants are called %q", m.Name)
		}
		names[m.Name] = true
	}
	if len(names) < 40 {
		t.Errorf("%d mutants, want 40", len(names))
	}
	if *mutate != "" && !t.Failed() {
		tryAll(t, *mutate)
	}
}

// tryAll kills the mutants, as many at a time as there are cores.
func tryAll(t *testing.T, which string) {
	at, err := filepath.Abs(root)
	if err != nil {
		t.Fatal(err)
	}
	todo := make(chan Mutant)
	var workers sync.WaitGroup
	var mu sync.Mutex
	killed, tried, cpu := 0, 0, time.Duration(0)
	for range runtime.GOMAXPROCS(0) {
		dir := t.TempDir()
		workers.Go(func() {
			for m := range todo {
				took, err := m.Kill(t.Context(), at, dir)
				mu.Lock()
				cpu += took
				if err == nil {
					killed++
					fmt.Printf("killed by %-48s %5.1f s  %s\n", strings.Trim(m.By, "^$"), took.Seconds(), m.Name)
				} else {
					fmt.Println(err)
					t.Error(err)
				}
				mu.Unlock()
			}
		})
	}
	for _, m := range mutants() {
		if which == "all" || strings.Contains(m.Name, which) {
			tried++
			todo <- m
		}
	}
	close(todo)
	workers.Wait()
	fmt.Printf("%d of %d killed, in %s of processor time\n", killed, tried, cpu.Round(time.Second))
	if tried == 0 {
		t.Error("no mutant was tried")
	}
	if err := report.Save(*out, "mutants.json", report.Mutants{Killed: killed, Tried: tried}); err != nil {
		t.Error(err)
	}
}

// TestMutantsAreJudged checks that only a killer that ran and failed counts.
func TestMutantsAreJudged(t *testing.T) {
	m := Mutant{Name: "sample", By: "TestSome/part", In: "sample"}
	failed := errors.New("exit status 1")
	tests := []struct {
		name, out string
		err, want error
	}{
		{"the killer fails", "--- FAIL: TestSome (0.00s)\nFAIL", failed, nil},
		{"the process panics", "panic: nil map\nFAIL", failed, nil},
		{"the killer passes", "ok  \tsample", nil, ErrSurvived},
		{"another test fails", "--- FAIL: TestOther (0.00s)\nFAIL", failed, ErrMutant},
		{"a test of a longer name fails", "--- FAIL: TestSomething (0.00s)\nFAIL", failed, ErrMutant},
		{"a test says that it failed", "    a_test.go:1: --- FAIL: TestSome (0.00s)\nFAIL", failed, ErrMutant},
		{"it does not compile", "# sample\nsample.go:1:1: undefined: x\nFAIL\tsample [build failed]\nFAIL", failed, ErrMutant},
		{"it does not compile, in the killer's words", "# sample\npanic: x\n--- FAIL: TestSome (\nFAIL\tsample [build failed]\nFAIL", failed, ErrMutant},
		{"it imports what is not there", "# sample\nsample.go:3:8: package x is not in std\nFAIL\tsample [setup failed]\nFAIL", failed, ErrMutant},
		{"it hangs", "panic: test timed out after 5m0s\nFAIL\tsample\t300.0s\nFAIL", failed, ErrMutant},
		{"it hangs after a failure", "--- FAIL: TestSome (0.00s)\npanic: test timed out after 5m0s\nFAIL\tsample\t300.0s\nFAIL", failed, ErrMutant},
		{"it ends before the tests", "stage: x\nFAIL\tsample\t0.1s\nFAIL", failed, ErrMutant},
		{"there is no such test", "ok  \tsample [no tests to run]", nil, ErrMutant},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := m.judge(tt.out, tt.err); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
				t.Errorf("%v, want %v", err, tt.want)
			}
		})
	}
}

// TestMutantsThatAreOutOfDate checks that a text that is not there exactly once
// is refused.
func TestMutantsThatAreOutOfDate(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "a.go"), []byte("once twice twice"), 0o600); err != nil {
		t.Fatal(err)
	}
	for old, want := range map[string]error{"once": nil, "twice": ErrStale, "never": ErrStale} {
		b, err := Mutant{File: "a.go", Old: old, New: "x"}.Text(dir)
		if !errors.Is(err, want) || err == nil && string(b) != "x twice twice" {
			t.Errorf("%s: %q, %v", old, b, err)
		}
	}
	if _, err := (Mutant{File: "b.go", Old: "once"}).Text(dir); !errors.Is(err, ErrStale) {
		t.Errorf("a missing file: %v", err)
	}
}

// TestMutantsOfASample tries mutants of a module of two files: one that dies,
// one that lives, and some of which the go command says too little.
func TestMutantsOfASample(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"go.mod":      "module sample\n\ngo 1.26\n",
		"a.go":        "package sample\n\nfunc one() int { return 1 }\n",
		"a_test.go":   "package sample\n\nimport \"testing\"\n\nfunc TestOne(t *testing.T) {\n\tif one() == 2 {\n\t\tt.Error(\"two\")\n\t}\n}\n",
		"b/b.go":      "package b\n",
		"b/b_test.go": "package b\n\nimport (\n\t\"os\"\n\t\"testing\"\n)\n\nfunc TestMain(m *testing.M) { os.Exit(1) }\n\nfunc TestOne(*testing.T) {}\n",
	} {
		file := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o700), os.WriteFile(file, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for _, tt := range []struct {
		name    string
		becomes string // of a.go's 1
		in, by  string
		want    error
	}{
		{"dies", "2", "", "^TestOne$", nil},
		{"lives", "3", "", "^TestOne$", ErrSurvived},
		{"does not compile", "x", "", "^TestOne$", ErrMutant},
		{"has no killer", "2", "", "^TestTwo$", ErrMutant},
		{"is not come to", "2", "b", "^TestOne$", ErrMutant},
	} {
		m := Mutant{Name: tt.name, File: "a.go", Old: "1", New: tt.becomes, In: tt.in, By: tt.by}
		if _, err := m.Kill(t.Context(), dir, t.TempDir()); !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.want)
		}
	}
}
