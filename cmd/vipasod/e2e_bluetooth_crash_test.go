//go:build vm

package main_test

import (
	"fmt"
	"sync"
	"syscall"
	"testing"
	"time"
)

// A moment is a step of a payment at which something dies: when a device has
// stored an event, or while the first frame of a message is on the air.
type moment struct {
	name   string
	stores string // who stores the event: the till or the customer
	event  string
	sends  kind
}

// moments are the steps of a payment, in order.
var moments = []moment{
	{"the payment is open", "till", "payment_opened", ""},
	{"they shake hands", "", "", hello},
	{"the request is stored and sent", "", "", request},
	{"the request is shown", "customer", "payment_request_received", ""},
	{"the voucher is stored", "customer", "payment_accepted", ""},
	{"the voucher is sent", "", "", voucher},
	{"the receipt is stored", "till", "payment_successful", ""},
	{"the receipt is sent", "", "", receipt},
	{"the receipt is there", "customer", "payment_successful", ""},
}

// TestVMKilledAtEachStep kills a daemon or its radio process at each step of a
// payment. Whoever died comes back; by the air alone each payment is made, and
// once. The backend agrees afterwards.
func TestVMKilledAtEachStep(t *testing.T) {
	t.Parallel()
	type death struct {
		name   string
		victim func(*shop) *device
		whole  bool // the daemon, and with it its radio process
	}
	for _, d := range []death{
		{"till", (*shop).tillDevice, true},
		{"customer", (*shop).firstCustomer, true},
		{"till's radio", (*shop).tillDevice, false},
		{"customer's radio", (*shop).firstCustomer, false},
	} {
		t.Run(d.name, func(t *testing.T) {
			t.Parallel()
			var w wiretap
			s := newBluetoothShop(t, airwaves(t, 2, w.trace), "ann")
			s.customers[0].accepting(t)
			for _, at := range moments {
				t.Run(at.name, func(t *testing.T) {
					s.dies(t, &w, d.victim(s), d.whole, at)
				})
			}
			s.paidOnceEach(t, len(moments))
		})
	}
}

func (s *shop) tillDevice() *device    { return s.till }
func (s *shop) firstCustomer() *device { return s.customers[0] }

// dies makes a payment in which a device or its radio process is killed.
func (s *shop) dies(t *testing.T, w *wiretap, victim *device, whole bool, at moment) {
	pid := victim.daemon.cmd.Process.Pid
	if !whole {
		pid = victim.radioProcess(t)
	}
	dead := make(chan error, 1)
	kill := sync.OnceFunc(func() { dead <- syscall.Kill(pid, syscall.SIGKILL) })
	seen := s.expect(t, w, at, kill)
	asking := s.till.follow(t, "pay", "request", "10.00", "USD", "--timeout", "60s")
	seen()
	select {
	case err := <-dead:
		if err != nil {
			t.Fatal(err)
		}
	case <-time.After(patience):
		t.Fatalf("nothing to see of it: %s", at.name)
	}
	begin := time.Now()
	if whole {
		<-victim.daemon.ended
		victim.start(t)
	}
	s.paid(t, asking)
	t.Logf("both have the end of it after %s", milliseconds(time.Since(begin)))
}

// expect has kill called at a moment. What it returns waits for an event.
func (s *shop) expect(t *testing.T, w *wiretap, at moment, kill func()) (seen func()) {
	d := s.till
	switch at.stores {
	case "":
		w.watch(func(m message) {
			if m.kind == at.sends {
				kill()
			}
		})
		t.Cleanup(func() { w.watch(nil) })
		return func() {}
	case "customer":
		d = s.customers[0]
	}
	log := d.follow(t, "listen", "--after", last(t, d), "--types", at.event)
	return func() {
		log.event(t, at.event, "")
		kill()
	}
}

// paidOnceEach brings the network back and looks from outside: each payment of
// a shop, 10.00 USD, is settled once for till, customer and backend.
func (s *shop) paidOnceEach(t *testing.T, count int) {
	t.Helper()
	ann := s.customers[0]
	ann.holds(t, "0.00", fmt.Sprintf("%d.00", 10*count), fmt.Sprintf("%d.00", 100-10*count))
	s.startBackend(t)
	for _, d := range []*device{s.till, ann} {
		for _, p := range d.payments(t) {
			d.reaches(t, p.GetPaymentId(), settled)
		}
		list := d.payments(t)
		for _, p := range list {
			if p.GetState() != settled || p.GetSettledAmount() != "10.00" {
				t.Errorf("%s has %s", d.name, p)
			}
		}
		if len(list) != count {
			t.Errorf("%s has %d payments, not %d", d.name, len(list), count)
		}
	}
	if got := s.credit(t, s.till)["USD"]; got != int64(1000*count) {
		t.Errorf("the ledger owes the till %d, want %d", got, 1000*count)
	}
	ann.holds(t, fmt.Sprintf("%d.00", 10*count), "0.00", fmt.Sprintf("%d.00", 100-10*count))
	s.sound(t)
}
