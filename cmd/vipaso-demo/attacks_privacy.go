package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// privacyAttacks learn what they should not.
var privacyAttacks = []attack{
	{
		name: "resume-tracking", threat: "T16", play: resumeTracking,
		must: "who resumes a payment is recognised by its till, and by nobody else",
	},
	{
		name: "code-grinding", threat: "T4", play: codeGrinding,
		must: "a till that has ground its nonce for a code of its choice cannot use it: it is bound before it knows the customer's",
	},
}

func resumeTracking(s *stage) string {
	s.ann.listens()
	k := s.kiosk.turns()
	x := k.dials() // an earlier visit: the kiosk has a resume key of Ann's, too
	kiosks := x.ResumeKey()
	x.leaves()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.slowAir()
	s.ann.taps(p)
	s.till.isKilled()
	p.isOrphaned()
	s.clearAir()
	s.ann.hasEvent(0, "payment_unconfirmed", p)
	keys := s.till.resumeKeys()

	const times = 4
	addresses, eids, byTill, byKiosk := map[string]bool{}, map[link.EID]bool{}, 0, 0
	for n := range times {
		if n > 0 { // it does so by itself every quarter of an hour
			s.ann.isStopped()
			s.ann.restarts()
		}
		l, seen := k.findsResume(eids)
		if n == 0 {
			s.check(l.Close("seen enough"), "close")
		}
		b, err := link.DecodeBeacon(seen.ServiceData)
		s.check(err, "beacon")
		addresses[seen.Address], eids[b.EID] = true, true
		if slices.ContainsFunc(keys, func(key [16]byte) bool { return link.MatchesResume(key, b.EID) }) {
			byTill++
		}
		if link.MatchesResume(kiosks, b.EID) {
			byKiosk++
		}
		if n > 0 {
			s.check(l.Close("seen enough"), "close")
		}
	}
	s.want("identifiers", fmt.Sprint(len(eids)), fmt.Sprint(times))
	s.want("addresses", fmt.Sprint(len(addresses)), fmt.Sprint(times))
	s.want("recognised by the till's keys", fmt.Sprint(byTill), fmt.Sprint(times))
	s.want("recognised by the kiosk's", fmt.Sprint(byKiosk), "0")
	y := k.dials() // any till may dial, and is told of nothing that is not its own
	s.want("unfinished payments that the kiosk is told of", fmt.Sprint(len(y.Unfinished())), "0")
	y.leaves()
	s.check(k.Radio.Close(), "leave the air")
	s.till.restarts()
	s.ann.becomes(p, "PROVISIONAL")
	return fmt.Sprintf("%d RESUME advertisements: %d identifiers, %d addresses; the till's key knows %d of them, another till's %d; that one is told of 0 payments",
		times, len(eids), len(addresses), byTill, byKiosk)
}

// findsResume connects to a RESUME advertisement that was not heard before.
func (v *villain) findsResume(before map[link.EID]bool) (link.Link, link.Sighting) {
	ctx, cancel := v.limit()
	defer cancel()
	l, seen, err := v.Find(ctx, func(b link.Beacon) bool { return b.Resume && !before[b.EID] })
	v.check(err, "%s listens for RESUME", v.name)
	return l, seen
}

// resumeKeys are those that a till, which does not run, has been given.
func (p *party) resumeKeys() (keys [][16]byte) {
	ctx, cancel := p.limit()
	defer cancel()
	st, err := store.Open(ctx, p.host.where(p.key).Dir, store.Options{Role: store.Business})
	p.check(err, "open the till's store")
	defer st.Close()
	owed, err := st.OwedAsks(context.WithoutCancel(ctx))
	p.check(err, "read the till's requests")
	for _, a := range owed {
		keys = append(keys, a.ResumeKey)
	}
	open, is, err := st.OpenSale(ctx)
	p.check(err, "read the till's open payment")
	if is {
		asks, err := st.AsksOf(ctx, open.ID)
		p.check(err, "read the till's requests")
		for _, a := range asks {
			keys = append(keys, a.ResumeKey)
		}
	}
	return keys
}

func codeGrinding(s *stage) string {
	s.ann.listens()
	k := s.kiosk.turns()
	const wish = "1234"
	x := k.dials()
	// The customer's nonce is known now: a nonce that gives the wish is soon
	// found.
	tries, ground := 0, k.Nonce
	for ; x.Code(ground, x.PeerNonce()) != wish; tries++ {
		binary.BigEndian.PutUint64(ground[8:], uint64(tries))
	}
	word := refusedRequest(x, func(r *peerv1.Request) { r.Nonce = ground[:] })
	s.want("the request with the ground nonce", word, "ALERT PROTOCOL")

	k.freshNonce()
	y := k.dials()
	q := y.asks("1.00 USD", nil)
	code := y.Code(k.Nonce, y.PeerNonce())
	y.says(secure.Request, q.Bytes)
	honest := &sale{stage: s, id: preauth.ID(q.Body.PaymentId).String(), label: "the honest request", amount: "1.00 USD"}
	s.ann.sees(honest)
	shown := s.ann.hasEvent(0, "payment_request_received", honest).GetPaymentRequestReceived().GetCode()
	s.want("the code on Ann's screen", shown, code)
	s.want("Ann was asked, in all", fmt.Sprint(s.ann.timesAsked()), "1")
	y.leaves()
	s.check(k.Radio.Close(), "leave the air")
	s.ann.isOver(honest)
	return fmt.Sprintf("%d tries give %s, and the request with that nonce is refused: %s; with the nonce it had committed to, both show %s", tries, wish, word, code)
}
