package backend

import (
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
)

// An arrival is one event that moved money, in its place.
type arrival struct {
	seq     int64
	kind    string
	request preauth.Hash
	at      time.Time
}

func (t Tx) arrivals(pre preauth.ID) (all []arrival, err error) {
	err = t.each(`SELECT seq, kind, request_hash, at_ms FROM arrivals WHERE preauth_id = ? ORDER BY seq`, []any{pre[:]},
		func(row func(...any) error) error {
			var a arrival
			err := row(&a.seq, &a.kind, fixed(a.request[:]), moment{&a.at})
			all = append(all, a)
			return err
		})
	return all, err
}

// cancelledBefore reports whether a request's Cancel had arrived before its
// claim did.
func (t Tx) cancelledBefore(claim arrival) (bool, error) {
	var n int
	return t.one(`SELECT 1 FROM arrivals WHERE request_hash = ? AND kind = 'CANCEL' AND seq < ?`,
		[]any{claim.request[:], claim.seq}, &n)
}

// A replay is a second opinion on one pre-authorization. Where package ledger
// works out what each operation changes, this only says what must be true
// after each one, and makes it so: earlier vouchers come first, no remainder
// while anything is held, no guarantee while anything is held.
type replay struct {
	held      int64
	guarantee int64
	settleBy  time.Time
	closed    bool
	entries   []*entry
}

type entry struct {
	request preauth.Hash
	till    preauth.ID
	total   int64
	paid    int64
	issuer  int64
	outcome ledger.Outcome
	live    bool // can still be paid
}

func newReplay(c *peerv1.PreauthCert) *replay {
	return &replay{held: c.Limit, guarantee: c.Guarantee, settleBy: time.UnixMilli(c.SettleByMs)}
}

func (r *replay) claim(o opened, at time.Time, cancelled, refused bool) {
	e := &entry{request: o.request.Hash, till: o.till, total: o.total, outcome: ledger.Rejected}
	r.entries = append(r.entries, e)
	switch {
	case cancelled:
		e.outcome = ledger.Cancelled
	case r.closed || at.After(r.settleBy) || refused:
	default:
		e.live = true
	}
	r.settle()
}

func (r *replay) cancel(request preauth.Hash, at time.Time) {
	for _, e := range r.entries {
		if e.request == request {
			r.held += e.paid
			e.paid, e.issuer, e.live, e.outcome = 0, 0, false, ledger.Cancelled
		}
	}
	r.closed = r.closed || at.After(r.settleBy)
	r.settle()
}

func (r *replay) close() {
	r.closed = true
	r.settle()
}

func (r *replay) settle() {
	used := map[preauth.ID]int64{}
	for _, e := range r.entries {
		used[e.till] += e.issuer
	}
	for _, e := range r.entries {
		if e.live {
			part := min(r.held, e.total-e.paid-e.issuer)
			e.paid, r.held = e.paid+part, r.held-part
		}
	}
	for _, e := range r.entries {
		if e.live {
			part := min(r.guarantee-used[e.till], e.total-e.paid-e.issuer)
			e.issuer, used[e.till] = e.issuer+part, used[e.till]+part
		}
	}
	for _, e := range r.entries {
		part := min(r.held, e.issuer)
		e.issuer, e.paid, r.held = e.issuer-part, e.paid+part, r.held-part
		if e.live && e.paid+e.issuer > 0 {
			e.outcome = ledger.Settled
		}
	}
	if r.closed {
		r.held = 0
	}
}
