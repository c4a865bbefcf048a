package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const vectorDir = "../../preauth/testdata/vectors"

// TestConformance runs the vectors of this project.
func TestConformance(t *testing.T) {
	for _, path := range []string{vectorDir, filepath.Join(vectorDir, "till.json")} {
		out, progress, code := run(t.Context(), "--conformance", path)
		last := strings.Fields(out[strings.LastIndex(out, "\nall"):])
		if code != 0 || progress != "" || len(last) != 4 || last[1] != last[2] || last[3] != "0" || !strings.Contains(out, "till.json") {
			t.Errorf("%s: exit %d, %s\n%s", path, code, progress, out)
		}
	}
}

// TestConformanceFails changes what a vector expects.
func TestConformanceFails(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(vectorDir, "till.json"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	changed := bytes.Replace(b, []byte(`"guaranteed": 1300`), []byte(`"guaranteed": 1299`), 1)
	if err := os.WriteFile(filepath.Join(dir, "till.json"), changed, 0o600); err != nil {
		t.Fatal(err)
	}
	out, progress, code := run(t.Context(), "--conformance", dir)
	if code != 1 || !strings.Contains(progress, "1 of ") || !strings.Contains(out, "till.json: all is well\n  want ACCEPTED, 1299 guaranteed") ||
		!strings.Contains(out, "got  ACCEPTED, 1300 guaranteed") {
		t.Errorf("exit %d, %s\n%s", code, progress, out)
	}
	if text := explain(errNotConformant); !strings.Contains(text, "next: compare") {
		t.Errorf("explained as %s", text)
	}
}

// TestConformanceOfNothing: what is no file of vectors is a mistake in the
// command line, which names it and says what to do.
func TestConformanceOfNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notes.json")
	if err := os.WriteFile(file, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, filepath.Dir(file), t.TempDir(), "no-such-file.json"} {
		cmd := newCommand()
		cmd.SetArgs([]string{"--conformance", path})
		err := cmd.ExecuteContext(t.Context())
		if text := explain(err); exitCode(err) != 2 || !strings.Contains(text, path) || !strings.Contains(text, "next: vipaso-demo --conformance preauth/testdata/vectors") {
			t.Errorf("%s: exit %d, %s", path, exitCode(err), text)
		}
	}
	if _, progress, code := run(t.Context(), "--conformance", vectorDir, "--headless"); code != 2 || !strings.Contains(progress, "--conformance") {
		t.Errorf("with another flag: exit %d, %s", code, progress)
	}
}
