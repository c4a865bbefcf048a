package main_test

import (
	"strconv"
	"testing"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// crash starts a payment of 12.00 USD whose customer accepts at once, and
// returns when the customer's voucher is on its way.
func (s *shop) crash(t *testing.T) (id string) {
	t.Helper()
	log := s.customers[0].follow(t, "listen", "--types", "payment_accepted")
	s.customers[0].accepting(t)
	s.till.follow(t, "pay", "request", "12.00", "USD", "--timeout", "1m")
	_, e := log.event(t, "payment_accepted", "")
	return e.GetPaymentAccepted().GetPaymentId()
}

// TestBothDieWithTheVoucherOnItsWay: only the stores are left. What they agree
// on in the end is found over the air or, if they are too far apart, by the
// backend; nothing is paid twice and no hold is left behind.
func TestBothDieWithTheVoucherOnItsWay(t *testing.T) {
	t.Parallel()
	s := newShop(t, "ann")
	id := s.crash(t)
	s.killAll()
	ann := s.customers[0]
	s.startAir(t)
	s.till.start(t)
	ann.start(t)
	if got := ann.payment(t, id).GetState(); got != authorized && got != provisional {
		t.Errorf("the customer's device promised to pay, died, and has %s", got)
	}
	ann.holds(t, "0.00", "12.00", "88.00")
	if a := s.till.ctl(t, "pay", "cancel", id); a.code != 0 && a.code != 5 { // 5: it is paid already
		t.Errorf("pay cancel: exit %d: %s", a.code, a.stderr)
	}
	s.startBackend(t)
	eventually(t, 2*patience, "both sides agree", func() (bool, string) {
		s.till.ask(t, "sync", "now")
		ann.ask(t, "sync", "now")
		till, customer := s.till.payment(t, id).GetState(), ann.payment(t, id).GetState()
		return till == customer && till != provisional && till != authorized, till.String() + " and " + customer.String()
	})
	switch s.till.payment(t, id).GetState() {
	case settled:
		s.settledOnce(t, s.till, ann, id, "12.00")
		ann.holds(t, "12.00", "0.00", "88.00")
	default:
		ann.holds(t, "0.00", "0.00", "100.00")
		if got := s.credit(t, s.till); len(got) != 0 {
			t.Errorf("not paid, and the till has %v", got)
		}
	}
	s.sound(t)
}

// TestKilledAtEachStep kills a till or a customer's device as soon as one of
// them has stored a step of a payment, again and again. Both come back by
// themselves. In the end each payment was made once or not at all, till,
// customer and backend agree on which, and the sums are right.
func TestKilledAtEachStep(t *testing.T) {
	t.Parallel()
	s := newShop(t, "ann")
	ann := s.customers[0]
	ann.accepting(t)
	steps := []struct {
		name         string
		dies, stores *device
		event        string
	}{
		{"the till, when it has opened the payment", s.till, s.till, "payment_opened"},
		{"the till, when the request is shown", s.till, ann, "payment_request_received"},
		{"the customer, when the request is shown", ann, ann, "payment_request_received"},
		{"the till, when the customer has promised", s.till, ann, "payment_accepted"},
		{"the customer, when it has promised", ann, ann, "payment_accepted"},
		{"the till, when it has the voucher", s.till, s.till, "payment_successful"},
		{"the customer, when the till has the voucher", ann, s.till, "payment_successful"},
		{"the customer, when it has the receipt", ann, ann, "payment_successful"},
	}
	var ids []string
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			log := step.stores.follow(t, "listen", "--after", last(t, step.stores), "--types", step.event)
			asking := s.till.follow(t, "pay", "request", "10.00", "USD", "--timeout", "1m")
			log.event(t, step.event, "")
			step.dies.restart(t)
			if code := asking.exit(t); code != 0 {
				t.Fatalf("pay request: exit %d, %s%s", code, asking.out.text(), asking.err.text())
			}
			id := read[paymentv1.Payment](t, asking.out.text()).GetPaymentId()
			ann.becomes(t, id, provisional) // by the air alone
			ids = append(ids, id)
		})
	}
	s.startBackend(t)
	for _, id := range ids {
		s.till.becomes(t, id, settled)
		ann.becomes(t, id, settled)
		s.settledOnce(t, s.till, ann, id, "10.00")
	}
	if got := s.credit(t, s.till)["USD"]; got != 8000 {
		t.Errorf("the till has %d, want 8000", got)
	}
	ann.holds(t, "80.00", "0.00", "20.00")
	s.sound(t)
}

// last is the number of the newest event of a device.
func last(t *testing.T, d *device) string {
	t.Helper()
	return strconv.FormatUint(d.status(t).GetStore().GetLastSequence(), 10)
}
