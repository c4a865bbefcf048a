package main

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/vipaso/vipasod/daemon/catalogue"
)

// nextExample is the next step where nothing closer is known.
const nextExample = "Compare it with `vipasod config example`, then `vipasod config check FILE`."

// A Problem is one thing that is wrong with the configuration.
type Problem struct {
	Key    string // such as radio.adapter; empty if it is not about one
	Origin string // where the value was set, such as /etc/vipasod/vipasod.toml:3
	Source string // the line with a caret under the place; empty if not from a file
	What   string // what is wrong
	Why    string // why it matters
	Next   string // what to do
}

// An InvalidError lists everything that is wrong with a configuration.
type InvalidError struct {
	Problems []Problem
}

// Error is one line per problem.
func (e *InvalidError) Error() string {
	lines := make([]string, len(e.Problems))
	for i, p := range e.Problems {
		lines[i] = p.Origin + ": " + p.What
	}
	return strings.Join(lines, "\n")
}

// Explain is the whole story, for people.
func (e *InvalidError) Explain() string {
	var b strings.Builder
	for i, p := range e.Problems {
		if i > 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s  %s\nwhat   %s\n%swhy    %s\nnext   %s\n",
			catalogue.ConfigInvalid, p.Origin, p.What, p.Source, p.Why, p.Next)
	}
	return b.String()
}

// excerpt is the line of s with carets under s, and an empty string if the
// file has no such line.
func excerpt(file []byte, s span) string {
	lines := bytes.Split(file, []byte("\n"))
	if s.line < 1 || s.line > len(lines) {
		return ""
	}
	line := strings.ReplaceAll(strings.TrimRight(string(lines[s.line-1]), "\r"), "\t", " ")
	pad := min(max(s.column-1, 0), len(line))
	carets := min(max(s.length, 1), max(len(line)-pad, 1))
	number := fmt.Sprint(s.line)
	return fmt.Sprintf("  %s | %s\n  %*s | %s%s\n",
		number, line, len(number), "", strings.Repeat(" ", pad), strings.Repeat("^", carets))
}

// nearest is the known key that was probably meant by an unknown one.
func nearest(key string) string {
	best, bestDistance := "", 3
	for _, s := range settings(&Config{}) {
		if d := distance(s.key, key); d < bestDistance {
			best, bestDistance = s.key, d
		}
	}
	return best
}

// distance counts the letters to change, add or take away to get from a to b.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
