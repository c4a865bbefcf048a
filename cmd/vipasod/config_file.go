package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// A span is a place in a configuration file: a line, and what to underline
// in it. Lines and columns start at 1.
type span struct {
	line, column, length int
}

// decode reads file over c. The error is an *InvalidError.
func (c *Config) decode(path string, file []byte) error {
	dec := toml.NewDecoder(bytes.NewReader(file)).DisallowUnknownFields()
	err := dec.Decode(c)
	if err == nil {
		return nil
	}
	var unknown *toml.StrictMissingError
	if errors.As(err, &unknown) {
		var problems []Problem
		for i := range unknown.Errors {
			problems = append(problems, unknownKey(path, file, &unknown.Errors[i]))
		}
		return &InvalidError{problems}
	}
	var wrong *toml.DecodeError
	if errors.As(err, &wrong) {
		return &InvalidError{[]Problem{unreadable(path, file, wrong)}}
	}
	return &InvalidError{[]Problem{{
		Origin: path, What: strings.TrimPrefix(err.Error(), "toml: "),
		Why: "The file is not valid TOML.", Next: nextExample,
	}}}
}

// unknownKey explains a key that the configuration does not have.
func unknownKey(path string, file []byte, e *toml.DecodeError) Problem {
	key := strings.Join(e.Key(), ".")
	line, column := e.Position()
	p := Problem{
		Key: key, Origin: at(path, line), What: fmt.Sprintf("unknown key %q", key),
		Source: excerpt(file, span{line, column, len(last(e.Key()))}),
		Why:    "A key that is not known is refused, because ignoring it would hide a mistake.",
		Next:   nextExample,
	}
	if near := nearest(key); near != "" {
		p.Next = fmt.Sprintf("Write %q, if that is meant; `vipasod config example` shows every key.", last(strings.Split(near, ".")))
	}
	return p
}

// unreadable explains bad syntax or a value of the wrong type.
func unreadable(path string, file []byte, e *toml.DecodeError) Problem {
	line, column := e.Position()
	p := Problem{
		Origin: at(path, line), What: strings.TrimPrefix(e.Error(), "toml: "),
		Source: excerpt(file, span{line, column, 1}),
		Why:    "The file cannot be read past this point.",
		Next:   nextExample,
	}
	for key, s := range spans(file) {
		if s.line != line {
			continue
		}
		for _, known := range settings(&Config{}) {
			if known.key == key {
				p.Key, p.Source = key, excerpt(file, s)
				p.Why = key + " takes " + known.takes() + "."
			}
		}
	}
	if strings.HasPrefix(p.What, "cannot decode TOML") { // the library speaks of Go types
		p.What = "wrong kind of value"
	}
	return p
}

// spans finds the value of every key of file, by its dotted name, as far as
// the file can be parsed.
func spans(file []byte) map[string]span {
	found := map[string]span{}
	p := unstable.Parser{}
	p.Reset(file)
	table := ""
	for p.NextExpression() {
		switch e := p.Expression(); e.Kind {
		case unstable.Table, unstable.ArrayTable:
			table = dotted("", e)
			found[table] = place(&p, keyNode(e))
		case unstable.KeyValue:
			note(&p, found, table, e)
		}
	}
	return found
}

// note adds the pair e of a table, and the pairs of an inline table.
func note(p *unstable.Parser, found map[string]span, table string, e *unstable.Node) {
	key := dotted(table, e)
	found[key] = place(p, keyNode(e))
	if e.Value().Raw.Length > 0 {
		found[key] = place(p, e.Value())
	}
	if e.Value().Kind == unstable.InlineTable {
		for it := e.Value().Children(); it.Next(); {
			note(p, found, key, it.Node())
		}
	}
}

func place(p *unstable.Parser, n *unstable.Node) span {
	s := p.Shape(n.Raw)
	return span{s.Start.Line, s.Start.Column, s.End.Offset - s.Start.Offset}
}

// keyNode is the first part of the key of a table or pair.
func keyNode(e *unstable.Node) *unstable.Node {
	it := e.Key()
	it.Next()
	return it.Node()
}

func dotted(table string, e *unstable.Node) string {
	var parts []string
	if table != "" {
		parts = append(parts, table)
	}
	for it := e.Key(); it.Next(); {
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, ".")
}

func last(parts []string) string { return parts[len(parts)-1] }

func at(path string, line int) string { return fmt.Sprintf("%s:%d", path, line) }
