// Package build says which build of the product a program is.
package build

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// version is set by the linker in builds that make makes.
var version string

// shortCommit is how many digits of a commit people read.
const shortCommit = 12

// An Info is what a program was made from. Scripts rely on its JSON form.
type Info struct {
	Version string `json:"version"` // such as v0.3.0, or devel-4f71b61abcde-2026-11-21
	Commit  string `json:"commit"`  // empty if it was not recorded
	Dirty   bool   `json:"dirty"`   // files differed from the commit
	Go      string `json:"go"`
	OS      string `json:"os"`
	Arch    string `json:"arch"`
}

// This returns what the linker, or else the go command, wrote into the
// program.
func This() Info {
	recorded, _ := debug.ReadBuildInfo()
	return from(version, recorded)
}

// from reads what was recorded, which may be nil. A build without a version
// is named after its commit and that commit's day.
func from(linked string, recorded *debug.BuildInfo) Info {
	i := Info{Version: linked, Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	day := ""
	if recorded != nil {
		if i.Version == "" && recorded.Main.Version != "(devel)" {
			i.Version = recorded.Main.Version
		}
		for _, s := range recorded.Settings {
			switch s.Key {
			case "vcs.revision":
				i.Commit = s.Value
			case "vcs.time":
				day, _, _ = strings.Cut(s.Value, "T")
			case "vcs.modified":
				i.Dirty = s.Value == "true"
			}
		}
	}
	if i.Version == "" {
		i.Version = i.development(day)
	}
	return i
}

// development is the version of a build that has none.
func (i Info) development(day string) string {
	v := "devel"
	for _, part := range []string{i.short(), day} {
		if part != "" {
			v += "-" + part
		}
	}
	if i.Dirty {
		v += "+dirty"
	}
	return v
}

func (i Info) short() string { return i.Commit[:min(len(i.Commit), shortCommit)] }

// Line is i for people, on one line with the name of the program.
func (i Info) Line(program string) string {
	line := program + " " + i.Version
	if i.Commit != "" && !strings.Contains(i.Version, i.short()) {
		line += " commit " + i.short()
		if i.Dirty {
			line += " (changed)"
		}
	}
	return fmt.Sprintf("%s (%s %s/%s)", line, i.Go, i.OS, i.Arch)
}
