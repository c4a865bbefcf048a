package report

import (
	"fmt"
	"html"
	"strings"
)

// The colours of all drawings. Good and nothing differ in lightness too, for
// those who do not see green.
const (
	ink     = "#1f2933"
	faint   = "#616e7c"
	line    = "#cbd2d9"
	paper   = "#ffffff"
	good    = "#1b7f5c"
	nothing = "#b9d5ea"
	bad     = "#c81e1e"
	sans    = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"
)

// canvas is an SVG drawing that grows.
type canvas struct{ b strings.Builder }

func (c *canvas) add(format string, args ...any) { fmt.Fprintf(&c.b, format+"\n", args...) }

// text writes a line; anchor is start, middle or end.
func (c *canvas) text(x, y float64, size int, anchor, colour, weight, s string) {
	c.add(`<text x="%g" y="%g" font-size="%d" text-anchor="%s" fill="%s" font-weight="%s">%s</text>`,
		x, y, size, anchor, colour, weight, html.EscapeString(s))
}

// box draws a rectangle with a hint for those who point at it.
func (c *canvas) box(x, y, w, h float64, colour, hint string) {
	c.add(`<rect x="%g" y="%g" width="%g" height="%g" rx="3" fill="%s"><title>%s</title></rect>`, x, y, w, h, colour, html.EscapeString(hint))
}

// done returns the drawing.
func (c *canvas) done(w, h float64, title string) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %g %g" width="%g" height="%g" role="img" aria-label="%s" font-family="%s">
<title>%s</title>
<rect width="%g" height="%g" fill="%s"/>
%s</svg>
`, w, h, w, h, html.EscapeString(title), sans, html.EscapeString(title), w, h, paper, c.b.String())
}

// number writes a number with commas.
func number(n int) string {
	s := fmt.Sprint(n)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// colour and words of an outcome.
func (o Outcome) colour() string {
	switch o {
	case Paid:
		return good
	case Unpaid:
		return nothing
	}
	return bad
}

func (o Outcome) words() string {
	switch o {
	case Paid:
		return "paid once, and both know it"
	case Unpaid:
		return "not paid, nothing held, and both know it"
	}
	return "money lost or doubled"
}
