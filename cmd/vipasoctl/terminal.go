package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// terminal is whether somebody looks at o.
func (o *output) terminal() bool {
	f, ok := o.w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// coloured is whether o takes colours: a terminal, and nobody asked for none
// (no-color.org).
func (o *output) coloured(a *app) bool {
	return a.env("NO_COLOR") == "" && a.env("TERM") != "dumb" && o.terminal()
}

func (o *output) bold(a *app, s string) string { return o.paint(a, "1", s) }

// good and bad mark what is in order and what is broken. Being offline is
// neither.
func (o *output) good(a *app, s string) string { return o.paint(a, "32", s) }
func (o *output) bad(a *app, s string) string  { return o.paint(a, "31", s) }

func (o *output) paint(a *app, code, s string) string {
	if !o.coloured(a) {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}
