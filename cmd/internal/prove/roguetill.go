package prove

import (
	"errors"
	"slices"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth"
)

// rogueTill is a till whose owner signs whatever pays: Receipts and Cancels
// for one request, Cancels of other tills' requests, claims that it hands in
// first or last.
type rogueTill struct {
	*person
	w        *world
	sessions []*session
	deals    []*deal // in the order they were begun
}

// deal is a request of a hostile till, and what has come of it.
type deal struct {
	request preauth.Request
	s       *session // where it was made
	promise []byte   // Voucher, the first that came
	hash    preauth.Hash
	cert    []byte
	cancel  []byte // once signed
	receipt []byte
}

func newRogueTill(w *world, p *person) *rogueTill { return &rogueTill{person: p, w: w} }

func (t *rogueTill) who() *person { return t.person }
func (t *rogueTill) alive() bool  { return true }

// shows is whatever spares it a bundle that it does not want.
func (t *rogueTill) shows() preauth.Trust { return t.w.owners()[0].base().trust }

func (t *rogueTill) joined(s *session) error {
	t.sessions = append(t.sessions, s)
	return nil
}

func (t *rogueTill) parted(s *session) error {
	t.sessions = slices.DeleteFunc(t.sessions, func(o *session) bool { return o == s })
	return nil
}

func (t *rogueTill) heard(s *session, m message) error {
	if m.typ != secure.Payment {
		return nil
	}
	var p peerv1.Payment
	if preauth.DecodeStrict(m.body, &p) != nil {
		return nil
	}
	v, err := preauth.Open[*peerv1.Voucher](p.Voucher)
	if err != nil {
		return nil
	}
	for _, d := range t.deals {
		if d.request.Hash == preauth.Hash(v.Body.RequestHash) && d.promise == nil {
			d.promise, d.hash, d.cert, d.s = p.Voucher, v.Hash, p.PreauthCert, s
		}
	}
	return nil
}

// act does one hostile or, to stay in business, honest thing.
func (t *rogueTill) act() error {
	switch n := t.w.dice.IntN(100); {
	case n < 40:
		return t.ask()
	case n < 55:
		return t.tell(t.receiptOf)
	case n < 70:
		return t.tell(t.cancelOf)
	case n < 75:
		return t.foreignCancel()
	case n < 79:
		return t.replay()
	case n < 82:
		return t.squat()
	}
	return t.handIn()
}

// ask makes a Request: of a new payment, or once more of an older one.
func (t *rogueTill) ask() error {
	s, ok := among(t.w.dice, t.sessions)
	if !ok || s.tillGone {
		return nil
	}
	id, _ := t.w.newID()
	r := &peerv1.Request{
		PaymentId: id[:], BusinessDeviceId: t.id[:], Nonce: s.nonceTill[:], Amount: t.w.dice.between(1_00, 40_00), Currency: "USD",
		Reference: "bargain", TtlMs: 60_000, ChannelBinding: s.binding[:], DeviceCert: t.cert.Bytes, CreatedMs: t.w.now.UnixMilli(),
	}
	if old, ok := among(t.w.dice, t.deals); ok && t.w.dice.chance(300) {
		r.PaymentId = old.request.Body.PaymentId
		if t.w.dice.chance(500) {
			r.Amount = old.request.Body.Amount
		}
	}
	signed, err := sign(t.w, t.person, r)
	if err != nil {
		return err
	}
	t.deals = append(t.deals, &deal{request: signed, s: s})
	return s.send(t, secure.Request, signed.Bytes)
}

// receiptOf and cancelOf sign for a request, whatever was signed before.
func (t *rogueTill) receiptOf(d *deal) (secure.Type, []byte, error) {
	hash := d.hash
	if d.promise == nil {
		return 0, nil, nil
	}
	if t.w.dice.chance(50) {
		hash[0] ^= 1 // of another voucher
	}
	r, err := sign(t.w, t.person, &peerv1.Receipt{
		RequestHash: d.request.Hash[:], VoucherHash: hash[:], Status: peerv1.ReceiptStatus_RECEIPT_STATUS_STORED, StoredMs: t.w.now.UnixMilli(),
	})
	if hash == d.hash {
		d.receipt = r.Bytes
	}
	return secure.Receipt, r.Bytes, err
}

func (t *rogueTill) cancelOf(d *deal) (secure.Type, []byte, error) {
	reason := peerv1.CancelReason_CANCEL_REASON_USER
	if t.w.dice.chance(500) {
		reason = peerv1.CancelReason_CANCEL_REASON_OTHER_PAID
	}
	c, err := sign(t.w, t.person, &peerv1.Cancel{RequestHash: d.request.Hash[:], Reason: reason})
	d.cancel = c.Bytes
	return secure.Cancel, c.Bytes, err
}

// tell sends what make signs to the customer of a deal, if that one is near.
func (t *rogueTill) tell(make func(*deal) (secure.Type, []byte, error)) error {
	d, ok := among(t.w.dice, t.deals)
	if !ok {
		return nil
	}
	typ, body, err := make(d)
	if err != nil || typ == 0 {
		return err
	}
	for _, s := range t.sessions {
		if s.cust == d.s.cust {
			return s.send(t, typ, body)
		}
	}
	return nil
}

// foreignCancel signs a Cancel of an honest till's request, and gives it to a
// customer or to the backend.
func (t *rogueTill) foreignCancel() error {
	a, ok := t.w.someAsk()
	if !ok {
		return nil
	}
	c, err := sign(t.w, t.person, &peerv1.Cancel{RequestHash: a.Request[:], Reason: peerv1.CancelReason_CANCEL_REASON_USER})
	if err != nil {
		return err
	}
	if s, ok := among(t.w.dice, t.sessions); ok && t.w.dice.chance(500) {
		return s.send(t, secure.Cancel, c.Bytes)
	}
	return t.submit(&backendv1.Item{Request: a.RequestBytes, Cancel: c.Bytes})
}

// replay sends what an honest till has signed, as if it were its own.
func (t *rogueTill) replay() error {
	s, ok := among(t.w.dice, t.sessions)
	a, found := t.w.someAttempt()
	if !ok || !found {
		return nil
	}
	words := []struct {
		typ  secure.Type
		body []byte
	}{{secure.Request, a.RequestBytes}, {secure.Receipt, a.ReceiptBytes}, {secure.Cancel, a.CancelBytes}}
	word := words[t.w.dice.IntN(len(words))]
	if len(word.body) == 0 {
		return nil
	}
	return s.send(t, word.typ, word.body)
}

// squat asks for a payment of an honest till: under its payment id, or even
// under its name.
func (t *rogueTill) squat() error {
	s, ok := among(t.w.dice, t.sessions)
	a, found := t.w.someAsk()
	if !ok || !found || s.tillGone {
		return nil
	}
	r, err := preauth.Open[*peerv1.Request](a.RequestBytes)
	if err != nil {
		return err
	}
	r.Body.Nonce, r.Body.ChannelBinding, r.Body.CreatedMs = s.nonceTill[:], s.binding[:], t.w.now.UnixMilli()
	if t.w.dice.chance(500) {
		r.Body.BusinessDeviceId, r.Body.DeviceCert = t.id[:], t.cert.Bytes
	}
	signed, err := sign(t.w, t.person, r.Body)
	if err != nil {
		return err
	}
	t.deals = append(t.deals, &deal{request: signed, s: s})
	return s.send(t, secure.Request, signed.Bytes)
}

// handIn hands in a claim, a Cancel, or both, whole or damaged.
func (t *rogueTill) handIn() error {
	d, ok := among(t.w.dice, t.deals)
	if !ok {
		return nil
	}
	it := &backendv1.Item{Request: d.request.Bytes}
	if d.promise != nil && d.receipt != nil && t.w.dice.chance(800) {
		it.PreauthCert, it.Voucher, it.Receipt = d.cert, d.promise, d.receipt
		if t.w.dice.chance(100) {
			it.Receipt = nil
		}
	}
	if d.cancel != nil && t.w.dice.chance(300) {
		it.Cancel = d.cancel
	}
	if t.w.dice.chance(60) {
		damage(t.w.dice, it)
	}
	return t.submit(it)
}

// damage flips a bit of an item.
func damage(d dice, it *backendv1.Item) {
	for _, part := range []*[]byte{&it.Request, &it.PreauthCert, &it.Voucher, &it.Receipt, &it.Cancel} {
		if len(*part) > 0 && d.chance(400) {
			b := slices.Clone(*part)
			b[d.IntN(len(b))] ^= byte(1 << d.IntN(8))
			*part = b
			return
		}
	}
}

func (t *rogueTill) submit(it *backendv1.Item) error {
	if !t.w.office.up() {
		return errOffline
	}
	t.w.tell(t.name, "backend", "item, "+shape(it), requestOf(it))
	_, err := t.w.office.submit(t.person, []*backendv1.Item{it})
	return err
}

// confess hands in every Cancel that it has signed.
func (t *rogueTill) confess() error {
	var errs []error
	for _, d := range t.deals {
		if d.cancel != nil {
			errs = append(errs, t.submit(&backendv1.Item{Request: d.request.Bytes, Cancel: d.cancel}))
		}
	}
	return errors.Join(errs...)
}

// shape says what an item has.
func shape(it *backendv1.Item) string {
	text := "Request"
	if len(it.Voucher) > 0 {
		text += "+Voucher"
	}
	if len(it.Receipt) > 0 {
		text += "+Receipt"
	}
	if len(it.Cancel) > 0 {
		text += "+Cancel"
	}
	return text
}

func requestOf(it *backendv1.Item) preauth.Hash {
	r, err := preauth.Open[*peerv1.Request](it.Request)
	if err != nil {
		return preauth.Hash{}
	}
	return r.Hash
}
