package catalogue

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// TestReasonsInCode finds the reasons that the program itself gives: what
// package preauth refuses with, and everything in the tables from errors to
// reasons.
func TestReasonsInCode(t *testing.T) {
	tables, err := filepath.Glob("../../preauth/*.go")
	if err != nil || len(tables) == 0 {
		t.Fatalf("found %d files of package preauth: %v", len(tables), err)
	}
	for _, table := range []string{"daemon/errors.go", "syncer/errors.go", "syncer/backend/errors.go", "cmd/vipasod/explain.go"} {
		if path := filepath.Join("../..", table); exists(path) {
			tables = append(tables, path)
		}
	}
	given := 0
	for _, path := range tables {
		for _, code := range reasonsGiven(t, path) {
			given++
			if _, ok := Lookup(code); !ok {
				t.Errorf("%s gives %s, which the catalogue does not explain", path, code)
			}
		}
	}
	if given < 15 {
		t.Errorf("found only %d reasons", given)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// reasonsGiven lists the texts in capitals in a file; in package preauth only
// those that a refusal is made of, because states are in capitals there too.
func reasonsGiven(t *testing.T, path string) []string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	capitals := regexp.MustCompile(`^[A-Z]+(_[A-Z]+)+$|^[A-Z]{5,}$`)
	var codes []string
	ast.Inspect(file, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok && file.Name.Name == "preauth" {
			if f, ok := call.Fun.(*ast.Ident); ok && f.Name == "refusal" {
				codes = append(codes, literal(call.Args[0]))
			}
			return true
		}
		if e, ok := n.(ast.Expr); ok && file.Name.Name != "preauth" && capitals.MatchString(literal(e)) {
			codes = append(codes, literal(e))
		}
		return true
	})
	return codes
}

// literal is the text of a string literal, and empty for other expressions.
func literal(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	text, _ := strconv.Unquote(lit.Value)
	return text
}
