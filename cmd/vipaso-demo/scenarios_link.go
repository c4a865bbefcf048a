package main

// linkScenarios lose the link between two devices at bad moments.
var linkScenarios = []scenario{
	{name: "link-lost-before-accept", about: "the link goes before the customer answers; the till asks again", play: linkLostBeforeAccept},
	{name: "link-lost-after-accept", about: "the link goes in the middle of the voucher; the devices meet again", play: linkLostAfterAccept},
	{name: "receipt-lost", about: "the link goes after the till has the voucher, before the customer has the receipt", play: receiptLost},
}

func linkLostBeforeAccept(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	seen := s.ann.log.last()
	s.host.air().DropLinks()
	s.say("the link is lost")
	s.ann.hasEvent(0, "payment_failed", p)
	s.ann.seesAgain(p, seen)
	s.ann.accepts(p, "PROVISIONAL")
	p.ends("SUCCESSFUL PROVISIONAL, 10.00 guaranteed, 2.00 at risk")
}

func linkLostAfterAccept(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	for !s.cutsVoucher(p) {
	}
	s.say("the link is lost with the voucher half sent")
	s.ann.hasEvent(0, "payment_unconfirmed", p)
	p.ends("SUCCESSFUL PROVISIONAL, 10.00 guaranteed, 2.00 at risk")
	s.ann.becomes(p, "PROVISIONAL")
	s.ann.holdIs("0.00", "12.00", "88.00")
}

// cutsVoucher has Ann accept and cuts the link after one value: a voucher takes
// more. It reports whether that was the voucher's: while she decides, the till
// speaks up every few seconds, and then she is asked again.
func (s *stage) cutsVoucher(p *sale) bool {
	before := s.ann.log.last()
	s.host.air().CutAfter(1)
	ctx, cancel := s.limit()
	defer cancel()
	resp, err := s.ann.customer.AcceptPayment(ctx, s.ann.consent(p, ""))
	if reasonOf(err) == "LINK_LOST" {
		s.ann.seesAgain(p, before)
		return false
	}
	s.check(err, "Ann accepts %s", p.label)
	if got := stateName(resp.GetPayment().GetState()); got != "AUTHORIZED" {
		s.fail("Ann accepts %s: %s, not AUTHORIZED", p.label, got)
	}
	s.say("Ann accepts %s: AUTHORIZED", p.label)
	return true
}

func receiptLost(s *stage) {
	s.ann.listens()
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.slowAir()
	s.ann.taps(p)
	p.ends("SUCCESSFUL PROVISIONAL, 10.00 guaranteed, 2.00 at risk")
	s.host.air().DropLinks()
	s.clearAir()
	s.say("the link is lost with the receipt on its way")
	s.ann.hasEvent(0, "payment_unconfirmed", p)
	s.ann.becomes(p, "PROVISIONAL")
}
