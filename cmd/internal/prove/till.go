package prove

import (
	"errors"
	"fmt"
	"slices"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// till drives the business role as package daemon does: every effect of the
// machine is stored, then shown, then sent.
type till struct {
	*device
	sessions  []*session
	byRequest map[preauth.Hash]*session // where a request can be answered
}

func newTill(w *world, p *person) *till {
	return &till{device: newDevice(w, p), byRequest: make(map[preauth.Hash]*session)}
}

func (t *till) who() *person         { return t.person }
func (t *till) alive() bool          { return t.up() }
func (t *till) base() *device        { return t.device }
func (t *till) shows() preauth.Trust { return t.trust }

// start boots the process.
func (t *till) start() error {
	t.sessions, t.byRequest = nil, make(map[preauth.Hash]*session)
	return t.boot()
}

func (t *till) joined(s *session) error {
	t.sessions = append(t.sessions, s)
	if t.trust.Epoch() > s.cust.shows().Epoch() {
		if err := t.sendBundle(s, t); err != nil {
			return err
		}
	}
	return t.ask(s)
}

func (t *till) parted(s *session) error {
	t.sessions = slices.DeleteFunc(t.sessions, func(o *session) bool { return o == s })
	for h, o := range t.byRequest {
		if o == s {
			delete(t.byRequest, h)
		}
	}
	return nil
}

// order is what somebody at the till asks for.
type order struct {
	amount, tipMax int64
	policy         store.Policy
	timeout        time.Duration
}

// open begins a payment, unless one is open.
func (t *till) open(o order) error {
	_, busy, err := t.st.OpenSale(ctx)
	if err != nil || busy || !t.enrolled() {
		return err
	}
	e, err := t.exposure()
	if err != nil || o.policy != store.RequireOnline && e.Check("USD", o.amount) != nil {
		return err
	}
	id, _ := t.w.newID()
	online := o.policy != store.ForceOffline && t.w.office.register(t.device, id)
	if o.policy == store.RequireOnline && !online {
		return nil
	}
	now := t.wall()
	s := store.Sale{
		Sale:   payment.Sale{ID: id, State: payment.Open, Rev: 1, UpdatedAt: now},
		Amount: o.amount, Currency: "USD", Reference: "order", Policy: o.policy, TipAllowed: o.tipMax > 0, TipMax: o.tipMax,
		Online: online, CreatedAt: now, Deadline: now.Add(o.timeout),
	}
	t.w.opened++
	t.w.tell(t.name, "", fmt.Sprintf("opens payment %s of %d, %s, online %t", id.String()[:4], o.amount, o.policy, online), preauth.Hash{})
	err = t.commit(&store.Change{Sale: &s, Events: saleEvents(s, []payment.Note{{Kind: payment.NoteOpened}})}, preauth.Hash{})
	if err != nil {
		return err
	}
	for _, o := range slices.Clone(t.sessions) {
		if !t.up() {
			break
		}
		if err := o.run(t, t.ask(o)); err != nil {
			return err
		}
	}
	return nil
}

// ask makes a Request for a session: if a payment is open, the customer has
// not answered it, and nothing older is unsettled.
func (t *till) ask(s *session) error {
	if s.settling || s.tillGone || !t.w.check.busy(t.device) || !t.enrolled() {
		return nil
	}
	sale, open, err := t.st.OpenSale(ctx)
	if err != nil || !open || sale.State != payment.Open || !t.wall().Before(sale.Deadline) {
		return err
	}
	asks, err := t.st.AsksOf(ctx, sale.ID)
	if err != nil {
		return err
	}
	customer := s.cust.who().id
	for _, a := range asks {
		said := a.Cancel == payment.ReasonDeclined || a.Cancel == payment.ReasonRefused
		if t.byRequest[a.Request] == s || a.Customer == customer && said {
			return nil
		}
	}
	if len(asks) >= 16 {
		return nil
	}
	r, err := sign(t.w, t.person, t.requestBody(sale, s))
	if err != nil {
		return err
	}
	next, fx, err := sale.Sale.Step(payment.BusinessInput{Event: payment.AskMade, Request: r.Hash}, t.wall())
	if err != nil {
		return err
	}
	sale.Sale = next
	row := store.Ask{
		Ask: payment.Ask{Request: r.Hash}, Payment: sale.ID, Customer: customer, CustomerCert: s.cust.who().cert.Bytes,
		RequestBytes: r.Bytes, Currency: sale.Currency, ResumeKey: s.resume, CreatedAt: t.wall(),
	}
	if err := t.commit(&store.Change{Sale: &sale, Asks: []store.Ask{row}}, r.Hash); err != nil {
		return err
	}
	t.byRequest[r.Hash] = s
	return t.deliver(sale, fx)
}

func (t *till) requestBody(s store.Sale, with *session) *peerv1.Request {
	r := &peerv1.Request{
		PaymentId: s.ID[:], BusinessDeviceId: t.id[:], Nonce: with.nonceTill[:], Amount: s.Amount, Currency: s.Currency,
		Reference: s.Reference, TtlMs: min(max(1, s.Deadline.Sub(t.wall()).Milliseconds()), time.Hour.Milliseconds()),
		Online: s.Online, ChannelBinding: with.binding[:], DeviceCert: t.cert.Bytes, CreatedMs: t.wall().UnixMilli(),
	}
	if s.TipAllowed {
		r.Tip = &peerv1.TipPolicy{Allowed: true, Max: s.TipMax}
	}
	return r
}

// heard handles what a customer sends. An error ends the session.
func (t *till) heard(s *session, m message) error {
	switch m.typ {
	case secure.Payment:
		var p peerv1.Payment
		if err := preauth.DecodeStrict(m.body, &p); err != nil {
			return err
		}
		v, err := preauth.Open[*peerv1.Voucher](p.Voucher)
		if err != nil {
			return err
		}
		return t.answer(s, preauth.Hash(v.Body.RequestHash), func(sale store.Sale, ask *store.Ask) (payment.BusinessInput, error) {
			return t.judgeVoucher(sale, ask, p.Voucher, p.PreauthCert)
		})
	case secure.Charge:
		c, err := preauth.Open[*peerv1.Charge](m.body)
		if err != nil {
			return err
		}
		return t.answer(s, preauth.Hash(c.Body.RequestHash), func(sale store.Sale, ask *store.Ask) (payment.BusinessInput, error) {
			return t.judgeCharge(s, ask, m.body)
		})
	case secure.Decline:
		d, err := preauth.Open[*peerv1.Decline](m.body)
		if err != nil {
			return err
		}
		return t.answer(s, preauth.Hash(d.Body.RequestHash), func(_ store.Sale, ask *store.Ask) (payment.BusinessInput, error) {
			return t.judgeDecline(s, ask, m.body)
		})
	case secure.BundlePart:
		return t.adoptBundle(m.body)
	}
	return fmt.Errorf("%s from a customer: %w", m.typ, secure.ErrProtocol)
}

// answer judges what a customer says to a request, stores the outcome and
// sends it. A request that has an outcome is answered with it before any
// check runs, whatever arrives.
func (t *till) answer(s *session, request preauth.Hash, judge func(store.Sale, *store.Ask) (payment.BusinessInput, error)) error {
	ask, err := t.st.Ask(ctx, request)
	if errors.Is(err, store.ErrNotFound) {
		return s.send(t, secure.Unknown, encode(&peerv1.Unknown{RequestHash: request[:]}))
	}
	if err != nil {
		return err
	}
	sale, err := t.st.Sale(ctx, ask.Payment)
	if err != nil {
		return err
	}
	s.settling = s.settling && !slices.Contains(s.unfinished, ask.Payment)
	if ask.Answered() {
		t.byRequest[request] = s
		return t.repeat(s, sale, ask)
	}
	if !t.enrolled() {
		return fmt.Errorf("%s may not sign", t.name)
	}
	in, err := judge(sale, &ask)
	if err != nil {
		return err
	}
	sale, fx, err := t.storeSale(sale, saleStep{in: in, answered: &ask})
	if err != nil {
		return err
	}
	t.byRequest[request] = s
	return t.deliver(sale, fx)
}

// facts is what the till knows when it judges an answer.
func (t *till) facts(sale store.Sale, ask *store.Ask) (preauth.Till, error) {
	r, err := preauth.Open[*peerv1.Request](ask.RequestBytes)
	if err != nil {
		return preauth.Till{}, err
	}
	e, err := t.exposure()
	return preauth.Till{
		Trust: t.trust, Now: t.trusted(), Request: r, Customer: ask.Customer, Cancelled: ask.Cancel != "", Exposure: e,
		Awaited: sale.Policy == store.RequireOnline,
		Seen: func(id preauth.ID, counter uint32) (preauth.Hash, bool) {
			h, ok, err := t.st.VoucherSeen(ctx, id, counter)
			return h, ok || err != nil
		},
		Guaranteed: func(id preauth.ID) int64 {
			used, err := t.st.GuaranteeUsed(ctx, id)
			if err != nil {
				return int64(^uint64(0) >> 1)
			}
			return used
		},
	}, err
}

func (t *till) judgeVoucher(sale store.Sale, ask *store.Ask, voucher, cert []byte) (payment.BusinessInput, error) {
	facts, err := t.facts(sale, ask)
	if err != nil {
		return payment.BusinessInput{}, err
	}
	ok, err := facts.CheckVoucher(voucher, cert)
	if err != nil {
		t.w.tell(t.name, "", "refuses the voucher: "+err.Error(), ask.Request)
		return payment.BusinessInput{Event: payment.Refuse, Request: ask.Request, Code: preauth.Code(err)}, nil
	}
	ask.VoucherBytes, ask.CertBytes = voucher, cert
	ask.Preauth, ask.Counter = preauth.ID(ok.Cert.Body.PreauthId), ok.Voucher.Body.Counter
	ask.Total, ask.Guaranteed, ask.StoredAt = ok.Total, ok.Guaranteed, t.wall()
	in := payment.BusinessInput{
		Event: payment.Paid, Request: ask.Request, Voucher: ok.Voucher.Hash, Tip: ok.Voucher.Body.Tip, Guaranteed: ok.Guaranteed,
	}
	if sale.Policy == store.RequireOnline {
		in.Event = payment.PaidOnline
	}
	return in, nil
}

func (t *till) judgeCharge(s *session, ask *store.Ask, charge []byte) (payment.BusinessInput, error) {
	facts, err := t.facts(store.Sale{}, ask)
	if err != nil {
		return payment.BusinessInput{}, err
	}
	ok, err := facts.CheckCharge(charge, s.cust.who().cert)
	if err != nil {
		return payment.BusinessInput{Event: payment.Refuse, Request: ask.Request, Code: preauth.Code(err)}, nil
	}
	ask.VoucherBytes, ask.Total, ask.StoredAt = charge, ok.Body.Amount+ok.Body.Tip, t.wall()
	return payment.BusinessInput{Event: payment.PaidOnline, Request: ask.Request, Voucher: ok.Hash, Tip: ok.Body.Tip}, nil
}

func (t *till) judgeDecline(s *session, ask *store.Ask, decline []byte) (payment.BusinessInput, error) {
	r, err := preauth.Open[*peerv1.Request](ask.RequestBytes)
	if err != nil {
		return payment.BusinessInput{}, err
	}
	if s.cust.who().id != ask.Customer {
		return payment.BusinessInput{}, fmt.Errorf("declined by another customer: %w", preauth.ErrRequest)
	}
	d, err := preauth.OpenDecline(decline, r, s.cust.who().cert)
	if err != nil {
		return payment.BusinessInput{}, err
	}
	return payment.BusinessInput{Event: payment.CustomerSaidNo, Request: ask.Request, Reason: d.Body.Reason}, nil
}

// saleEvents writes a till's notes out as events: what they say beyond their
// kind is package daemon's.
func saleEvents(s store.Sale, notes []payment.Note) []*paymentv1.Event { return events(s.ID, notes) }
