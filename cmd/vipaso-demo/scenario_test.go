package main

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
)

var update = flag.Bool("update", false, "write the golden traces")

// TestScenarios plays every scenario in one process under a virtual clock,
// and compares what each device told of itself with a golden trace.
func TestScenarios(t *testing.T) {
	for _, sc := range scenarios {
		t.Run(sc.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { playInside(t, sc) })
		})
	}
}

func playInside(t *testing.T, sc scenario) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := build(ctx, newBubble(t), sc.cast, nil)
	if err != nil {
		t.Fatal(err)
	}
	a, err := s.enact(sc)
	if err != nil {
		t.Errorf("%v\n%s", err, trace(s, a))
	} else {
		for _, p := range a.problems {
			t.Error(p)
		}
		compare(t, filepath.Join("testdata", "traces", sc.name+".txt"), trace(s, a))
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

func compare(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; got:\n%s", path, got)
	}
}
