package report

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// said are the messages in plain words.
var said = map[string]string{
	"Request": "please pay, signed", "Payment": "I promise to pay, signed", "Receipt": "I have it, signed",
	"CLAIM": "here is the promise, and my receipt", "CANCEL": "this was cancelled",
}

// written are the things that are stored, in plain words.
var written = map[string]string{
	"opens payment": "sale stored", "Accept": "promise and hold stored", "Paid": "promise checked and stored",
	"ReceiptStored": "receipt stored: paid", "SaleSettled": "settled", "VerdictSettled": "settled",
}

// plain is what a rung says to somebody who has not read the protocol.
func (r Rung) plain() string {
	if r.To != "" {
		if text, ok := said[r.What]; ok {
			return text
		}
		return r.What
	}
	for begin, text := range written {
		if strings.HasPrefix(r.What, begin+":") || strings.HasPrefix(r.What, begin+" ") {
			return text
		}
	}
	return r.What
}

// role says who a party of the log is.
func role(party string) string {
	switch party {
	case "luna":
		return "till"
	case "backend":
		return "backend"
	}
	return "customer"
}

// when writes the time since the sale was opened.
func when(d time.Duration) string {
	if d < time.Hour {
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
	return fmt.Sprintf("%d h later", int(d.Hours()))
}

// Ladder draws who did what, from top to bottom.
func (p *Payment) Ladder() string {
	const left, apart, rung, top = 190.0, 310.0, 46.0, 60.0
	var c canvas
	at := func(party string) float64 { return left + float64(slices.Index(p.Parties, party))*apart }
	bottom := top + float64(len(p.Rungs))*rung + 10
	for _, party := range p.Parties {
		x := at(party)
		c.add(`<line x1="%g" y1="%g" x2="%g" y2="%g" stroke="%s" stroke-width="2"/>`, x, top-16, x, bottom, line)
		c.text(x, top-28, 15, "middle", ink, "600", role(party))
	}
	c.add(`<defs><marker id="tip" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 10 5 0 10z" fill="%s"/></marker></defs>`, ink)
	last := time.Duration(-1)
	for i, r := range p.Rungs {
		y := top + float64(i)*rung + 20
		if r.After != last {
			c.text(8, y+5, 12, "start", faint, "400", when(r.After))
			last = r.After
		}
		if r.To == "" {
			c.add(`<rect x="%g" y="%g" width="220" height="26" rx="13" fill="%s"/>`, at(r.From)-110, y-13, good)
			c.text(at(r.From), y+5, 12, "middle", paper, "600", r.plain())
			continue
		}
		from, to := at(r.From), at(r.To)
		step := 4.0
		if to < from {
			step = -step
		}
		c.add(`<line x1="%g" y1="%g" x2="%g" y2="%g" stroke="%s" stroke-width="1.6" marker-end="url(#tip)"/>`, from+step, y+8, to-step, y+8, ink)
		c.text((from+to)/2, y+1, 12, "middle", ink, "400", r.plain())
	}
	return c.done(left+float64(len(p.Parties)-1)*apart+130, bottom+10, "One payment without a network, step by step")
}
