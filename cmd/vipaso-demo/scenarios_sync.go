package main

import "context"

// syncScenarios are about what happens when the network is back.
var syncScenarios = []scenario{
	{name: "backend-down", about: "the backend is away for the whole payment, and then everything settles by itself", play: backendDown},
	{name: "sync-twice", about: "everybody hands everything over again and again, and it settles once", play: syncTwice},
	{name: "loser-syncs-first", about: "the customer who came second hands its voucher in first", play: loserSyncsFirst},
	{name: "customer-carries-claim", about: "the till never has a network; the customer's device brings it its money", play: customerCarriesClaim},
}

func backendDown(s *stage) {
	s.backendGoes()
	s.till.goesOnline() // a network, and nobody there
	s.ann.goesOnline()
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.accepts(p, "PROVISIONAL")
	p.ends("SUCCESSFUL PROVISIONAL, 10.00 guaranteed, 2.00 at risk")
	s.part()
	s.till.cannotSynchronize("OFFLINE")
	s.backendComes()
	s.till.becomes(p, "SETTLED")
	s.ann.becomes(p, "SETTLED")
}

func syncTwice(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.accepts(p, "PROVISIONAL")
	for range 3 {
		s.everybodySynchronizes()
	}
	s.till.has(p, "SETTLED")
	s.ann.has(p, "SETTLED")
	for _, party := range s.parties() { // and once more, on what they have stored
		party.isKilled()
		party.begin()
	}
	s.everybodySynchronizes()
	s.creditedIs(p, "12.00")
}

func loserSyncsFirst(s *stage) {
	s.ann.listens()
	s.bea.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.bea.sees(p)
	s.slowAir()
	s.ann.taps(p)
	s.passes(s.host.slow() * 2 / 3)
	s.bea.taps(p)
	s.ann.becomes(p, "PROVISIONAL")
	s.bea.becomes(p, "OTHER_PAID")
	s.clearAir()
	s.part()

	s.bea.goesOnline()
	s.bea.synchronizes()
	s.bea.has(p, "OTHER_PAID")
	s.creditedIs(p, "0.00")
	s.ann.goesOnline()
	s.ann.becomes(p, "SETTLED")
	s.creditedIs(p, "12.00")
	s.till.goesOnline()
	s.till.becomes(p, "SETTLED")
}

func customerCarriesClaim(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.accepts(p, "PROVISIONAL")
	s.part()
	s.ann.goesOnline()
	s.ann.becomes(p, "SETTLED")
	s.till.has(p, "PROVISIONAL") // it cannot know
	s.creditedIs(p, "12.00")     // and has its money
	s.till.goesOnline()
	s.till.becomes(p, "SETTLED")
	s.creditedIs(p, "12.00")
}

// creditedIs checks what the business got for a payment, in the books.
func (s *stage) creditedIs(p *sale, want string) {
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	l, err := readLedger(ctx, s.host.books())
	s.check(err, "read the ledger")
	amount, err := parse(want + " USD")
	s.check(err, "amount")
	if got := l.credits[p.id]; got.amount != amount.Minor || got.requests > 1 {
		s.fail("the business got %d for %d requests of %s, not %s once", got.amount, got.requests, p.label, want)
	}
	s.say("the business has got %s for %s", want, p.label)
}
