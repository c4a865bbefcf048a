//go:build vm

package main_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/testbed"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// airwaves are virtual adapters of this machine's kernel: the first is the
// till's.
func airwaves(t *testing.T, n int) *testbed.Kernel {
	t.Helper()
	k, err := testbed.NewKernel(testbed.Config{Paced: true}, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// newBluetoothShop is newShop with an adapter for each device.
func newBluetoothShop(t *testing.T, k *testbed.Kernel, names ...string) *shop {
	t.Helper()
	s := &shop{world: newWorld(t)}
	s.startBackend(t)
	device := func(role, name string, adapter int) *device {
		d := s.device(t, role, name, quick)
		d.configure(t, fmt.Sprintf("role = %q\ndisplay_name = %q\n%s[radio]\nadapter = \"addr:00:AA:01:00:00:%02X\"\n[store]\ndir = %q\n[grpc]\nsocket = %q\n",
			role, "Device "+name, quick, adapter, d.dir, d.socket))
		d.start(t)
		d.enroll(t)
		eventually(t, patience, name+" has its adapter", func() (bool, string) {
			r := d.status(t).GetRadio()
			return r.GetReady(), r.GetReason() + " " + r.GetDetail()
		})
		return d
	}
	s.till = device("business", "till", 0)
	for i, name := range names {
		c := device("customer", name, 1+i)
		c.fund(t, "100.00")
		s.customers = append(s.customers, c)
	}
	if code := s.backend.stop(t); code != 0 {
		t.Fatalf("backend: exit %d", code)
	}
	return s
}

// radioProcess returns the process that owns the adapter of a device.
func (d *device) radioProcess(t *testing.T) int {
	t.Helper()
	pid := 0
	eventually(t, patience, d.name+" has a radio process", func() (bool, string) {
		children := childrenOf(t, d.daemon.cmd.Process.Pid)
		if len(children) == 1 {
			pid = children[0]
		}
		return len(children) == 1, fmt.Sprint(children)
	})
	return pid
}

// childrenOf looks through all processes.
func childrenOf(t *testing.T, parent int) (children []int) {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		stat, err := os.ReadFile("/proc/" + e.Name() + "/stat")
		if err != nil {
			continue // ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(parent) {
			children = append(children, pid)
		}
	}
	return children
}

// TestVMPayment: two daemons pay over the kernel's Bluetooth with no network,
// and settle afterwards.
func TestVMPayment(t *testing.T) {
	s := newBluetoothShop(t, airwaves(t, 2), "ann")
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

// TestVMRace: three customers are linked at a time, and one pays.
func TestVMRace(t *testing.T) {
	s := newBluetoothShop(t, airwaves(t, 4), "ann", "ben", "cleo")
	var listening []*process
	for _, c := range s.customers {
		listening = append(listening, c.accepting(t, "--after", "1500ms"))
	}
	id := s.till.request(t, "5.00", "--timeout", "30s").GetPaymentId()
	for _, p := range listening {
		p.event(t, "payment_request_received", id)
	}
	winners := 0
	for i, c := range s.customers {
		var state string
		eventually(t, patience, c.name+" knows", func() (bool, string) {
			state = c.payment(t, id).GetState().String()
			return strings.HasSuffix(state, "PROVISIONAL") || strings.HasSuffix(state, "OTHER_PAID"), state
		})
		if strings.HasSuffix(state, "PROVISIONAL") {
			winners++
			listening[i].event(t, "payment_successful", id)
		} else {
			listening[i].event(t, "another_user_paid", id)
		}
	}
	if winners != 1 {
		t.Errorf("%d customers have paid", winners)
	}
}

// TestVMManyPayments: one after the other, as on a busy day.
func TestVMManyPayments(t *testing.T) {
	const count = 50
	s := newBluetoothShop(t, airwaves(t, 2), "ann")
	ann := s.customers[0]
	log := ann.follow(t, "listen", "--types", "payment_request_received,payment_accepted,payment_successful")
	ann.accepting(t)
	var whole, shown, paid []time.Duration
	for range count {
		begin := time.Now()
		id := s.till.request(t, "1.00", "--timeout", "30s").GetPaymentId()
		whole = append(whole, time.Since(begin))
		_, received := log.event(t, "payment_request_received", id)
		_, accepted := log.event(t, "payment_accepted", id)
		_, successful := log.event(t, "payment_successful", id)
		shown = append(shown, received.GetTime().AsTime().Sub(begin))
		paid = append(paid, successful.GetTime().AsTime().Sub(accepted.GetTime().AsTime()))
	}
	for name, took := range map[string][]time.Duration{
		"command to end": whole, "command to request shown": shown, "acceptance to receipt": paid,
	} {
		slices.Sort(took)
		t.Logf("%d payments, from %s: median %s, 95%% %s, longest %s", count, name,
			took[count/2].Round(time.Millisecond), took[count*95/100].Round(time.Millisecond), took[count-1].Round(time.Millisecond))
	}
	ann.holds(t, "0.00", "50.00", "50.00")
}

// TestVMRadioKilled: the radio process of either side dies while the customer
// decides, and is back before the customer has.
func TestVMRadioKilled(t *testing.T) {
	for name, victim := range map[string]func(*shop) *device{
		"till":     func(s *shop) *device { return s.till },
		"customer": func(s *shop) *device { return s.customers[0] },
	} {
		t.Run(name, func(t *testing.T) {
			s := newBluetoothShop(t, airwaves(t, 2), "ann")
			ann := s.customers[0]
			listening := ann.accepting(t, "--after", "2s")
			asked := s.till.follow(t, "pay", "request", "7.00", "USD", "--timeout", "60s")
			listening.await(t, "request", func(l string) bool {
				return strings.Contains(l, "ayment_request_received") || strings.Contains(l, "aymentRequestReceived")
			})
			pid := victim(s).radioProcess(t)
			begin := time.Now()
			if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			eventually(t, patience, "another radio process", func() (bool, string) {
				st := victim(s).status(t).GetRadio()
				return st.GetReady() && st.GetRestarts() > 0, st.String()
			})
			t.Logf("radio of the %s ready again after %s", name, time.Since(begin).Round(time.Millisecond))
			if code := asked.exit(t); code != 0 {
				t.Fatalf("pay request: exit %d: %s", code, asked.err.text())
			}
			ann.holds(t, "0.00", "7.00", "93.00")
		})
	}
}

// TestVMUnplugged: an adapter is taken away and comes back.
func TestVMUnplugged(t *testing.T) {
	k := airwaves(t, 2)
	s := newBluetoothShop(t, k, "ann")
	s.customers[0].accepting(t)
	s.till.request(t, "3.00", "--timeout", "30s")
	if err := k.Unplug(0); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "the till says so", func() (bool, string) {
		r := s.till.status(t).GetRadio()
		return !r.GetReady() && r.GetReason() == "ADAPTER_MISSING", r.String()
	})
	if err := k.Plug(0); err != nil {
		t.Fatal(err)
	}
	eventually(t, patience, "the till has its adapter", func() (bool, string) {
		r := s.till.status(t).GetRadio()
		return r.GetReady(), r.String()
	})
	s.till.request(t, "4.00", "--timeout", "30s")
	s.customers[0].holds(t, "0.00", "7.00", "93.00")
}

// TestVMKilledAtEachStep kills a daemon or its radio process as soon as a step
// of a payment is stored. By the air alone each payment is made once.
func TestVMKilledAtEachStep(t *testing.T) {
	s := newBluetoothShop(t, airwaves(t, 2), "ann")
	ann := s.customers[0]
	ann.accepting(t)
	radio := func(d *device) func(*testing.T) {
		return func(t *testing.T) {
			if err := syscall.Kill(d.radioProcess(t), syscall.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	}
	count := 0
	for _, step := range []struct {
		name   string
		kill   func(*testing.T)
		stores *device
		event  string
	}{
		{"the till, when the request is shown", s.till.restart, ann, "payment_request_received"},
		{"the customer, when the request is shown", ann.restart, ann, "payment_request_received"},
		{"the till, when the customer has promised", s.till.restart, ann, "payment_accepted"},
		{"the customer, when it has promised", ann.restart, ann, "payment_accepted"},
		{"the customer, when the till has the voucher", ann.restart, s.till, "payment_successful"},
		{"the till's radio, when the request is shown", radio(s.till), ann, "payment_request_received"},
		{"the customer's radio, when it has promised", radio(ann), ann, "payment_accepted"},
		{"the till's radio, when it has the voucher", radio(s.till), s.till, "payment_successful"},
	} {
		t.Run(step.name, func(t *testing.T) {
			log := step.stores.follow(t, "listen", "--after", last(t, step.stores), "--types", step.event)
			asking := s.till.follow(t, "pay", "request", "10.00", "USD", "--timeout", "60s")
			log.event(t, step.event, "")
			begin := time.Now()
			step.kill(t)
			if code := asking.exit(t); code != 0 {
				t.Fatalf("pay request: exit %d, %s%s", code, asking.out.text(), asking.err.text())
			}
			id := read[paymentv1.Payment](t, asking.out.text()).GetPaymentId()
			ann.becomes(t, id, provisional)
			count++
			t.Logf("both have the end of it after %s", time.Since(begin).Round(time.Millisecond))
		})
	}
	ann.holds(t, "0.00", fmt.Sprintf("%d.00", 10*count), fmt.Sprintf("%d.00", 100-10*count))
	s.startBackend(t)
	for _, p := range s.till.payments(t) {
		s.till.becomes(t, p.GetPaymentId(), settled)
		ann.becomes(t, p.GetPaymentId(), settled)
		s.settledOnce(t, s.till, ann, p.GetPaymentId(), "10.00")
	}
	s.sound(t)
}

// TestVMHostile breaks the radio process of either side, by radio and while
// the customer decides: the payment is made all the same, and once.
func TestVMHostile(t *testing.T) {
	k := airwaves(t, 2)
	s := newBluetoothShop(t, k, "ann")
	ann := s.customers[0]
	ann.accepting(t, "--after", "1500ms")
	fragment := func(handle uint16, data ...byte) []byte { // the first of an L2CAP packet
		return append([]byte{2, byte(handle), byte(handle>>8) | 0x20, byte(len(data)), 0}, data...)
	}
	count := 0
	for _, attack := range []struct {
		name   string
		victim int // controller
		data   []byte
		times  int
	}{
		{"a fragment of 2 bytes to the till", 0, []byte{1, 0}, 1},
		{"a fragment of 2 bytes to the customer", 1, []byte{1, 0}, 1},
		{"a signal beyond its packet to the customer", 1, []byte{4, 0, 5, 0, 6, 1, 0xff, 0xff}, 1},
		{"fragments that are never continued to the customer", 1, []byte{0x64, 0, 4, 0, 1}, 60},
		{"fragments that are never continued to the till", 0, []byte{0x64, 0, 4, 0, 1}, 60},
		{"an execute without prepare to the customer", 1, []byte{2, 0, 4, 0, 0x18, 1}, 1},
		{"an empty PDU to the till", 0, []byte{0, 0, 4, 0}, 1},
	} {
		t.Run(attack.name, func(t *testing.T) {
			log := ann.follow(t, "listen", "--after", last(t, ann), "--types", "payment_request_received")
			asking := s.till.follow(t, "pay", "request", "5.00", "USD", "--timeout", "60s")
			log.event(t, "payment_request_received", "")
			begin := time.Now()
			k.Do(func(air *testbed.Air) {
				for _, handle := range air.Handles(attack.victim) {
					for range attack.times {
						air.Inject(attack.victim, fragment(handle, attack.data...))
					}
				}
			})
			if code := asking.exit(t); code != 0 {
				t.Fatalf("pay request: exit %d, %s%s", code, asking.out.text(), asking.err.text())
			}
			ann.becomes(t, read[paymentv1.Payment](t, asking.out.text()).GetPaymentId(), provisional)
			count++
			t.Logf("paid %s after the attack", time.Since(begin).Round(time.Millisecond))
			for _, d := range []*device{s.till, ann} {
				if !d.daemon.running() {
					t.Errorf("%s is dead", d.name)
				}
			}
		})
	}
	ann.holds(t, "0.00", fmt.Sprintf("%d.00", 5*count), fmt.Sprintf("%d.00", 100-5*count))
	t.Logf("restarts of the radio process: till %d, customer %d", s.till.status(t).GetRadio().GetRestarts(), ann.status(t).GetRadio().GetRestarts())
}
