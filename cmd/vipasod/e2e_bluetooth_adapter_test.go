//go:build vm

package main_test

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/testbed"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

// returns waits until a device has a new radio process with its adapter, and
// says how long that took.
func (d *device) returns(t *testing.T, restarts uint32, begin time.Time) time.Duration {
	t.Helper()
	d.radioBecomes(t, "has another radio process", func(r *devicev1.RadioStatus) bool {
		return r.GetReady() && r.GetRestarts() > restarts
	})
	return time.Since(begin)
}

// TestVMRespawn: the radio process of either side dies while the customer
// decides, and is back before the customer has.
func TestVMRespawn(t *testing.T) {
	t.Parallel()
	s := newBluetoothShop(t, airwaves(t, 2, nil), "ann")
	ann := s.customers[0]
	x := ann.deciding(t)
	var took []time.Duration
	for range 3 {
		for _, victim := range []*device{s.till, ann} {
			asking := s.ask(t, x)
			restarts := victim.radio(t).GetRestarts()
			pid := victim.radioProcess(t)
			begin := time.Now()
			kill9(t, pid)
			took = append(took, victim.returns(t, restarts, begin))
			x.accept()
			s.paid(t, asking)
		}
	}
	spread(t, "radio process killed to adapter ready", took)
	ann.holds(t, "0.00", "30.00", "70.00")
}

// TestVMUnit: the radio process of the packaged units, which vipasod reaches
// through a socket. It dies as a whole, and its child alone, while the
// customer decides.
func TestVMUnit(t *testing.T) {
	t.Parallel()
	k := airwaves(t, 2, nil)
	s := &shop{world: newWorld(t)}
	s.startBackend(t)
	units := map[*device]*process{}
	start := func(d *device) {
		units[d] = s.run(t, d.name+"'s unit", nil, "vipasod", "radio", "--config", d.config, "--socket", s.path(d.name+".radio"))
	}
	s.till = s.bluetoothDevice(t, k, "business", "till", 0, s.path("till.radio"))
	ann := s.bluetoothDevice(t, k, "customer", "ann", 1, s.path("ann.radio"))
	s.customers = []*device{ann}
	start(s.till)
	start(ann)
	s.openBluetooth(t)
	x := ann.deciding(t)
	for _, victim := range []*device{s.till, ann} {
		asking := s.ask(t, x)
		units[victim].kill()
		start(victim)
		x.accept()
		s.paid(t, asking)

		asking = s.ask(t, x)
		kill9(t, onlyChild(t, units[victim]))
		x.accept()
		s.paid(t, asking)
		if !units[victim].running() {
			t.Errorf("the unit of %s ended with its child", victim.name)
		}
	}
	ann.holds(t, "0.00", "20.00", "80.00")
	for _, d := range []*device{s.till, ann} {
		if children := childrenOf(t, d.daemon.cmd.Process.Pid); len(children) != 0 {
			t.Errorf("%s has a radio process of its own: %v", d.name, children)
		}
	}
}

// TestVMUnplugged: an adapter of either side is taken away while the customer
// decides, and comes back.
func TestVMUnplugged(t *testing.T) {
	t.Parallel()
	k := airwaves(t, 2, nil)
	s := newBluetoothShop(t, k, "ann")
	ann := s.customers[0]
	x := ann.deciding(t)
	for controller, victim := range []*device{s.till, ann} {
		asking := s.ask(t, x)
		if err := k.Unplug(controller); err != nil {
			t.Fatal(err)
		}
		victim.radioBecomes(t, "says so", func(r *devicev1.RadioStatus) bool {
			return !r.GetReady() && r.GetReason() == "ADAPTER_MISSING"
		})
		if text := victim.ctl(t, "doctor").stdout; !strings.Contains(text, "ADAPTER_MISSING") {
			t.Errorf("the doctor of %s does not say so:\n%s", victim.name, text)
		}
		if err := k.Plug(controller); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		victim.hasAdapter(t)
		figure(t, "adapter back to ready, "+victim.name, "%s", milliseconds(time.Since(begin)))
		x.accept()
		s.paid(t, asking)
	}
	ann.holds(t, "0.00", "10.00", "90.00")
}

// TestVMOutOfRange: till and customer lose each other after the customer's
// promise has left, and meet again.
func TestVMOutOfRange(t *testing.T) {
	t.Parallel()
	promised := make(chan struct{})
	tell := sync.OnceFunc(func() { close(promised) })
	var w wiretap
	w.watch(func(m message) {
		if m.kind == voucher {
			tell()
		}
	})
	k := airwaves(t, 2, w.trace)
	s := newBluetoothShop(t, k, "ann")
	ann := s.customers[0]
	ann.accepting(t)
	asking := s.till.follow(t, "pay", "request", "5.00", "USD", "--timeout", "60s")
	select {
	case <-promised:
	case <-time.After(patience):
		t.Fatal("no voucher on the air")
	}
	k.Do(func(air *testbed.Air) { air.SetRange(0, 1, false) })
	for _, d := range []*device{s.till, ann} {
		d.radioBecomes(t, "has noticed", func(r *devicev1.RadioStatus) bool { return r.GetLinks() == 0 })
	}
	k.Do(func(air *testbed.Air) { air.SetRange(0, 1, true) })
	s.paid(t, asking)
	ann.holds(t, "0.00", "5.00", "95.00")
}
