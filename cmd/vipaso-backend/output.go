package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// A printer writes what commands found: one compact JSON object per line for
// scripts, or text for people.
type printer struct {
	w    io.Writer
	json bool
}

// field is one named value. Values are text, so that no reader rounds them.
type field struct{ name, value string }

// created prints the one id a create command makes.
func (p printer) created(name, value string) error {
	if p.json {
		return p.object(map[string]string{name: value})
	}
	_, err := fmt.Fprintln(p.w, value)
	return err
}

func (p printer) object(v any) error {
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(p.w, "%s\n", b)
	return err
}

// table prints rows under headings.
func (p printer) table(headings []string, rows [][]string) error {
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{headings}, rows...) {
		if _, err := fmt.Fprintln(t, strings.TrimRight(strings.Join(row, "\t"), "\t")); err != nil {
			return err
		}
	}
	return t.Flush()
}

// fields prints names and values below each other.
func (p printer) fields(all ...field) error {
	t := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	for _, f := range all {
		if _, err := fmt.Fprintf(t, "%s\t%s\n", f.name, f.value); err != nil {
			return err
		}
	}
	return t.Flush()
}

// when writes a time, or nothing if there is none.
func when(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
