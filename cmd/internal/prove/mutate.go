package prove

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// Mutant is a defect put in by hand, and the test that must find it. It lives
// in an overlay: no file of the module is changed.
type Mutant struct {
	Name string // what is done wrong
	File string // below the root of the module
	Old  string // text that occurs there exactly once
	New  string // in its place
	In   string // package of the killer, below the root
	By   string // the killer, as -run names it
}

// Errors of a mutant.
var (
	// ErrStale: the text to replace does not occur exactly once, so that the
	// mutant is not what it was when it was written.
	ErrStale = errors.New("mutant is out of date")
	// ErrSurvived: the killer passed.
	ErrSurvived = errors.New("mutant survived")
	// ErrMutant: the killer did not run, so nothing is known.
	ErrMutant = errors.New("mutant was not tried")
)

// Text returns the mutated file. The error wraps ErrStale.
func (m Mutant) Text(root string) ([]byte, error) {
	b, err := os.ReadFile(filepath.Join(root, m.File))
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", m.Name, ErrStale, err)
	}
	if n := bytes.Count(b, []byte(m.Old)); n != 1 || m.Old == m.New {
		return nil, fmt.Errorf("%s: the text to replace occurs %d times in %s: %w", m.Name, n, m.File, ErrStale)
	}
	return bytes.Replace(b, []byte(m.Old), []byte(m.New), 1), nil
}

// Kill runs the killer against the mutated module at root, with scratch files
// in dir. It returns nil if the killer failed, and only then, and what time of
// a processor that took. Other errors wrap ErrStale, ErrSurvived or ErrMutant.
func (m Mutant) Kill(ctx context.Context, root, dir string) (time.Duration, error) {
	text, err := m.Text(root)
	if err != nil {
		return 0, err
	}
	mutated, overlay := filepath.Join(dir, "mutated"+filepath.Ext(m.File)), filepath.Join(dir, "overlay.json")
	spec, err := json.Marshal(map[string]map[string]string{"Replace": {filepath.Join(root, m.File): mutated}})
	if err == nil {
		err = errors.Join(os.WriteFile(mutated, text, 0o600), os.WriteFile(overlay, spec, 0o600))
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %w", m.Name, ErrMutant, err)
	}
	args := append([]string{"test", "-overlay", overlay, "-run", m.By}, cheap...)
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+m.In)...)
	cmd.Dir = root
	// Nothing here lives long enough for it to pay to collect its garbage.
	cmd.Env = append(os.Environ(), "GOGC=off", "GOMEMLIMIT=1GiB")
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		return 0, fmt.Errorf("%s: %w: %w", m.Name, ErrMutant, err)
	}
	return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(), m.judge(string(out), err)
}

// cheap has the killer built in half the time: nothing for a debugger, and its
// package, which is compiled for this one run, not optimized.
var cheap = []string{"-gcflags=-N -l -dwarf=false", "-ldflags=-s -w", "-vet=off", "-count=1", "-failfast", "-timeout=5m"}

// What go test prints at the start of a line.
var (
	notBuilt = regexp.MustCompile(`(?m)^FAIL\t\S+ \[(build|setup) failed\]$`)
	panicked = regexp.MustCompile(`(?m)^panic: `)
	timedOut = regexp.MustCompile(`(?m)^panic: test timed out`)
)

// judge tells a dead mutant from one that lives, and from one of which nothing
// is known because it does not compile, or because it hangs.
func (m Mutant) judge(out string, err error) error {
	top, _, _ := strings.Cut(m.By, "/")
	failed := "--- FAIL: " + strings.Trim(top, "^$") + " ("
	switch {
	case strings.Contains(out, "no tests to run"):
		return fmt.Errorf("%s: no test %s in %s: %w", m.Name, m.By, m.In, ErrMutant)
	case err == nil:
		return fmt.Errorf("%s: %s passes: %w", m.Name, m.By, ErrSurvived)
	case notBuilt.MatchString(out), timedOut.MatchString(out):
	case strings.HasPrefix(out, failed), strings.Contains(out, "\n"+failed), panicked.MatchString(out):
		return nil
	}
	return fmt.Errorf("%s: %w: %w\n%s", m.Name, ErrMutant, err, out[:min(len(out), 2000)])
}
