package main

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vipaso/vipasod/cmd/internal/build"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// call runs the program.
func call(t *testing.T, env []string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(t.Context(), args, &out, &errs, env)
	return out.String(), errs.String(), code
}

// golden compares got with a file, or rewrites it.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs (go test -update rewrites it):\n%s", path, got)
	}
}

// TestConfigExample keeps the samples, and the one that is packaged.
func TestConfigExample(t *testing.T) {
	tests := []struct {
		path string
		args []string
	}{
		{"../../deploy/vipasod.toml", nil},
		{"testdata/config-business.golden", []string{"--role", "business"}},
		{"testdata/config-customer.golden", []string{"--role", "customer"}},
	}
	for _, test := range tests {
		t.Run(filepath.Base(test.path), func(t *testing.T) {
			out, errs, code := call(t, nil, append([]string{"config", "example"}, test.args...)...)
			if code != exitOK || errs != "" {
				t.Fatalf("exit %d: %s", code, errs)
			}
			golden(t, test.path, out)
			out, errs, code = call(t, nil, "config", "check", test.path)
			if code != exitOK || out != test.path+": ok\n" {
				t.Errorf("config check = %q, %q, %d", out, errs, code)
			}
		})
	}
}

// TestConfigShowIsAConfig reads what config show prints.
func TestConfigShowIsAConfig(t *testing.T) {
	env := []string{"VIPASO_LOG_LEVEL=debug"}
	out, errs, code := call(t, env, "config", "show", "--config", "testdata/config-business.golden", "--set", "backend.splay=1s")
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errs)
	}
	shown, _, err := Load(write(t, out), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	direct, _, err := Load("testdata/config-business.golden", env, map[string]string{"backend.splay": "1s"})
	if err != nil {
		t.Fatal(err)
	}
	var again bytes.Buffer
	if err := writeConfig(&again, direct, nil); err != nil {
		t.Fatal(err)
	}
	var want bytes.Buffer
	if err := writeConfig(&want, shown, nil); err != nil || want.String() != again.String() {
		t.Errorf("config show printed %s, want %s (%v)", want.String(), again.String(), err)
	}
	for _, origin := range []string{"# default", "# environment VIPASO_LOG_LEVEL", "# flag --set", "# testdata/config-business.golden:5"} {
		if !strings.Contains(out, origin) {
			t.Errorf("config show does not say %q:\n%s", origin, out)
		}
	}
}

func TestExitCodes(t *testing.T) {
	bad := write(t, "role = \"business\"\nadaptor = 1\n")
	tests := []struct {
		name   string
		args   []string
		code   int
		stderr string
	}{
		{"unknown key", []string{"config", "check", bad}, exitConfig, "2 | adaptor = 1\n    | ^^^^^^^"},
		{"unknown key when run", []string{"run", "--config", bad}, exitConfig, "unknown key"},
		{"run without a command", []string{"--config", bad}, exitConfig, "unknown key"},
		{"no such file", []string{"config", "check", bad + ".no"}, exitConfig, "no such file"},
		{"no such file when run", []string{"--config", bad + ".no"}, exitConfig, "no such file"},
		{"no name of a file", []string{"config", "check", ""}, exitUsage, "file is empty\nnext: vipasod config check --help\n"},
		{"no name of a file when run", []string{"--config", "", "--set", "role=business"}, exitUsage, "file is empty\nnext: vipasod help\n"},
		{"unknown command", []string{"ruin"}, exitUsage, "vipasod help"},
		{"unknown command below config", []string{"config", "chek"}, exitUsage, "unknown command"},
		{"no file named", []string{"config", "check"}, exitUsage, "wants FILE\nnext: vipasod config check --help\n"},
		{"unknown flag", []string{"config", "show", "--color"}, exitUsage, "unknown flag: --color\nnext: vipasod config show --help\n"},
		{"yes or no", []string{"version", "--json=maybe"}, exitUsage, "--json takes true or false, not \"maybe\"\nnext: vipasod version --help\n"},
		{"bad --set", []string{"config", "show", "--set", "role"}, exitUsage, "KEY=VALUE"},
		{"bad role for the sample", []string{"config", "example", "--role", "till"}, exitUsage, "neither business nor customer"},
		{"unknown role by flag", []string{"config", "show", "--config", "testdata/config-business.golden", "--set", "role=till"}, exitConfig, "flag --set"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, errs, code := call(t, nil, test.args...)
			if code != test.code || !strings.Contains(errs, test.stderr) {
				t.Errorf("exit %d, want %d; stderr %q, want %q in it", code, test.code, errs, test.stderr)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	out, _, code := call(t, nil, "version")
	if code != exitOK || !strings.HasPrefix(out, "vipasod ") || strings.Contains(out, "(devel)") {
		t.Errorf("version = %q, %d", out, code)
	}
	out, _, code = call(t, nil, "version", "--json")
	var b build.Info
	if err := json.Unmarshal([]byte(out), &b); err != nil || code != exitOK || b.Go == "" || b.OS == "" {
		t.Errorf("version --json = %q, %d, %v", out, code, err)
	}
}
