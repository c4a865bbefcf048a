package payment

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestScripts plays the interactions in testdata/*.txt: blocks of words, then
// ---- and what they led to; # begins a comment. With -update the files are
// written anew.
func TestScripts(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("%d scripts, error %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			script, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, file, play(t, string(script)))
		})
	}
}

// play returns the script with the output that it has now.
func play(t *testing.T, script string) string {
	t.Helper()
	w := newWorld()
	var blocks []string
	for _, block := range strings.Split(strings.TrimSpace(script), "\n\n") {
		said, _, isWords := strings.Cut(block+"\n", "----\n")
		if !isWords {
			blocks = append(blocks, block)
			continue
		}
		w.out.Reset()
		for _, line := range strings.Split(strings.TrimSpace(said), "\n") {
			if strings.HasPrefix(line, "#") {
				continue
			}
			if err := w.do(line); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
		}
		blocks = append(blocks, said+"----\n"+strings.TrimSpace(w.out.String()))
	}
	return strings.Join(blocks, "\n\n") + "\n"
}
