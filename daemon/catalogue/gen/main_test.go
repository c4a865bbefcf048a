package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/vipaso/vipasod/daemon/catalogue"
)

const root = "../../.."

func TestGeneratedFilesAreUpToDate(t *testing.T) {
	files, err := render(catalogue.All())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is stale: run go generate ./daemon/catalogue", name)
		}
	}
}

func TestRunWritesFiles(t *testing.T) {
	dir := t.TempDir()
	for _, sub := range []string{"daemon/catalogue", "deploy"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	source, err := os.ReadFile(filepath.Join(root, "daemon/catalogue/errors.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "daemon/catalogue/errors.toml"), source, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := run([]string{dir}); err != nil {
		t.Fatal(err)
	}
	files, err := render(catalogue.All())
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		if got, err := os.ReadFile(filepath.Join(dir, name)); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s was not written as rendered (%v)", name, err)
		}
	}
}

func TestIdentifier(t *testing.T) {
	tests := map[string]string{
		"REQUEST_ID_REUSED": "RequestIDReused",
		"OFFLINE":           "Offline",
		"ADAPTER_RFKILL":    "AdapterRfkill",
	}
	for code, want := range tests {
		if got := identifier(code); got != want {
			t.Errorf("identifier(%q) = %q, want %q", code, got, want)
		}
	}
}
