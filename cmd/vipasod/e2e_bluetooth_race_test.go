//go:build vm

package main_test

import (
	"testing"
)

// TestVMRace: several customers are linked to a till at a time and all accept.
// The first pays; the others are told, and have their hold back at once.
func TestVMRace(t *testing.T) {
	t.Parallel()
	s := newBluetoothShop(t, airwaves(t, 4, nil), "ann", "ben", "cleo")
	won := map[*device]int64{} // cents
	type end struct {
		id     string
		winner *device
	}
	var ends []end
	for _, race := range []struct {
		name   string
		racers []*device
	}{
		{"2 customers", s.customers[:2]},
		{"3 customers", s.customers},
	} {
		t.Run(race.name, func(t *testing.T) {
			id, winner := s.race(t, race.racers)
			won[winner] += 5_00
			for _, c := range race.racers {
				c.holds(t, "0.00", dollars(won[c]), dollars(100_00-won[c]))
			}
			ends = append(ends, end{id, winner})
		})
	}
	s.startBackend(t)
	for _, e := range ends {
		s.till.reaches(t, e.id, settled)
		e.winner.reaches(t, e.id, settled)
		s.settledOnce(t, s.till, e.winner, e.id, "5.00")
	}
	s.sound(t)
}

// race has the till ask for 5.00 USD and all racers accept, once all of them
// are linked and have seen it.
func (s *shop) race(t *testing.T, racers []*device) (id string, winner *device) {
	var listening, accepts []*process
	for _, c := range racers {
		p := c.receive(t)
		defer p.kill()
		listening = append(listening, p)
	}
	asking := s.till.asks(t, "5.00")
	_, e := listening[0].event(t, "payment_request_received", "")
	id = e.GetPaymentRequestReceived().GetPaymentId()
	for _, p := range listening {
		p.event(t, "payment_request_received", id)
	}
	if links := s.till.radio(t).GetLinks(); int(links) != len(racers) {
		t.Errorf("the till has %d links for %d customers", links, len(racers))
	}
	for _, c := range racers {
		accepts = append(accepts, c.follow(t, "pay", "accept", id, "--amount", "5.00", "--currency", "USD", "--instrument", c.instrument))
	}
	for i, p := range accepts {
		switch code := p.exit(t); {
		case code == 0 && winner == nil:
			winner = racers[i]
		case code != 1 && code != 5: // another was faster: after this acceptance, or before it
			t.Errorf("%s: exit %d: %s", p.name, code, p.err.text())
		}
	}
	if asking(t); winner == nil {
		t.Fatal("paid, and by no customer")
	}
	for i, c := range racers {
		if c == winner {
			listening[i].event(t, "payment_successful", id)
			continue
		}
		listening[i].event(t, "another_user_paid", id)
		if got := c.payment(t, id).GetState(); got != otherPaid {
			t.Errorf("%s has %s", c.name, got)
		}
	}
	return id, winner
}
