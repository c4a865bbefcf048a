package linktest

import (
	"bytes"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"
)

// Page is a page with examples in hex, such as ble/PROTOCOL.md. An example is a
// fenced block whose first line is "hex" and its name; what follows a # in a
// line of it is for people.
type Page struct {
	t      testing.TB
	path   string
	names  []string
	blocks map[string][]byte
}

var (
	block   = regexp.MustCompile("(?ms)^```hex ([^\n]+)\n(.*?)^```$")
	comment = regexp.MustCompile("(?m)#.*$")
)

// ReadPage reads a page. Names must not repeat.
func ReadPage(t testing.TB, path string) *Page {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	p := &Page{t: t, path: path, blocks: map[string][]byte{}}
	for _, m := range block.FindAllSubmatch(text, -1) {
		name := string(m[1])
		b, err := hex.DecodeString(strings.Join(strings.Fields(string(comment.ReplaceAll(m[2], nil))), ""))
		if err != nil {
			t.Fatalf("%s: example %q: %v", path, name, err)
		}
		if p.blocks[name] != nil {
			t.Fatalf("%s: two examples %q", path, name)
		}
		p.names, p.blocks[name] = append(p.names, name), b
	}
	return p
}

// Names returns the names of the examples in their order.
func (p *Page) Names() []string { return p.names }

// Bytes returns an example, which must be there.
func (p *Page) Bytes(name string) []byte {
	p.t.Helper()
	b, ok := p.blocks[name]
	if !ok {
		p.t.Fatalf("%s: no example %q", p.path, name)
	}
	return bytes.Clone(b)
}

// Is checks that an example is what the code makes. With UPDATE in the
// environment it writes the page anew.
func (p *Page) Is(name string, want []byte) {
	p.t.Helper()
	if bytes.Equal(p.Bytes(name), want) {
		return
	}
	if os.Getenv("UPDATE") == "" {
		p.t.Errorf("%s: example %q is\n%x, the code makes\n%x", p.path, name, p.Bytes(name), want)
		return
	}
	p.rewrite(name, want)
}

func (p *Page) rewrite(name string, want []byte) {
	p.t.Helper()
	text, err := os.ReadFile(p.path)
	if err != nil {
		p.t.Fatal(err)
	}
	var lines strings.Builder
	for rest := want; len(rest) > 0; {
		n := min(len(rest), 40)
		lines.WriteString(hex.EncodeToString(rest[:n]) + "\n")
		rest = rest[n:]
	}
	text = block.ReplaceAllFunc(text, func(b []byte) []byte {
		if string(block.FindSubmatch(b)[1]) != name {
			return b
		}
		return []byte("```hex " + name + "\n" + lines.String() + "```")
	})
	if err := os.WriteFile(p.path, text, 0o644); err != nil {
		p.t.Fatal(err)
	}
	p.blocks[name] = want
}
