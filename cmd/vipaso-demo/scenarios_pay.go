package main

import "github.com/vipaso/vipasod/ble/sim"

// slowAir makes each message take a while, so that something can happen on its
// way.
func (s *stage) slowAir() {
	s.host.air().SetConditions(sim.Conditions{Interval: s.host.air().Conditions().Interval, Latency: s.host.slow()})
}

func (s *stage) clearAir() {
	s.host.air().SetConditions(sim.Conditions{Interval: s.host.air().Conditions().Interval})
}

// payScenarios are what happens all day.
var payScenarios = []scenario{
	{name: "happy", about: "a payment with no network, settled afterwards", play: happy},
	{name: "two-customers-race", about: "two customers accept at once: one pays, the other gets the hold back", play: twoCustomersRace},
	{name: "decline", about: "the only customer says no", play: decline},
	{name: "cancel", about: "the till withdraws the request", play: withdrawn},
	{name: "tip", about: "the customer adds a tip", play: tip},
	{name: "delegated", about: "a customer pays with another's card", cast: cast{aside: map[string]string{"carl": ""}}, play: delegated},
}

func happy(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.accepts(p, "PROVISIONAL")
	p.ends("SUCCESSFUL PROVISIONAL, 10.00 guaranteed, 2.00 at risk")
	s.ann.holdIs("0.00", "12.00", "88.00")
	s.part()

	s.till.goesOnline()
	s.till.becomes(p, "SETTLED")
	s.ann.goesOnline()
	s.ann.becomes(p, "SETTLED")
	s.ann.holdIs("12.00", "0.00", "88.00")
}

func twoCustomersRace(s *stage) {
	s.ann.listens()
	s.bea.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.bea.sees(p)
	s.slowAir()
	s.ann.taps(p)
	s.passes(s.host.slow() * 2 / 3)
	s.bea.taps(p) // before Ann has an answer
	p.ends("SUCCESSFUL PROVISIONAL, 10.00 guaranteed, 2.00 at risk")
	s.ann.becomes(p, "PROVISIONAL")
	s.bea.becomes(p, "OTHER_PAID")
	s.bea.holdIs("0.00", "0.00", "100.00")
	s.clearAir()
}

func decline(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.declines(p, "too expensive")
	s.ann.has(p, "DECLINED")
	s.ann.stopsListening()
	p.ends("CANCELLED DECLINED")
	s.ann.holdIs("0.00", "0.00", "100.00")
}

func withdrawn(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.till.isRefusedToAsk("3.00 USD", "PAYMENT_IN_PROGRESS")
	s.till.cancels(p)
	p.ends("CANCELLED USER")
	s.ann.becomes(p, "CANCELLED")
	s.ann.isRefused(p, "PAYMENT_STATE")
}

func tip(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.tips(p, "1.80", "PROVISIONAL")
	p.ends("SUCCESSFUL PROVISIONAL, 10.00 guaranteed, 3.80 at risk")
	s.ann.holdIs("0.00", "13.80", "86.20")
}

func delegated(s *stage) {
	s.ann.delegates(s.carl)
	s.carl.goesOnline()
	s.carl.awaitsBackend()
	s.carl.synchronizes()
	s.carl.setsAside("40.00 USD", s.ann.instrument)
	s.carl.goesOffline()

	s.carl.listens()
	p := s.till.asks("12.00 USD")
	s.carl.sees(p)
	with := s.carl.consent(p, "")
	with.InstrumentId = s.ann.instrument
	s.carl.isRefusedWith(p, with, "FIELD_INVALID")
	with.RequestId, with.IsDelegatedInstrument = newRequestID(), true
	s.carl.acceptsWith(p, with, "PROVISIONAL")
	p.ends("SUCCESSFUL PROVISIONAL, 10.00 guaranteed, 2.00 at risk")
}
