package main

// crashScenarios kill daemons at bad moments.
var crashScenarios = []scenario{
	{name: "crash-payer", about: "the customer's device is killed with the voucher on its way", play: crashPayer},
	{name: "crash-business", about: "the till is killed after it has stored the voucher, before the receipt arrives", play: crashBusiness},
	{name: "crash-everybody", about: "everybody is killed with the voucher on its way, again and again", play: crashEverybody},
	{name: "crash-open", about: "the till is killed while it asks; it goes on asking", play: crashOpen},
}

func crashPayer(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.slowAir()
	s.ann.taps(p)
	s.ann.isKilled()
	s.clearAir()
	s.ann.restarts()
	s.ann.hasEvent(0, "payment_unconfirmed", p)
	s.ann.becomes(p, "PROVISIONAL") // nobody had to do anything
	p.ends("SUCCESSFUL PROVISIONAL, 10.00 guaranteed, 2.00 at risk")
	s.ann.holdIs("0.00", "12.00", "88.00")
}

func crashBusiness(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.slowAir()
	s.ann.taps(p)
	s.till.hasEvent(0, "payment_successful", p)
	s.till.isKilled()
	s.clearAir()
	s.ann.hasEvent(0, "payment_unconfirmed", p)
	s.till.restarts()
	s.till.has(p, "PROVISIONAL")
	s.ann.becomes(p, "PROVISIONAL")
}

func crashEverybody(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.slowAir()
	s.ann.taps(p)
	for range 3 {
		s.passes(s.host.slow())
		s.till.isKilled()
		s.ann.isKilled()
		s.till.restarts()
		s.ann.restarts()
	}
	s.clearAir()
	s.ann.becomes(p, "PROVISIONAL")
	s.till.becomes(p, "PROVISIONAL")
	s.ann.holdIs("0.00", "12.00", "88.00")
}

func crashOpen(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	seen := s.ann.log.last()
	s.till.isKilled()
	p.isOrphaned()
	s.ann.hasEvent(0, "payment_failed", p)
	s.ann.isRefused(p, "PAYMENT_STATE")
	s.till.restarts()
	s.ann.seesAgain(p, seen)
	s.ann.accepts(p, "PROVISIONAL")
	s.till.becomes(p, "PROVISIONAL")
}
