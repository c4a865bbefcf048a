package prove

import (
	"strings"
	"testing"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// Seeds by who is honest.
const (
	allHonest   = 4
	rogueEve    = 1
	rogueSol    = 2
	rogueSolEve = 3
)

// script is a run in which nothing happens by chance.
type script struct {
	t      *testing.T
	w      *world
	policy store.Policy // of what eve pays
}

// play runs a script, lets everybody come to agreement, and returns what the
// tills were paid.
func play(t *testing.T, cast uint64, do func(s *script)) (luna, sol int64) {
	t.Helper()
	return playOn(t, theStage, cast, do)
}

// playOn is play on a stage of its own.
func playOn(t *testing.T, stage *Stage, cast uint64, do func(s *script)) (luna, sol int64) {
	t.Helper()
	r := stage.run(cast, func(w *world) error {
		w.quiet = true
		s := &script{t, w, store.ForceOffline}
		do(s)
		if err := w.converge(); err != nil {
			return err
		}
		luna, sol = w.check.model.owed[s.person("luna").party.Business], w.check.model.owed[s.person("sol").party.Business]
		return nil
	})
	if r.Err != nil {
		t.Fatalf("%s\n%v", strings.Join(r.Trace, "\n"), r.Err)
	}
	return luna, sol
}

func (s *script) ok(err error) {
	s.t.Helper()
	if err := s.w.judged(err); err != nil {
		s.t.Fatalf("%s\n%v", strings.Join(s.w.log.text(), "\n"), err)
	}
}

func (s *script) person(name string) *person {
	for _, p := range s.w.stage.people {
		if p.name == name {
			return p
		}
	}
	s.t.Fatalf("nobody is called %s", name)
	return nil
}

func (s *script) luna() *till  { return s.w.tills[0] }
func (s *script) sol() *till   { return s.w.tills[1] }
func (s *script) ann() *wallet { return s.w.wallets[0] }
func (s *script) bob() *wallet { return s.w.wallets[1] }

// reserve sets funds of ann or bob aside.
func (s *script) reserve(c *wallet, cents int64) {
	s.t.Helper()
	id, _ := s.w.newID()
	got, err := s.w.office.preauthorize(c.person, &backendv1.PreAuthorizeRequest{RequestId: id[:], InstrumentId: c.instrument[:], Amount: cents, Currency: "USD"})
	s.ok(err)
	cert, err := preauth.Open[*peerv1.PreauthCert](got.PreauthCert)
	s.ok(err)
	s.ok(c.commit(&store.Change{Put: []store.Authorization{{Authorization: preauth.Authorization{Cert: cert, Instrument: c.instrument, Prev: cert.Hash}}}}, preauth.Hash{}))
}

// ask opens a payment and lets the till ask customers that are near.
func (s *script) ask(t *till, cents int64, policy store.Policy, near ...end) {
	s.t.Helper()
	s.ok(t.open(order{amount: cents, policy: policy, timeout: time.Minute}))
	for _, c := range near {
		_, err := s.w.meet(t, c)
		s.ok(err)
	}
	s.carry()
}

// carry carries everything that is on its way.
func (s *script) carry() {
	s.t.Helper()
	for moved := true; moved; {
		moved = false
		for _, l := range append([]*session(nil), s.w.links...) {
			for _, e := range []end{l.till, l.cust} {
				if len(*l.queue(e)) > 0 {
					moved = true
					s.ok(s.w.cleanUp(l.carry(e)))
				}
			}
		}
	}
}

// accept lets a customer accept what is shown, without carrying the answer.
func (s *script) accept(c *wallet) preauth.Hash {
	s.t.Helper()
	open, err := c.st.UnfinishedAttempts(ctx)
	s.ok(err)
	for _, a := range open {
		if a.State == payment.Requested {
			s.ok(s.w.after(c, c.accept(a, 0)))
			return a.Request
		}
	}
	s.t.Fatalf("%s is shown no request", c.name)
	return preauth.Hash{}
}

// pay is a whole payment.
func (s *script) pay(t *till, c *wallet, cents int64) preauth.Hash {
	s.t.Helper()
	s.ask(t, cents, store.ForceOffline, c)
	h := s.accept(c)
	s.carry()
	s.part()
	return h
}

// part ends all sessions.
func (s *script) part() {
	s.t.Helper()
	for _, l := range s.w.links {
		l.cut("they part")
	}
	s.ok(s.w.pump())
}

func (s *script) sync(o owner) {
	s.t.Helper()
	s.ok(s.w.syncOne(o, true))
}

func (s *script) states(c *wallet, h preauth.Hash, want payment.State) {
	s.t.Helper()
	if a := s.w.check.of(c.device).attempts[h]; a.State != want {
		s.t.Fatalf("%s\n%s is %s to %s, want %s", strings.Join(s.w.log.text(), "\n"), s.w.log.name(h), a.State, c.name, want)
	}
}

// bargain is a deal with a hostile till: it asks, the customer accepts.
func (s *script) bargain(c *wallet, cents int64) *deal {
	s.t.Helper()
	return s.bargainFor(c, cents, false)
}

// bargainFor is bargain for a till that says whether it is online: to one that
// is, a customer without funds set aside gives a Charge.
func (s *script) bargainFor(c *wallet, cents int64, online bool) *deal {
	s.t.Helper()
	t := s.w.rogueTill
	l, err := s.w.meet(t, c)
	s.ok(err)
	id, _ := s.w.newID()
	r, err := sign(s.w, t.person, &peerv1.Request{
		PaymentId: id[:], BusinessDeviceId: t.id[:], Nonce: l.nonceTill[:], Amount: cents, Currency: "USD", Reference: "bargain", Online: online,
		TtlMs: 60_000, ChannelBinding: l.binding[:], DeviceCert: t.cert.Bytes, CreatedMs: s.w.now.UnixMilli(),
	})
	s.ok(err)
	d := &deal{request: r, s: l}
	t.deals = append(t.deals, d)
	s.ok(l.send(t, secure.Request, r.Bytes))
	s.carry()
	s.accept(c)
	s.carry()
	if d.promise == nil && !online { // it looks at no Charge
		s.t.Fatal("no voucher came")
	}
	return d
}

// give sends what the hostile till signs for a deal.
func (s *script) give(d *deal, make func(*deal) (secure.Type, []byte, error)) {
	s.t.Helper()
	typ, body, err := make(d)
	s.ok(err)
	s.ok(d.s.send(s.w.rogueTill, typ, body))
	s.carry()
}

// claim hands in the claim of a deal.
func (s *script) claim(d *deal) {
	s.t.Helper()
	s.ok(s.w.rogueTill.submit(&backendv1.Item{Request: d.request.Bytes, PreauthCert: d.cert, Voucher: d.promise, Receipt: d.receipt}))
}
