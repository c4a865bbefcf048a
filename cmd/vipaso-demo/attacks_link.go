package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/cmd/internal/rogue"
)

// linkAttacks are made on the radio, most of them by somebody who has no
// certificate at all.
var linkAttacks = []attack{
	{
		name: "relay", threat: "T4", play: relay,
		must: "not prevented: a far customer pays if she accepts what she is shown; a slow relay fails, a changed bit ends the session",
	},
	{
		name: "downgrade", threat: "T4", play: downgrade,
		must: "an advertisement or read value that was changed on its way is refused",
	},
	{
		name: "oversized", threat: "T11", play: oversized,
		must: "messages too long, floods and broken frames end the link, and an honest payment goes on",
	},
	{
		name: "half-open", threat: "T11", play: halfOpen,
		must: "who connects and says nothing loses the link in seconds, and an honest payment goes on",
	},
}

// middle stands between the till and a customer, with two radios.
func (s *stage) middle() rogue.Middle {
	return rogue.Middle{Near: s.host.air().Join("near"), Far: s.host.air().Join("far")}
}

// standing has somebody stand between them, in the background, until a till
// came, and returns when the customer is taken. The channel has how many
// values went through.
func (s *stage) standing(m rogue.Middle) <-chan int {
	carried, ready := make(chan int, 1), make(chan struct{})
	m.Ready = sync.OnceFunc(func() { close(ready) })
	go func() {
		defer close(carried)
		for {
			n, err := m.Stand(s.ctx)
			if err != nil {
				return
			}
			if n > 0 {
				carried <- n
				return
			}
		}
	}()
	select {
	case <-ready:
	case <-carried:
		s.fail("nobody to stand before")
	}
	return carried
}

// carried waits for the end of the session that went through the middle.
func (s *stage) carried(through <-chan int) int {
	ctx, cancel := s.limit()
	defer cancel()
	select {
	case n, ok := <-through:
		if !ok {
			s.fail("nothing went through the middle")
		}
		return n
	case <-ctx.Done():
		s.fail("nobody came to the middle")
	}
	return 0
}

func (s *stage) gone(m rogue.Middle) {
	s.check(errors.Join(m.Near.Close(), m.Far.Close()), "leave the air")
}

func relay(s *stage) string {
	s.host.air().Separate(s.till.key, s.ann.key)
	s.ann.listens()
	m := s.middle()
	m.Delay = 300 * time.Millisecond
	through := s.standing(m)
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.accepts(p, "PROVISIONAL")
	p.ends(provisional12)
	n := s.carried(through)
	shown := s.ann.hasEvent(0, "payment_request_received", p).GetPaymentRequestReceived()
	s.want("Ann was shown", shown.GetBusinessName()+" "+shown.GetAmount(), businessName+" 12.00")
	s.gone(m)

	// Slower than a handshake may be.
	m = s.middle()
	m.Delay = 3 * time.Second
	through = s.standing(m)
	q := s.till.asks("12.00 USD")
	s.carried(through)
	s.gone(m)
	s.till.cancels(q)
	q.ends("CANCELLED USER")

	// A bit of the till's request is changed, then one of Ann's hello.
	for _, side := range []struct {
		toAnn bool
		nth   int // value that is more than an acknowledgement
		finds *party
		what  error
	}{{true, 3, s.ann, secure.ErrProtocol}, {false, 1, s.till, secure.ErrHandshake}} {
		m = s.middle()
		seen := 0
		m.Change = func(toAnn bool, value []byte) {
			if toAnn != side.toAnn || len(value) < 60 {
				return
			}
			if seen++; seen == side.nth {
				value[len(value)-1] ^= 1
			}
		}
		through = s.standing(m)
		before := side.finds.refusals(side.what)
		r := s.till.asks("12.00 USD")
		s.carried(through)
		side.finds.hasRefused(side.what, before+1)
		s.gone(m)
		s.till.cancels(r)
		r.ends("CANCELLED USER")
	}
	s.want("Ann was asked, in all", fmt.Sprint(s.ann.timesAsked()), "1")
	s.ann.holdIs("0.00", "12.00", "88.00")
	return fmt.Sprintf("at 0.3 s, %d values relayed: she saw %s 12.00, accepted, and %s was paid; at 3 s and with a changed bit either way: not even asked", n, shown.GetBusinessName(), businessName)
}

func downgrade(s *stage) string {
	s.host.air().Separate(s.till.key, s.ann.key)
	s.ann.listens()
	for i, announce := range []func(*link.Advertisement){
		func(ad *link.Advertisement) { ad.ServiceData[0] += 1 << 4 },            // a later version
		func(ad *link.Advertisement) { ad.ServiceData[9] ^= 1 },                 // its power
		func(ad *link.Advertisement) { ad.ReadValue[len(ad.ReadValue)-1] ^= 1 }, // what it says it speaks
	} {
		m := s.middle()
		m.Announce = announce
		through := s.standing(m)
		p := s.till.asks("12.00 USD")
		s.carried(through)
		s.ann.hasRefused(secure.ErrDowngrade, uint64(i+1))
		s.gone(m)
		s.till.cancels(p)
		p.ends("CANCELLED USER")
	}
	m := s.middle() // that changes nothing
	through := s.standing(m)
	p := s.till.asks("12.00 USD")
	s.ann.sees(p)
	s.ann.accepts(p, "PROVISIONAL")
	s.carried(through)
	s.gone(m)
	s.want("Ann was asked, in all", fmt.Sprint(s.ann.timesAsked()), "1")
	return "version, power and read value changed on their way: Ann's device counts 3 of \"" + secure.ErrDowngrade.Error() + "\", and was not asked"
}

// hasRefused waits until the device counts n sessions that it ended for a
// reason.
func (p *party) hasRefused(why error, n uint64) {
	p.awaitsStatus(func(d *devicev1.Status) bool { return d.GetRadio().GetRefused()[why.Error()] >= n })
	p.say("%s has refused %d: %v", p.name, n, why)
}

// refusals is how many it counts now.
func (p *party) refusals(why error) uint64 {
	return p.status().GetRadio().GetRefused()[why.Error()]
}

// status is what the device says of itself.
func (p *party) status() *devicev1.Status {
	ctx, cancel := p.limit()
	defer cancel()
	got, err := p.device.GetStatus(ctx, &devicev1.GetStatusRequest{})
	p.check(err, "%s's status", p.name)
	return got.GetStatus()
}

func oversized(s *stage) string {
	s.ann.listens()
	k := s.kiosk.turns()
	dials := &countedRadio{Radio: k.Radio}
	k.Radio = dials
	for _, values := range [][][]byte{
		{{1, 0, 0xff, 0xff, 'x'}},             // a message of 65,535 bytes is announced
		{{1, 0, 0x01, 0x10, 'x'}},             // one more than there may be
		{{1 | 2, 0, 1, 0, 'x'}, {0, 77, 'x'}}, // a number out of turn
		{{0xff, 0}},                           // flags that nobody knows
		{make([]byte, 200)},                   // no frame at all
	} {
		l := k.links()
		for _, v := range values {
			s.check(ignoreLost(l.Send(s.ctx, v)), "send a value")
		}
		s.ended(l)
	}
	s.ann.hasRefused(secure.ErrProtocol, 4)
	// A genuine till that asks, and asks, and asks.
	sent := 0
	for range 3 {
		k.freshNonce()
		x := k.dials()
		for range 60 {
			if x.Send(s.ctx, secure.Request, x.asks("1.00 USD", nil).Bytes) != nil {
				break
			}
			sent++
		}
		x.ends()
	}
	shown := s.ann.timesAsked()
	if shown == 0 || shown > 20 {
		s.fail("Ann was shown %d of %d requests", shown, sent)
	}
	s.check(k.Radio.Close(), "leave the air")
	s.ann.stopsListening()
	met := s.ann.timesDialled()
	s.want("Ann was dialled, each time by the kiosk", fmt.Sprint(met), fmt.Sprint(dials.n))
	s.ann.paysHonestly("12.00 USD", provisional12)
	if n := s.ann.timesDialled() - met; n < 1 || n > honestDials {
		s.fail("the honest till has dialled Ann %d times for one payment", n)
	}
	return fmt.Sprintf("5 broken links ended; of %d requests in 3 floods she was shown %d; then paid 12.00", sent, shown)
}

// honestDials is how often a till may connect to one customer for one payment:
// once, and again if a busy machine has let the link time out.
const honestDials = 3

// countedRadio counts the dials that were answered.
type countedRadio struct {
	link.Radio
	n int
}

func (c *countedRadio) Dial(ctx context.Context, address string, discover bool) (link.Link, error) {
	l, err := c.Radio.Dial(ctx, address, discover)
	if err == nil {
		c.n++
	}
	return l, err
}

// timesDialled is how often somebody has connected to the device since it is on
// the air.
func (p *party) timesDialled() int {
	for _, peer := range p.host.air().Peers() {
		if peer.Name == p.key {
			return peer.Met
		}
	}
	p.fail("%s is not on the air", p.name)
	return 0
}

// links connects to the next customer on the air, and says nothing yet.
func (v *villain) links() link.Link {
	ctx, cancel := v.limit()
	defer cancel()
	l, _, err := v.Find(ctx, nil)
	v.check(err, "%s connects", v.name)
	return l
}

// ended waits for the other side to end a link, and says how long it took.
func (s *stage) ended(l link.Link) time.Duration {
	begin := time.Now()
	ctx, cancel := s.limit()
	defer cancel()
	for {
		if _, err := l.Receive(ctx); err != nil {
			s.check(ctx.Err(), "wait for the end of a link")
			return time.Since(begin)
		}
	}
}

// ignoreLost takes the end of a link for what it is: the answer.
func ignoreLost(err error) error {
	if errors.Is(err, link.ErrLost) || errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// silentMost is how long a link may last on which nothing is said: six seconds
// at a customer and three at a till, and what a busy machine adds.
const silentMost = 30 * time.Second

func halfOpen(s *stage) string {
	s.ann.listens()
	k, b := s.kiosk.turns(), s.bea.turns()
	silent := s.ended(k.links())
	s.say("Ann's device ends a silent link after %s", silent)
	begun := k.links()
	s.check(begun.Send(s.ctx, []byte{1, 0, 200, 0, 'x'}), "begin a message") // and never end it
	half := s.ended(begun)
	s.say("and half a message after %s", half)
	s.ann.hasRefused(secure.ErrHandshake, 2)
	s.check(k.Radio.Close(), "leave the air")
	s.ann.stopsListening()

	// A customer that lets a till connect, and says nothing.
	s.check(b.Advertise(s.ctx), "advertise")
	p := s.till.asks("12.00 USD")
	ctx, cancel := s.limit()
	defer cancel()
	l, err := b.Radio.Accept(ctx)
	s.check(err, "accept")
	dumb := s.ended(l)
	s.say("the till ends a silent link after %s", dumb)
	s.till.hasRefused(secure.ErrHandshake, 1)
	s.check(b.Radio.Close(), "leave the air")
	s.ann.listens()
	s.ann.sees(p)
	s.ann.accepts(p, "PROVISIONAL")
	p.ends(provisional12)
	s.want("Ann was asked, in all", fmt.Sprint(s.ann.timesAsked()), "1")
	for _, took := range []time.Duration{silent, half, dumb} {
		if took > silentMost {
			s.fail("a silent link lasted %s", took)
		}
	}
	round := func(d time.Duration) time.Duration { return d.Round(100 * time.Millisecond) }
	return fmt.Sprintf("silent link ended after %s, half a message after %s, silent customer after %s; the same payment then paid", round(silent), round(half), round(dumb))
}

// refusedRequest is what a till sends that no person is to see.
func refusedRequest(x *visit, change func(*peerv1.Request)) string {
	x.says(secure.Request, x.asks("12.00 USD", change).Bytes)
	return x.ends()
}
