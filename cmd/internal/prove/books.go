package prove

import (
	"fmt"
	"slices"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// books compares the backend's tables with the model: every balance, every
// standing verdict, every conviction.
func (k *checker) books() error {
	m := k.model
	if err := k.verdicts(); err != nil { // first, because it names a request
		return err
	}
	sums, err := k.balances()
	if err != nil {
		return err
	}
	compare := func(kind string, id preauth.ID, want int64) error {
		if got := sums[account{kind, id}]; got != want {
			return k.broken("the backend has %d on %s %s, the rules say %d", got, kind, id, want)
		}
		return nil
	}
	for _, p := range k.w.stage.people {
		var err error
		if p.business() {
			err = compare("BUSINESS", p.party.Business, m.owed[p.party.Business])
		} else {
			err = compare("INSTRUMENT", p.instrument, m.free[p.instrument])
		}
		if err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	if err := compare("ISSUER", preauth.ID{}, m.issuer); err != nil {
		return err
	}
	for _, h := range m.holds {
		if err := compare("HELD", h.id, h.held()); err != nil {
			return err
		}
		if err := k.reserveHolds(h); err != nil {
			return err
		}
	}
	return nil
}

// reserveHolds are the rules of one pre-authorization.
func (k *checker) reserveHolds(h *reserve) error {
	var paid int64
	extra := make(map[preauth.ID]int64)
	owing := false
	for _, c := range h.claims {
		paid += c.paid
		extra[c.till] += c.extra
		owing = owing || c.waits() || c.extra > 0
		if extra[c.till] > h.cert.Guarantee {
			return k.broken("the issuer has paid %d of a guarantee of %d to one till", extra[c.till], h.cert.Guarantee)
		}
		if c.extra > 0 && !k.w.rogue(h.cert.Spender) {
			return k.broken("the issuer pays for an honest customer")
		}
	}
	if paid+h.held()+h.released != h.cert.Limit || h.held() < 0 {
		return k.broken("of %d reserved %d were paid, %d are held and %d were released", h.cert.Limit, paid, h.held(), h.released)
	}
	if owing && h.held()+h.released > 0 {
		return k.broken("%d held and %d released, although a till or the issuer is still owed", h.held(), h.released)
	}
	return nil
}

// rogue reports whether the key is that of a hostile customer.
func (w *world) rogue(spender []byte) bool {
	if w.rogueWallet == nil {
		return false
	}
	key := preauth.PublicKeyOf(&w.rogueWallet.key.PublicKey)
	return string(key[:]) == string(spender)
}

type account struct {
	kind string
	id   preauth.ID
}

func (k *checker) balances() (map[account]int64, error) {
	rows, err := k.w.office.eye.Query(`SELECT kind, account_id, sum(amount) FROM postings GROUP BY kind, account_id`)
	if err != nil {
		return nil, k.broken("postings: %v", err)
	}
	defer rows.Close()
	sums := make(map[account]int64)
	var total int64
	for rows.Next() {
		var kind string
		var id []byte
		var n int64
		if err := rows.Scan(&kind, &id, &n); err != nil {
			return nil, k.broken("postings: %v", err)
		}
		sums[account{kind, preauth.ID(id)}] = n
		total += n
	}
	if total != 0 {
		return nil, k.broken("all postings sum to %d", total)
	}
	return sums, rows.Err()
}

// verdicts compares the standing verdict on every request.
func (k *checker) verdicts() error {
	rows, err := k.w.office.eye.Query(`SELECT r.hash, r.cancelled_ms IS NOT NULL, coalesce(v.outcome, ''), coalesce(v.reason, ''),
		coalesce(v.paid, 0), coalesce(v.guaranteed, 0) FROM requests r LEFT JOIN verdicts v ON v.seq = r.verdict_seq`)
	if err != nil {
		return k.broken("verdicts: %v", err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var hash []byte
		var ended bool
		var outcome, reason string
		var paid, extra int64
		if err := rows.Scan(&hash, &ended, &outcome, &reason, &paid, &extra); err != nil {
			return k.broken("verdicts: %v", err)
		}
		n++
		c := k.model.requests[preauth.Hash(hash)]
		if c == nil {
			return k.broken("the backend knows request %s, which nobody has handed in", k.w.log.name([32]byte(hash)))
		}
		same := reason == c.reason
		if c.reason == "REFUSED" { // of which the backend says more
			same = !slices.Contains([]string{"", "EXHAUSTED", "TOO_LATE"}, reason)
		}
		if !same || outcome != c.outcome || paid != c.paid || extra != c.extra || ended != c.ended {
			return k.broken("request %s is %q(%s) with %d+%d, cancelled %t; the rules say %q(%s) with %d+%d, %t", k.w.log.name([32]byte(hash)),
				outcome, reason, paid, extra, ended, c.outcome, c.reason, c.paid, c.extra, c.ended)
		}
	}
	if n != len(k.model.requests) {
		return k.broken("the backend knows %d requests, %d were handed in", n, len(k.model.requests))
	}
	return rows.Err()
}

// revoked reports whether the backend has revoked a device.
func (k *checker) revoked(id preauth.ID) bool {
	var at *int64
	err := k.w.office.eye.QueryRow(`SELECT revoked_ms FROM devices WHERE id = ?`, id[:]).Scan(&at)
	return err == nil && at != nil
}

// lastDay is the latest settle_by of all.
func (m *model) lastSettleBy() time.Time {
	last := m.w.now
	for _, h := range m.holds {
		if at := time.UnixMilli(h.cert.SettleByMs); at.After(last) {
			last = at
		}
	}
	return last
}
