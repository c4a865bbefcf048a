package main

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// securityPage is where the threats are written down.
const securityPage = "../../.github/SECURITY.md"

// TestAttacksAreWrittenDown: SECURITY.md names every attack under every threat
// that it is of, and no other attack.
func TestAttacksAreWrittenDown(t *testing.T) {
	b, err := os.ReadFile(securityPage)
	if err != nil {
		t.Fatal(err)
	}
	sections := regexp.MustCompile(`(?m)^### (T\d+)\b`)
	starts := sections.FindAllStringSubmatchIndex(string(b), -1)
	if len(starts) != 19 {
		t.Errorf("%d threats", len(starts))
	}
	named := map[string][]string{} // by attack
	for i, at := range starts {
		end := len(b)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		threat, text := string(b[at[2]:at[3]]), string(b[at[0]:end])
		for _, m := range regexp.MustCompile("attacks?: ([^.;]*)[.;]").FindAllStringSubmatch(strings.ReplaceAll(text, "\n", " "), -1) {
			for _, name := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(m[1], -1) {
				named[name[1]] = append(named[name[1]], threat)
			}
		}
	}
	for _, a := range attacks {
		if want := strings.Split(a.threat, ", "); !slices.Equal(named[a.name], want) {
			t.Errorf("%s is of %q, the page names it under %q", a.name, want, named[a.name])
		}
		delete(named, a.name)
	}
	for name, threats := range named {
		t.Errorf("the page names %s under %q: there is no such attack", name, threats)
	}
}

// TestSecurityPageNamesTests: what SECURITY.md cites as shown by a test is
// shown by one of this tree.
func TestSecurityPageNamesTests(t *testing.T) {
	b, err := os.ReadFile(securityPage)
	if err != nil {
		t.Fatal(err)
	}
	cited := map[string]bool{}
	for _, m := range regexp.MustCompile("`(Test[A-Za-z]+)`").FindAllStringSubmatch(string(b), -1) {
		cited[m[1]] = true
	}
	if len(cited) < 20 {
		t.Errorf("found only %d tests", len(cited))
	}
	err = filepath.WalkDir("../..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, m := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(string(text), -1) {
			delete(cited, m[1])
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for name := range cited {
		t.Errorf("there is no %s", name)
	}
}
