package main

import (
	"fmt"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth"
)

// cancelAttacks say that a payment ended otherwise than it did.
var cancelAttacks = []attack{
	{
		name: "voucher-after-cancel", threat: "T3, T8", play: voucherAfterCancel,
		must: "what the till has cancelled stays cancelled, whatever arrives later, and moves no money",
	},
	{
		name: "capture-after-cancel", threat: "T17", play: captureAfterCancel,
		must: "a till that cancels and claims all the same loses the money again when the Cancel is known",
	},
	{
		name: "receipt-and-cancel", threat: "T17", cast: cast{aside: map[string]string{"bea": "20.00 USD"}}, play: receiptAndCancel,
		must: "of a Receipt and a Cancel for one request the Cancel counts, and an honest till is paid in full",
	},
	{
		name: "strangers-cancel", threat: "T5, T17", play: strangersCancel,
		must: "a Cancel counts only from the till that made the request",
	},
	{
		name: "payment-id-squatting", threat: "T5", play: paymentIDSquatting,
		must: "a till that asks under another's payment id is not paid in its place",
	},
}

func voucherAfterCancel(s *stage) string {
	b := s.bea.turns()
	p := s.till.asks("12.00 USD")
	x := b.accepts()
	q := x.asked()
	voucher := b.voucher(q, nil)
	s.till.cancels(p)
	p.ends("CANCELLED USER")
	cancel := x.hears(secure.Cancel)
	again := 0
	for range 5 {
		x.says(secure.Payment, payment(voucher.Bytes, b.cert().Bytes))
		if same(x.hears(secure.Cancel), cancel) {
			again++
		}
	}
	x.leaves()
	s.want("of 5 late vouchers got the same Cancel", fmt.Sprint(again), "5")
	s.till.has(p, "CANCELLED")
	alone := b.submits(&backendv1.Item{Request: q.Bytes, PreauthCert: b.cert().Bytes, Voucher: voucher.Bytes})
	s.want("the voucher without a Receipt, handed in", alone, "RECEIPT_MISSING")
	s.till.goesOnline()
	s.till.synchronizes()
	late := b.submits(&backendv1.Item{Request: q.Bytes, PreauthCert: b.cert().Bytes, Voucher: voucher.Bytes, Cancel: cancel})
	s.want("with the Cancel", late, "CANCELLED")
	s.creditedIs(p, "0.00")
	return fmt.Sprintf("%d of 5 late vouchers got the same Cancel; at the backend %s alone, %s with the Cancel; credited 0.00", again, alone, late)
}

// deal is a payment of an honest customer to a dishonest till.
type deal struct {
	*sale
	x       *visit
	request preauth.Request
	voucher preauth.Voucher
	cert    []byte
}

// sells has an honest customer, who listens, pay a dishonest till.
func (v *villain) sells(to *party, amount string) deal {
	x := v.dials()
	q := x.asks(amount, nil)
	d := deal{x: x, request: q, sale: &sale{stage: v.stage, id: preauth.ID(q.Body.PaymentId).String(), label: "the deal", amount: amount}}
	x.says(secure.Request, q.Bytes)
	to.sees(d.sale)
	to.taps(d.sale)
	var p peerv1.Payment
	v.check(preauth.DecodeStrict(x.hears(secure.Payment), &p), "read the payment")
	var err error
	d.voucher, err = preauth.Open[*peerv1.Voucher](p.Voucher)
	v.check(err, "read the voucher")
	d.cert = p.PreauthCert
	return d
}

// claim is what pays the till.
func (v *villain) claim(q preauth.Request, voucher preauth.Voucher, cert []byte) *backendv1.Item {
	return &backendv1.Item{Request: q.Bytes, PreauthCert: cert, Voucher: voucher.Bytes, Receipt: v.receiptFor(q, voucher.Hash)}
}

func captureAfterCancel(s *stage) string {
	k := s.kiosk.turns()
	s.ann.listens()
	d := k.sells(s.ann, "12.00 USD")
	d.x.says(secure.Cancel, k.cancelOf(d.request.Hash))
	s.ann.becomes(d.sale, "CANCELLED")
	s.ann.holdIs("0.00", "0.00", "100.00")
	d.x.leaves()
	claim := k.claim(d.request, d.voucher, d.cert)
	before := k.submits(claim)
	s.want("the claim, while nobody knows of the Cancel", before, "SETTLED 12.00")
	s.creditedIs(d.sale, "12.00")
	s.ann.goesOnline()
	s.ann.synchronizes()
	s.creditedIs(d.sale, "0.00")
	after := k.submits(claim)
	s.want("the same claim, when Ann has brought the Cancel", after, "CANCELLED")
	s.ann.holdIs("0.00", "0.00", "100.00")
	return fmt.Sprintf("claim %s while Ann was offline; %s and credited 0.00 once she had brought the Cancel; she may spend 100.00", before, after)
}

func receiptAndCancel(s *stage) string {
	k, b := s.kiosk.turns(), s.bea.turns()

	// With an honest customer.
	s.ann.listens()
	d := k.sells(s.ann, "12.00 USD")
	d.x.says(secure.Receipt, k.receiptFor(d.request, d.voucher.Hash))
	s.ann.becomes(d.sale, "PROVISIONAL")
	d.x.ends()
	again := k.dials()
	again.says(secure.Cancel, k.cancelOf(d.request.Hash))
	s.ann.becomes(d.sale, "CANCELLED")
	again.leaves()
	s.ann.stopsListening()
	s.check(k.Radio.Close(), "leave the air")

	// With a customer of its own: the same 20.00 for both, and for an honest till.
	q, err := preauth.Sign(k.Keys.Signing, ownRequest(k, 20_00))
	s.check(err, "sign a request")
	voucher := b.voucher(q, nil)
	claim := k.claim(q, voucher, b.cert().Bytes)
	s.want("the claim of the two", k.submits(claim), "SETTLED 20.00")
	cancel := k.cancelOf(q.Hash)
	p := b.pays(s.till, "20.00 USD", 2, [][]byte{cancel})
	p.ends(provisional20)
	s.till.goesOnline()
	s.till.becomes(p, "SETTLED")
	s.creditedIs(p, "20.00")
	word := k.submits(claim)
	s.want("the claim, when the voucher has brought the Cancel", word, "CANCELLED")

	ctx, cancelled := s.limit()
	defer cancelled()
	l, err := readLedger(ctx, s.host.books())
	s.check(err, "read the ledger")
	owed := usd(l.tills[s.kiosk.owner])
	s.want("the kiosk is owed", owed, "0.00")
	s.want("the issuer paid", usd(-l.kinds["USD"]["ISSUER"]), "0.00")
	return fmt.Sprintf("Ann: PROVISIONAL, then CANCELLED; the two's claim %s; the kiosk is owed %s, the honest till got 20.00", word, owed)
}

// ownRequest is a request that a dishonest till makes for a friend, over no
// radio at all.
func ownRequest(k *villain, amount int64) *peerv1.Request {
	id := preauth.ID(k.Nonce) // as good as any
	return &peerv1.Request{
		PaymentId: id[:], BusinessDeviceId: k.Cert.Body.DeviceId, Nonce: k.Nonce[:], Amount: amount, Currency: "USD",
		TtlMs: 60_000, ChannelBinding: make([]byte, 32), DeviceCert: k.Identity.DeviceCert, CreatedMs: 1,
	}
}

func strangersCancel(s *stage) string {
	p := s.ann.paysHonestly("12.00 USD", provisional12)
	request := s.till.requestOf(p)
	k := s.kiosk.turns()
	s.part()
	x := k.dials()
	x.says(secure.Cancel, k.cancelOf(request.Hash))
	word := x.ends()
	s.want("Ann's device", word, "ALERT PROTOCOL")
	s.ann.has(p, "PROVISIONAL")
	s.ann.holdIs("0.00", "12.00", "88.00")
	s.check(k.Radio.Close(), "leave the air")
	handed := k.submits(&backendv1.Item{Request: request.Bytes, Cancel: k.cancelOf(request.Hash)})
	s.want("at the backend", handed, "SIGNATURE_INVALID")
	s.ann.stopsListening()
	s.till.goesOnline()
	s.till.becomes(p, "SETTLED")
	s.creditedIs(p, "12.00")
	return fmt.Sprintf("Ann: %s, 12.00 stay held; backend: %s; the till got 12.00", word, handed)
}

// requestOf is the signed request of a payment, which both sides can show.
func (p *party) requestOf(s *sale) preauth.Request {
	ctx, cancel := p.limit()
	defer cancel()
	got, err := p.payment(ctx, s)
	p.check(err, "%s looks at %s", p.name, s.label)
	r, err := preauth.Open[*peerv1.Request](got.GetReceipt().GetRequest())
	p.check(err, "the request of %s", s.label)
	return r
}

func paymentIDSquatting(s *stage) string {
	k := s.kiosk.turns()
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	seen := s.ann.log.last()
	s.till.isKilled() // so that the kiosk is first
	p.isOrphaned()
	s.ann.hasEvent(0, "payment_failed", p)
	id, err := preauth.ParseID(p.id)
	s.check(err, "payment id")
	x := k.dials()
	x.says(secure.Request, x.asks("12.00 USD", func(r *peerv1.Request) { r.PaymentId = id[:] }).Bytes)
	word := x.ends()
	s.want("Ann's device", word, "ALERT PROTOCOL")
	s.check(k.Radio.Close(), "leave the air")
	s.till.restarts()
	s.ann.seesAgain(p, seen)
	s.want("Ann was asked, in all", fmt.Sprint(s.ann.timesAsked()), "2") // twice by the till
	s.ann.accepts(p, "PROVISIONAL")
	s.till.becomes(p, "PROVISIONAL")
	s.part()
	s.till.goesOnline()
	s.till.becomes(p, "SETTLED")
	s.creditedIs(p, "12.00")
	return fmt.Sprintf("the kiosk's request: %s, never shown; Ann paid the till, 12.00 credited to it", word)
}
