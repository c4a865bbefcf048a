package testbed

import "time"

// What names something that happens on the air.
type What int

// What happens on the air.
const (
	// Linked is a new link: From is the central, To the peripheral.
	Linked What = iota + 1
	// Left is the end of a link for From; To may not know yet.
	Left
	// Passed is an ACL packet that arrives at To next.
	Passed
)

// Passage is something that happened on the air, for whoever measures or
// wishes to interfere at a certain point.
type Passage struct {
	At       time.Time
	What     What
	From, To int // controllers

	// Data is the content of the ACL packet of Passed, as From's host gave it
	// to its controller. It must not be changed.
	Data []byte
}

// trace tells whoever listens.
func (a *Air) trace(what What, from, to *controller, data []byte) {
	if a.cfg.Trace != nil {
		a.cfg.Trace(Passage{At: a.now, What: what, From: from.id, To: to.id, Data: data})
	}
}
