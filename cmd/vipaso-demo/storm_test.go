package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"

	"github.com/vipaso/vipasod/ble/sim"
)

// TestStorm plays payments in bad weather: everybody taps at random, and
// links, devices and networks come and go. Whatever happened, in the end
// everybody agrees and the money adds up. VIPASO_STORMS plays more of them.
// A seed gives the same weather each time, not the same run.
func TestStorm(t *testing.T) {
	storms := 4
	if n, err := strconv.Atoi(os.Getenv("VIPASO_STORMS")); err == nil {
		storms = n
	}
	for seed := range uint64(storms) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) { ride(t, rand.New(rand.NewPCG(seed, 0))) })
		})
	}
}

func ride(t *testing.T, r *rand.Rand) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var c cast
	if r.IntN(2) == 0 {
		c.aside = map[string]string{"carl": ""} // he can pay a till with a network only
	}
	s, err := build(ctx, newBubble(t), c, nil)
	if err != nil {
		t.Fatal(err)
	}
	calm := scenario{play: func(s *stage) {
		s.clearAir()
		for _, p := range s.parties() {
			p.goesOffline()
		}
		s.passes(3 * time.Minute) // who still owes each other something meets
	}}
	err = perform(func() {
		for range 8 {
			s.gust(r)
		}
	})
	if err != nil {
		t.Error(err)
	}
	a, err := s.enact(calm)
	if err != nil {
		t.Error(err)
	} else {
		for _, p := range a.problems {
			t.Error(p)
		}
	}
	if t.Failed() {
		t.Log(trace(s, a))
	}
	if err := s.close(); err != nil {
		t.Error(err)
	}
}

// gust is one payment and what befalls it.
func (s *stage) gust(r *rand.Rand) {
	s.host.air().SetConditions(sim.Conditions{Interval: interval, LossPerMille: r.IntN(300), Latency: time.Duration(r.IntN(100)) * time.Millisecond})
	for _, c := range s.customers() {
		if c.mute == nil && r.IntN(3) > 0 {
			c.listens()
		}
	}
	amount := fmt.Sprintf("%d.%02d USD", 1+r.IntN(30), r.IntN(100))
	request := &businessv1.SendPaymentRequestViaBleRequest{Timeout: durationpb.New(time.Duration(2+r.IntN(8)) * time.Second)}
	if r.IntN(4) == 0 {
		request.Policy = businessv1.Policy_POLICY_FORCE_OFFLINE
	} else if r.IntN(3) == 0 && !s.till.cut {
		request.Policy = businessv1.Policy_POLICY_REQUIRE_ONLINE
	}
	var p *sale
	if err := perform(func() { p = s.till.asksFor(request, amount) }); err != nil {
		s.say("not asked: %v", err) // no network yet, or too much is out
		s.passes(time.Second)
		return
	}
	for range 3 + r.IntN(8) {
		s.passes(time.Duration(r.IntN(700)) * time.Millisecond)
		s.befalls(r, p)
	}
	for ended := false; !ended; {
		s.passes(time.Second)
		got, err := s.till.payment(s.ctx, p)
		s.check(err, "the till looks at %s", p.label)
		ended = got.GetState().Number() != 11 && got.GetState().Number() != 12 // OPEN, AWAITING
	}
}

// befalls is one thing that happens.
func (s *stage) befalls(r *rand.Rand, p *sale) {
	all := s.parties()
	one, customer := all[r.IntN(len(all))], s.customers()[r.IntN(3)]
	switch r.IntN(13) {
	case 0, 1, 2, 3, 4:
		s.say("%s would like to accept %s", customer.name, p.label)
		request := customer.consent(p, [...]string{"", "0.50", "1.00"}[r.IntN(3)])
		call := customer.customer
		customer.streams.Go(func() { _, _ = call.AcceptPayment(s.ctx, request) }) // it may well be refused
	case 5:
		s.say("the links are lost")
		s.host.air().DropLinks()
	case 6:
		n := 1 + r.IntN(12)
		s.say("a link will be lost after %d values", n)
		s.host.air().CutAfter(n)
	case 7, 8:
		one.isKilled()
		one.restarts()
	case 9:
		one.network(r.IntN(2) == 0)
		s.say("%s has a network: %v", one.name, !one.cut)
	case 10:
		if r.IntN(3) == 0 {
			_ = perform(func() { s.till.cancels(p) }) // it may be paid
		}
	case 11:
		_ = perform(func() { customer.declines(p, "no") }) // it may be over
	case 12:
		s.backendGoes()
		s.passes(time.Duration(r.IntN(3)) * time.Second)
		s.backendComes()
	}
}
