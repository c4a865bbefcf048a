package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"fmt"

	"google.golang.org/protobuf/proto"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth"
)

// forgeryAttacks show what nobody has signed.
var forgeryAttacks = []attack{
	{
		name: "forged-till", threat: "T5", play: forgedTill,
		must: "a till without a certificate of its own for its own key is refused before the customer says who it is",
	},
	{
		name: "forged-customer", threat: "T6", play: forgedCustomer,
		must: "money that no issuer set aside for this very key is refused",
	},
	{
		name: "tampered", threat: "T7", play: tampered,
		must: "another amount, tip or currency than asked for is refused, and nobody is shown an altered request",
	},
	{
		name: "stolen-noise-key", threat: "T5, T14", play: stolenNoiseKey,
		must: "who has only a device's radio key can open a session, and neither ask for money nor pay",
	},
}

// anotherKey makes a key that nobody has certified.
func (s *stage) anotherKey() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	s.check(err, "make a key")
	return k
}

// selfMade is a certificate like the villain's, as it likes it, which it has
// signed itself.
func (v *villain) selfMade(change func(*peerv1.DeviceCert)) []byte {
	body := proto.CloneOf(v.Cert.Body)
	change(body)
	return sealed(v, body)
}

// altered is a signed object whose body was changed after it was signed.
func altered[M proto.Message](s *stage, b []byte, body M, change func(M)) []byte {
	var signed peerv1.Signed
	s.check(preauth.DecodeStrict(b, &signed), "take it apart")
	s.check(preauth.DecodeStrict(signed.Body, body), "take it apart")
	change(body)
	signed.Body = encode(body)
	return encode(&signed)
}

func forgedTill(s *stage) string {
	b := s.bea.turns()
	p := s.till.asks("12.00 USD")
	x := b.accepts()
	seen := append([]byte(nil), x.PeerCert()...) // the till showed it in clear
	s.till.cancels(p)
	p.ends("CANCELLED USER")
	x.leaves()
	s.check(b.Radio.Close(), "leave the air")

	s.ann.listens()
	k := s.kiosk.turns()
	var words []string
	for _, cert := range [][]byte{
		k.selfMade(func(c *peerv1.DeviceCert) { c.DisplayName = businessName }),
		seen, // with the kiosk's own radio key
		altered(s, k.Identity.DeviceCert, &peerv1.DeviceCert{}, func(c *peerv1.DeviceCert) { c.DisplayName = businessName }),
	} {
		k.Identity.DeviceCert = cert
		words = append(words, k.knocks())
	}
	k.Device.Identity.DeviceCert, k.Keys.Noise = b.Identity.DeviceCert, b.Keys.Noise // a genuine customer
	words = append(words, k.knocks())
	for _, w := range words {
		s.want("Ann's device", w, "ALERT IDENTITY")
	}
	s.check(k.Radio.Close(), "leave the air")
	s.ann.paysHonestly("12.00 USD", provisional12)
	s.want("Ann was asked, in all", fmt.Sprint(s.ann.timesAsked()), "1")
	return fmt.Sprintf("self-made, borrowed, altered and customer's certificate: %d times ALERT IDENTITY; Ann was shown none of them", len(words))
}

func forgedCustomer(s *stage) string {
	ann := s.ann.isCopied()
	s.check(ann.Radio.Close(), "leave the air")
	b := s.bea.turns()
	rich := proto.CloneOf(b.cert().Body)
	rich.Limit, rich.PaymentMax = 1_000_000_00, 1_000_000_00
	ask := func() *sale { return s.till.asks("12.00 USD") }
	selfMade := b.isRefused(ask, func(q preauth.Request) ([]byte, []byte) {
		cert, err := preauth.Sign(b.Keys.Signing, rich)
		s.check(err, "sign a certificate")
		v, err := b.Voucher(cert, q, nil)
		s.check(err, "sign a voucher")
		return v.Bytes, cert.Bytes
	})
	changed := b.isRefused(ask, func(q preauth.Request) ([]byte, []byte) {
		cert := altered(s, b.cert().Bytes, &peerv1.PreauthCert{}, func(c *peerv1.PreauthCert) { c.Limit = rich.Limit })
		return b.voucher(q, nil).Bytes, cert
	})
	anothers := b.isRefused(ask, func(q preauth.Request) ([]byte, []byte) { // Ann's money, Bea's key
		v, err := b.Voucher(ann.cert(), q, nil)
		s.check(err, "sign a voucher")
		return v.Bytes, ann.cert().Bytes
	})
	b.Identity.DeviceCert = b.selfMade(func(c *peerv1.DeviceCert) {})
	p := s.till.asks("12.00 USD")
	device := b.isTurnedAway()
	s.want("the till", device, "ALERT IDENTITY")
	s.till.cancels(p)
	p.ends("CANCELLED USER")
	s.want("a self-made pre-authorization", selfMade, "CERT_INVALID")
	s.want("one with a higher limit", changed, "SIGNATURE_INVALID")
	s.want("another's", anothers, "SIGNATURE_INVALID")
	return fmt.Sprintf("self-made pre-authorization %s, raised limit %s, another's money %s, self-made device %s; 4 payments unpaid", selfMade, changed, anothers, device)
}

func tampered(s *stage) string {
	b := s.bea.turns()
	plain := func() *sale { return s.till.asks("12.00 USD") }
	as := func(change func(*peerv1.Voucher)) string {
		return b.isRefused(plain, func(q preauth.Request) ([]byte, []byte) { return b.voucher(q, change).Bytes, b.cert().Bytes })
	}
	less := as(func(v *peerv1.Voucher) { v.Amount, v.Remaining = 1, 0 })
	more := as(func(v *peerv1.Voucher) { v.Amount, v.Remaining = 20_00, 0 })
	tip := b.isRefused(func() *sale {
		return s.till.asksFor(&businessv1.SendPaymentRequestViaBleRequest{Tip: &businessv1.TipPolicy{}}, "12.00 USD")
	}, func(q preauth.Request) ([]byte, []byte) {
		return b.voucher(q, func(v *peerv1.Voucher) { v.Tip, v.Remaining = 1_00, 0 }).Bytes, b.cert().Bytes
	})
	currency := as(func(v *peerv1.Voucher) { v.Currency = "EUR" })
	s.want("one cent", less, "AMOUNT_MISMATCH")
	s.want("20.00", more, "AMOUNT_MISMATCH")
	s.want("a tip where none is taken", tip, "TIP_NOT_ALLOWED")
	s.want("euros", currency, "CURRENCY_MISMATCH")
	s.check(b.Radio.Close(), "leave the air")

	k := s.kiosk.turns()
	s.ann.listens()
	x := k.dials()
	q := x.asks("99.00 USD", nil)
	x.says(secure.Request, altered(s, q.Bytes, &peerv1.Request{}, func(r *peerv1.Request) { r.Amount = 1 }))
	shown := x.ends()
	s.want("an altered request", shown, "ALERT PROTOCOL")
	s.check(k.Radio.Close(), "leave the air")
	s.ann.paysHonestly("12.00 USD", provisional12)
	s.want("Ann was asked, in all", fmt.Sprint(s.ann.timesAsked()), "1")
	return fmt.Sprintf("less and more %s, tip %s, currency %s; an altered request is not shown: %s", less, tip, currency, shown)
}

func stolenNoiseKey(s *stage) string {
	ann, till := s.ann.isCopied(), s.till.isCopied()
	ann.Keys.Signing, till.Keys.Signing = s.anotherKey(), s.anotherKey()
	s.ann.listens()
	x := till.dials()
	s.say("the thief has a session as the till")
	x.says(secure.Request, x.asks("12.00 USD", nil).Bytes)
	asked := x.ends()
	s.want("a request without the till's signing key", asked, "ALERT PROTOCOL")
	s.check(till.Radio.Close(), "leave the air")
	s.ann.stopsListening()

	paid := ann.isRefused(func() *sale { return s.till.asks("12.00 USD") }, func(q preauth.Request) ([]byte, []byte) {
		return ann.voucher(q, nil).Bytes, ann.cert().Bytes
	})
	s.want("a voucher without Ann's signing key", paid, "SIGNATURE_INVALID")
	s.check(ann.Radio.Close(), "leave the air")
	s.ann.paysHonestly("12.00 USD", provisional12)
	s.want("Ann was asked, in all", fmt.Sprint(s.ann.timesAsked()), "1")
	return fmt.Sprintf("session opened, request: %s, never shown; voucher: %s; 0.00 moved", asked, paid)
}
