package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// attack is what somebody dishonest tries against real devices, and what must
// come of it. play returns what it measured, and fails if that is not what
// must come of it. Afterwards everybody honest synchronizes, and the money is
// audited from outside.
type attack struct {
	name   string
	threat string // its number in SECURITY.md
	must   string // one line, for people
	cast   cast
	play   func(*stage) string
	// kernel says that it takes real processes: it is about what the kernel
	// says of them.
	kernel bool
}

// attacks are all there are, in the order of the table.
var attacks = slices.Concat(cloneAttacks, forgeryAttacks, cancelAttacks, linkAttacks, timeAttacks, trustAttacks, privacyAttacks, localAttacks)

// errSucceeded says that an attack did not come out as it must.
var errSucceeded = errors.New("did not come out as it must")

// attacksNamed returns the attacks that a flag asks for.
func attacksNamed(name string) ([]attack, error) {
	if name == "all" {
		return attacks, nil
	}
	var known []string
	for _, a := range attacks {
		if a.name == name {
			return []attack{a}, nil
		}
		known = append(known, a.name)
	}
	return nil, usageError{fmt.Errorf("no attack is called %q; there are all, %s", name, strings.Join(known, ", "))}
}

// attackOutcome is how an attack came out.
type attackOutcome struct {
	attack   attack
	measured string
	err      error
}

// attackers is how many attacks are tried at a time, each in a world of its
// own. Most of their time they wait for somebody to give up.
const attackers = 4

// attackAll tries attacks and prints a table of what came of them. The error
// wraps errSucceeded if one came out otherwise than it must.
func attackAll(ctx context.Context, tries []attack, dir string, out, progress io.Writer) error {
	spawner := newSpawner()
	outcomes := make([]attackOutcome, len(tries))
	next := make(chan int)
	var workers sync.WaitGroup
	var telling sync.Mutex
	for range min(attackers, len(tries)) {
		workers.Go(func() {
			for i := range next {
				a := tries[i]
				begin := time.Now()
				o := attackOutcome{attack: a}
				tell := func(line string) {
					telling.Lock()
					defer telling.Unlock()
					fmt.Fprintf(progress, "%s: %s\n", a.name, line)
				}
				o.measured, o.err = attackProcesses(ctx, a, filepath.Join(dir, a.name), spawner, tell)
				tell("took " + time.Since(begin).Round(100*time.Millisecond).String())
				outcomes[i] = o
			}
		})
	}
	for i := range tries {
		select {
		case next <- i:
		case <-ctx.Done():
		}
	}
	close(next)
	workers.Wait()
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	return report(out, outcomes)
}

// attackProcesses tries an attack in a world of processes.
func attackProcesses(ctx context.Context, a attack, dir string, spawner *spawner, tell func(string)) (measured string, err error) {
	h, err := newWorld(dir, spawner)
	if err != nil {
		return "", err
	}
	return a.against(ctx, h, tell)
}

// against builds a world, tries the attack, and audits what is left. The
// host is closed then.
func (a attack) against(ctx context.Context, h host, tell func(string)) (measured string, err error) {
	c := a.cast
	c.rivals = true
	s, err := build(ctx, h, c, tell)
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	money, err := s.enact(scenario{play: func(s *stage) { measured = a.play(s) }})
	if err != nil {
		return measured, err
	}
	if len(money.problems) > 0 {
		return measured, fmt.Errorf("%w: %s", errNotWhole, strings.Join(money.problems, "; "))
	}
	return measured, nil
}

// widths are those of the table's columns, in characters.
var widths = [...]int{20, 8, 44, 52, 3}

// report prints the table.
func report(w io.Writer, all []attackOutcome) error {
	var b strings.Builder
	row(&b, "ATTACK", "THREAT", "WHAT MUST HAPPEN", "WHAT HAPPENED", "OK")
	failed := 0
	for _, o := range all {
		verdict, happened := "ok", cmp.Or(o.measured, "nothing was measured")
		if o.err != nil {
			failed++
			verdict, happened = "NO", o.err.Error()
		}
		row(&b, o.attack.name, o.attack.threat, o.attack.must, happened, verdict)
	}
	if failed == 0 {
		fmt.Fprintf(&b, "\n%d came out as they must. After each, the ledger and the honest devices' books added up.\n", len(all))
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return err
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d attacks: %w", failed, len(all), errSucceeded)
	}
	return nil
}

// row prints cells beside each other, each in as many lines as it takes.
func row(b *strings.Builder, cells ...string) {
	var lines [len(widths)][]string
	height := 0
	for i, c := range cells {
		lines[i] = wrap(c, widths[i])
		height = max(height, len(lines[i]))
	}
	for n := range height {
		var line strings.Builder
		for i := range cells {
			text := ""
			if n < len(lines[i]) {
				text = lines[i][n]
			}
			fmt.Fprintf(&line, "%-*s  ", widths[i], text)
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

// wrap breaks a text between words; a word that is too long has a line to
// itself.
func wrap(text string, width int) (lines []string) {
	line := ""
	for word := range strings.FieldsSeq(text) {
		switch {
		case line == "":
			line = word
		case len(line)+1+len(word) <= width:
			line += " " + word
		default:
			lines = append(lines, line)
			line = word
		}
	}
	return append(lines, line)
}
