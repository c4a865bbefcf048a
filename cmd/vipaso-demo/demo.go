package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// interval is the connection interval of the demo's air.
const interval = 15 * time.Millisecond

// socketMax is what fits a unix address.
const socketMax = 107

// demoOptions are the flags of vipaso-demo.
type demoOptions struct {
	headless bool
	scenario string
	attack   string
	dir      string

	conformance string // of test vectors
}

// runDemo plays scenarios or tries attacks, or stays up until ctx ends.
func runDemo(ctx context.Context, o demoOptions, out, progress io.Writer) (err error) {
	plays, err := chosen(o.scenario)
	if err != nil {
		return err
	}
	var tries []attack
	if o.attack != "" {
		if tries, err = attacksNamed(o.attack); err != nil {
			return err
		}
	}
	dir, remove, err := scratch(o.dir)
	if err != nil {
		return err
	}
	defer func() {
		switch {
		case !remove:
			fmt.Fprintln(progress, "everything is kept in", dir)
		default:
			err = errors.Join(err, os.RemoveAll(dir))
		}
	}()
	if o.attack != "" {
		return attackAll(ctx, tries, dir, out, progress)
	}
	if o.headless {
		return playAll(ctx, plays, dir, out, progress)
	}
	return stayUp(ctx, dir, out, progress)
}

// scratch returns the directory to work in, and whether to remove it at the
// end.
func scratch(dir string) (path string, remove bool, err error) {
	if dir == "" {
		path, err = os.MkdirTemp("", "vipaso-demo-")
		return path, true, err
	}
	if path, err = filepath.Abs(dir); err != nil {
		return "", false, err
	}
	if n := len(path) + len("/customer-carries-claim-1234/carl.sock"); n > socketMax {
		return "", false, usageError{fmt.Errorf("%s is too long for sockets below it, by %d bytes", path, n-socketMax)}
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return "", false, usageError{fmt.Errorf("--dir: %w", err)}
	}
	entries, err := os.ReadDir(path)
	if err == nil && len(entries) > 0 {
		err = usageError{fmt.Errorf("%s is not empty: choose a new directory", path)}
	}
	return path, false, err
}

// outcome is how a scenario came out.
type outcome struct {
	scenario scenario
	audit    *audit
	took     time.Duration
	err      error
}

// whole reports whether the scenario went as it should and adds up.
func (o outcome) whole() bool { return o.err == nil && len(o.audit.problems) == 0 }

// playAll plays scenarios, one world each, and prints a line for each and at
// the end what everybody believes. The error wraps errNotWhole if one of them
// did not come out as it should.
func playAll(ctx context.Context, plays []scenario, dir string, out, progress io.Writer) error {
	spawner := newSpawner()
	var outcomes []outcome
	failed := 0
	for _, sc := range plays {
		fmt.Fprintf(progress, "# %s: %s\n", sc.name, sc.about)
		begin := time.Now()
		o := outcome{scenario: sc}
		o.audit, o.err = playProcesses(ctx, sc, filepath.Join(dir, sc.name), spawner, func(line string) { fmt.Fprintln(progress, "  "+line) })
		o.took = time.Since(begin)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted in %s", sc.name)
		}
		outcomes = append(outcomes, o)
		if !o.whole() {
			failed++
		}
		if err := printLine(out, o); err != nil {
			return err
		}
	}
	if err := printOutcomes(out, outcomes); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d scenarios: %w", failed, len(outcomes), errNotWhole)
	}
	return nil
}

// playProcesses plays one scenario in a world of processes.
func playProcesses(ctx context.Context, sc scenario, dir string, spawner *spawner, tell func(string)) (*audit, error) {
	h, err := newWorld(dir, spawner)
	if err != nil {
		return nil, err
	}
	s, err := build(ctx, h, sc.cast, tell)
	if err != nil {
		return nil, err
	}
	a, err := s.enact(sc)
	return a, errors.Join(err, s.close())
}

// newWorld is a host of processes in a new directory.
func newWorld(dir string, spawner *spawner) (*processes, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	return newProcesses(dir, spawner, interval)
}

// enact plays a scenario to its end, has everybody synchronize, and asks what
// they believe.
func (s *stage) enact(sc scenario) (*audit, error) {
	if err := perform(func() { sc.play(s) }); err != nil {
		return nil, err
	}
	if err := perform(s.everybodySynchronizes); err != nil {
		return nil, err
	}
	return s.takeAudit()
}
