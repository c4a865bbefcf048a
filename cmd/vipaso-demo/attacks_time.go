package main

import (
	"fmt"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth"
)

const year = 365 * 24 * time.Hour

// timeAttacks set clocks.
var timeAttacks = []attack{
	{
		name: "clock-back", threat: "T9", play: clockBack,
		must: "a till whose clock is set back a year keeps to the time the backend signed: what has expired stays expired",
	},
	{
		name: "clock-forward", threat: "T9", play: clockForward,
		must: "a clock set forward a year frees no hold and burns nothing: it is as before when the clock is right again",
	},
}

// setsClock restarts the device with its own clock ahead of everybody's.
func (p *party) setsClock(ahead time.Duration) {
	p.isStopped()
	p.ahead = ahead
	p.begin()
	p.say("%s's clock is %s ahead", p.name, ahead)
}

func clockBack(s *stage) string {
	b := s.bea.turns()
	s.later(2) // Bea's pre-authorization has ended by now, which the backend knows
	s.till.goesOnline()
	s.till.synchronizes()
	s.till.goesOffline()
	s.till.setsClock(-year)
	said := s.till.saysOf("CLOCK_REGRESSED")
	code := b.isRefused(func() *sale { return s.till.asks("12.00 USD") }, func(q preauth.Request) ([]byte, []byte) {
		return b.voucher(q, nil).Bytes, b.cert().Bytes
	})
	s.want("what expired yesterday, a year before it was made", code, "PREAUTH_EXPIRED")
	s.till.setsClock(0)
	return fmt.Sprintf("till a year back: event %s, voucher %s", said, code)
}

// saysOf waits until the device has told something of itself.
func (p *party) saysOf(what string) string {
	ctx, cancel := p.limit()
	defer cancel()
	e, err := p.log.await(ctx, 0, func(e *paymentv1.Event) bool { return e.GetDeviceChanged().GetWhat() == what })
	p.check(err, "%s says %s", p.name, what)
	return e.GetDeviceChanged().GetWhat()
}

func clockForward(s *stage) string {
	p := s.ann.paysHonestly("12.00 USD", provisional12)
	s.ann.setsClock(year)
	s.ann.holdIs("0.00", "12.00", "88.00")
	s.ann.has(p, "PROVISIONAL")
	s.ann.statusIs("EXPIRED")
	s.ann.setsClock(0)
	s.ann.holdIs("0.00", "12.00", "88.00")
	s.ann.statusIs("AVAILABLE")
	q := s.ann.paysHonestly("5.00 USD", "SUCCESSFUL PROVISIONAL, 0.00 guaranteed, 5.00 at risk")

	s.till.setsClock(year)
	s.till.has(q, "PROVISIONAL")
	s.till.setsClock(0)
	floor := s.till.trustedTime()
	if ahead := time.Until(floor); ahead > time.Hour {
		s.fail("the till's trusted time is %s ahead after its clock was", ahead)
	}
	r := s.ann.paysHonestly("5.00 USD", "SUCCESSFUL PROVISIONAL, 0.00 guaranteed, 5.00 at risk")
	s.till.has(r, "PROVISIONAL")
	return "a year ahead Ann's 12.00 stay held and the rest is EXPIRED; back again it is AVAILABLE, and pays; the till's trusted time did not follow"
}

// trustedTime is what the device takes for the time.
func (p *party) trustedTime() time.Time {
	return p.status().GetTrustedTime().AsTime()
}
