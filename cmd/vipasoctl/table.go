package main

import (
	"strings"
	"unicode/utf8"
)

// A table is columns of harmless text, as wide as their widest cell.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) {
	for i := range cells {
		cells[i] = clean(cells[i])
	}
	t.rows = append(t.rows, cells)
}

// printTable prints t, or says on stderr that there is nothing in it.
func (a *app) printTable(t *table, empty string) {
	if len(t.rows) == 0 {
		a.note("%s", empty)
		return
	}
	widths := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	a.printf("%s\n", a.stdout.bold(a, line(t.head, widths)))
	for _, row := range t.rows {
		a.printf("%s\n", line(row, widths))
	}
}

func line(cells []string, widths []int) string {
	var b strings.Builder
	for i, cell := range cells {
		b.WriteString(pad(cell, widths[i]+2))
	}
	return strings.TrimRight(b.String(), " ")
}
