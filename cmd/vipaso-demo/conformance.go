package main

import (
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"text/tabwriter"

	"github.com/vipaso/vipasod/cmd/internal/conformance"
)

// errNotConformant: a test vector came out otherwise than it says.
var errNotConformant = errors.New("not as the vectors say")

// shownMax is how much is shown of what a vector wants or got: some hold whole
// messages.
const shownMax = 300

// runConformance runs the test vectors of a file or directory and prints what
// came of them. The error wraps errNotConformant if one failed; it is a
// usageError if there are none to run.
func runConformance(path string, out io.Writer) error {
	reports, err := conformance.RunPath(path)
	if err != nil {
		return usageError{err}
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "FILE\tVECTORS\tPASSED\tFAILED")
	vectors, failed := 0, 0
	for _, r := range reports {
		fmt.Fprintf(table, "%s\t%d\t%d\t%d\n", filepath.Base(r.Path), r.Vectors, r.Vectors-len(r.Failures), len(r.Failures))
		vectors += r.Vectors
		failed += len(r.Failures)
	}
	fmt.Fprintf(table, "all\t%d\t%d\t%d\n", vectors, vectors-failed, failed)
	if err := table.Flush(); err != nil {
		return err
	}
	for _, r := range reports {
		for _, f := range r.Failures {
			if _, err := fmt.Fprintf(out, "\n%s: %s\n  want %s\n  got  %s\n", filepath.Base(r.Path), f.Name, abridged(f.Want), abridged(f.Got)); err != nil {
				return err
			}
		}
	}
	if failed > 0 {
		return fmt.Errorf("%d of %d vectors: %w", failed, vectors, errNotConformant)
	}
	return nil
}

func abridged(s string) string {
	if len(s) > shownMax {
		return s[:shownMax] + " ..."
	}
	return s
}
