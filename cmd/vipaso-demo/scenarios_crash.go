package main

// crashScenarios kill daemons at bad moments.
var crashScenarios = []scenario{
	{name: "crash-payer", about: "the customer's device is killed with the voucher on its way", play: crashPayer},
	{name: "crash-business", about: "the till is killed after it has stored the voucher, before the receipt arrives", play: crashBusiness},
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
