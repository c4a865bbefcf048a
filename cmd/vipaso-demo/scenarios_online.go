package main

import businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"

// onlineScenarios have a network on one side.
var onlineScenarios = []scenario{
	{name: "till-online", about: "the till has a network: settled at once, also for a customer with nothing set aside", cast: cast{aside: map[string]string{"carl": ""}}, play: tillOnline},
	{name: "customer-online", about: "the customer has a network: money is set aside for this very request", play: customerOnline},
}

func tillOnline(s *stage) {
	s.till.goesOnline()
	s.till.awaitsBackend()
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.accepts(p, "") // PROVISIONAL, or SETTLED already
	s.ann.becomes(p, "SETTLED")
	s.till.becomes(p, "SETTLED")
	s.ann.stopsListening()

	s.carl.listens()
	q := s.till.asks("7.50 USD")
	s.carl.sees(q)
	s.carl.accepts(q, "SETTLED") // a charge: never provisional
	q.ends("SUCCESSFUL SETTLED, 7.50 guaranteed, 0.00 at risk")
	s.creditedIs(q, "7.50")
	s.carl.stopsListening()

	s.bea.listens()
	r := s.till.asksFor(&businessv1.SendPaymentRequestViaBleRequest{Policy: businessv1.Policy_POLICY_REQUIRE_ONLINE}, "3.00 USD")
	s.bea.sees(r)
	s.bea.accepts(r, "SETTLED")
	r.ends("SUCCESSFUL SETTLED, 3.00 guaranteed, 0.00 at risk")
}

func customerOnline(s *stage) {
	s.ann.goesOnline()
	s.ann.awaitsBackend()
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.accepts(p, "")
	p.ends("SUCCESSFUL PROVISIONAL, 12.00 guaranteed, 0.00 at risk")
	s.ann.becomes(p, "SETTLED")
	s.till.has(p, "PROVISIONAL")
	s.creditedIs(p, "12.00")
}
