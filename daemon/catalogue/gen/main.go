// Command gen writes what is generated from daemon/catalogue/errors.toml: the
// Go constants, ERRORS.md and the journal catalogue. Its argument is the root
// of the repository. It is run by go generate.
package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/vipaso/vipasod/daemon/catalogue"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "gen:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("usage: gen ROOT")
	}
	source, err := os.ReadFile(filepath.Join(args[0], "daemon/catalogue/errors.toml"))
	if err != nil {
		return err
	}
	// Read from the file and not from catalogue.All, so that the generator
	// also works when the compiled-in copy is the old one.
	entries, err := catalogue.Parse(source)
	if err != nil {
		return err
	}
	files, err := render(entries)
	if err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if err := os.WriteFile(filepath.Join(args[0], name), files[name], 0o644); err != nil {
			return err
		}
	}
	return nil
}
