package backend

import (
	"errors"
	"testing"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

const day = 24 * time.Hour

func TestCancelDominatesInEitherOrder(t *testing.T) {
	for _, order := range []string{"cancel first", "claim first", "in one item"} {
		t.Run(order, func(t *testing.T) {
			s := newStreet(t)
			w := s.phone.preauthorize(s.card, 100_00)
			d := w.sale(s.till, 10_00).undo()
			both := d.claim()
			both.Cancel = d.cancel.Bytes
			switch order {
			case "cancel first":
				s.phone.expect(d.cancelled(), cancelled)
				s.till.expect(d.claim(), cancelled)
			case "claim first":
				s.till.expect(d.claim(), settled(10_00))
				s.phone.expect(d.cancelled(), cancelled)
			default:
				s.till.expect(both, cancelled)
			}
			s.till.expect(d.claim(), cancelled)
			if s.owed(s.till.owner) != 0 || s.free(s.card) != 400_00 {
				t.Errorf("the shop is owed %d, the card has %d", s.owed(s.till.owner), s.free(s.card))
			}
			v, err := s.server.genuine.Load().Verdict(s.standing(d))
			must(t, err)
			if preauth.Hash(v.Body.VoucherHash) != d.voucher.Hash {
				t.Error("the verdict does not name the voucher")
			}
			s.phone.expect(w.sale(s.till, 50_00).claim(), settled(50_00)) // the amount is held again
		})
	}
}

func (b *bench) standing(d *deal) (verdict []byte) {
	must(b.t, b.store.Read(b.ctx, func(t Tx) error {
		_, v, err := standing(t, d.request.Hash)
		verdict = v.bytes
		return err
	}))
	return verdict
}

func TestLoserSyncsFirst(t *testing.T) {
	s := newStreet(t)
	bob := s.bench.phone(s.customer("Bob"))
	bobs := bob.preauthorize(s.instrument(bob.owner, 100_00), 60_00)
	w := s.phone.preauthorize(s.card, 100_00)
	id := randomID(t)
	same := func(r *peerv1.Request) { r.PaymentId = id }
	loser := bobs.pay(s.till.ask(10_00, same), 0).undo()
	winner := w.pay(s.till.ask(10_00, same), 0).take()
	item := loser.cancelled()
	item.Voucher, item.PreauthCert = loser.voucher.Bytes, loser.cert
	bob.expect(item, cancelled)
	s.advance(time.Second)
	s.phone.expect(winner.claim(), settled(10_00))
	s.till.expect(loser.cancelled(), cancelled)
	s.till.expect(winner.claim(), settled(10_00))
	p, err := s.admin.Payment(s.ctx, preauth.ID(id))
	must(t, err)
	if len(p.Requests) != 2 || p.Requests[0].State != "CANCELLED" || p.Requests[1].State != "SETTLED" {
		t.Errorf("payment is %+v", p)
	}
}

func TestTwoTillsExhaust(t *testing.T) {
	for _, guaranteed := range []int64{0, 5_00} {
		s := newStreet(t)
		s.guarantee(guaranteed)
		w := s.phone.preauthorize(s.card, 20_00)
		first := w.sale(s.till, 20_00)
		again := *w // a clone of the wallet, as it was before
		again.counter, again.prev, again.left = 0, w.cert.Hash, 20_00
		second := again.sale(s.other, 20_00)
		s.till.expect(first.claim(), settled(20_00))
		want := exhausted(20_00)
		if guaranteed > 0 {
			want = says{"SETTLED", guaranteed, 20_00 - guaranteed, ""}
		}
		s.other.expect(second.claim(), want)
		if got := s.owed(s.other.owner); got != guaranteed {
			t.Errorf("the second shop is owed %d", got)
		}
		s.till.expect(first.undo().cancelled(), cancelled)
		if got := s.other.verdict(second); got != settled(20_00) {
			t.Errorf("after the reversal the second shop has %+v", got)
		}
		if s.balanceOfIssuer() != 0 {
			t.Errorf("the issuer is at %d after it was repaid", s.balanceOfIssuer())
		}
	}
}

func (b *bench) balanceOfIssuer() (sum int64) {
	must(b.t, b.store.Read(b.ctx, func(t Tx) error {
		_, err := t.one(`SELECT coalesce(sum(amount), 0) FROM postings WHERE kind = 'ISSUER'`, nil, &sum)
		return err
	}))
	return sum
}

func TestReleasedCancelsCountFirst(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 50_00)
	first := w.sale(s.till, 40_00).undo()
	w.left += 40_00
	repeat := func(v *peerv1.Voucher) { v.Released = [][]byte{first.cancel.Bytes, {9}} }
	second := w.pay(s.other.ask(30_00), 0, repeat).take()
	s.till.expect(first.claim(), settled(40_00))
	s.other.expect(second.claim(), settled(30_00))
	if got := s.till.verdict(first); got != cancelled {
		t.Errorf("the first voucher is %+v", got)
	}
	s.count(t, "evidence against an honest customer", `SELECT count(*) FROM evidence`, 0)
}

func TestReleasedCancelWaitsForItsRequest(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 50_00)
	first := w.sale(s.till, 40_00).undo()
	w.left += 40_00
	second := w.pay(s.other.ask(30_00), 0, func(v *peerv1.Voucher) { v.Released = [][]byte{first.cancel.Bytes} }).take()
	s.other.expect(second.claim(), settled(30_00))
	s.till.expect(first.claim(), cancelled)
	s.count(t, "evidence against an honest customer", `SELECT count(*) FROM evidence`, 0)
}

func TestOnlyItsOwnTillCancels(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	d := w.sale(s.till, 10_00)
	forged := &deal{till: s.second, request: d.request}
	item := d.claim()
	item.Cancel = forged.undo().cancel.Bytes
	s.other.expect(item, says{outcome: "UNJUDGED", reason: "SIGNATURE_INVALID"})
	next := w.pay(s.other.ask(5_00), 0, func(v *peerv1.Voucher) { v.Released = [][]byte{forged.cancel.Bytes} }).take()
	s.other.expect(next.claim(), settled(5_00))
	s.till.expect(d.claim(), settled(10_00))
	// The same through released[] once the Request is known.
	last := w.pay(s.other.ask(5_00), 0, func(v *peerv1.Voucher) { v.Released = [][]byte{forged.cancel.Bytes} }).take()
	s.other.expect(last.claim(), settled(5_00))
	if got := s.till.verdict(d); got != settled(10_00) {
		t.Errorf("another till's Cancel made it %+v", got)
	}
}

func TestVoidStopsSpendingAndSettlesTheLateVoucher(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	d := w.sale(s.till, 10_00)
	before := s.refresh(s.till)
	void := &backendv1.VoidPreAuthorizationRequest{RequestId: randomID(t), PreauthId: w.cert.Body.PreauthId}
	resp, err := s.phone.calls.VoidPreAuthorization(s.ctx, void)
	must(t, err)
	again, err := s.phone.calls.VoidPreAuthorization(s.ctx, void)
	must(t, err)
	if string(again.TrustBundle) != string(resp.TrustBundle) || resp.ReleasedAtMs != w.cert.Body.SettleByMs {
		t.Error("a second void says something else")
	}
	bundle := s.refresh(s.till)
	if bundle.Epoch() != before.Epoch()+1 || len(bundle.Bundle.Body.RevokedSerials) != 1 || bundle.Bundle.Body.RevokedSerials[0] != w.cert.Body.Serial {
		t.Errorf("bundle is %v", bundle.Bundle.Body)
	}
	mine, err := s.phone.calls.Refresh(s.ctx, &backendv1.RefreshRequest{})
	must(t, err)
	if len(mine.Voided) != 1 || mine.Instruments[0].Balance != 400_00 {
		t.Errorf("refresh says %v", mine)
	}
	s.till.expect(d.claim(), settled(10_00))
	s.advance(16 * day)
	must(t, s.server.Sweep(s.ctx))
	if got := s.free(s.card); got != 490_00 {
		t.Errorf("the card has %d after settle_by", got)
	}
	if after := s.refresh(s.till); after.Epoch() != bundle.Epoch()+1 || len(after.Bundle.Body.RevokedSerials) != 0 {
		t.Errorf("an ended revocation is still listed: %v", after.Bundle.Body)
	}
	_, err = s.till.calls.VoidPreAuthorization(s.ctx, void)
	wantReason(t, err, "WRONG_ROLE")
	stranger := s.bench.phone(s.customer("Eve"))
	_, err = stranger.calls.VoidPreAuthorization(s.ctx, void)
	wantReason(t, err, "PREAUTH_NOT_FOUND")
}

func (s *street) refresh(d *party) preauth.Trust {
	s.t.Helper()
	resp, err := d.calls.Refresh(s.ctx, &backendv1.RefreshRequest{})
	must(s.t, err)
	trust, err := preauth.OpenTrust(preauth.PublicKeyOf(&s.authority.Root.PublicKey), resp.TrustBundle)
	must(s.t, err)
	return trust
}

func TestSettleByIsByTheBackendsClock(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	early, onTime, late := w.sale(s.till, 10_00), w.sale(s.till, 20_00), w.sale(s.till, 30_00)
	s.advance(5 * day) // spend_by has passed: no matter here
	s.till.expect(early.claim(), settled(10_00))
	s.advance(10 * day)
	s.till.expect(onTime.claim(), settled(20_00)) // settle_by to the millisecond
	s.advance(time.Millisecond)
	s.till.expect(late.claim(), says{"REJECTED", 0, 30_00, "TOO_LATE"})
	if got := s.free(s.card); got != 470_00 {
		t.Errorf("the card has %d", got)
	}
	s.till.expect(early.undo().cancelled(), cancelled)
	if got := s.free(s.card); got != 480_00 {
		t.Errorf("after a late reversal the card has %d", got)
	}
	s.till.expect(late.undo().cancelled(), cancelled)
	s.advance(31 * day)
	s.till.expect(onTime.undo().cancelled(), settled(20_00))
	s.till.expect(onTime.claim(), settled(20_00))
	s.count(t, "disputes", `SELECT count(*) FROM remarks WHERE kind = 'DISPUTE'`, 1)
}

func TestSweepReleasesWithoutAnybodyAsking(t *testing.T) {
	s := newStreet(t)
	s.phone.preauthorize(s.card, 100_00)
	s.advance(15 * day)
	must(t, s.server.Sweep(s.ctx))
	if got := s.free(s.card); got != 400_00 {
		t.Errorf("at settle_by the card has %d", got)
	}
	s.advance(time.Millisecond)
	must(t, s.server.Sweep(s.ctx))
	must(t, s.server.Sweep(s.ctx))
	if got := s.free(s.card); got != 500_00 {
		t.Errorf("after settle_by the card has %d", got)
	}
}

func TestEquivocationIsProvenAndTheDeviceRevoked(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	again := *w
	first, second := w.sale(s.till, 10_00), again.sale(s.other, 20_00)
	epoch := s.refresh(s.till).Epoch()
	s.till.expect(first.claim(), settled(10_00))
	s.other.expect(second.claim(), settled(20_00)) // there is money: it is paid
	bundle := s.refresh(s.till)
	if bundle.Epoch() != epoch+1 || !bundle.Revoked(s.phone.id) {
		t.Errorf("bundle is %v", bundle.Bundle.Body)
	}
	if _, err := bundle.PreauthCert(w.cert.Bytes, s.now()); !errors.Is(err, preauth.ErrVoided) {
		t.Errorf("an accomplice could still spend what the device has: %v", err)
	}
	kind, objects := s.evidence(t)
	if kind != sameCounter || len(objects) != 3 {
		t.Fatalf("evidence is %s with %d objects", kind, len(objects))
	}
	cert, err := s.server.genuine.Load().GenuinePreauth(objects[0])
	must(t, err)
	var hashes []preauth.Hash
	for _, b := range objects[1:] {
		v, err := preauth.Open[*peerv1.Voucher](b)
		must(t, err)
		must(t, v.VerifiedBy(preauth.PublicKey(cert.Body.Spender)))
		hashes = append(hashes, v.Hash)
	}
	if hashes[0] == hashes[1] {
		t.Error("the evidence is one voucher twice")
	}
	// It is settled all the same, and can hand in, and nothing else.
	s.phone.expect(w.sale(s.till, 5_00).claim(), settled(5_00))
	_, err = s.phone.calls.Refresh(s.ctx, &backendv1.RefreshRequest{})
	wantReason(t, err, "DEVICE_REVOKED")
	_, err = s.phone.calls.Renew(s.ctx, &backendv1.RenewRequest{})
	wantReason(t, err, "DEVICE_REVOKED")
	s.advance(91 * day)
	must(t, s.server.Sweep(s.ctx))
	if late := s.refreshExpired(s.till); late.Revoked(s.phone.id) {
		t.Error("the bundle lists a device whose certificate has expired")
	}
}

// refreshExpired reads the bundle for a device that must renew first.
func (s *street) refreshExpired(d *party) preauth.Trust {
	s.t.Helper()
	_, err := d.calls.Refresh(s.ctx, &backendv1.RefreshRequest{})
	wantReason(s.t, err, "CERT_EXPIRED")
	resp, err := d.calls.Renew(s.ctx, &backendv1.RenewRequest{})
	must(s.t, err)
	d.cert, d.tls = resp.DeviceCert, resp.TlsCert
	d.connect()
	return s.refresh(d)
}

func (s *street) evidence(t *testing.T) (kind string, objects [][]byte) {
	t.Helper()
	must(t, s.store.Read(s.ctx, func(tx Tx) error {
		if _, err := tx.one(`SELECT kind FROM evidence`, nil, &kind); err != nil {
			return err
		}
		return tx.each(`SELECT bytes FROM evidence_objects ORDER BY evidence_seq, position`, nil, func(row func(...any) error) error {
			var b []byte
			err := row(&b)
			objects = append(objects, b)
			return err
		})
	}))
	return kind, objects
}

func TestOverspendingIsProven(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 50_00)
	s.till.expect(w.sale(s.till, 40_00).claim(), settled(40_00))
	s.till.expect(w.sale(s.other, 40_00).claim(), says{"SETTLED", 10_00, 30_00, ""})
	kind, objects := s.evidence(t)
	if kind != overLimit || len(objects) != 3 {
		t.Errorf("evidence is %s with %d objects", kind, len(objects))
	}
	if !s.refresh(s.till).Revoked(s.phone.id) {
		t.Error("the device is not revoked")
	}
}

// Of two vouchers for one Request only one is paid, and both were signed.
func TestOverspendingBesideATwinIsProven(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 50_00)
	d := s.till.ask(20_00)
	twin := &deal{till: s.till, request: d.request}
	s.till.expect(w.pay(d, 0).take().claim(), settled(20_00))
	s.till.expect(w.pay(twin, 0).take().claim(), says{outcome: "UNJUDGED", reason: "CLAIM_CONFLICT"})
	s.count(t, "evidence", `SELECT count(*) FROM evidence`, 0)
	s.till.expect(w.sale(s.till, 20_00).claim(), settled(20_00))
	if kind, objects := s.evidence(t); kind != overLimit || len(objects) != 4 {
		t.Errorf("evidence is %s with %d objects", kind, len(objects))
	}
}

func TestBrokenChainIsRemarked(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	s.till.expect(w.sale(s.till, 1_00).claim(), settled(1_00))
	w.prev = preauth.Hash{1}
	s.till.expect(w.sale(s.till, 1_00).claim(), settled(1_00))
	w.prev = preauth.Hash{2}
	third, fourth := w.sale(s.till, 1_00), w.sale(s.till, 1_00)
	s.till.expect(fourth.claim(), settled(1_00))
	s.till.expect(third.claim(), settled(1_00))
	s.count(t, "broken links", `SELECT count(*) FROM remarks WHERE kind = 'CHAIN_BROKEN'`, 2)
	s.count(t, "evidence", `SELECT count(*) FROM evidence`, 0)
}

func TestTwoReceiptsForOneRequest(t *testing.T) {
	s := newStreet(t)
	bob := s.bench.phone(s.customer("Bob"))
	bobs := bob.preauthorize(s.instrument(bob.owner, 100_00), 60_00)
	w := s.phone.preauthorize(s.card, 100_00)
	d := s.till.ask(10_00)
	twin := &deal{till: s.till, request: d.request}
	w.pay(d, 0).take()
	bobs.pay(twin, 0).take()
	s.phone.expect(d.claim(), settled(10_00))
	bob.expect(twin.claim(), says{outcome: "UNJUDGED", reason: "CLAIM_CONFLICT"})
	s.phone.expect(d.claim(), settled(10_00))
	s.count(t, "conflicts", `SELECT count(*) FROM remarks WHERE kind = 'CLAIM_CONFLICT'`, 1)
	if got := s.owed(s.till.owner); got != 10_00 {
		t.Errorf("the shop is owed %d", got)
	}
}

func TestUnknownCertificateIsNotJudged(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	body := w.cert.Body
	body.PreauthId = randomID(t)
	forged, err := preauth.Sign(s.authority.Issuer, body)
	must(t, err)
	w.cert = forged
	s.till.expect(w.sale(s.till, 1_00).claim(), says{outcome: "UNJUDGED", reason: "PREAUTH_NOT_FOUND"})
	// A thief of the issuer key names a pre-authorization that there is, and
	// spends it otherwise.
	thief := s.phone.preauthorize(s.card, 40_00)
	more := thief.cert.Body
	more.Limit = 90_00
	thief.cert, err = preauth.Sign(s.authority.Issuer, more)
	must(t, err)
	s.till.expect(thief.sale(s.till, 50_00).claim(), says{outcome: "UNJUDGED", reason: "PREAUTH_NOT_FOUND"})
	mallory := newKey(t)
	w.cert, err = preauth.Sign(mallory, body)
	must(t, err)
	s.till.expect(w.sale(s.till, 1_00).claim(), says{outcome: "UNJUDGED", reason: "CERT_INVALID"})
}
