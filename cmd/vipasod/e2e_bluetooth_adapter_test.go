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

// respawns: the radio process of either side dies while the customer decides,
// and is back before the customer has.
func (p *pair) respawns(t *testing.T) {
	x := p.customer().deciding(t)
	var took []time.Duration
	for range 3 {
		for _, victim := range p.devices() {
			asking := p.ask(t, x)
			restarts := victim.radio(t).GetRestarts()
			pid := victim.radioProcess(t)
			begin := time.Now()
			kill9(t, pid)
			took = append(took, victim.returns(t, restarts, begin))
			x.accept()
			p.paid(t, asking)
		}
	}
	spread(t, "radio process killed to adapter ready", took)
	p.promised(t)
}

// TestVMUnit: the radio process of the packaged units, which vipasod reaches
// through a socket. It dies as a whole, and its child alone, while the
// customer decides.
func TestVMUnit(t *testing.T) {
	t.Parallel()
	p := &pair{shop: &shop{world: newWorld(t)}, k: airwaves(t, 2, nil)}
	p.startBackend(t)
	units := map[*device]*process{}
	start := func(d *device) {
		units[d] = p.run(t, d.name+"'s unit", nil, "vipasod", "radio", "--config", d.config, "--socket", p.path(d.name+".radio"))
	}
	p.till = p.bluetoothDevice(t, p.k, "business", "till", 0, p.path("till.radio"))
	p.customers = []*device{p.bluetoothDevice(t, p.k, "customer", "ann", 1, p.path("ann.radio"))}
	for _, d := range p.devices() {
		start(d)
	}
	p.openBluetooth(t)
	x := p.customer().deciding(t)
	for _, victim := range p.devices() {
		asking := p.ask(t, x)
		units[victim].kill()
		start(victim)
		x.accept()
		p.paid(t, asking)

		asking = p.ask(t, x)
		kill9(t, onlyChild(t, units[victim]))
		x.accept()
		p.paid(t, asking)
		if !units[victim].running() {
			t.Errorf("the unit of %s ended with its child", victim.name)
		}
	}
	p.promised(t)
	for _, d := range p.devices() {
		if children := childrenOf(t, d.daemon.cmd.Process.Pid); len(children) != 0 {
			t.Errorf("%s has a radio process of its own: %v", d.name, children)
		}
	}
}

// unplugged: an adapter of either side is taken away while the customer
// decides, and comes back.
func (p *pair) unplugged(t *testing.T) {
	x := p.customer().deciding(t)
	for controller, victim := range p.devices() {
		asking := p.ask(t, x)
		if err := p.k.Unplug(controller); err != nil {
			t.Fatal(err)
		}
		victim.radioBecomes(t, "says so", func(r *devicev1.RadioStatus) bool {
			return !r.GetReady() && r.GetReason() == "ADAPTER_MISSING"
		})
		if text := victim.ctl(t, "doctor").stdout; !strings.Contains(text, "ADAPTER_MISSING") {
			t.Errorf("the doctor of %s does not say so:\n%s", victim.name, text)
		}
		if err := p.k.Plug(controller); err != nil {
			t.Fatal(err)
		}
		begin := time.Now()
		victim.hasAdapter(t)
		figure(t, "adapter back to ready, "+victim.name, "%s", milliseconds(time.Since(begin)))
		x.accept()
		p.paid(t, asking)
	}
	p.promised(t)
}

// partsAndMeets: till and customer lose each other after the customer's
// promise has left, and meet again.
func (p *pair) partsAndMeets(t *testing.T) {
	promised := make(chan struct{})
	tell := sync.OnceFunc(func() { close(promised) })
	p.tap.watch(func(m message) {
		if m.kind == voucher {
			tell()
		}
	})
	defer p.tap.watch(nil)
	x := p.customer().deciding(t)
	asking := p.ask(t, x)
	x.accept()
	select {
	case <-promised:
	case <-time.After(patience):
		t.Fatal("no voucher on the air")
	}
	p.k.Do(func(air *testbed.Air) { air.SetRange(0, 1, false) })
	for _, d := range p.devices() {
		d.radioBecomes(t, "has noticed", func(r *devicev1.RadioStatus) bool { return r.GetLinks() == 0 })
	}
	p.k.Do(func(air *testbed.Air) { air.SetRange(0, 1, true) })
	p.paid(t, asking)
	p.promised(t)
}
