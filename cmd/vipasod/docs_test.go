package main

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// linesMax bounds a file that is written by hand.
const linesMax = 500

// A source is one parsed Go file, with its path below the module.
type source struct {
	path  string
	text  []byte
	file  *ast.File
	files *token.FileSet
}

func parse(path string, text []byte) (source, error) {
	files := token.NewFileSet()
	file, err := parser.ParseFile(files, path, text, parser.ParseComments|parser.SkipObjectResolution)
	return source{filepath.ToSlash(path), text, file, files}, err
}

func (s source) test() bool      { return strings.HasSuffix(s.path, "_test.go") }
func (s source) generated() bool { return ast.IsGenerated(s.file) }

func (s source) imports(path string) bool {
	return slices.ContainsFunc(s.file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == strconv.Quote(path) })
}

// at says where n is and what is wrong there.
func (s source) at(n ast.Node, format string, args ...any) string {
	return fmt.Sprintf("%s:%d: %s", s.path, s.files.Position(n.Pos()).Line, fmt.Sprintf(format, args...))
}

// sources reads every Go file of the module, those behind build tags too.
func sources(t *testing.T) []source {
	t.Helper()
	var list []source
	err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && (d.Name() == "testdata" || name != root && strings.HasPrefix(d.Name(), ".")) {
			return filepath.SkipDir
		}
		if d.IsDir() || filepath.Ext(name) != ".go" {
			return nil
		}
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		below, err := filepath.Rel(root, name)
		if err != nil {
			return err
		}
		s, err := parse(below, text)
		list = append(list, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(list) < 30 {
		t.Fatalf("found only %d Go files", len(list))
	}
	return list
}

// impurities lists what a pure file may not say.
func impurities(s source) []string {
	var broken []string
	for _, imp := range s.file.Imports {
		if p, _ := strconv.Unquote(imp.Path.Value); slices.Contains(impureImports, p) {
			broken = append(broken, s.at(imp, "pure code imports %s", p))
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			broken = append(broken, s.at(n, "pure code starts a goroutine"))
		case *ast.SelectorExpr:
			if selects(n, "time", impureTime) {
				broken = append(broken, s.at(n, "pure code uses time.%s", n.Sel.Name))
			}
		}
		return true
	})
	return broken
}

// selects reports whether e is x.name for one of the names.
func selects(e *ast.SelectorExpr, x string, names []string) bool {
	id, ok := e.X.(*ast.Ident)
	return ok && id.Name == x && slices.Contains(names, e.Sel.Name)
}

// undocumented lists the exported declarations of a file without a comment.
func undocumented(s source) []string {
	var broken []string
	for _, d := range s.file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && (d.Recv == nil || receiverExported(d.Recv)) {
				broken = append(broken, s.at(d, "exported %s has no doc comment", d.Name.Name))
			}
		case *ast.GenDecl:
			if d.Doc != nil && (d.Lparen.IsValid() || len(d.Specs) == 1) && d.Tok != token.TYPE {
				continue // the comment of a group of constants speaks for it
			}
			for _, spec := range d.Specs {
				broken = append(broken, undocumentedSpec(s, d, spec)...)
			}
		}
	}
	return broken
}

func undocumentedSpec(s source, d *ast.GenDecl, spec ast.Spec) []string {
	var broken []string
	switch spec := spec.(type) {
	case *ast.TypeSpec:
		// A comment above a group speaks for the aliases in it.
		if spec.Name.IsExported() && spec.Doc == nil && (d.Doc == nil || d.Lparen.IsValid() && !spec.Assign.IsValid()) {
			broken = append(broken, s.at(spec, "exported type %s has no doc comment", spec.Name.Name))
		}
	case *ast.ValueSpec:
		for _, name := range spec.Names {
			if name.IsExported() && spec.Doc == nil && spec.Comment == nil {
				broken = append(broken, s.at(name, "exported %s has no doc comment", name.Name))
			}
		}
	}
	return broken
}

func receiverExported(recv *ast.FieldList) bool {
	t := recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.IsExported()
		default:
			return false
		}
	}
}

// habits lists what no file written by hand may do.
func habits(s source) []string {
	var broken []string
	if lines := bytes.Count(s.text, []byte("\n")); lines > linesMax {
		broken = append(broken, fmt.Sprintf("%s has %d lines, more than %d", s.path, lines, linesMax))
	}
	unfinished := regexp.MustCompile(`\b(TODO|FIXME)\b`)
	for _, c := range s.file.Comments {
		if unfinished.MatchString(c.Text()) {
			broken = append(broken, s.at(c, "unfinished: %s", strings.TrimSpace(c.Text())))
		}
	}
	ast.Inspect(s.file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncDecl:
			if n.Name.Name == "init" && n.Recv == nil {
				broken = append(broken, s.at(n, "init function"))
			}
		case *ast.SelectorExpr:
			if !s.test() {
				return true
			}
			if selects(n, "time", []string{"Sleep"}) {
				broken = append(broken, s.at(n, "a test sleeps"))
			}
			for _, x := range []string{"t", "b", "f", "tb"} {
				if selects(n, x, []string{"Skip", "Skipf", "SkipNow"}) {
					broken = append(broken, s.at(n, "a test is skipped"))
				}
			}
		}
		return true
	})
	return broken
}

// TestDocs holds what every file written by hand has: documentation, a size
// that can be read, and no habit that hides a failure.
func TestDocs(t *testing.T) {
	documented := map[string]bool{}
	for _, s := range sources(t) {
		if s.generated() {
			continue // the .proto files carry the documentation
		}
		dir := filepath.Dir(s.path)
		documented[dir] = documented[dir] || s.file.Doc != nil && !s.test()
		broken := habits(s)
		if !s.test() {
			broken = append(broken, undocumented(s)...)
		}
		for _, b := range broken {
			t.Error(b)
		}
	}
	for dir, ok := range documented {
		if !ok {
			t.Errorf("package %s has no doc comment", dir)
		}
	}
}

// TestDocsCheckers breaks each rule once.
func TestDocsCheckers(t *testing.T) {
	tests := []struct {
		name, path, text, want string
	}{
		{"clean", "a.go", "// F says why.\nfunc F() {}\n\n// T is a type.\ntype T struct{}\n\n// M is a method.\nfunc (t *T) M() {}\n", ""},
		{"unexported", "a.go", "func f() {}\n\ntype t struct{}\n\nfunc (t t) M() {}\n", ""},
		{"function", "a.go", "func F() {}\n", "exported F has no doc comment"},
		{"method", "a.go", "// T is a type.\ntype T[M any] struct{}\n\nfunc (t *T[M]) M() {}\n", "exported M has no doc comment"},
		{"type", "a.go", "type T int\n", "exported type T"},
		{"type in a group", "a.go", "// Types.\ntype (\n\tT int\n)\n", "exported type T"},
		{"aliases in a group", "a.go", "// Kinds.\ntype (\n\tT = int\n)\n", ""},
		{"constant", "a.go", "const C = 1\n", "exported C"},
		{"constants in a group", "a.go", "// The roles.\nconst (\n\tA = 1\n\tB = 2\n)\n", ""},
		{"constant with a comment behind it", "a.go", "const (\n\tA = 1 // first\n\tB = 2\n)\n", "exported B"},
		{"init", "a.go", "func init() {}\n", "init function"},
		{"unfinished", "a.go", "// TO" + "DO: later\n", "unfinished"},
		{"too long", "a.go", strings.Repeat("\n", linesMax), "more than 500"},
		{"sleeping test", "a_test.go", "func f() { time.Sleep(1) }\n", "a test sleeps"},
		{"sleeping program", "a.go", "func f() { time.Sleep(1) }\n", ""},
		{"skipped test", "a_test.go", "func f(t *testing.T) { t.Skip() }\n", "a test is skipped"},
		{"goroutine", "a.go", "func f() { go f() }\n", "pure: starts a goroutine"},
		{"clock", "a.go", "func f() { time.Now() }\n", "pure: uses time.Now"},
		{"clock by value", "a.go", "var now = time.Now\n", "pure: uses time.Now"},
		{"lock", "a.go", "import \"sync\"\n", "pure: imports sync"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := parse(test.path, []byte("package a\n\n"+test.text))
			if err != nil {
				t.Fatal(err)
			}
			var broken []string
			want, isPure := strings.CutPrefix(test.want, "pure: ")
			if isPure {
				broken = impurities(s)
			} else {
				broken = append(habits(s), undocumented(s)...)
			}
			if test.want == "" && len(broken) > 0 || !strings.Contains(strings.Join(broken, "\n"), want) {
				t.Errorf("broken rules %q, want %q", broken, test.want)
			}
		})
	}
}
