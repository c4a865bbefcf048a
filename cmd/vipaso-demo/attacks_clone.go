package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/cmd/internal/rogue"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/syncer/backend"
)

// cloneAttacks spend the same money twice.
var cloneAttacks = []attack{
	{
		name: "cloned-store", threat: "T1, T2", cast: cast{aside: map[string]string{"bea": "20.00 USD"}}, play: clonedStore,
		must: "not prevented: both tills accept; settlement pays no more than the limit and each till's guarantee, proves it, and revokes the device",
	},
	{
		name: "rolled-back-store", threat: "T1", play: rolledBackStore,
		must: "the device sees that its store is older, signs nothing, and spends none of it again",
	},
	{
		name: "replay", threat: "T3", play: replay,
		must: "a voucher pays its one request once, however often and wherever it is sent",
	},
}

// provisional is what a till is told of 20.00 USD of which 10.00 are guaranteed.
const (
	provisional12 = "SUCCESSFUL PROVISIONAL, 10.00 guaranteed, 2.00 at risk"
	provisional20 = "SUCCESSFUL PROVISIONAL, 10.00 guaranteed, 10.00 at risk"
)

func clonedStore(s *stage) string {
	b := s.bea.turns()
	first := b.pays(s.till, "20.00 USD", 1, nil)
	first.ends(provisional20)
	second := b.pays(s.kiosk, "20.00 USD", 1, nil) // the clone knows of no payment
	second.ends(provisional20)

	s.till.goesOnline()
	s.till.becomes(first, "SETTLED")
	s.kiosk.goesOnline()
	s.kiosk.becomes(second, "SETTLED")
	s.creditedIs(first, "20.00")
	s.creditedIs(second, "10.00")
	var l ledger
	ctx, cancel := s.limit()
	defer cancel()
	l, err := readLedger(ctx, s.host.books())
	s.check(err, "read the ledger")
	h := l.holds[preauth.ID(b.cert().Body.PreauthId).String()]
	s.want("of the limit of 20.00 was settled", usd(h.settled), "20.00")
	s.want("the issuer paid for the guarantee", usd(-l.kinds["USD"]["ISSUER"]), "10.00")
	kind := s.evidenceAgainst(b)
	s.want("evidence", kind, "OVER_LIMIT and SAME_COUNTER")
	s.want("the device at the backend", s.revocationOf(b), "revoked: SAME_COUNTER")
	s.till.synchronizes()
	s.till.goesOffline()
	third := s.till.asks("1.00 USD")
	word := b.isTurnedAway()
	s.want("the next till", word, "ALERT IDENTITY")
	s.till.cancels(third)
	third.ends("CANCELLED USER")
	return fmt.Sprintf("both tills PROVISIONAL; till got 20.00, kiosk its guarantee of 10.00 of 20.00; limit 20.00, settled %s; evidence %s holds by the root key alone, device revoked, next time %s",
		usd(h.settled), kind, word)
}

// pays answers a till with a voucher at a counter. It returns with the till's
// receipt.
func (v *villain) pays(till *party, amount string, counter uint32, released [][]byte) *sale {
	p := till.asks(amount)
	x := v.accepts()
	voucher := v.voucher(x.asked(), func(b *peerv1.Voucher) {
		b.Counter, b.Released = counter, released
	})
	x.says(secure.Payment, payment(voucher.Bytes, v.cert().Bytes))
	x.hears(secure.Receipt)
	x.leaves()
	v.say("%s pays %s", v.name, p.label)
	return p
}

// isTurnedAway waits for a till, and returns how that one ends the session.
func (v *villain) isTurnedAway() string {
	x := v.accepts()
	return x.ends()
}

// evidenceAgainst reads from the books what proves a double spend, checks that
// it does so to somebody who knows nothing but the root key, and returns its
// kinds.
func (s *stage) evidenceAgainst(v *villain) string {
	db, err := openBooks(s.host.books())
	s.check(err, "open the books")
	defer db.Close()
	all := map[string]*peerv1.Evidence{}
	err = each(s.ctx, db, `SELECT e.kind, o.bytes FROM evidence e JOIN evidence_objects o ON o.evidence_seq = e.seq
		ORDER BY e.seq, o.position`, func(scan func(...any) error) error {
		var kind string
		var object []byte
		err := scan(&kind, &object)
		if all[kind] == nil { // the certificate comes first
			all[kind] = &peerv1.Evidence{
				Kind: kind, PreauthCert: object, DeviceCert: v.Identity.DeviceCert,
				Issuance: &peerv1.Issuance{IssuerCerts: v.Trust.Bundle.Body.IssuerCerts, Handovers: v.Trust.Bundle.Body.Handovers},
			}
			return err
		}
		all[kind].Vouchers = append(all[kind].Vouchers, object)
		return err
	})
	s.check(err, "read the evidence")
	for kind, e := range all {
		_, err := preauth.VerifyEvidence(v.Identity.RootKey, e)
		s.check(err, "verify the evidence %s", kind)
	}
	return strings.Join(slices.Sorted(maps.Keys(all)), " and ")
}

// revocationOf is how the backend stands to a villain's device.
func (s *stage) revocationOf(v *villain) (word string) {
	s.withAdmin(func(ctx context.Context, a backend.Admin) error {
		all, err := a.Devices(ctx)
		for _, d := range all {
			if d.ID == preauth.ID(v.Cert.Body.DeviceId) {
				word = "in use"
				if !d.Revoked.IsZero() {
					word = "revoked: " + d.Reason
				}
			}
		}
		return err
	})
	return word
}

func rolledBackStore(s *stage) string {
	s.ann.isStopped()
	file := filepath.Join(s.host.where(s.ann.key).Dir, "store.db")
	before, err := os.ReadFile(file)
	s.check(err, "copy the store")
	s.ann.begin()
	p := s.ann.paysHonestly("12.00 USD", provisional12)
	s.ann.isStopped()
	s.check(errors.Join(os.WriteFile(file, before, 0o600), removeIfThere(file+"-wal"), removeIfThere(file+"-shm")), "put the store back")
	s.ann.forgot, s.ann.log.putBack = true, true
	s.ann.begin()
	s.say("Ann's store of before the payment is back")
	state := s.ann.identity()
	s.want("Ann's device", state, "LOCKED")
	s.ann.statusIs("VOIDED")
	s.ann.listens()
	asked := s.ann.timesAsked()
	q := s.till.asks("12.00 USD")
	s.passes(interval)
	refused := s.ann.acceptRefused(q)
	s.till.cancels(q)
	q.ends("CANCELLED USER")
	s.ann.stopsListening()
	s.ann.goesOnline()
	s.ann.awaitsStatus(func(d *devicev1.Status) bool { return d.GetIdentity().GetState() != lockedState })
	s.ann.statusIs("VOIDED")
	if n := s.ann.timesAsked() - asked; n != 0 {
		s.fail("a locked device was asked %d times", n)
	}
	s.till.goesOnline()
	s.till.becomes(p, "SETTLED")
	s.creditedIs(p, "12.00")
	return fmt.Sprintf("device %s, pre-authorization VOIDED, next payment %s; till's 12.00 settled once. Who puts store.head back too is cloned-store", state, refused)
}

const lockedState = devicev1.AuthenticationState_AUTHENTICATION_STATE_LOCKED

// identity is how the device stands to its backend.
func (p *party) identity() string {
	return p.status().GetIdentity().GetState().String()[len("AUTHENTICATION_STATE_"):]
}

// acceptRefused tries to accept a payment, and returns why it cannot be.
func (p *party) acceptRefused(s *sale) string {
	ctx, cancel := p.limit()
	defer cancel()
	_, err := p.customer.AcceptPayment(ctx, p.consent(s, ""))
	if err == nil {
		p.fail("%s accepts %s", p.name, s.label)
	}
	return reasonOf(err)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

func replay(s *stage) string {
	b := s.bea.turns()
	first := s.till.asks("12.00 USD")
	x := b.accepts()
	q := x.asked()
	voucher := b.voucher(q, nil)
	pay := payment(voucher.Bytes, b.cert().Bytes)
	x.says(secure.Payment, pay)
	receipt := x.hears(secure.Receipt)
	first.ends(provisional12)
	repeats := 0
	for range 20 {
		x.says(secure.Payment, pay)
		if bytes.Equal(x.hears(secure.Receipt), receipt) {
			repeats++
		}
	}
	x.leaves()
	s.want("of 20 repeats got the same Receipt", fmt.Sprint(repeats), "20")
	second := s.till.asks("12.00 USD")
	y := b.accepts()
	y.asked()
	y.says(secure.Payment, pay)
	if !bytes.Equal(y.hears(secure.Receipt), receipt) {
		s.fail("another receipt for the same voucher")
	}
	s.till.has(second, "OPEN")
	s.till.cancels(second)
	second.ends("CANCELLED USER")
	y.leaves()

	claim := &backendv1.Item{Request: q.Bytes, PreauthCert: b.cert().Bytes, Voucher: voucher.Bytes, Receipt: receipt}
	for range 3 {
		s.want("the claim handed in", b.submits(claim), "SETTLED 12.00")
	}
	s.creditedIs(first, "12.00")
	s.creditedIs(second, "0.00")
	s.till.has(first, "PROVISIONAL") // and will hand it in, too
	s.check(b.Radio.Close(), "leave the air")
	n := s.replaysSession()
	return fmt.Sprintf("%d of 20 repeats got the same Receipt, the next payment stayed OPEN; handed in 4 times, credited 12.00 once; the till's %d recorded values opened no second session", repeats, n)
}

// replaysSession has somebody record all that the till says on the air while
// Ann pays, and play it to her again.
func (s *stage) replaysSession() int {
	s.host.air().Separate(s.till.key, s.ann.key)
	s.ann.listens()
	m := s.middle()
	var recorded [][]byte
	m.Change = func(toAnn bool, value []byte) {
		if toAnn {
			recorded = append(recorded, bytes.Clone(value))
		}
	}
	through := s.standing(m)
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.accepts(p, "PROVISIONAL")
	s.carried(through)
	s.gone(m)
	eve := &villain{stage: s, Device: &rogue.Device{Radio: s.host.air().Join("eve")}, name: "the eavesdropper"}
	l := eve.links()
	for _, value := range recorded {
		s.check(ignoreLost(l.Send(s.ctx, value)), "play a value again")
	}
	s.ended(l)
	s.check(eve.Radio.Close(), "leave the air")
	s.ann.hasRefused(secure.ErrProtocol, 1)
	s.want("Ann was asked, in all", fmt.Sprint(s.ann.timesAsked()), "1")
	return len(recorded)
}

// usd writes minor units.
func usd(minor int64) string { return money.Format(minor, "USD") }
