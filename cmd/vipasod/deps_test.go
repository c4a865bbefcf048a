package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const root = "../.."

// A pkg is what `go list -json` says of a package.
type pkg struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// name is the path below the module.
func (p pkg) name() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// graph asks the go command for the packages of the module.
func graph(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "list", "-e", "-json=ImportPath,Imports,Deps", "./...")
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v", err)
	}
	var list []pkg
	for dec := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := dec.Decode(&p); errors.Is(err, io.EOF) {
			return list
		} else if err != nil {
			t.Fatal(err)
		}
		list = append(list, p)
	}
}

// within reports whether path is prefix or below it.
func within(path, prefix string) bool {
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

// checkGraph lists the rules that packages break.
func checkGraph(list []pkg) []string {
	var broken []string
	for _, p := range list {
		broken = append(broken, checkExists(p)...)
		broken = append(broken, checkPureDeps(p)...)
		broken = append(broken, checkSoleImporters(p)...)
		broken = append(broken, checkStrangers(p)...)
	}
	return broken
}

func checkExists(p pkg) []string {
	for _, pattern := range packages {
		if ok, _ := path.Match(pattern, p.name()); ok {
			return nil
		}
	}
	return []string{p.name() + " is not in the list of packages"}
}

func checkPureDeps(p pkg) []string {
	if !slices.Contains(pure, p.name()) {
		return nil
	}
	var broken []string
	for _, dep := range p.Deps {
		for _, impure := range impureDeps {
			// Of the standard library only the package itself: decimal reaches
			// database/sql/driver, which is nothing but interfaces.
			if dep == impure || strings.Contains(impure, ".") && within(dep, impure) {
				broken = append(broken, fmt.Sprintf("%s is pure but reaches %s", p.name(), dep))
			}
		}
	}
	for _, imp := range p.Imports {
		if slices.Contains(impureImports, imp) {
			broken = append(broken, fmt.Sprintf("%s is pure but imports %s", p.name(), imp))
		}
	}
	return broken
}

func checkSoleImporters(p pkg) []string {
	var broken []string
	for _, imp := range p.Imports {
		for target, allowed := range soleImporters {
			if within(imp, target) && !slices.Contains(allowed, p.name()) {
				broken = append(broken, fmt.Sprintf("%s imports %s, which only %s may", p.name(), imp, strings.Join(allowed, ", ")))
			}
		}
	}
	return broken
}

func checkStrangers(p pkg) []string {
	var broken []string
	for _, imp := range p.Imports {
		if !within(imp, module) {
			continue
		}
		to := pkg{ImportPath: imp}.name()
		if slices.Contains(apart[p.name()], to) {
			broken = append(broken, fmt.Sprintf("%s may not know %s", p.name(), to))
			continue
		}
		if to == leaf && slices.Contains(soleImporters[imp], p.name()) {
			continue
		}
		for _, rule := range strangers {
			// A package is no stranger to what lies below its own rule's name.
			if within(p.name(), rule.from) && slices.ContainsFunc(rule.to, func(s string) bool { return within(to, s) }) {
				broken = append(broken, fmt.Sprintf("%s may not know %s (rule of %s)", p.name(), to, rule.from))
			}
		}
	}
	return broken
}

// TestDepsGraph holds the package graph.
func TestDepsGraph(t *testing.T) {
	list := graph(t)
	if len(list) < 10 {
		t.Fatalf("go list found only %d packages", len(list))
	}
	for _, b := range checkGraph(list) {
		t.Error(b)
	}
}

// TestDepsPureSource holds what a pure package may not say, and where gRPC
// codes are chosen.
func TestDepsPureSource(t *testing.T) {
	for _, f := range sources(t) {
		dir := filepath.ToSlash(filepath.Dir(f.path))
		if slices.Contains(pure, dir) && !f.test() {
			for _, b := range impurities(f) {
				t.Error(b)
			}
		}
		if !f.test() && !f.generated() && f.imports("google.golang.org/grpc/codes") && !slices.Contains(codesFiles, f.path) {
			t.Errorf("%s imports grpc/codes, which only %s may", f.path, strings.Join(codesFiles, ", "))
		}
	}
}

// TestDepsCheckers breaks each rule once.
func TestDepsCheckers(t *testing.T) {
	at := func(name string) string { return module + "/" + name }
	tests := []struct {
		name string
		pkg  pkg
		want string // empty: no rule is broken
	}{
		{"a package of the list", pkg{ImportPath: at("store"), Imports: []string{"os", "github.com/mattn/go-sqlite3", at("daemon/payment")}}, ""},
		{"generated code", pkg{ImportPath: at("proto/vipaso/peer/v1")}, ""},
		{"new package", pkg{ImportPath: at("utils")}, "not in the list"},
		{"new package below an old one", pkg{ImportPath: at("store/cache")}, "not in the list"},
		{"pure package reaches net", pkg{ImportPath: at("preauth"), Deps: []string{"fmt", "net"}}, "reaches net"},
		{"pure package reaches a part of grpc", pkg{ImportPath: at("preauth"), Deps: []string{"google.golang.org/grpc/status"}}, "reaches google"},
		{"pure package reaches the driver interfaces", pkg{ImportPath: at("preauth/money"), Deps: []string{"database/sql/driver", "net/netip"}}, ""},
		{"pure package locks", pkg{ImportPath: at("daemon/payment"), Imports: []string{"sync"}}, "imports sync"},
		{"SQLite outside the stores", pkg{ImportPath: at("daemon"), Imports: []string{"github.com/mattn/go-sqlite3"}}, "which only store"},
		{"go-ble outside its adapter", pkg{ImportPath: at("ble/radio"), Imports: []string{"github.com/go-ble/ble/linux"}}, "which only ble/hci"},
		{"device uses the backend's ledger", pkg{ImportPath: at("store"), Imports: []string{at("preauth/ledger")}}, "which only syncer/backend"},
		{"domain knows an adapter", pkg{ImportPath: at("preauth/money"), Imports: []string{at("store")}}, "may not know store (rule of preauth)"},
		{"store knows the radio", pkg{ImportPath: at("store"), Imports: []string{at("ble/link")}}, "may not know ble/link"},
		{"radio knows the store", pkg{ImportPath: at("ble/secure"), Imports: []string{at("store")}}, "may not know store"},
		{"syncer knows the store", pkg{ImportPath: at("syncer"), Imports: []string{at("store")}}, "may not know store"},
		{"store knows the daemon", pkg{ImportPath: at("store"), Imports: []string{at("daemon")}}, "may not know daemon"},
		{"ledger counts with the device", pkg{ImportPath: at("preauth/ledger"), Imports: []string{at("preauth")}}, "may not know preauth"},
		{"daemon picks a radio", pkg{ImportPath: at("daemon"), Imports: []string{at("ble/sim")}}, "may not know ble/sim"},
		{"vipasoctl looks into the store", pkg{ImportPath: at("cmd/vipasoctl"), Imports: []string{at("store")}}, "may not know store"},
		{"vipasoctl wires a device", pkg{ImportPath: at("cmd/vipasoctl"), Imports: []string{at("cmd/internal/device")}}, "may not know cmd/internal/device"},
		{"vipasoctl names its build", pkg{ImportPath: at("cmd/vipasoctl"), Imports: []string{at("cmd/internal/build")}}, ""},
		{"vipasoctl explains reasons", pkg{ImportPath: at("cmd/vipasoctl"), Imports: []string{at("daemon/catalogue")}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			broken := strings.Join(checkGraph([]pkg{test.pkg}), "\n")
			if test.want == "" && broken != "" || !strings.Contains(broken, test.want) {
				t.Errorf("broken rules %q, want %q", broken, test.want)
			}
		})
	}
}
