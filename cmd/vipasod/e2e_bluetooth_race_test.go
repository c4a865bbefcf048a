//go:build vm

package main_test

import (
	"fmt"
	"testing"
)

// TestVMPayment: two daemons pay over the kernel's Bluetooth with no network,
// and settle afterwards.
func TestVMPayment(t *testing.T) {
	t.Parallel()
	s := newBluetoothShop(t, airwaves(t, 2, nil), "ann")
	ann := s.customers[0]
	listening := ann.accepting(t)
	id := s.till.request(t, "12.00", "--timeout", "30s").GetPaymentId()
	listening.event(t, "payment_successful", id)
	ann.holds(t, "0.00", "12.00", "88.00")
	s.startBackend(t)
	s.till.becomes(t, id, settled)
	ann.becomes(t, id, settled)
	ann.holds(t, "12.00", "0.00", "88.00")
	s.settledOnce(t, s.till, ann, id, "12.00")
}

// TestVMRace: several customers are linked to a till at a time and all accept.
// The first pays; the others are told, and have their hold back at once.
func TestVMRace(t *testing.T) {
	for _, names := range [][]string{{"ann", "ben"}, {"ann", "ben", "cleo"}} {
		t.Run(fmt.Sprintf("%d customers", len(names)), func(t *testing.T) {
			t.Parallel()
			s := newBluetoothShop(t, airwaves(t, 1+len(names), nil), names...)
			s.race(t)
		})
	}
}

func (s *shop) race(t *testing.T) {
	var listening, accepts []*process
	for _, c := range s.customers {
		listening = append(listening, c.receive(t))
	}
	asking := s.till.follow(t, "pay", "request", "5.00", "USD", "--timeout", "60s")
	_, e := listening[0].event(t, "payment_request_received", "")
	id := e.GetPaymentRequestReceived().GetPaymentId()
	for _, p := range listening {
		p.event(t, "payment_request_received", id)
	}
	if links := s.till.radio(t).GetLinks(); int(links) != len(s.customers) {
		t.Errorf("the till has %d links for %d customers", links, len(s.customers))
	}
	for _, c := range s.customers {
		accepts = append(accepts, c.follow(t, "pay", "accept", id, "--amount", "5.00", "--currency", "USD", "--instrument", c.instrument))
	}
	winner := -1
	for i, p := range accepts {
		switch code := p.exit(t); {
		case code == 0 && winner < 0:
			winner = i
		case code != 1 && code != 5: // another was faster: after this acceptance, or before it
			t.Errorf("%s: exit %d: %s", p.name, code, p.err.text())
		}
	}
	if code := asking.exit(t); code != 0 || winner < 0 {
		t.Fatalf("pay request: exit %d, and customer %d has paid", code, winner)
	}
	for i, c := range s.customers {
		if i == winner {
			listening[i].event(t, "payment_successful", id)
			c.holds(t, "0.00", "5.00", "95.00")
			continue
		}
		listening[i].event(t, "another_user_paid", id)
		if got := c.payment(t, id).GetState(); got != otherPaid {
			t.Errorf("%s has %s", c.name, got)
		}
		c.holds(t, "0.00", "0.00", "100.00")
	}
	s.startBackend(t)
	s.till.becomes(t, id, settled)
	s.customers[winner].becomes(t, id, settled)
	s.settledOnce(t, s.till, s.customers[winner], id, "5.00")
	s.sound(t)
}
