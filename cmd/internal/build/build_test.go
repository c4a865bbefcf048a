package build

import (
	"runtime"
	"runtime/debug"
	"testing"
)

func TestFrom(t *testing.T) {
	recorded := func(version string, settings ...string) *debug.BuildInfo {
		b := &debug.BuildInfo{Main: debug.Module{Version: version}}
		for i := 0; i < len(settings); i += 2 {
			b.Settings = append(b.Settings, debug.BuildSetting{Key: settings[i], Value: settings[i+1]})
		}
		return b
	}
	commit := []string{"vcs.revision", "4f71b61abcde0123456789abcdef0123456789ab", "vcs.time", "2026-11-21T11:44:17Z"}
	where := " (" + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH + ")"
	tests := []struct {
		name          string
		linked        string
		recorded      *debug.BuildInfo
		version, line string
	}{
		{"by make", "v0.3.0", recorded("(devel)"), "v0.3.0", "p v0.3.0"},
		{"by make, with a commit", "v0.3.0", recorded("(devel)", append(commit, "vcs.modified", "true")...), "v0.3.0", "p v0.3.0 commit 4f71b61abcde (changed)"},
		{"go install", "", recorded("v0.3.0"), "v0.3.0", "p v0.3.0"},
		{"pseudo-version", "", recorded("v0.0.0-20261121114417-4f71b61abcde", commit...), "v0.0.0-20261121114417-4f71b61abcde", "p v0.0.0-20261121114417-4f71b61abcde"},
		{"git build", "", recorded("(devel)", commit...), "devel-4f71b61abcde-2026-11-21", "p devel-4f71b61abcde-2026-11-21"},
		{"git build, changed", "", recorded("", append(commit, "vcs.modified", "true")...), "devel-4f71b61abcde-2026-11-21+dirty", "p devel-4f71b61abcde-2026-11-21+dirty"},
		{"no repository", "", recorded("(devel)"), "devel", "p devel"},
		{"nothing recorded", "", nil, "devel", "p devel"},
	}
	for _, test := range tests {
		i := from(test.linked, test.recorded)
		if i.Version != test.version || i.Line("p") != test.line+where {
			t.Errorf("%s: version %q, line %q, want %q, %q", test.name, i.Version, i.Line("p"), test.version, test.line+where)
		}
	}
}

// TestThis: this test is a build, too.
func TestThis(t *testing.T) {
	if i := This(); i.Version == "" || i.Version == "(devel)" || i.Go != runtime.Version() {
		t.Errorf("this build is %+v", i)
	}
}
