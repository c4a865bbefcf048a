package daemon

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

const (
	pendingEvery = 5 * time.Second // while somebody decides
	sendLimit    = 10 * time.Second
	resendLimit  = 3 * time.Second // for a customer to resend what it listed as unfinished
	ttlMax       = time.Hour       // of a Request
)

// payer is a till's session with one customer.
type payer struct {
	*peer
	cert   preauth.DeviceCert
	as     *self // who the till was in the handshake
	nonce  [16]byte
	opened time.Time
	// unfinished are the customer's payments with this till that have to be
	// settled before it is asked for another. Owned by the session's loop.
	unfinished map[preauth.ID]bool
	// answered are outcomes sent here; the customer closes when it has
	// stored what it waited for. False: a reversal came after that, and
	// perhaps too late. Guarded by the till's mu.
	answered map[preauth.Hash]bool
}

// serve runs one session with a customer, from handshake to the end of the
// link, and gives the link back, once: after that it may be somebody else's.
func (t *till) serve(ctx context.Context, l link.Link, s link.Sighting, eid link.EID) {
	p, err := t.shakeHands(ctx, l, s)
	if err != nil {
		t.concluded(eid, true, err)
		t.release(eid)
		return
	}
	back, owes := t.givenBack(ctx, p)
	sale, open, err := t.d.store.OpenSale(ctx)
	if err == nil && (!open || sale.State != payment.Open) && len(p.unfinished) == 0 && !owes {
		p.close(secure.CloseDone) // the payment ended meanwhile: do not keep the customer from other tills
		t.release(eid)
		return
	}
	t.mu.Lock()
	t.payers[eid] = p
	n := len(t.payers)
	t.mu.Unlock()
	t.endSessions(p)
	defer t.watchIdle(ctx, p)()
	if err == nil && open {
		t.progress.tell(sale.ID, businessv1.ProgressStep_PROGRESS_STEP_CUSTOMER_CONNECTED, n, "")
	}
	err = p.run(ctx, func(typ secure.Type, body []byte) error { return t.receive(ctx, p, typ, body) }, func() error {
		if owes {
			owes = false
			return t.giveBack(ctx, p, back)
		}
		return t.ask(ctx, p)
	})
	t.ended(ctx, p, eid, err)
}

// replaces reports whether p is a later session with old's customer.
func (p *payer) replaces(old *payer) bool {
	return old.opened.Before(p.opened) && string(old.cert.Body.DeviceId) == string(p.cert.Body.DeviceId)
}

// shakeHands returns the session, or why there is none.
func (t *till) shakeHands(ctx context.Context, l link.Link, s link.Sighting) (*payer, error) {
	who, err := t.d.enrolled()
	if err != nil {
		l.Close("not enrolled")
		return nil, err
	}
	p := &payer{as: who, opened: time.Now(), unfinished: make(map[preauth.ID]bool), answered: make(map[preauth.Hash]bool)}
	rand.Read(p.nonce[:])
	sess, err := secure.Initiate(ctx, l, t.d.local(who, peerv1.Role_ROLE_CUSTOMER),
		secure.Initiator{Advertisement: s.ServiceData, Nonce: p.nonce})
	if err != nil {
		t.d.refused.note(err)
		t.d.log.Info("handshake", "error", err)
		t.hopeless(ctx, err)
		l.Close("handshake")
		return nil, err
	}
	if p.cert, err = who.trust.DeviceCert(sess.PeerCert(), peerv1.Role_ROLE_CUSTOMER, t.d.now()); err != nil {
		sess.Close(secure.CloseDone)
		return nil, err
	}
	for _, u := range sess.Unfinished() {
		if id, err := preauth.IDFrom(u); err == nil {
			p.unfinished[id] = true
		}
	}
	p.peer = newPeer(t.d, sess)
	if len(p.unfinished) > 0 {
		time.AfterFunc(resendLimit, p.nudge.fire)
	}
	return p, nil
}

// deniedNear is what helps when a device near refuses this till.
const deniedNear = "a device near refused this till: let that device, or this one, go online once (`vipasoctl sync now`)."

// hopeless tells whoever waits for a payment that somebody near could not be
// asked, why, and what to do, if searching on does not help.
func (t *till) hopeless(ctx context.Context, err error) {
	why := deniedNear
	if !deniedThere(err) {
		if !errors.Is(err, secure.ErrVersion) {
			return
		}
		reason, _ := reasonOf(err)
		e, _ := catalogue.Lookup(reason)
		why = reason + ": " + message(e, err) + " " + e.Next
	}
	sale, open, failed := t.d.store.OpenSale(ctx)
	if failed != nil || !open {
		return
	}
	t.progress.tell(sale.ID, businessv1.ProgressStep_PROGRESS_STEP_SEARCHING, t.connected(), why)
}

// local is this device's part in a handshake with a device of that role.
func (d *Device) local(who *self, peer peerv1.Role) secure.Local {
	return secure.Local{
		NoiseKey: [32]byte(d.opt.Keys.Noise.Bytes()), DeviceCert: who.DeviceCert, Epoch: who.trust.Epoch(),
		VerifyPeer: func(b []byte) ([32]byte, error) {
			c, err := who.trust.DeviceCert(b, peer, d.now())
			if err != nil {
				return [32]byte{}, err
			}
			return [32]byte(c.Body.NoiseKey), nil
		},
	}
}

// ask makes a Request for the customer's session, if a payment is open, the
// customer has not answered it already, and nothing older is unsettled.
func (t *till) ask(ctx context.Context, p *payer) error {
	if len(p.unfinished) > 0 && time.Since(p.opened) < resendLimit {
		return nil
	}
	t.d.mu.Lock()
	sale, fx, err := t.makeRequest(ctx, p)
	t.d.mu.Unlock()
	if err != nil || len(fx.Send) == 0 {
		return err
	}
	t.wake.fire() // one more customer may come back for it
	t.deliver(ctx, sale, fx)
	t.progress.tell(sale.ID, businessv1.ProgressStep_PROGRESS_STEP_REQUEST_SHOWN, t.connected(), "code "+p.sess.Code(p.nonce, p.sess.PeerNonce()))
	return nil
}

// makeRequest stores a Request for p's session. The caller holds the lock.
// Without a reason to ask it returns no effects.
func (t *till) makeRequest(ctx context.Context, p *payer) (store.Sale, payment.Effects, error) {
	none := payment.Effects{}
	sale, open, err := t.d.store.OpenSale(ctx)
	if err != nil || !open || sale.State != payment.Open || time.Until(t.deadline(sale)) <= 0 {
		return sale, none, err
	}
	asks, err := t.d.store.AsksOf(ctx, sale.ID)
	if err != nil {
		return sale, none, err
	}
	customer, asked := preauth.ID(p.cert.Body.DeviceId), 0
	for _, a := range asks {
		if a.Customer == customer {
			asked++
		}
		if t.payerOf(a.Request) == p || a.Customer == customer && refused(a) {
			return sale, none, nil
		}
	}
	if asked >= asksMax {
		return sale, none, fmt.Errorf("customer asked %d times for %s: %w", asked, sale.ID, errAskedOften)
	}
	if err := t.d.stillIs(p.as); err != nil { // not before: it may still have to say how an earlier one ended
		return sale, none, err
	}
	r, err := preauth.Sign(t.d.opt.Keys.Signing, requestBody(sale, p, time.Until(t.deadline(sale))))
	if err != nil {
		return sale, none, err
	}
	next, fx, err := sale.Sale.Step(payment.BusinessInput{Event: payment.AskMade, Request: r.Hash}, t.d.now())
	if err != nil {
		return sale, none, err
	}
	ask := store.Ask{
		Ask: payment.Ask{Request: r.Hash}, Payment: sale.ID, Customer: customer, CustomerCert: p.cert.Bytes,
		RequestBytes: r.Bytes, Currency: sale.Currency, ResumeKey: p.sess.ResumeKey(), CreatedAt: t.d.now(),
	}
	sale.Sale = next
	if err := t.d.commit(ctx, &store.Change{Sale: &sale, Asks: []store.Ask{ask}}); err != nil {
		return sale, none, err
	}
	t.mu.Lock()
	t.byRequest[r.Hash] = p
	t.mu.Unlock()
	return sale, fx, nil
}

// requestBody is what the till asks of p, for as long as is left.
func requestBody(s store.Sale, p *payer, left time.Duration) *peerv1.Request {
	binding := p.sess.Binding()
	r := &peerv1.Request{
		PaymentId: s.ID[:], BusinessDeviceId: p.as.cert.Body.DeviceId, Nonce: p.nonce[:],
		Amount: s.Amount, Currency: s.Currency, Reference: s.Reference,
		TtlMs: min(max(1, left.Milliseconds()), ttlMax.Milliseconds()), Online: s.Online, ChannelBinding: binding[:],
		DeviceCert: p.as.DeviceCert, CreatedMs: time.Now().UnixMilli(),
	}
	if s.TipAllowed {
		r.Tip = &peerv1.TipPolicy{Allowed: true, Max: s.TipMax}
	}
	return r
}

// ended forgets a session. A customer that closed in good order has stored
// what it was sent: nothing is owed to it any more.
func (t *till) ended(ctx context.Context, p *payer, eid link.EID, err error) {
	t.d.refused.note(err)
	var said *secure.PeerError
	done := errors.As(err, &said) && said.Alert == 0 && said.Close == secure.CloseDone
	t.concluded(eid, t.forget(p, done), err)
	t.release(eid)
	t.d.log.Info("session ended", "peer", shortID(p.cert), "error", err)
	t.wake.fire()
	t.d.changed.fire()
}

// forget takes p for no session of any request. If the customer was done, it
// has stored the outcomes that it was sent: nothing is owed for them any more.
// That is written with the next payment, not now: what a crash forgets is only
// looked for once more. It reports whether p was of no request.
func (t *till) forget(p *payer, done bool) (vain bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	vain = true
	for h, q := range t.byRequest {
		if q == p {
			delete(t.byRequest, h)
			vain = false
		}
	}
	for h, whole := range p.answered {
		if whole && done {
			t.acked[h] = true
		}
	}
	return vain
}

// ackedRows returns the rows of delivered outcomes, as they are to be stored.
// The caller holds the device's lock.
func (t *till) ackedRows(ctx context.Context) []store.Ask {
	t.mu.Lock()
	acked := slices.Collect(maps.Keys(t.acked))
	t.mu.Unlock()
	var rows []store.Ask
	for _, h := range acked {
		a, err := t.d.store.Ask(ctx, h)
		if err == nil && a.Owed && a.Answered() {
			a.Owed = false
			rows = append(rows, a)
		}
	}
	return rows
}

// forgetAcked drops requests whose rows a commit has stored: either that they
// were delivered, or an outcome that was not. A session that ends before it is
// sent that has delivered an earlier one.
func (t *till) forgetAcked(rows []store.Ask) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, a := range rows {
		delete(t.acked, a.Request)
		if p := t.byRequest[a.Request]; p != nil && p.answered[a.Request] {
			p.answered[a.Request] = false
		}
	}
}

func (t *till) payerOf(request preauth.Hash) *payer {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.byRequest[request]
}

func (t *till) connected() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.payers)
}

// shortID names a device in logs without giving it away.
func shortID(c preauth.DeviceCert) string { return preauth.ID(c.Body.GetDeviceId()).String()[:8] }
