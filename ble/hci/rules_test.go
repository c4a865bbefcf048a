package hci

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Some faults of go-ble are met by never calling what has them.
var (
	// never are functions and methods of go-ble, with what is wrong.
	never = map[string]string{
		"Signal":             "P14: sends on a channel that it closes",
		"OptListenerTimeout": "H14: the next connection would stop the reader for good",
		"NewDevice":          "its accept loop runs where nothing can recover",
		"Connect":            "blocks, and appends without a lock",
		"Find":               "blocks, and appends without a lock",
		"CancelConnection":   "H9: takes a lock that a lost buffer keeps",
		"LocalName":          "P13: panics on malformed advertisements",
		"Services":           "P13: panics on malformed advertisements",
		"ManufacturerData":   "P13: panics on malformed advertisements",
		"SolicitedService":   "P13: panics on malformed advertisements",
		"ReadRSSI":           "waits without limit",
	}
	// only are the methods of go-ble's HCI that may be called. Dial loses
	// connections (H10 to H12), Stop waits for the reader (H15), Advertise
	// switches advertising off and on by itself.
	only = []string{"Accept", "Addr", "Close", "Done", "Error", "Scan", "Send", "SetAdvHandler", "SetDisconnectedHandler", "StopScanning"}
)

// violations lists what a file calls and must not. Close of the HCI waits for
// its reader as well (H15), so it is called only with a limit, inside within.
func violations(file *ast.File) (list []string) {
	var limited []ast.Node
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && name(call.Fun) == "within" {
			limited = append(limited, call)
		}
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		if why := never[method.Sel.Name]; why != "" {
			list = append(list, fmt.Sprintf("%s is called: %s", method.Sel.Name, why))
		}
		if name(method.X) != "dev" {
			return true
		}
		within := slices.ContainsFunc(limited, func(w ast.Node) bool { return w.Pos() < call.Pos() && call.End() < w.End() })
		if !slices.Contains(only, method.Sel.Name) || method.Sel.Name == "Close" && !within {
			list = append(list, fmt.Sprintf("%s of the HCI is called", method.Sel.Name))
		}
		return true
	})
	return list
}

// name is the last name of an expression such as r.dev.
func name(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return e.Sel.Name
	}
	return ""
}

// TestRules keeps to what may be called of go-ble.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 10 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range violations(file) {
			t.Errorf("%s: %s", path, v)
		}
	}
}

// TestRulesBroken breaks each rule once.
func TestRulesBroken(t *testing.T) {
	for code, want := range map[string]int{
		`c.Signal(nil, nil)`:                    1,
		`hci.NewHCI(ble.OptListenerTimeout(1))`: 1,
		`r.dev.Stop()`:                          1,
		`r.dev.Dial(ctx, a)`:                    1,
		`r.dev.Close()`:                         1,
		`a.Services()`:                          1,
		`r.within(1, "close", func() error { return r.dev.Close() })`: 0,
		`r.dev.Send(c, nil)`: 0,
	} {
		file, err := parser.ParseFile(token.NewFileSet(), "a.go", "package a\nfunc f() { "+code+" }", 0)
		if err != nil {
			t.Fatal(err)
		}
		if got := violations(file); len(got) != want {
			t.Errorf("%s: %q", code, got)
		}
	}
}
