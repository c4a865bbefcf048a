package payment

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestRandomWalk says random words to a till, three customers and a backend.
// After each the money rules hold, and in the end all books agree.
func TestRandomWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		live(t, rapid.SliceOfN(rapid.SampledFrom(words), 5, 60).Draw(t, "words"))
	})
}

// FuzzSteps lives the same from bytes, one word each.
func FuzzSteps(f *testing.F) {
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 200 {
			return
		}
		lines := make([]string, len(script))
		for i, b := range script {
			lines[i] = words[int(b)%len(words)]
		}
		live(t, lines)
	})
}

// live runs a world to its end. A failure shows the words, which make a
// script for testdata.
func live(t interface{ Fatalf(string, ...any) }, lines []string) {
	w := newWorld()
	lines = append([]string{"ask C1", "ask C2", "deliver", "deliver"}, append(lines, "settle")...)
	for i, line := range lines {
		if err := w.do(line); err != nil {
			t.Fatalf("%v\n\n%s\n\n%s", err, strings.Join(lines[:i+1], "\n"), w.out.String())
		}
	}
}
