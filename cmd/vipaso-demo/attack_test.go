package main

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
)

// TestAttacks tries every attack on devices in this process, under a virtual
// clock, but for those that are about what the kernel says of processes.
func TestAttacks(t *testing.T) {
	for _, a := range attacks {
		if a.kernel {
			continue // TestAttackProcesses
		}
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(context.Background())
				defer cancel()
				var told []string
				measured, err := a.against(ctx, newBubble(t), func(line string) { told = append(told, line) })
				if err != nil || measured == "" {
					t.Errorf("measured %q: %v\n%s", measured, err, strings.Join(told, "\n"))
				}
			})
		})
	}
}

// TestAttackProcesses tries some on real processes, by the command line.
func TestAttackProcesses(t *testing.T) {
	for name, measures := range map[string]string{
		"local-user":   "socket",
		"cloned-store": "till got 20.00, kiosk its guarantee of 10.00 of 20.00",
		"forged-till":  "4 times ALERT IDENTITY",
	} {
		t.Run(name, func(t *testing.T) {
			out, progress, code := run(t.Context(), "--attack", name)
			flat := strings.Join(strings.Fields(out), " ")
			if code != 0 || !strings.Contains(flat, "1 came out as they must") {
				t.Fatalf("exit %d\n%s\n%s", code, out, progress)
			}
			if !strings.HasPrefix(flat, "ATTACK THREAT WHAT MUST HAPPEN WHAT HAPPENED OK "+name) || !strings.Contains(unwrapped(out, 3), measures) {
				t.Errorf("the table lacks %q:\n%s", measures, out)
			}
			for _, child := range children(t) {
				t.Errorf("still there: %v", child)
			}
		})
	}
}

// unwrapped is the text of a column of the table.
func unwrapped(table string, column int) string {
	from := 0
	for _, w := range widths[:column] {
		from += w + 2
	}
	var words []string
	for line := range strings.Lines(table) {
		if len(line) > from {
			cell := line[from:min(len(line), from+widths[column])]
			words = append(words, strings.Fields(cell)...)
		}
	}
	return strings.Join(words, " ")
}

// TestAttackThatSucceeds: what does not come out as it must is in the table,
// and in the exit code; so is money that is gone although nobody saw it go.
func TestAttackThatSucceeds(t *testing.T) {
	for name, play := range map[string]func(*stage) string{
		"refused by nobody": func(s *stage) string { s.want("the till", "paid", "refused by nobody"); return "" },
		"sum to 1": func(s *stage) string {
			s.ann.paysHonestly("12.00 USD", provisional12)
			s.till.goesOnline()
			s.till.synchronizes()
			s.tampers(`UPDATE postings SET amount = amount + 1 WHERE kind = 'BUSINESS'`)
			return "all is well"
		},
	} {
		t.Run(name, func(t *testing.T) {
			var out, progress strings.Builder
			err := attackAll(t.Context(), []attack{{name: "bad", play: play}}, shortDir(t), &out, &progress)
			if !errors.Is(err, errSucceeded) || exitCode(err) != 1 {
				t.Errorf("exit %d, %v", exitCode(err), err)
			}
			if text := unwrapped(out.String(), 3); !strings.Contains(text, name) || !strings.Contains(out.String(), "  NO") {
				t.Errorf("%q is not in\n%s", name, &out)
			}
		})
	}
}

func TestAttackUsage(t *testing.T) {
	_, stderr, code := run(t.Context(), "--attack", "reply")
	if code != 2 || !strings.Contains(stderr, `"reply"`) {
		t.Errorf("exit %d: %s", code, stderr)
	}
	for _, a := range attacks {
		if !strings.Contains(stderr, a.name) {
			t.Errorf("%q lacks %s", stderr, a.name)
		}
	}
	if _, stderr, code := run(t.Context(), "--attack", "replay", "--scenario", "happy"); code != 2 || !strings.Contains(stderr, "--scenario") {
		t.Errorf("with a scenario: exit %d: %s", code, stderr)
	}
}
