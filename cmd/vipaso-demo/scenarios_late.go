package main

import (
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"

	"github.com/vipaso/vipasod/ble/sim"
)

// lateScenarios are about things that cross each other, or come too late.
var lateScenarios = []scenario{
	{name: "cancel-meets-voucher", about: "the till cancels while the voucher is on its way: the customer gets the hold back", play: cancelMeetsVoucher},
	{name: "nobody-answers", about: "the request ends without an answer", play: nobodyAnswers},
	{name: "three-in-a-row", about: "one customer pays three times; the claims come in in another order", play: threeInARow},
	{name: "reversal", about: "the till gives the money back with no network, and the customer spends it again at once", play: reversal},
	{name: "void-meets-voucher", about: "the customer voids what a till with no network has been paid from: the till gets its money", play: voidMeetsVoucher},
	{name: "too-late", about: "nobody synchronizes before settle_by: the money has gone back", play: tooLate},
	{name: "lossy-air", about: "a third of everything on the air has to be sent again", play: lossyAir},
	{name: "require-online-lost", about: "the till asks for the backend's word and does not get it: nothing is paid", play: requireOnlineLost},
}

func cancelMeetsVoucher(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.slowAir()
	s.ann.taps(p)
	s.till.cancels(p)
	p.ends("CANCELLED USER")
	s.ann.becomes(p, "CANCELLED")
	s.clearAir()
	s.ann.holdIs("0.00", "0.00", "100.00")
}

func nobodyAnswers(s *stage) {
	s.ann.listens()
	p := s.till.asksFor(&businessv1.SendPaymentRequestViaBleRequest{Timeout: durationpb.New(2 * time.Second)}, "12.00 USD")
	s.ann.sees(p)
	p.ends("FAILED TIMEOUT")
	s.till.has(p, "EXPIRED")
	s.ann.isOver(p) // by its own clock or by the till's word
}

func threeInARow(s *stage) {
	s.ann.listens()
	var all []*sale
	for _, amount := range []string{"40.00 USD", "35.00 USD", "25.00 USD"} {
		p := s.till.asks(amount)
		s.ann.sees(p)
		s.ann.accepts(p, "PROVISIONAL")
		all = append(all, p)
	}
	s.ann.holdIs("0.00", "100.00", "0.00")
	p := s.till.asks("1.00 USD")
	s.ann.sees(p)
	s.ann.isRefused(p, "INSUFFICIENT_FUNDS")
	s.till.cancels(p)
	s.part()
	s.ann.goesOnline()
	for _, p := range all {
		s.ann.becomes(p, "SETTLED")
	}
	s.till.goesOnline()
	for _, p := range all {
		s.till.becomes(p, "SETTLED")
	}
}

func reversal(s *stage) {
	s.ann.listens()
	var paid []*sale
	for range 2 {
		p := s.till.asks("45.00 USD")
		s.ann.sees(p)
		s.ann.accepts(p, "PROVISIONAL")
		paid = append(paid, p)
	}
	s.till.givesBack(paid[0])
	s.till.has(paid[0], "CANCELLED")
	s.ann.becomes(paid[0], "CANCELLED")
	s.ann.holdIs("0.00", "45.00", "55.00")
	again := s.till.asks("50.00 USD")
	s.ann.sees(again)
	s.ann.accepts(again, "PROVISIONAL")
	s.part()
	s.till.goesOnline()
	s.till.becomes(again, "SETTLED")
	s.ann.goesOnline()
	s.ann.becomes(again, "SETTLED")
	s.creditedIs(paid[0], "0.00")
}

func voidMeetsVoucher(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.slowAir()
	s.ann.taps(p)
	s.till.hasEvent(0, "payment_successful", p)
	s.till.isKilled() // before Ann has the receipt that would let her hand it in
	s.clearAir()
	s.ann.goesOnline()
	s.ann.awaitsBackend()
	s.ann.voids()
	s.ann.has(p, "AUTHORIZED")
	s.ann.goesOffline()
	s.till.restarts()
	s.ann.becomes(p, "PROVISIONAL") // what was signed before counts
	s.part()
	s.till.goesOnline()
	s.till.becomes(p, "SETTLED")
	s.ann.goesOnline()
	s.ann.becomes(p, "SETTLED")
}

func tooLate(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.accepts(p, "PROVISIONAL")
	s.part()
	s.later(16)
	s.ann.goesOnline()
	s.ann.becomes(p, "RELEASED")
	s.ann.balanceIs("500.00")
	s.till.goesOnline()
	s.till.becomes(p, "REJECTED")
	s.creditedIs(p, "0.00")
}

func lossyAir(s *stage) {
	s.host.air().SetConditions(sim.Conditions{Interval: interval, LossPerMille: 333})
	s.ann.listens()
	s.bea.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.bea.sees(p)
	s.ann.accepts(p, "PROVISIONAL")
	p.ends("SUCCESSFUL PROVISIONAL, 10.00 guaranteed, 2.00 at risk")
	s.bea.becomes(p, "OTHER_PAID")
}

func requireOnlineLost(s *stage) {
	s.till.isRefusedToAskWith(&businessv1.SendPaymentRequestViaBleRequest{Policy: businessv1.Policy_POLICY_REQUIRE_ONLINE}, "12.00 USD", "OFFLINE")
	s.till.goesOnline()
	s.till.awaitsBackend()
	s.ann.listens()
	p := s.till.asksFor(&businessv1.SendPaymentRequestViaBleRequest{
		Policy: businessv1.Policy_POLICY_REQUIRE_ONLINE, Timeout: durationpb.New(4 * time.Second),
	}, "12.00 USD")
	s.ann.sees(p)
	s.backendGoes()
	s.ann.taps(p)
	p.ends("CANCELLED ONLINE_REQUIRED")
	s.ann.becomes(p, "CANCELLED")
	s.ann.holdIs("0.00", "0.00", "100.00")
	s.backendComes()
}
