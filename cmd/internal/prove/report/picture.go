package report

import "errors"

// ErrNotRun says that there is nothing to draw.
var ErrNotRun = errors.New("not run")

// Picture draws the matrix of kills with the figures of the proofs that were
// run, for a page that shows nothing else. The error is ErrNotRun without the matrix.
func (r *Results) Picture() (string, error) {
	if r.Pairs == nil {
		return "", ErrNotRun
	}
	var c canvas
	c.text(24, 40, 22, "start", ink, "700", "What if the power goes?")
	c.text(24, 66, 14, "start", faint, "400", "One payment of 12.00 without a network. The till is killed at every step, the customer’s device too, and both together.")
	c.text(24, 86, 14, "start", faint, "400", "They start again, but the customer has left for good; both find a network later. One square for each pair.")
	w, h := r.Pairs.heat(&c, 24, 112)
	x := w + 10
	r.Pairs.legend(&c, x, 134)
	y := 268.0
	for _, f := range r.Figures() {
		if f.Value == notRun {
			continue
		}
		c.text(x, y, 19, "start", ink, "700", f.Value)
		c.text(x, y+16, 12, "start", faint, "400", f.Means)
		y += 42
	}
	return c.done(w+430, max(112+h+24, y-8), "What if the power goes? Kills at every step of a payment, and what came of them"), nil
}
