package daemon

import (
	"time"

	"github.com/vipaso/vipasod/preauth"
)

const (
	patienceMax   = 16              // requests of one till that nobody has answered
	patienceBack  = 5 * time.Second // until one of them is forgotten
	patienceTills = 64              // tills that are remembered
)

// patience is how many requests a customer has been shown by each till since
// a person last answered one. Each costs commits and a look at the screen, so
// a till cannot go on asking for as fast as it likes. It is guarded by the
// wallet's mu.
type patience map[preauth.ID]asked

type asked struct {
	n  int
	at time.Time // when n was right
}

// left counts one more request of the till in, if there is patience left.
func (p patience) left(till preauth.ID, now time.Time) bool {
	a := p[till].after(now)
	if a.n >= patienceMax {
		return false
	}
	if len(p) >= patienceTills {
		for id, old := range p {
			if old.after(now).n == 0 {
				delete(p, id)
			}
		}
	}
	a.n++
	p[till] = a
	return true
}

// answered forgets the till's requests: somebody cares.
func (p patience) answered(till preauth.ID) { delete(p, till) }

// after is what is remembered at now.
func (a asked) after(now time.Time) asked {
	gone := int(max(0, now.Sub(a.at)) / patienceBack)
	if gone >= a.n {
		return asked{at: now}
	}
	return asked{n: a.n - gone, at: a.at.Add(time.Duration(gone) * patienceBack)}
}
