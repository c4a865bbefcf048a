package prove

import (
	"fmt"
	"maps"
	"slices"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer/backend"
)

// final checks what must be so when everybody has spoken with everybody: the
// properties of protocol.md's last section.
func (k *checker) final() error {
	if err := k.books(); err != nil {
		return err
	}
	for _, h := range k.model.holds {
		if h.held() != 0 || !h.closed {
			return k.broken("%d are held after settle_by", h.held())
		}
	}
	for _, t := range k.w.tills {
		if err := k.finalTill(t); err != nil {
			return err
		}
	}
	for _, c := range k.w.wallets {
		if err := k.finalWallet(c); err != nil {
			return err
		}
	}
	if err := k.payers(); err != nil {
		return err
	}
	return k.soundness()
}

// finalTill: an honest till is paid at least what was guaranteed for its
// verified vouchers, in full if the customer is honest, and believes what the
// backend says.
func (k *checker) finalTill(t *till) error {
	m := k.of(t.device)
	for _, h := range m.order {
		a := m.asks[h]
		name := t.name + ": " + k.w.log.name(h)
		if !a.Receipt {
			if c := k.model.requests[h]; c != nil && c.paid+c.extra > 0 {
				return k.broken("%s: paid without a receipt", name)
			}
			continue
		}
		c := k.model.requests[h]
		if c == nil || !c.claimed() && !c.ended {
			return k.broken("%s: a verified voucher was never handed in", name)
		}
		if c.claimed() && c.voucher != a.Voucher {
			return k.broken("%s: claimed with another voucher", name)
		}
		if a.Cancel == "" {
			if err := k.paidWell(t, name, a, c); err != nil {
				return err
			}
		} else if c.paid+c.extra > 0 {
			return k.broken("%s: paid in spite of the till's own Cancel", name)
		}
		if err := k.agree(name, m.sales[a.Payment].State, c); err != nil {
			return err
		}
	}
	for _, h := range k.model.holds {
		if err := k.guaranteed(t, h); err != nil {
			return err
		}
	}
	for _, id := range m.payments {
		if s := m.sales[id].State; s.Unfinished() {
			return k.broken("%s: payment %s is %s for ever", t.name, id, s)
		}
	}
	return nil
}

func (k *checker) paidWell(t *till, name string, a store.Ask, c *claim) error {
	late := k.late[t]
	switch {
	case c.ended:
		return k.broken("%s: cancelled, but not by its till", name)
	case c.on == nil || late && c.reason == "TOO_LATE":
		return nil // a Charge is the backend's to decide; too late is too late
	case !k.w.rogue(c.on.cert.Spender) && c.paid != c.total:
		return k.broken("%s: honest customer, honest till, and %d of %d paid", name, c.paid, c.total)
	}
	return nil
}

// guaranteed checks that a till gets at least what it was told the issuer pays
// in any case. That holds for all of its vouchers on one pre-authorization
// together: which of them a guarantee goes to is a matter of arrival.
func (k *checker) guaranteed(t *till, h *reserve) error {
	var promised, paid int64
	for _, c := range h.claims {
		a, ok := k.of(t.device).asks[c.request]
		if ok && a.Cancel == "" && !(k.late[t] && c.reason == "TOO_LATE") {
			promised += a.Guaranteed
			paid += c.paid + c.extra
		}
	}
	if paid < promised {
		return k.broken("%s: %d paid, %d were guaranteed%s", t.name, paid, promised, k.story(h))
	}
	return nil
}

// story is what became of the claims on a pre-authorization.
func (k *checker) story(h *reserve) string {
	text := fmt.Sprintf("\n  of %d reserved, %d guaranteed per till:", h.cert.Limit, h.cert.Guarantee)
	for _, c := range h.claims {
		text += fmt.Sprintf("\n  %s at %s: %d+%d of %d, %s %s", k.w.log.name(c.request), k.w.person(c.till).name, c.paid, c.extra, c.total, c.outcome, c.reason)
	}
	return text
}

// agree compares a state with the verdict that stands.
func (k *checker) agree(name string, s payment.State, c *claim) error {
	ok := false
	switch c.outcome {
	case settled:
		ok = s == payment.Settled
	case rejected:
		ok = s == payment.Rejected || s == payment.Released
	case cancelled:
		ok = s == payment.Cancelled || s == payment.OtherPaid
	}
	if !ok {
		return k.broken("%s is %s, the backend says %s(%s)", name, s, c.outcome, c.reason)
	}
	return nil
}

// finalWallet: holds always end, and an honest customer believes what the
// backend says.
func (k *checker) finalWallet(w *wallet) error {
	m := k.of(w.device)
	for _, h := range m.order {
		a := m.attempts[h]
		name := w.name + ": " + k.w.log.name(h)
		if a.State.Unfinished() {
			return k.broken("%s is %s for ever", name, a.State)
		}
		if a.Attempt.Voucher.Zero() {
			continue
		}
		c := k.model.requests[h]
		switch {
		case c == nil || c.outcome == "":
			if a.State != payment.Released { // a Cancel would have been handed in
				return k.broken("%s is %s, and the backend knows nothing of it", name, a.State)
			}
		case a.State == payment.Cancelled && a.Cancel && c.outcome == rejected:
			return k.broken("%s has a Cancel that never arrived", name)
		case a.Charge && a.State == payment.Released && c.outcome == cancelled && !c.claimed():
			// Nobody could take it any more, so it is asked for no more; what is
			// said of it later changes nothing, for nothing was paid.
		default:
			if err := k.agree(name, a.State, c); err != nil {
				return err
			}
		}
	}
	all, err := w.st.Authorizations(ctx)
	if err != nil {
		return k.broken("%s: pre-authorizations: %v", w.name, err)
	}
	for _, a := range all {
		if err := k.holds(w.device, a); err != nil {
			return err
		}
		if a.Held != 0 {
			return k.broken("%s holds %d for ever", w.name, a.Held)
		}
	}
	if k.revoked(w.id) {
		return k.broken("%s is honest and was revoked", w.name)
	}
	return nil
}

// payers: an honest customer pays only for vouchers it signed and stored and
// holds no Cancel for, and at most once for what one till asks.
func (k *checker) payers() error {
	for _, w := range k.w.wallets {
		m := k.of(w.device)
		paid := make(map[[2]preauth.ID]bool)
		for _, h := range m.order {
			a, c := m.attempts[h], k.model.requests[h]
			if c == nil || c.paid+c.extra == 0 || c.payer != w.instrument {
				continue
			}
			name := w.name + ": " + k.w.log.name(h)
			key := [2]preauth.ID{c.till, c.payment}
			switch {
			case a.Attempt.Voucher != c.voucher:
				return k.broken("%s: paid for another voucher than the stored one", name)
			case a.Cancel:
				return k.broken("%s: pays although it holds a Cancel", name)
			case paid[key]:
				return k.broken("%s: pays twice for one payment", name)
			}
			paid[key] = true
		}
		for _, h := range slices.SortedFunc(maps.Keys(k.model.requests), byHash) {
			if c := k.model.requests[h]; c.payer == w.instrument && c.paid+c.extra > 0 && m.attempts[h].Attempt.Voucher.Zero() {
				return k.broken("%s pays for request %s, which it has never answered", w.name, k.w.log.name(h))
			}
		}
	}
	return nil
}

func byHash(a, b preauth.Hash) int { return slices.Compare(a[:], b[:]) }

// reconcileEvery says in which seeds the backend verifies all signatures of
// its books again, which takes longer than all other checks.
const reconcileEvery = 5

// soundness has the product check itself, and compares what it found out about
// hostile customers.
func (k *checker) soundness() error {
	for _, o := range k.w.owners() {
		found, err := o.base().st.Check(ctx)
		if err != nil || len(found) > 0 {
			return k.broken("%s: store: %v %q", o.who().name, err, found)
		}
	}
	admin := backend.Admin{Store: k.w.office.books, Now: k.w.office.options.Now}
	r, err := admin.Check(ctx)
	if err == nil && r.OK() && k.w.seed%reconcileEvery == 0 {
		r, err = admin.Reconcile(ctx)
	}
	if err != nil || !r.OK() {
		return k.broken("backend's own check: %v %v", err, r.Problems)
	}
	for _, h := range k.model.holds {
		var found string
		err := k.w.office.eye.QueryRow(`SELECT coalesce(group_concat(DISTINCT kind), '') FROM evidence WHERE preauth_id = ?`, h.id[:]).Scan(&found)
		if err != nil {
			return k.broken("evidence: %v", err)
		}
		if found == "" && k.model.evidence[h.id] {
			return k.broken("no evidence against the spender of pre-authorization %s", h.id)
		}
	}
	return nil
}
