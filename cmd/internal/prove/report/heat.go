package report

import "fmt"

// Sizes of the heat map, in pixels.
const (
	cell     = 30.0
	heatLeft = 250.0
	heatTop  = 190.0
)

// heat draws the matrix of kills: a row for each moment at which the till was
// killed, a column for each at which the customer was.
func (p *Pairs) heat(c *canvas, x, y float64) (w, h float64) {
	left, top := x+heatLeft, y+heatTop
	c.text(x, y+heatTop-10, 13, "start", ink, "600", "the till is killed …")
	c.text(left-8, y+14, 13, "end", ink, "600", "the customer is killed …")
	for i, name := range p.Customer {
		at := left + (float64(i)+0.5)*(cell+3) + 2
		c.add(`<text transform="translate(%g %g) rotate(-58)" font-size="12" fill="%s">%s</text>`, at, top-8, faint, name)
	}
	for row, outcomes := range p.Outcomes {
		at := top + float64(row)*(cell+3)
		c.text(left-10, at+cell/2+4, 12, "end", faint, "400", p.Till[row])
		for col, o := range outcomes {
			c.box(left+float64(col)*(cell+3), at, cell, cell, o.colour(),
				fmt.Sprintf("till killed %s, customer killed %s: %s", p.Till[row], p.Customer[col], o.words()))
			if mark := map[Outcome]string{Unpaid: "–", Wrong: "✗"}[o]; mark != "" {
				c.text(left+float64(col)*(cell+3)+cell/2, at+cell/2+5, 14, "middle", ink, "600", mark)
			}
		}
	}
	return heatLeft + float64(len(p.Customer))*(cell+3) + 110, heatTop + float64(len(p.Till))*(cell+3)
}

// Count returns how many cells of the matrix have an outcome.
func (p *Pairs) Count(o Outcome) (n int) {
	for _, row := range p.Outcomes {
		for _, one := range row {
			if one == o {
				n++
			}
		}
	}
	return n
}

// legend draws what the colours mean.
func (p *Pairs) legend(c *canvas, x, y float64) {
	for i, o := range []Outcome{Paid, Unpaid, Wrong} {
		at := y + float64(i)*24
		c.box(x, at, 16, 16, o.colour(), o.words())
		if o == Unpaid {
			c.text(x+8, at+13, 12, "middle", ink, "600", "–")
		}
		c.text(x+24, at+13, 13, "start", ink, "400", fmt.Sprintf("%s: %s times", o.words(), number(p.Count(o))))
	}
	c.text(x, y+92, 13, "start", good, "700", fmt.Sprintf("If they meet again instead, %s of %s are paid, once.", number(p.PaidAgain), number(p.Again)))
}

// HeatMap draws the matrix with its legend.
func (p *Pairs) HeatMap() string {
	var c canvas
	w, h := p.heat(&c, 0, 0)
	p.legend(&c, 12, h+20)
	return c.done(w+60, h+120, "What becomes of a payment whose till and customer are killed at any step")
}
