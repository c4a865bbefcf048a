package main_test

import (
	"slices"
	"strings"
	"syscall"
	"testing"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// TestContractPay: what scripts may rely on while money moves.
func TestContractPay(t *testing.T) {
	t.Parallel()
	s := newShop(t, "ann", "ben")
	ann, ben := s.customers[0], s.customers[1]
	listening, other := ann.receive(t), ben.receive(t)
	asking := s.till.follow(t, "pay", "request", "12.00", "USD", "--ref", "table 4")
	_, asked := listening.event(t, "payment_request_received", "") // at once: nothing else happens before somebody accepts
	other.event(t, "payment_request_received", asked.GetPaymentRequestReceived().GetPaymentId())
	ann.accept(t, asked)
	result := asking.await(t, "result", func(string) bool { return true })
	paid := read[paymentv1.Payment](t, result.text)
	id := paid.GetPaymentId()
	t.Run("pay request prints exactly one object and exits 0", func(t *testing.T) {
		if code := asking.exit(t); code != 0 || asking.out.text() != result.text+"\n" {
			t.Errorf("exit %d, stdout %q", code, asking.out.text())
		}
		want := map[string]any{
			"payment_id": id, "state": "PAYMENT_STATE_PROVISIONAL", "status": "PAYMENT_STATUS_COMPLETED", "finality": "FINALITY_PROVISIONAL",
			"amount": "12.00", "tip": "0.00", "guaranteed": "0.00", "at_risk": "12.00",
		}
		got := object(t, result.text)
		for field, value := range want {
			if got[field] != value {
				t.Errorf("%s is %v, want %v", field, got[field], value)
			}
		}
	})
	t.Run("pay receive prints each event at once with the event as key", func(t *testing.T) {
		asked, e := listening.event(t, "payment_request_received", id)
		got := object(t, asked.text)
		if _, ok := got["sequence"].(string); !ok {
			t.Errorf("sequence %v is no string", got["sequence"])
		}
		var keys []string
		for k := range got {
			keys = append(keys, k)
		}
		if slices.Sort(keys); !slices.Equal(keys, []string{"payment_request_received", "sequence", "time"}) {
			t.Errorf("keys %v", keys)
		}
		r := e.GetPaymentRequestReceived()
		if r.GetAmount() != "12.00" || r.GetCurrency() != "USD" || r.GetPaymentReference() != "table 4" {
			t.Errorf("asked for %s", r)
		}
	})
	t.Run("customers see the certified name", func(t *testing.T) {
		_, e := listening.event(t, "payment_request_received", id)
		if got := e.GetPaymentRequestReceived().GetBusinessName(); got != "Cafe till" {
			t.Errorf("they see %q", got)
		}
		if got := s.till.status(t).GetDisplayName(); got != "Device till" {
			t.Errorf("the till shows %q", got)
		}
	})
	t.Run("PaymentSuccessful and AnotherUserPaid come with the result", func(t *testing.T) {
		_, e := listening.event(t, "payment_successful", id)
		other.event(t, "another_user_paid", id)
		if e.GetPaymentSuccessful().GetFinality() != paymentv1.Finality_FINALITY_PROVISIONAL {
			t.Errorf("offline success %s", e)
		}
	})
	t.Run("preauth list shows limit, spent, held, remaining", func(t *testing.T) {
		ann.holds(t, "0.00", "12.00", "88.00")
		ben.holds(t, "0.00", "0.00", "100.00")
	})
	t.Run("pay receive runs until ^C", func(t *testing.T) {
		for _, p := range []*process{listening, other} {
			if code := p.stop(t); code != 0 {
				t.Errorf("%s: exit %d\n%s", p.name, code, p.err.text())
			}
		}
	})
	t.Run("pay receive --single ends with the payment", func(t *testing.T) { single(t, s) })
	t.Run("an accept that comes too late is a message, not an exit", func(t *testing.T) { lateAccept(t, s) })
	t.Run("payments show contains SETTLED once settled and never before", func(t *testing.T) { onceSettled(t, s, id) })
}

// single: pay receive --single exits 0 when it has paid.
func single(t *testing.T, s *shop) {
	p := s.customers[1].accepting(t, "--single")
	s.till.request(t, "1.00")
	if code := p.exit(t); code != 0 {
		t.Errorf("exit %d\n%s%s", code, p.out.text(), p.err.text())
	}
	if all := strings.Split(strings.TrimSpace(p.out.text()), "\n"); !strings.Contains(all[len(all)-1], `"payment_successful":`) {
		t.Errorf("it ended with %s", all[len(all)-1])
	}
}

// lateAccept: the customer's program reads of the request only when the till
// has withdrawn it. It goes on, and pays the next one.
func lateAccept(t *testing.T, s *shop) {
	ann := s.customers[0]
	watch, slow := ann.receive(t, "-v"), ann.accepting(t, "-v")
	for _, p := range []*process{watch, slow} {
		p.awaitLog(t, "it listens", func(text string) bool { return strings.Contains(text, "listening") })
	}
	slow.signal(t, syscall.SIGSTOP)
	asking := s.till.follow(t, "pay", "request", "2.00", "USD")
	_, e := watch.event(t, "payment_request_received", "")
	id := e.GetPaymentRequestReceived().GetPaymentId()
	s.till.ask(t, "pay", "cancel", id)
	if code := asking.exit(t); code != 1 {
		t.Errorf("a request that was withdrawn: exit %d", code)
	}
	watch.event(t, "payment_cancelled", id)
	slow.signal(t, syscall.SIGCONT)
	slow.event(t, "payment_cancelled", id)
	late := ann.ctl(t, "pay", "accept", id, "--amount", "2.00", "--currency", "USD", "--instrument", ann.instrument)
	late.refused(t, 5, "PAYMENT_STATE")
	s.till.request(t, "2.00")
	if !slow.running() {
		t.Errorf("it has ended: %s", slow.err.text())
	}
}

// onceSettled: the word SETTLED appears when the money has moved, on both
// devices and at the backend, and the id is the same on all of them.
func onceSettled(t *testing.T, s *shop, id string) {
	ann := s.customers[0]
	show := func(d *device) string {
		return d.ctl(t, "payments", "show", id).ok(t).stdout + d.ask(t, "payments", "show", id).stdout
	}
	for _, d := range []*device{s.till, ann} {
		if text := show(d); strings.Contains(text, "SETTLED") || !strings.Contains(text, id) {
			t.Errorf("%s before: %s", d.name, text)
		}
	}
	s.admin(t, "payment", "show", id).refused(t, 5, "vipaso-backend")
	s.startBackend(t)
	for _, d := range []*device{s.till, ann} {
		eventually(t, patience, d.name+" shows SETTLED", func() (bool, string) {
			text := show(d)
			return strings.Contains(text, "SETTLED"), text
		})
		if p := d.payment(t, id); p.GetState() != settled || p.GetStatus() != completed || p.GetPaymentId() != id {
			t.Errorf("%s: %s", d.name, p)
		}
	}
	got := s.admin(t, "payment", "show", id).ok(t)
	if !strings.Contains(got.stdout, "SETTLED") || got.object(t)["payment_id"] != id {
		t.Errorf("backend: %s", got.stdout)
	}
	ann.ask(t, "sync", "now") // the payment after it, too: verdicts are stored one by one
	ann.holds(t, "14.00", "0.00", "86.00")
	s.sound(t)
}
