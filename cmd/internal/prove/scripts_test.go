package prove

import (
	"testing"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// TestScripts plays what chance would seldom find. Each script ends in
// agreement, with all checks of a run; want is what the tills are then owed.
func TestScripts(t *testing.T) {
	tests := []struct {
		name      string
		cast      uint64
		luna, sol int64
		play      func(*script)
	}{
		{"a payment", allHonest, 12_00, 0, func(s *script) {
			s.reserve(s.ann(), 50_00)
			s.pay(s.luna(), s.ann(), 12_00)
		}},
		{"the loser's Cancel is synced before the winner's claim", allHonest, 12_00, 0, losersCancelFirst},
		{"a voucher is resent over a new session", allHonest, 12_00, 0, resent},
		{"the receipt's commit fails, but is on disk", allHonest, 12_00, 0, func(s *script) { failedCommit(s, faultKept) }},
		{"the receipt's commit fails and is not on disk", allHonest, 12_00, 0, func(s *script) { failedCommit(s, faultLost) }},
		{"the voucher's commit fails, but is on disk", allHonest, 12_00, 0, func(s *script) { failedAccept(s, faultKept) }},
		{"void with a voucher outstanding", allHonest, 12_00, 0, voided},
		{"a till signs Receipt and Cancel, the headroom is spent elsewhere", rogueSol, 20_00, 0, receiptAndCancel},
		{"a cloned wallet with unequal counters", rogueEve, 10_00, 5_00, cloned},
		{"a guarantee is for all vouchers of a till together", rogueEve, 10_00, 5_00, func(s *script) {
			s.guarantee(5_00)
			p := s.purse(10_00)
			s.spend(s.luna(), p, 10_00, 1)
			s.spend(s.sol(), p, 4_00, 2) // guaranteed in full
			s.spend(s.sol(), p, 9_00, 3) // is handed in first and takes it all
			s.sync(s.luna())
			s.sync(s.sol())
		}},
		{"a reversal pays earlier remainders", rogueEve, 0, 10_00, reversed},
		{"a Cancel comes within the days of grace", rogueSol, 0, 0, inGrace},
		{"a Cancel over a rejection", rogueEve, 10_00, 0, cancelOverRejection},
		{"an answer comes again when it would not pass any more", allHonest, 12_00, 0, lateAnswer},
		{"a verdict that a Cancel outranks", rogueSol, 0, 0, outranked},
		{"money back before the settlement", allHonest, 0, 0, func(s *script) {
			s.reserve(s.ann(), 50_00)
			s.pay(s.luna(), s.ann(), 12_00)
			s.ok(s.luna().step(s.w.check.paid(s.luna().device)[0], saleStep{in: payment.BusinessInput{Event: payment.Reverse}}))
		}},
		{"money back after the settlement", allHonest, 0, 0, givenBack},
		{"the till's caller gives up before the verdict", allHonest, 0, 0, gaveUp},
		{"a Cancel of another till", rogueSol, 12_00, 0, foreignCancel},
		{"the backend's commit fails, but is on disk", allHonest, 12_00, 0, func(s *script) { failedClaim(s, faultKept) }},
		{"the backend's commit fails and is not on disk", allHonest, 12_00, 0, func(s *script) { failedClaim(s, faultLost) }},
		{"clocks jump ten years either way", allHonest, 24_00, 0, jumps},
		{"the till's disk is full when the voucher comes", allHonest, 12_00, 0, fullDisk},
		{"the radio dies between voucher and receipt", allHonest, 12_00, 0, deadRadio},
		{"two vouchers at one counter", rogueEve, 10_00, 0, twoAtOneCounter},
		{"a till squats another's payment", rogueSol, 12_00, 0, squatted},
		{"a Charge that no backend ever sees, of a customer who is away for weeks", rogueSol, 0, 0, unheard},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			luna, sol := play(t, tt.cast, tt.play)
			if luna != tt.luna || sol != tt.sol {
				t.Errorf("luna is owed %d and sol %d, want %d and %d", luna, sol, tt.luna, tt.sol)
			}
		})
	}
}

func losersCancelFirst(s *script) {
	s.reserve(s.ann(), 50_00)
	s.reserve(s.bob(), 50_00)
	s.ask(s.luna(), 12_00, store.ForceOffline, s.ann(), s.bob())
	s.accept(s.ann())
	lost := s.accept(s.bob())
	s.ok(s.w.links[0].carry(s.luna())) // ann is faster
	s.carry()
	s.states(s.bob(), lost, payment.OtherPaid)
	s.part()
	s.sync(s.bob())
	s.sync(s.luna())
}

func resent(s *script) {
	s.reserve(s.ann(), 50_00)
	s.ask(s.luna(), 12_00, store.ForceOffline, s.ann())
	h := s.accept(s.ann())
	s.part()
	s.states(s.ann(), h, payment.Authorized)
	_, err := s.w.meet(s.luna(), s.ann())
	s.ok(err)
	s.carry()
	s.states(s.ann(), h, payment.Provisional)
}

// failedCommit has the till's commit of a voucher fail: what it finds on disk
// when it starts again decides, never what it was told.
func failedCommit(s *script, f fault) {
	s.reserve(s.ann(), 50_00)
	s.ask(s.luna(), 12_00, store.ForceOffline, s.ann())
	h := s.accept(s.ann())
	s.luna().next = f
	s.carry()
	if s.luna().up() {
		s.t.Fatal("the till goes on after a failed commit")
	}
	s.part()
	s.ok(s.w.start(s.luna()))
	_, err := s.w.meet(s.luna(), s.ann())
	s.ok(err)
	s.carry()
	s.states(s.ann(), h, payment.Provisional)
}

func failedAccept(s *script, f fault) {
	s.reserve(s.ann(), 50_00)
	s.ask(s.luna(), 12_00, store.ForceOffline, s.ann())
	s.ann().next = f
	h := s.accept(s.ann())
	s.part()
	s.ok(s.w.start(s.ann()))
	s.states(s.ann(), h, payment.Authorized)
	_, err := s.w.meet(s.luna(), s.ann())
	s.ok(err)
	s.carry()
}

func voided(s *script) {
	s.reserve(s.ann(), 50_00)
	s.pay(s.luna(), s.ann(), 12_00)
	all, err := s.ann().st.Authorizations(ctx)
	s.ok(err)
	_, err = s.w.office.void(s.ann().person, all[0].ID())
	s.ok(err)
	s.sync(s.ann()) // hears that it is void
	if h := s.w.check.model.holds[0]; h.held() == 0 {
		s.t.Fatal("the reserve went back although a till may hold a voucher")
	}
	s.ask(s.luna(), 1_00, store.ForceOffline, s.ann())
	s.accept(s.ann())
	s.carry() // nothing comes of it
	s.part()
}

func receiptAndCancel(s *script) {
	s.reserve(s.ann(), 20_00)
	d := s.bargain(s.ann(), 20_00)
	s.give(d, s.w.rogueTill.receiptOf)
	s.states(s.ann(), d.request.Hash, payment.Provisional)
	l, err := s.w.meet(s.w.rogueTill, s.ann())
	s.ok(err)
	d.s = l
	s.give(d, s.w.rogueTill.cancelOf)
	s.part()
	s.pay(s.luna(), s.ann(), 20_00)
	s.claim(d) // before the honest claim, which repeats the Cancel
	s.sync(s.luna())
}

// purse has eve set funds aside.
func (s *script) purse(cents int64) *purse {
	s.t.Helper()
	e := s.w.rogueWallet
	id, _ := s.w.newID()
	got, err := s.w.office.preauthorize(e.person, &backendv1.PreAuthorizeRequest{RequestId: id[:], InstrumentId: e.instrument[:], Amount: cents, Currency: "USD"})
	s.ok(err)
	cert, err := preauth.Open[*peerv1.PreauthCert](got.PreauthCert)
	s.ok(err)
	return &purse{cert: cert, prev: cert.Hash}
}

// spend has eve pay a till out of a purse, at a counter of its choice.
func (s *script) spend(t *till, p *purse, cents int64, counter uint32) preauth.Hash {
	s.t.Helper()
	e := s.w.rogueWallet
	s.ask(t, cents, s.policy, e)
	b := e.bids[len(e.bids)-1]
	v, err := sign(s.w, e.person, &peerv1.Voucher{
		PreauthId: p.cert.Body.PreauthId, RequestHash: b.request.Hash[:], Amount: cents, Currency: "USD", Counter: counter,
		Remaining: p.cert.Body.Limit - cents, PrevHash: p.prev[:], DeviceTimeMs: s.w.now.UnixMilli(),
	})
	s.ok(err)
	s.ok(e.send(b.s, signedPayment{v.Bytes, p.cert.Bytes}))
	s.carry()
	s.part()
	return b.request.Hash
}

// guarantee sets what the issuer pays, for what is set aside from now on.
func (s *script) guarantee(cents int64) { s.ok(s.w.office.guarantee(cents)) }

func cloned(s *script) {
	s.guarantee(5_00)
	p := s.purse(10_00)
	s.spend(s.luna(), p, 10_00, 1)
	s.spend(s.sol(), p, 10_00, 2)
	s.sync(s.luna())
	s.sync(s.sol())
}

func reversed(s *script) {
	s.guarantee(5_00)
	p := s.purse(10_00)
	s.spend(s.luna(), p, 8_00, 1)
	s.spend(s.sol(), p, 10_00, 1)
	s.sync(s.luna())
	s.sync(s.sol())
	s.ok(s.luna().step(s.w.check.paid(s.luna().device)[0], saleStep{in: payment.BusinessInput{Event: payment.Reverse}}))
	s.sync(s.luna())
}

func inGrace(s *script) {
	s.reserve(s.ann(), 20_00)
	d := s.bargain(s.ann(), 20_00)
	s.give(d, s.w.rogueTill.receiptOf)
	s.claim(d)
	s.part()
	s.w.now = s.w.check.model.lastSettleBy().Add(grace)
	_, _, err := s.w.rogueTill.cancelOf(d)
	s.ok(err)
	s.ok(s.w.rogueTill.submit(&backendv1.Item{Request: d.request.Bytes, Cancel: d.cancel}))
}

func cancelOverRejection(s *script) {
	s.guarantee(0)
	p := s.purse(10_00)
	s.spend(s.luna(), p, 10_00, 1)
	s.sync(s.luna())
	s.policy = store.RequireOnline
	s.spend(s.sol(), p, 10_00, 2)
	s.ok(begin(s.sol(), false, true))
	s.ok(s.w.work(s.sol().sync))
	s.ok(finish(s.sol()))
	m := s.w.check.of(s.sol().device)
	if st := m.sales[m.payments[0]].State; st != payment.Rejected {
		s.t.Fatalf("sol's payment is %s, want REJECTED", st)
	}
	s.sync(s.sol()) // the Cancel that follows from it
	if st := m.sales[m.payments[0]].State; st != payment.Cancelled {
		s.t.Fatalf("sol's payment is %s, want CANCELLED", st)
	}
}

// lateAnswer repeats a voucher when its certificate has ended and the till's
// bundle is old: what has an outcome is answered with it.
func lateAnswer(s *script) {
	s.reserve(s.ann(), 50_00)
	s.ask(s.luna(), 12_00, store.ForceOffline, s.ann())
	h := s.accept(s.ann())
	l := s.w.links[0]
	s.ok(l.carry(s.luna())) // the receipt gets lost
	s.part()
	s.states(s.ann(), h, payment.Authorized)
	s.w.now = s.w.now.Add(8 * 24 * time.Hour)
	_, err := s.w.meet(s.luna(), s.ann())
	s.ok(err)
	s.carry()
	s.states(s.ann(), h, payment.Provisional)
}

// outranked has a customer hear SETTLED when it holds a Cancel.
func outranked(s *script) {
	s.reserve(s.ann(), 20_00)
	d := s.bargain(s.ann(), 20_00)
	s.give(d, s.w.rogueTill.receiptOf)
	s.claim(d)
	s.ok(begin(s.ann(), false, true))
	s.ok(s.w.work(s.ann().sync)) // the verdict is on its way
	l, err := s.w.meet(s.w.rogueTill, s.ann())
	s.ok(err)
	d.s = l
	s.give(d, s.w.rogueTill.cancelOf)
	s.ok(finish(s.ann()))
	if a := s.w.check.of(s.ann().device).attempts[d.request.Hash]; a.State.Status() != payment.Withdrawn {
		s.t.Fatalf("the verdict has made a cancelled payment %s", a.State)
	}
	s.part()
	s.sync(s.ann())
	if c := s.w.check.model.requests[d.request.Hash]; c.outcome != cancelled {
		s.t.Fatalf("the backend says %s", c.outcome)
	}
}

func givenBack(s *script) {
	s.reserve(s.ann(), 50_00)
	h := s.pay(s.luna(), s.ann(), 12_00)
	s.sync(s.luna())
	s.sync(s.ann())
	s.states(s.ann(), h, payment.Settled)
	l, err := s.w.meet(s.luna(), s.ann())
	s.ok(err)
	s.luna().byRequest[h] = l
	s.ok(s.luna().step(s.w.check.paid(s.luna().device)[0], saleStep{in: payment.BusinessInput{Event: payment.Reverse}}))
	s.carry() // the customer learns it over the air, and hands it in
	s.part()
	s.sync(s.ann())
	s.states(s.ann(), h, payment.Cancelled)
}

func gaveUp(s *script) {
	s.reserve(s.ann(), 50_00)
	s.ask(s.luna(), 12_00, store.RequireOnline, s.ann())
	h := s.accept(s.ann())
	s.carry()
	s.part()
	_, err := s.w.meet(s.luna(), s.ann()) // asks what became of it
	s.ok(err)
	s.carry()
	s.states(s.ann(), h, payment.Authorized)
	s.ok(begin(s.luna(), false, true))
	s.ok(s.w.work(s.luna().sync)) // captured, but the answer gets lost
	s.luna().sync = nil
	m := s.w.check.of(s.luna().device)
	s.ok(s.luna().step(m.payments[0], saleStep{in: payment.BusinessInput{Event: payment.TimedOut}}))
	s.carry()
	s.states(s.ann(), h, payment.Cancelled)
}

// foreignCancel has one till cancel another's request, at the customer and at
// the backend.
func foreignCancel(s *script) {
	s.reserve(s.ann(), 50_00)
	h := s.pay(s.luna(), s.ann(), 12_00)
	t := s.w.rogueTill
	c, err := sign(s.w, t.person, &peerv1.Cancel{RequestHash: h[:], Reason: peerv1.CancelReason_CANCEL_REASON_USER})
	s.ok(err)
	l, err := s.w.meet(t, s.ann())
	s.ok(err)
	s.ok(l.send(t, secure.Cancel, c.Bytes))
	s.carry()
	s.states(s.ann(), h, payment.Provisional)
	a := s.w.check.of(s.ann().device).attempts[h]
	s.ok(t.submit(&backendv1.Item{Request: a.RequestBytes, Cancel: c.Bytes}))
	s.part()
}
