package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"

	"google.golang.org/protobuf/proto"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/cmd/internal/rogue"
	"github.com/vipaso/vipasod/preauth"
)

// villain is a party whose owner speaks the protocol by hand. Its methods are
// steps of attacks.
type villain struct {
	*stage
	*rogue.Device
	name string
}

// turns takes the party's device away from its program for good: from now on
// its owner speaks with its keys.
func (p *party) turns() *villain {
	v := p.copied()
	p.turned = true
	p.say("%s turns dishonest", p.name)
	return v
}

// isCopied has somebody copy the files of a device, which goes on as before.
func (p *party) isCopied() *villain {
	v := p.copied()
	p.begin()
	v.name = "the thief"
	p.say("the files of %s are copied", p.name)
	return v
}

func (p *party) copied() *villain {
	p.isStopped()
	ctx, cancel := p.limit()
	defer cancel()
	d, err := rogue.Turn(ctx, p.host.where(p.key).Dir, p.role, p.host.air().Join("rogue"))
	p.check(err, "%s is copied", p.name)
	return &villain{stage: p.stage, Device: d, name: p.name}
}

// visit is a villain's session with somebody honest.
type visit struct {
	v *villain
	*secure.Session
}

// dials meets the next customer on the air, as a till.
func (v *villain) dials() *visit {
	ctx, cancel := v.limit()
	defer cancel()
	s, err := v.Dial(ctx)
	v.check(err, "%s dials", v.name)
	return &visit{v, s}
}

// knocks tries to meet the next customer once, and returns why that one
// refuses, which it has to do before it answers.
func (v *villain) knocks() string {
	ctx, cancel := v.limit()
	defer cancel()
	s, err := v.Knock(ctx)
	if err == nil {
		return "a session, then " + (&visit{v, s}).ends()
	}
	return said(err)
}

// accepts meets a till that looks for customers.
func (v *villain) accepts() *visit {
	ctx, cancel := v.limit()
	defer cancel()
	s, err := v.Accept(ctx)
	v.check(err, "%s waits for a till", v.name)
	return &visit{v, s}
}

// says sends a message.
func (x *visit) says(typ secure.Type, body []byte) {
	ctx, cancel := x.v.limit()
	defer cancel()
	x.v.check(rogue.Send(ctx, x.Session, typ, body), "%s says %s", x.v.name, typ)
}

// hears waits for a message of a type, and fails if it is another.
func (x *visit) hears(want secure.Type) []byte {
	ctx, cancel := x.v.limit()
	defer cancel()
	for {
		typ, body, err := rogue.Next(ctx, x.Session)
		x.v.check(err, "%s waits for %s", x.v.name, want)
		switch typ {
		case want:
			return body
		case secure.BundlePart: // passed on by whoever has the newer one
		default:
			x.v.fail("%s hears %s, not %s", x.v.name, typ, want)
		}
	}
}

// ends waits for the end of the session, and says what the other side found.
func (x *visit) ends() string {
	ctx, cancel := x.v.limit()
	defer cancel()
	defer x.leaves()
	for {
		_, _, err := rogue.Next(ctx, x.Session)
		x.v.check(ctx.Err(), "%s waits for the end of the session", x.v.name)
		if err != nil {
			return said(err)
		}
	}
}

// leaves ends the session in good order.
func (x *visit) leaves() { _ = x.Close(secure.CloseDone) }

// said is what the other side says of the end of a session.
func said(err error) string {
	var peer *secure.PeerError
	if !errors.As(err, &peer) {
		return "ended without a word"
	}
	if peer.Alert == 0 {
		return "closed"
	}
	return "ALERT " + map[secure.AlertCode]string{
		secure.AlertProtocol: "PROTOCOL", secure.AlertHandshake: "HANDSHAKE", secure.AlertIdentity: "IDENTITY",
		secure.AlertVersion: "VERSION", secure.AlertDowngrade: "DOWNGRADE",
	}[peer.Alert]
}

// asked waits for the till's request.
func (x *visit) asked() preauth.Request {
	r, err := preauth.Open[*peerv1.Request](x.hears(secure.Request))
	x.v.check(err, "%s reads the request", x.v.name)
	return r
}

// asks signs a request for this session over an amount.
func (x *visit) asks(amount string, change func(*peerv1.Request)) preauth.Request {
	m, err := parse(amount)
	x.v.check(err, "amount")
	r, err := x.v.Request(x.Session, func(r *peerv1.Request) {
		r.Amount, r.Currency = m.Minor, m.Currency
		if change != nil {
			change(r)
		}
	})
	x.v.check(err, "%s signs a request", x.v.name)
	return r
}

// refusal waits for the till's Cancel, and says why.
func (x *visit) refusal() string {
	c, err := preauth.Open[*peerv1.Cancel](x.hears(secure.Cancel))
	x.v.check(err, "%s reads the cancel", x.v.name)
	if c.Body.Code != "" {
		return c.Body.Code
	}
	return c.Body.Reason.String()[len("CANCEL_REASON_"):]
}

// cert is the villain's own pre-authorization.
func (v *villain) cert() preauth.PreauthCert { return v.Purses[0].Cert }

// voucher signs a voucher on its own pre-authorization.
func (v *villain) voucher(r preauth.Request, change func(*peerv1.Voucher)) preauth.Voucher {
	got, err := v.Voucher(v.cert(), r, change)
	v.check(err, "%s signs a voucher", v.name)
	return got
}

// payment is what travels of a voucher.
func payment(voucher, cert []byte) []byte {
	return encode(&peerv1.Payment{Voucher: voucher, PreauthCert: cert})
}

// encode writes a message in its one encoding.
func encode(m proto.Message) []byte {
	b, err := secure.Encode(m)
	if err != nil {
		panic(exit{fmt.Errorf("encode: %w", err)})
	}
	return b
}

// sealed signs a body as the villain.
func sealed[M proto.Message](v *villain, body M) []byte {
	got, err := rogue.Sign(v.Device, body)
	v.check(err, "%s signs", v.name)
	return got.Bytes
}

// receiptFor signs a receipt, as a till.
func (v *villain) receiptFor(r preauth.Request, voucher preauth.Hash) []byte {
	return sealed(v, &peerv1.Receipt{
		RequestHash: r.Hash[:], VoucherHash: voucher[:], Status: peerv1.ReceiptStatus_RECEIPT_STATUS_STORED, StoredMs: 1,
	})
}

// cancelOf signs a Cancel, as a till.
func (v *villain) cancelOf(request preauth.Hash) []byte {
	return sealed(v, &peerv1.Cancel{RequestHash: request[:], Reason: peerv1.CancelReason_CANCEL_REASON_USER})
}

// isRefused has the till ask for 12.00 USD, answers it, and returns the code
// with which the till refuses. The till withdraws then.
func (v *villain) isRefused(ask func() *sale, answer func(preauth.Request) (voucher, cert []byte)) string {
	p := ask()
	x := v.accepts()
	voucher, cert := answer(x.asked())
	x.says(secure.Payment, payment(voucher, cert))
	code := x.refusal()
	p.at.has(p, "OPEN") // for somebody honest
	p.at.cancels(p)
	p.ends("CANCELLED USER")
	x.leaves()
	return code
}

// submits hands something in at the backend, and returns its word: the
// outcome with what was paid, or why there is none.
func (v *villain) submits(it *backendv1.Item) string {
	ctx, cancel := v.limit()
	defer cancel()
	resp, err := v.Submit(ctx, func(ctx context.Context) (net.Conn, error) { return v.host.reach(ctx) }, it)
	v.check(err, "%s hands in", v.name)
	got := resp.GetResults()[0]
	if len(got.GetVerdict()) == 0 {
		return got.GetError()
	}
	verdict, err := preauth.Open[*peerv1.Verdict](got.GetVerdict())
	v.check(err, "%s reads the verdict", v.name)
	word := verdict.Body.Outcome.String()[len("OUTCOME_"):]
	if verdict.Body.Amount > 0 {
		word += " " + usd(verdict.Body.Amount)
	}
	return word
}

// freshNonce makes a nonce for the next sessions.
func (v *villain) freshNonce() { rand.Read(v.Nonce[:]) }

// want fails unless what was measured is what must be.
func (s *stage) want(what, got, want string) {
	if got != want {
		s.fail("%s: %s, not %s", what, got, want)
	}
	s.say("%s: %s", what, got)
}

// timesAsked is how many requests the customer was shown.
func (p *party) timesAsked() int {
	n := 0
	events, _ := p.log.snapshot()
	for _, e := range events {
		if e.GetPaymentRequestReceived() != nil {
			n++
		}
	}
	return n
}

// paysHonestly is a payment as it should be. What must not have happened
// before is known when it is done.
func (p *party) paysHonestly(amount, want string) *sale {
	p.listens()
	s := p.till.asks(amount)
	p.sees(s)
	p.accepts(s, "PROVISIONAL")
	s.ends(want)
	return s
}

// same reports whether all are equal.
func same(all ...[]byte) bool {
	for _, b := range all[1:] {
		if !bytes.Equal(all[0], b) {
			return false
		}
	}
	return true
}
