package device

import (
	"context"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/proto"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/cmd/internal/rogue"
	"github.com/vipaso/vipasod/preauth"
)

// rogueParty is an enrolled device whose owner speaks the protocol by hand.
type rogueParty struct {
	*rogue.Device
	r *rig
}

// turn makes a rogue of an enrolled device.
func (p *party) turn() *rogueParty {
	r := p.rig
	p.stop()
	d, err := rogue.Turn(r.ctx, filepath.Join(r.dir, p.name), p.role, r.air.Join("rogue"))
	r.must(err)
	return &rogueParty{Device: d, r: r}
}

// dial connects, as a till, to the next customer that is heard.
func (g *rogueParty) dial() *secure.Session { return g.session(g.Dial) }

// accept waits, as a customer, for a till.
func (g *rogueParty) accept() *secure.Session { return g.session(g.Accept) }

func (g *rogueParty) session(meet func(context.Context) (*secure.Session, error)) *secure.Session {
	g.r.t.Helper()
	ctx, cancel := context.WithTimeout(g.r.ctx, 20*time.Second)
	defer cancel()
	s, err := meet(ctx)
	if err != nil {
		g.r.t.Fatalf("nobody to meet: %v; on the air: %+v", err, g.r.air.Peers())
	}
	g.r.t.Cleanup(func() { _ = s.Close(secure.CloseDone) })
	return s
}

func (g *rogueParty) send(s *secure.Session, typ secure.Type, body []byte) {
	g.r.t.Helper()
	g.r.must(rogue.Send(g.r.ctx, s, typ, body))
}

// next returns the next message that is no Pending.
func (g *rogueParty) next(s *secure.Session) (secure.Type, []byte, error) {
	ctx, cancel := context.WithTimeout(g.r.ctx, 20*time.Second)
	defer cancel()
	return rogue.Next(ctx, s)
}

// ended waits for the end of the session.
func (g *rogueParty) ended(s *secure.Session) error {
	g.r.t.Helper()
	for {
		if _, _, err := g.next(s); err != nil {
			if errors.Is(err, context.DeadlineExceeded) {
				g.r.t.Fatal("the session does not end")
			}
			return err
		}
	}
}

// request signs a request for a session.
func (g *rogueParty) request(s *secure.Session, change func(*peerv1.Request)) preauth.Request {
	g.r.t.Helper()
	q, err := g.Request(s, change)
	g.r.must(err)
	return q
}

func signed[M proto.Message](g *rogueParty, body M) preauth.Signed[M] {
	g.r.t.Helper()
	s, err := rogue.Sign(g.Device, body)
	g.r.must(err)
	return s
}

func encode(t testing.TB, m proto.Message) []byte {
	t.Helper()
	b, err := proto.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestRogueTill: nothing that a till can say makes a customer pay twice, or
// another, or believe what is not signed for this very request.
func TestRogueTill(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		honest := r.till("honest")
		ann, card := r.payer("ann", "40.00")
		g := r.till("evil").turn()
		events := ann.listen(r.ctx)
		setOffline(true, honest, ann)

		// A sale of the honest till that the rogue knows the id of.
		result := honest.request("1.00", offline)
		asked := r.received(events)
		ann.accept(asked, card)
		if r.result(result).GetPaymentSuccessful() == nil {
			t.Fatal("not paid")
		}
		known := uuid.MustParse(asked.PaymentId)
		setOffline(true, honest)

		for name, attack := range map[string]func(*secure.Session){
			"unknown type": func(s *secure.Session) { g.send(s, secure.Payment, []byte{1}) },
			"no request":   func(s *secure.Session) { g.send(s, secure.Request, []byte("nonsense")) },
			"of another's payment": func(s *secure.Session) {
				g.send(s, secure.Request, g.request(s, func(q *peerv1.Request) { q.PaymentId = known[:] }).Bytes)
			},
			"for another session": func(s *secure.Session) {
				g.send(s, secure.Request, g.request(s, func(q *peerv1.Request) { q.ChannelBinding = make([]byte, 32) }).Bytes)
			},
			"of another till": func(s *secure.Session) {
				g.send(s, secure.Request, g.request(s, func(q *peerv1.Request) { q.BusinessDeviceId = make([]byte, 16) }).Bytes)
			},
			"another nonce": func(s *secure.Session) {
				g.send(s, secure.Request, g.request(s, func(q *peerv1.Request) { q.Nonce = make([]byte, 16) }).Bytes)
			},
			"bundle out of order": func(s *secure.Session) {
				g.send(s, secure.BundlePart, encode(t, &peerv1.BundlePart{Epoch: 99, Index: 1, Count: 2, Part: []byte{1}}))
			},
			"bundle of another root": func(s *secure.Session) {
				b := signed(g, proto.CloneOf(g.Trust.Bundle.Body)).Bytes
				g.send(s, secure.BundlePart, encode(t, &peerv1.BundlePart{Epoch: 99, Count: 1, Part: b}))
			},
			"a genuine bundle, over and over": func(s *secure.Session) {
				for range 2 {
					g.send(s, secure.BundlePart, encode(t, &peerv1.BundlePart{Epoch: g.Trust.Epoch(), Count: 1, Part: g.Trust.Bundle.Bytes}))
				}
			},
			"same request twice": func(s *secure.Session) {
				q := g.request(s, nil).Bytes
				g.send(s, secure.Request, q)
				g.send(s, secure.Request, q)
			},
		} {
			before := ann.counters().Commits
			s := g.dial()
			attack(s)
			g.ended(s)
			_ = s.Close(secure.CloseDone)
			if n := ann.counters().Commits - before; n > 2 {
				t.Errorf("%s: %d commits", name, n)
			}
		}
		if p := ann.payment(asked.PaymentId); p.State != provisional || ann.vouchers(asked.PaymentId) != 1 {
			t.Errorf("the honest payment is %s", p.State)
		}

		// An honest request, and lies about its outcome.
		s := g.dial()
		q := g.request(s, nil)
		g.send(s, secure.Request, q.Bytes)
		mine := r.await(events, "request of the rogue", func(e *paymentv1.Event) bool {
			return e.GetPaymentRequestReceived().GetPaymentId() == preauth.ID(q.Body.PaymentId).String()
		}).GetPaymentRequestReceived()
		if p := ann.accept(mine, card); p.State != authorized {
			t.Fatal(p.State)
		}
		typ, body, err := g.next(s)
		if typ != secure.Payment || err != nil {
			t.Fatal(typ, err)
		}
		var paid peerv1.Payment
		r.must(preauth.DecodeStrict(body, &paid))
		v, err := preauth.Open[*peerv1.Voucher](paid.Voucher)
		r.must(err)
		other := [32]byte{1}
		g.send(s, secure.Receipt, signed(g, &peerv1.Receipt{RequestHash: q.Hash[:], VoucherHash: other[:], Status: 1, StoredMs: 1}).Bytes)
		g.ended(s)
		s = g.dial() // the customer comes back, and lists what is unfinished
		if n := len(s.Unfinished()); n != 1 {
			t.Errorf("%d payments unfinished", n)
		}
		typ, again, err := g.next(s)
		if typ != secure.Payment || string(again) != string(body) || err != nil {
			t.Errorf("resent %s %x, %v, not the same voucher", typ, again, err)
		}
		// The same payment asked again in this session: the same voucher.
		g.send(s, secure.Request, g.request(s, func(b *peerv1.Request) { b.PaymentId = q.Body.PaymentId }).Bytes)
		if typ, again, err := g.next(s); typ != secure.Payment || string(again) != string(body) {
			t.Errorf("answered %s %x, %v, not with the same voucher", typ, again, err)
		}
		before := ann.counters().Commits
		cancel := signed(g, &peerv1.Cancel{RequestHash: q.Hash[:], Reason: peerv1.CancelReason_CANCEL_REASON_USER}).Bytes
		for range 20 {
			g.send(s, secure.Cancel, cancel)
		}
		ann.reaches(preauth.ID(q.Body.PaymentId).String(), cancelled)
		g.ended(s)
		if n := ann.counters().Commits - before; n != 1 {
			t.Errorf("%d commits for one cancel said 20 times", n)
		}
		if held, _ := ann.held(); held != 100 {
			t.Errorf("%d held after the cancel of %s", held, v.Hash)
		}
		_ = g.Radio.Close()
		r.balanced(map[string]int64{asked.PaymentId: 100}, honest, ann)
	})
}

// TestRogueTillFloods: requests that nobody answers cost a customer a bounded
// number of commits, whatever is sent, in one session or in many.
func TestRogueTillFloods(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		ann, _ := r.payer("ann", "40.00")
		g := r.till("evil").turn()
		ann.listen(r.ctx)
		setOffline(true, ann)
		before := ann.counters().Commits
		for range 3 {
			s := g.dial()
			for range 60 {
				q := g.request(s, nil)
				if err := s.Send(r.ctx, secure.Request, q.Bytes); err != nil {
					break
				}
			}
			g.ended(s)
			_ = s.Close(secure.CloseDone)
		}
		if n := ann.counters().Commits - before; n > 60 {
			t.Errorf("%d commits for 180 requests", n)
		}
		_ = g.Radio.Close()
	})
}

// TestRogueCustomer: nothing that a customer can say makes a till deliver
// without a voucher that stands, and an outcome is never answered otherwise.
func TestRogueCustomer(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		bob, card := r.payer("bob", "40.00")
		evil, _ := r.payer("evil", "40.00")
		g := evil.turn()
		setOffline(true, till, bob)
		toBob := bob.listen(r.ctx)
		bob.radio.mute()

		result := till.request("1.00", offline)
		asked := func(s *secure.Session) preauth.Request {
			t.Helper()
			typ, body, err := g.next(s)
			if typ != secure.Request || err != nil {
				t.Fatal(typ, err)
			}
			q, err := preauth.Open[*peerv1.Request](body)
			r.must(err)
			return q
		}
		for name, attack := range map[string]func(*secure.Session){
			"type of a till": func(s *secure.Session) { g.send(s, secure.Receipt, []byte{1}) },
			"nonsense":       func(s *secure.Session) { g.send(s, secure.Payment, []byte{1, 2, 3}) },
			"decline of another": func(s *secure.Session) {
				g.send(s, secure.Decline, []byte("nonsense"))
			},
			"bundle too long": func(s *secure.Session) {
				g.send(s, secure.BundlePart, encode(t, &peerv1.BundlePart{Epoch: 99, Count: 6, Part: []byte{1}}))
			},
		} {
			s := g.accept()
			asked(s)
			attack(s)
			if err := g.ended(s); err == nil {
				t.Errorf("%s: no end", name)
			}
			_ = s.Close(secure.CloseDone)
		}
		// A charge where the till is offline, and a voucher for a request that was
		// never made.
		s := g.accept()
		q := asked(s)
		never := [32]byte{7}
		g.send(s, secure.Charge, signed(g, &peerv1.Charge{
			InstrumentRef: make([]byte, 16), RequestHash: never[:], Amount: 100, Currency: "USD", CustomerDeviceId: g.Cert.Body.DeviceId,
		}).Bytes)
		if typ, _, err := g.next(s); typ != secure.Unknown {
			t.Errorf("answered %s, %v to an unknown request", typ, err)
		}
		charge := signed(g, &peerv1.Charge{
			InstrumentRef: make([]byte, 16), RequestHash: q.Hash[:], Amount: 100, Currency: "USD", CustomerDeviceId: g.Cert.Body.DeviceId,
		}).Bytes
		before := till.counters().Commits
		var first []byte
		for range 20 {
			g.send(s, secure.Charge, charge)
			typ, body, err := g.next(s)
			if first == nil {
				first = body
			}
			if typ != secure.Cancel || string(body) != string(first) {
				t.Fatalf("answered %s %x, %v", typ, body, err)
			}
		}
		if n := till.counters().Commits - before; n != 1 {
			t.Errorf("%d commits for one refused charge sent 20 times", n)
		}
		_ = s.Close(secure.CloseDone)
		_ = g.Radio.Close()

		bob.radio.unmute() // an honest customer can still pay
		got := r.received(toBob)
		bob.accept(got, card)
		if end := r.result(result); end.GetPaymentSuccessful() == nil {
			t.Error(end)
		}
		r.balanced(map[string]int64{got.PaymentId: 100}, till, bob)
	})
}
