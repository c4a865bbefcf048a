package prove

import (
	"strings"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// failedClaim has the backend's commit of a claim fail: it ends without an
// answer, and the till hands the claim in again.
func failedClaim(s *script, f fault) {
	s.reserve(s.ann(), 50_00)
	h := s.pay(s.luna(), s.ann(), 12_00)
	s.w.office.next = f
	s.ok(begin(s.luna(), false, true))
	s.ok(s.w.work(s.luna().sync))
	if s.w.office.up() || s.luna().sync != nil {
		s.t.Fatal("the backend goes on after a failed commit")
	}
	if c := s.w.check.model.requests[h]; (f == faultKept) != (c != nil && c.outcome == settled) {
		s.t.Fatalf("what is on disk is %+v", c)
	}
	s.ok(s.w.bootOffice())
	s.sync(s.luna())
	s.sync(s.ann())
	s.states(s.ann(), h, payment.Settled)
}

// jumps pays with clocks that are ten years ahead, and ten years behind.
func jumps(s *script) {
	s.reserve(s.ann(), 50_00)
	const decade = 10 * 365 * 24 * time.Hour
	for _, skew := range []time.Duration{-decade, decade} {
		s.luna().skew, s.ann().skew = skew, skew
		s.ask(s.luna(), 1_00, store.ForceOffline, s.ann())
		if skew > 0 { // while it lasts every certificate has ended
			if s.w.check.busy(s.luna().device) {
				s.t.Fatal("a till asks although its certificate has ended")
			}
			s.luna().skew, s.ann().skew = 0, 0
			s.pay(s.luna(), s.ann(), 12_00)
			continue
		}
		s.accept(s.ann())
		s.carry()
		s.part()
		s.luna().skew, s.ann().skew = 0, 0
		s.pay(s.luna(), s.ann(), 11_00)
	}
}

// fullDisk has no room for the voucher: the till says nothing, and takes it
// when it has room again.
func fullDisk(s *script) {
	s.reserve(s.ann(), 50_00)
	s.ask(s.luna(), 12_00, store.ForceOffline, s.ann())
	h := s.accept(s.ann())
	s.luna().full, s.luna().wasFull = true, true
	s.carry()
	s.states(s.ann(), h, payment.Authorized)
	s.part()
	s.luna().full = false
	_, err := s.w.meet(s.luna(), s.ann())
	s.ok(err)
	s.carry()
	s.states(s.ann(), h, payment.Provisional)
}

// deadRadio loses the link when the till has stored the voucher and the
// customer does not know it.
func deadRadio(s *script) {
	s.reserve(s.ann(), 50_00)
	s.ask(s.luna(), 12_00, store.ForceOffline, s.ann())
	h := s.accept(s.ann())
	s.ok(s.w.links[0].carry(s.luna()))
	s.w.links[0].cut("with the radio")
	s.ok(s.w.pump())
	s.states(s.ann(), h, payment.Authorized)
	if st := s.w.check.of(s.luna().device).asks[h]; !st.Receipt {
		s.t.Fatal("the till has not stored the voucher")
	}
	_, err := s.w.meet(s.luna(), s.ann())
	s.ok(err)
	s.carry()
	s.states(s.ann(), h, payment.Provisional)
}

// twoAtOneCounter has a customer sign two vouchers that say they are the first
// of one pre-authorization. The first that is handed in is paid; the other
// till knows who did it.
func twoAtOneCounter(s *script) {
	s.guarantee(0)
	p := s.purse(10_00)
	s.spend(s.luna(), p, 10_00, 1)
	s.spend(s.sol(), p, 10_00, 1)
	s.sync(s.luna())
	s.sync(s.sol())
	if !s.w.check.model.evidence[preauth.ID(p.cert.Body.PreauthId)] || !s.w.check.revoked(s.w.rogueWallet.id) {
		s.t.Fatal("nobody has noticed")
	}
}

// squatted has a hostile till ask under the payment id of an honest one, as
// itself and under the other's name: a payment belongs to the till that asked
// first, and neither request is shown.
func squatted(s *script) {
	s.reserve(s.ann(), 50_00)
	h := s.pay(s.luna(), s.ann(), 12_00)
	honest, err := preauth.Open[*peerv1.Request](s.w.check.of(s.ann().device).attempts[h].RequestBytes)
	s.ok(err)
	t := s.w.rogueTill
	for _, name := range []*person{t.person, s.person("luna")} {
		l, err := s.w.meet(t, s.ann())
		s.ok(err)
		body := honest.Body
		body.Nonce, body.ChannelBinding, body.CreatedMs = l.nonceTill[:], l.binding[:], s.w.now.UnixMilli()
		body.BusinessDeviceId, body.DeviceCert = name.id[:], name.cert.Bytes
		r, err := sign(s.w, t.person, body)
		s.ok(err)
		s.ok(l.send(t, secure.Request, r.Bytes))
		s.carry()
		if _, shown := s.w.check.of(s.ann().device).attempts[r.Hash]; shown {
			s.t.Fatalf("%s\na request in the name of %s is shown", strings.Join(s.w.log.text(), "\n"), name.name)
		}
		s.part()
	}
	s.states(s.ann(), h, payment.Provisional)
}

// unheard has a hostile till keep a Charge to itself, and the customer reach
// the backend only weeks later: it gives the Charge up an hour after it was
// told that nobody knows it.
func unheard(s *script) {
	s.bargainFor(s.ann(), 12_00, true)
	s.part()
	s.w.rogueTill.deals = nil
	s.w.check.late = map[owner]bool{s.ann(): true}
}
