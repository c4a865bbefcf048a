package report

import (
	"os"
	"path/filepath"
	"testing"
)

func TestResultsAreReadAsTheyWereSaved(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "out")
	if err := Save(dir, "kills.json", Kills{Killed: 7}); err != nil {
		t.Fatal(err)
	}
	r, err := Load(dir)
	if err != nil || r.Kills == nil || r.Kills.Killed != 7 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r.Simulation != nil {
		t.Error("what was not run is there")
	}
	if err := Save("", "kills.json", 7); err != nil {
		t.Errorf("without a directory: %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "pairs.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(dir); err == nil {
		t.Error("half a file is read")
	}
}
