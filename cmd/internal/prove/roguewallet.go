package prove

import (
	"slices"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// rogueWallet is a customer who controls the device down to the key file: it
// clones itself, reuses and skips counters, spends beyond its limit, answers
// twice, and lies in every field that it signs.
type rogueWallet struct {
	*person
	w        *world
	sessions []*session
	bids     []*bid
	purses   []*purse
	cancels  [][]byte // it was given
}

// bid is a request that it was shown.
type bid struct {
	request  preauth.Request
	s        *session
	vouchers []signedPayment // signed for it
	receipt  []byte
	cancel   []byte
}

type signedPayment struct{ voucher, cert []byte }

// purse is a pre-authorization as its clones see it.
type purse struct {
	cert    preauth.PreauthCert
	counter uint32
	prev    preauth.Hash
}

func newRogueWallet(w *world, p *person) *rogueWallet { return &rogueWallet{person: p, w: w} }

func (c *rogueWallet) who() *person { return c.person }
func (c *rogueWallet) alive() bool  { return true }

// shows is whatever spares it a bundle that it does not want.
func (c *rogueWallet) shows() preauth.Trust { return c.w.owners()[0].base().trust }

func (c *rogueWallet) joined(s *session) error {
	c.sessions = append(c.sessions, s)
	return nil
}

func (c *rogueWallet) parted(s *session) error {
	c.sessions = slices.DeleteFunc(c.sessions, func(o *session) bool { return o == s })
	return nil
}

func (c *rogueWallet) heard(s *session, m message) error {
	if m.typ == secure.Request {
		if r, err := preauth.Open[*peerv1.Request](m.body); err == nil {
			c.bids = append(c.bids, &bid{request: r, s: s})
		}
		return nil
	}
	about := aboutOf(m.typ, m.body)
	for _, b := range c.bids {
		if b.request.Hash != about {
			continue
		}
		switch m.typ {
		case secure.Receipt:
			b.receipt = m.body
		case secure.Cancel:
			b.cancel = m.body
			c.cancels = append(c.cancels, m.body)
		}
	}
	return nil
}

// act does one thing.
func (c *rogueWallet) act() error {
	switch n := c.w.dice.IntN(100); {
	case n < 5 && len(c.purses) < 3 || len(c.purses) == 0:
		return c.setAside()
	case n < 75:
		return c.pay()
	case n < 80:
		return c.resend()
	case n < 83:
		return c.decline()
	case n < 86:
		return c.steal()
	case n < 87:
		return c.giveUp()
	}
	return c.handIn()
}

func (c *rogueWallet) setAside() error {
	id, _ := c.w.newID()
	got, err := c.w.office.preauthorize(c.person, &backendv1.PreAuthorizeRequest{
		RequestId: id[:], InstrumentId: c.instrument[:], Amount: c.w.dice.between(8_00, 20_00), Currency: "USD",
	})
	if err != nil {
		if isBroken(err) {
			return err
		}
		return nil // revoked, or offline
	}
	cert, err := preauth.Open[*peerv1.PreauthCert](got.PreauthCert)
	if err != nil {
		return err
	}
	c.purses = append(c.purses, &purse{cert: cert, prev: cert.Hash})
	return nil
}

// pay signs a voucher for a request, often one it may not sign.
func (c *rogueWallet) pay() error {
	b, ok := c.someBid()
	if !ok || len(b.vouchers) > 0 && c.w.dice.chance(800) {
		return nil
	}
	r := b.request.Body
	p, found := among(c.w.dice, slices.DeleteFunc(slices.Clone(c.purses), func(p *purse) bool { return p.cert.Body.Limit < r.Amount }))
	if !found {
		return nil
	}
	d := c.w.dice
	v := &peerv1.Voucher{
		PreauthId: p.cert.Body.PreauthId, RequestHash: b.request.Hash[:], Amount: r.Amount, Currency: "USD",
		Counter: p.counter + 1, PrevHash: p.prev[:], DeviceTimeMs: c.w.now.UnixMilli(),
	}
	v.Remaining = max(0, p.cert.Body.Limit-r.Amount)
	switch d.IntN(24) {
	case 0:
		v.Counter = max(1, p.counter) // the clone's
	case 1:
		v.Counter += uint32(d.IntN(5)) // ahead of it
	case 2:
		v.Amount += d.between(-1, 1)
	case 3:
		v.Tip = d.between(1, 5_00)
	case 4:
		v.Remaining = d.between(0, p.cert.Body.Limit)
	}
	for _, ca := range c.cancels[max(0, len(c.cancels)-preauth.ReleasedMax):] {
		if d.chance(500) {
			v.Released = append(v.Released, ca)
		}
	}
	if v.Amount < 1 {
		return nil
	}
	signed, err := sign(c.w, c.person, v)
	if err != nil {
		return nil // not even well-formed
	}
	p.counter, p.prev = max(p.counter, v.Counter), signed.Hash
	b.vouchers = append(b.vouchers, signedPayment{signed.Bytes, p.cert.Bytes})
	return c.send(b.s, signedPayment{signed.Bytes, p.cert.Bytes})
}

func (c *rogueWallet) send(s *session, p signedPayment) error {
	return s.send(c, secure.Payment, encode(&peerv1.Payment{Voucher: p.voucher, PreauthCert: p.cert}))
}

// someBid prefers those whose session is still there.
func (c *rogueWallet) someBid() (*bid, bool) {
	open := slices.DeleteFunc(slices.Clone(c.bids), func(b *bid) bool { return b.s.custGone })
	if len(open) > 0 && c.w.dice.chance(900) {
		return among(c.w.dice, open)
	}
	return among(c.w.dice, c.bids)
}

// resend sends an old voucher over whatever session there is to its till.
func (c *rogueWallet) resend() error {
	b, ok := among(c.w.dice, c.bids)
	if !ok || len(b.vouchers) == 0 {
		return nil
	}
	v, _ := among(c.w.dice, b.vouchers)
	for _, s := range c.sessions {
		if s.till == b.s.till {
			return c.send(s, v)
		}
	}
	return nil
}

func (c *rogueWallet) decline() error {
	b, ok := c.someBid()
	if !ok {
		return nil
	}
	no, err := sign(c.w, c.person, &peerv1.Decline{RequestHash: b.request.Hash[:], Reason: "no"})
	if err != nil {
		return err
	}
	return b.s.send(c, secure.Decline, no.Bytes)
}

// steal sends the voucher of an honest customer as its own.
func (c *rogueWallet) steal() error {
	s, ok := among(c.w.dice, c.sessions)
	a, cert, found := c.w.someVoucher()
	if !ok || !found {
		return nil
	}
	return c.send(s, signedPayment{a.VoucherBytes, cert})
}

// giveUp voids a pre-authorization, and goes on spending it.
func (c *rogueWallet) giveUp() error {
	if p, ok := among(c.w.dice, c.purses); ok {
		_, err := c.w.office.void(c.person, preauth.ID(p.cert.Body.PreauthId))
		if isBroken(err) {
			return err
		}
	}
	return nil
}

// handIn carries in what it has: its own claims with or without receipt, its
// Cancels, or an honest customer's.
func (c *rogueWallet) handIn() error {
	b, ok := among(c.w.dice, c.bids)
	if !ok || !c.w.office.up() {
		return nil
	}
	it := &backendv1.Item{Request: b.request.Bytes, Cancel: b.cancel}
	if v, ok := among(c.w.dice, b.vouchers); ok {
		it.Voucher, it.PreauthCert, it.Receipt = v.voucher, v.cert, b.receipt
	}
	if c.w.dice.chance(100) {
		damage(c.w.dice, it)
	}
	c.w.tell(c.name, "backend", "item, "+shape(it), b.request.Hash)
	_, err := c.w.office.submit(c.person, []*backendv1.Item{it})
	return err
}

// someAsk is a request of an honest till, as a stranger may have seen it.
func (w *world) someAsk() (store.Ask, bool) {
	t, ok := among(w.dice, w.tills)
	if !ok {
		return store.Ask{}, false
	}
	m := w.check.of(t.device)
	h, ok := among(w.dice, m.order)
	return m.asks[h], ok
}

// someAttempt is a request that an honest customer was shown, with what its
// till has said about it.
func (w *world) someAttempt() (store.Attempt, bool) {
	c, ok := among(w.dice, w.wallets)
	if !ok {
		return store.Attempt{}, false
	}
	m := w.check.of(c.device)
	h, ok := among(w.dice, m.order)
	return m.attempts[h], ok
}

// someVoucher is a voucher of an honest customer.
func (w *world) someVoucher() (store.Attempt, []byte, bool) {
	c, ok := among(w.dice, w.wallets)
	if !ok {
		return store.Attempt{}, nil, false
	}
	m := w.check.of(c.device)
	h, ok := among(w.dice, m.order)
	a := m.attempts[h]
	if !ok || len(a.VoucherBytes) == 0 || a.Charge || !c.up() {
		return a, nil, false
	}
	auth, err := c.st.Authorization(ctx, a.Preauth)
	return a, auth.Cert.Bytes, err == nil
}
