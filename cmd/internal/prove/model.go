package prove

import (
	"slices"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// grace is how long after settle_by, or after a Charge, a Cancel still undoes
// a payment (protocol, Settlement).
const grace = 30 * 24 * time.Hour

// The outcomes of a verdict, as the books spell them.
const (
	settled   = "SETTLED"
	rejected  = "REJECTED"
	cancelled = "CANCELLED"
)

// model is settlement once more, written from the protocol and from nothing
// else: what the books must say after all that has been handed in. It knows
// what is genuine because it saw who signed, and so needs no cryptography.
type model struct {
	w        *world
	free     map[preauth.ID]int64 // instruments
	owed     map[preauth.ID]int64 // businesses
	issuer   int64                // what the fund has, below zero
	holds    []*reserve           // in order of issue
	requests map[preauth.Hash]*claim
	kept     map[preauth.Hash][]preauth.ID            // Cancels by request: who signed
	windows  map[[2]preauth.ID]time.Time              // until when a till's payment takes a Charge
	counters map[preauth.ID]map[uint32][]preauth.Hash // vouchers seen
	evidence map[preauth.ID]bool                      // spenders' keys that were caught, by pre-authorization
}

// reserve is one pre-authorization.
type reserve struct {
	cert     *peerv1.PreauthCert
	id       preauth.ID
	released int64
	closed   bool
	claims   []*claim // in order of arrival
}

// claim is one request and what became of it.
type claim struct {
	request  preauth.Hash
	payment  preauth.ID
	till     preauth.ID
	business preauth.ID
	body     *peerv1.Request

	voucher preauth.Hash // zero until claimed
	payer   preauth.ID   // instrument
	on      *reserve     // nil for a Charge
	total   int64
	paid    int64
	extra   int64 // paid by the issuer
	outcome string
	reason  string
	at      time.Time // of the claim
	ended   bool      // a valid Cancel counts
	seen    []preauth.Hash
}

// keeps reports whether a voucher for the request is looked at: the first two
// are, because a third says nothing that those have not said.
func (c *claim) keeps(voucher preauth.Hash) bool {
	if slices.Contains(c.seen, voucher) {
		return true
	}
	if len(c.seen) == 2 {
		return false
	}
	c.seen = append(c.seen, voucher)
	return true
}

func (c *claim) claimed() bool { return !c.voucher.Zero() }
func (c *claim) short() int64  { return c.total - c.paid - c.extra }

// waits reports whether more may still be paid.
func (c *claim) waits() bool {
	return c.claimed() && c.short() > 0 && (c.outcome == settled || c.outcome == rejected && c.reason == "EXHAUSTED")
}

func (r *reserve) held() int64 {
	left := r.cert.Limit - r.released
	for _, c := range r.claims {
		left -= c.paid
	}
	return left
}

// extraLeft is what is left of the guarantee for a till.
func (r *reserve) extraLeft(till preauth.ID) int64 {
	left := r.cert.Guarantee
	for _, c := range r.claims {
		if c.till == till {
			left -= c.extra
		}
	}
	return left
}

func newModel(w *world) *model {
	return &model{
		w: w, free: make(map[preauth.ID]int64), owed: make(map[preauth.ID]int64), requests: make(map[preauth.Hash]*claim),
		kept: make(map[preauth.Hash][]preauth.ID), windows: make(map[[2]preauth.ID]time.Time),
		counters: make(map[preauth.ID]map[uint32][]preauth.Hash), evidence: make(map[preauth.ID]bool),
	}
}

func (m *model) open(people []*person) {
	for _, p := range people {
		if p.business() {
			m.owed[p.party.Business] = 0
		} else {
			m.free[p.instrument] = funds
		}
	}
}

func (m *model) register(till, payment preauth.ID, now time.Time) {
	k := [2]preauth.ID{till, payment}
	if _, ok := m.windows[k]; !ok {
		m.windows[k] = now.Add(10 * time.Minute)
	}
}

// reserve sets funds aside. The same certificate again changes nothing.
func (m *model) reserve(c *peerv1.PreauthCert) {
	id := preauth.ID(c.PreauthId)
	if m.hold(id) == nil {
		m.holds = append(m.holds, &reserve{cert: c, id: id})
		m.free[preauth.ID(c.InstrumentRef)] -= c.Limit
	}
}

func (m *model) hold(id preauth.ID) *reserve {
	for _, h := range m.holds {
		if h.id == id {
			return h
		}
	}
	return nil
}

// sweep releases what has passed its settle_by.
func (m *model) sweep(now time.Time) {
	for _, h := range m.holds {
		if now.After(time.UnixMilli(h.cert.SettleByMs)) {
			h.closed = true
		}
		m.release(h)
	}
}

func (m *model) release(h *reserve) {
	if rest := h.held(); h.closed && rest > 0 {
		h.released += rest
		m.free[preauth.ID(h.cert.InstrumentRef)] += rest
	}
}

// parts are the objects of one item that belong together and are genuine.
type parts struct {
	request preauth.Request
	till    *person
	cert    preauth.PreauthCert
	voucher preauth.Voucher
	charge  preauth.Charge
	payer   *person // of a charge
	receipt bool
	cancel  bool
}

// submit is what handing one item in does.
func (m *model) submit(it *backendv1.Item, now time.Time) {
	m.sweep(now)
	p, ok := m.read(it)
	if !ok {
		return
	}
	c := m.know(p)
	if p.cancel {
		m.kept[c.request] = append(m.kept[c.request], p.till.id)
		m.end(c, now)
	}
	switch {
	case !p.receipt && !p.cancel: // a voucher without receipt moves nothing
	case !p.voucher.Zero():
		h := m.hold(preauth.ID(p.cert.Body.PreauthId))
		if h == nil {
			return
		}
		if c.keeps(p.voucher.Hash) {
			m.see(h, p.voucher)
			m.applyReleased(p.voucher, now)
		}
		if p.receipt && !c.claimed() {
			m.claimVoucher(c, h, p, now)
		}
	case !p.charge.Zero() && p.receipt && !c.claimed():
		m.claimCharge(c, p, now)
	}
}

// know notes a request; a Cancel that came before it is judged now.
func (m *model) know(p parts) *claim {
	c := m.requests[p.request.Hash]
	if c == nil {
		b := p.request.Body
		c = &claim{
			request: p.request.Hash, payment: preauth.ID(b.PaymentId), till: p.till.id, business: p.till.party.Business, body: b,
		}
		m.requests[c.request] = c
		if slices.Contains(m.kept[c.request], c.till) {
			c.ended, c.outcome = true, cancelled
			m.unbind(c, nil)
		}
	}
	return c
}

// applyReleased applies the Cancels that a voucher repeats.
func (m *model) applyReleased(v preauth.Voucher, now time.Time) {
	for _, b := range v.Body.Released {
		by, genuine := m.w.signer(b)
		ca, err := preauth.Open[*peerv1.Cancel](b)
		if !genuine || err != nil {
			continue
		}
		h := preauth.Hash(ca.Body.RequestHash)
		m.kept[h] = append(m.kept[h], by)
		if c := m.requests[h]; c != nil && c.till == by {
			m.end(c, now)
		}
	}
}

// see remembers a voucher: two at one counter convict their signer.
func (m *model) see(h *reserve, v preauth.Voucher) {
	if m.counters[h.id] == nil {
		m.counters[h.id] = make(map[uint32][]preauth.Hash)
	}
	seen := m.counters[h.id][v.Body.Counter]
	if !slices.Contains(seen, v.Hash) {
		seen = append(seen, v.Hash)
		m.counters[h.id][v.Body.Counter] = seen
	}
	if len(seen) > 1 {
		m.evidence[h.id] = true
	}
}

func (m *model) claimVoucher(c *claim, h *reserve, p parts, now time.Time) {
	v := p.voucher.Body
	c.voucher, c.total, c.on, c.payer, c.at = p.voucher.Hash, v.Amount+v.Tip, h, preauth.ID(h.cert.InstrumentRef), now
	h.claims = append(h.claims, c)
	defer m.unbind(c, h) // of a customer who never heard of it, and paid otherwise
	switch {
	case c.ended:
		c.outcome = cancelled
	case h.closed:
		c.outcome, c.reason = rejected, "TOO_LATE"
	case refused(h.cert, v, p.request):
		c.outcome, c.reason = rejected, "REFUSED"
	default:
		c.outcome, c.reason = rejected, "EXHAUSTED"
		m.pay(c)
		m.payExtra(c)
	}
	var sum int64
	for _, o := range h.claims {
		if o.outcome == settled || o.outcome == rejected && o.reason == "EXHAUSTED" {
			sum += o.total
		}
	}
	if sum > h.cert.Limit {
		m.evidence[h.id] = true
	}
}

// refused reports whether a till should not have taken the voucher.
func refused(c *peerv1.PreauthCert, v *peerv1.Voucher, r preauth.Request) bool {
	total := v.Amount + v.Tip
	tip := r.Body.GetTip()
	return v.Currency != c.Currency || v.Currency != r.Body.Currency || v.Amount != r.Body.Amount ||
		len(c.BoundTo) > 0 && preauth.Hash(c.BoundTo) != r.Hash ||
		v.Tip > 0 && (!tip.GetAllowed() || tip.GetMax() > 0 && v.Tip > tip.GetMax()) ||
		total > c.PaymentMax || total > c.Limit || v.Counter < 1 || v.Counter > c.PaymentsMax || v.Remaining > c.Limit-total
}

// pay pays what is missing from what is held, payExtra from the guarantee.
func (m *model) pay(c *claim) {
	n := max(0, min(c.short(), c.on.held()))
	c.paid += n
	m.owed[c.business] += n
	c.paidSome()
}

func (m *model) payExtra(c *claim) {
	n := max(0, min(c.short(), c.on.extraLeft(c.till)))
	c.extra += n
	m.issuer -= n
	m.owed[c.business] += n
	c.paidSome()
}

func (c *claim) paidSome() {
	if c.paid+c.extra > 0 {
		c.outcome, c.reason = settled, ""
	}
}

// end applies a valid Cancel: it dominates, whatever the claim had become.
func (m *model) end(c *claim, now time.Time) {
	if c.ended {
		return
	}
	if c.outcome == settled && now.After(m.lastDay(c)) {
		return // disputed
	}
	c.ended, c.outcome, c.reason = true, cancelled, ""
	paid, extra := c.paid, c.extra
	c.paid, c.extra = 0, 0
	m.owed[c.business] -= paid + extra
	m.issuer += extra
	defer m.unbind(c, nil)
	h := c.on
	if h == nil {
		if c.claimed() {
			m.free[c.payer] += paid
		}
		return
	}
	for _, o := range h.claims {
		if o.waits() {
			m.pay(o)
		}
	}
	for _, o := range h.claims {
		if o.waits() {
			m.payExtra(o)
		}
	}
	for _, o := range h.claims {
		back := min(o.extra, h.held())
		o.extra, o.paid = o.extra-back, o.paid+back
		m.issuer += back
	}
	m.release(h)
}

// unbind frees what was set aside for just this request, except where it is
// drawn on: there it is paid from.
func (m *model) unbind(c *claim, except *reserve) {
	for _, h := range m.holds {
		if h != except && boundTo(h.cert) == c.request {
			h.closed = true
			m.release(h)
		}
	}
}

// lastDay is until when a Cancel undoes a payment by itself.
func (m *model) lastDay(c *claim) time.Time {
	if c.on == nil {
		return c.at.Add(grace)
	}
	return time.UnixMilli(c.on.cert.SettleByMs).Add(grace)
}

func (m *model) claimCharge(c *claim, p parts, now time.Time) {
	b := p.charge.Body
	c.voucher, c.total, c.payer, c.at = p.charge.Hash, b.Amount+b.Tip, preauth.ID(b.InstrumentRef), now
	until, registered := m.windows[[2]preauth.ID{c.till, c.payment}]
	tip := p.request.Body.GetTip()
	defer m.unbind(c, nil)
	switch {
	case c.ended:
		c.outcome = cancelled
	case !p.request.Body.Online || !registered || now.After(until) || m.w.check.revoked(p.payer.id) ||
		c.payer != p.payer.instrument || b.Currency != p.request.Body.Currency || b.Amount != p.request.Body.Amount ||
		b.Tip > 0 && (!tip.GetAllowed() || tip.GetMax() > 0 && b.Tip > tip.GetMax()) || c.total > m.free[c.payer]:
		c.outcome, c.reason = rejected, "REFUSED"
	default:
		c.outcome, c.paid = settled, c.total
		m.free[c.payer] -= c.total
		m.owed[c.business] += c.total
	}
}
