package main

import "time"

// refusalScenarios are payments that must not happen.
var refusalScenarios = []scenario{
	{name: "insufficient-preauth", about: "too little was set aside; somebody else pays", cast: cast{aside: map[string]string{"ann": "10.00 USD"}}, play: insufficientPreauth},
	{name: "expired-preauth", about: "what was set aside has expired (it lives 3 s here); it returns at settle_by", cast: cast{preauthLife: 3 * time.Second, aside: map[string]string{"bea": "", "carl": ""}}, play: expiredPreauth},
	{name: "voided-preauth", about: "what was set aside is voided at once; it returns at settle_by", play: voidedPreauth},
	{name: "currency-mismatch", about: "the customer's money is in another currency", play: currencyMismatch},
}

func insufficientPreauth(s *stage) {
	s.ann.listens()
	s.bea.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.bea.sees(p)
	s.ann.isRefused(p, "INSUFFICIENT_FUNDS")
	s.bea.accepts(p, "PROVISIONAL")
	p.ends("SUCCESSFUL PROVISIONAL, 10.00 guaranteed, 2.00 at risk")
	s.ann.becomes(p, "OTHER_PAID")
	s.ann.holdIs("0.00", "0.00", "10.00")
}

func expiredPreauth(s *stage) {
	s.passes(4 * time.Second)
	s.ann.statusIs("EXPIRED")
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.isRefused(p, "PREAUTH_EXPIRED")
	s.till.cancels(p)
	p.ends("CANCELLED USER")
	s.ann.becomes(p, "CANCELLED")

	s.ann.balanceIs("400.00") // the reserve stays until settle_by
	s.later(15)
	s.ann.balanceIs("500.00")
}

func voidedPreauth(s *stage) {
	s.ann.goesOnline()
	s.ann.awaitsBackend()
	s.ann.voids()
	s.ann.goesOffline()
	s.ann.statusIs("VOIDED")
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.isRefused(p, "PREAUTH_VOIDED")
	s.till.cancels(p)
	p.ends("CANCELLED USER")
	s.ann.becomes(p, "CANCELLED")

	s.ann.balanceIs("400.00") // a till with no network may hold a voucher
	s.later(16)
	s.ann.balanceIs("500.00")
}

func currencyMismatch(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 EUR")
	s.ann.sees(p)
	s.ann.isRefused(p, "CURRENCY_MISMATCH") // the card is in USD
	dollars := s.ann.consent(p, "")
	dollars.Currency = "USD"
	s.ann.isRefusedWith(p, dollars, "CURRENCY_MISMATCH") // euros were asked for
	s.till.cancels(p)
	p.ends("CANCELLED USER")
	s.ann.becomes(p, "CANCELLED")
	s.ann.holdIs("0.00", "0.00", "100.00")
}
