//go:build vm

package main_test

import (
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
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
	for controller, name := range []string{"till", "customer"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := newPair(t)
			p.customer().accepting(t)
			for _, whole := range []bool{true, false} {
				t.Run(map[bool]string{true: "daemon", false: "radio process"}[whole], func(t *testing.T) {
					for _, at := range moments {
						t.Run(at.name, func(t *testing.T) { p.dies(t, p.devices()[controller], whole, at) })
					}
				})
			}
			p.settles(t)
		})
	}
}

// dies makes a payment in which a device or its radio process is killed.
func (p *pair) dies(t *testing.T, victim *device, whole bool, at moment) {
	pid := victim.daemon.cmd.Process.Pid
	ask := p.till.asks
	if !whole {
		pid = victim.radioProcess(t)
	} else if victim == p.till {
		ask = p.till.commands
	}
	dead := make(chan error, 1)
	kill := sync.OnceFunc(func() { dead <- syscall.Kill(pid, syscall.SIGKILL) })
	seen := p.expect(t, at, kill)
	asking := ask(t, price)
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
	p.paid(t, asking)
	t.Logf("both have the end of it after %s", milliseconds(time.Since(begin)))
}

// expect has kill called at a moment. What it returns waits for an event.
func (p *pair) expect(t *testing.T, at moment, kill func()) (seen func()) {
	d := p.till
	switch at.stores {
	case "":
		p.tap.watch(func(m message) {
			if m.kind == at.sends {
				kill()
			}
		})
		t.Cleanup(func() { p.tap.watch(nil) })
		return func() {}
	case "customer":
		d = p.customer()
	}
	next := d.events(t)
	return func() {
		for next() != at.event {
		}
		kill()
	}
}

// events returns a function that waits for the next event that a device stores
// from now on, and returns what kind it is of.
func (d *device) events(t *testing.T) (next func() string) {
	t.Helper()
	c := devicev1.NewDeviceServiceClient(d.api(t))
	now, err := c.GetStatus(t.Context(), &devicev1.GetStatusRequest{}, grpc.WaitForReady(true))
	if err != nil {
		t.Fatal(err)
	}
	stream, err := c.WatchEvents(t.Context(), &devicev1.WatchEventsRequest{AfterSequence: now.GetStatus().GetStore().GetLastSequence()})
	if err != nil {
		t.Fatal(err)
	}
	return func() string {
		t.Helper()
		answer, err := stream.Recv()
		if err != nil {
			t.Fatalf("events of %s: %v", d.name, err)
		}
		e := answer.GetEvent().ProtoReflect()
		return string(e.WhichOneof(e.Descriptor().Oneofs().ByName("event")).Name())
	}
}
