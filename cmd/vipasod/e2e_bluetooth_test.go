//go:build vm

package main_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"

	"github.com/vipaso/vipasod/ble/testbed"
	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// airwaves are virtual adapters of this machine's kernel, with an air of their
// own and the pace of a real one. The first is the till's.
func airwaves(t *testing.T, n int, trace func(testbed.Passage)) *testbed.Kernel {
	t.Helper()
	k, err := testbed.NewKernel(testbed.Config{Paced: true, Group: uint16(1 + rand.N(0xffff)), Trace: trace}, n)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	return k
}

// publicAddress is how a device's configuration names its adapter.
func publicAddress(k *testbed.Kernel, controller int) (address string) {
	k.Do(func(air *testbed.Air) { address = air.Address(controller) })
	return address
}

// newBluetoothShop is newShop with an adapter for each device.
func newBluetoothShop(t *testing.T, k *testbed.Kernel, names ...string) *shop {
	t.Helper()
	s := &shop{world: newWorld(t)}
	s.startBackend(t)
	s.till = s.bluetoothDevice(t, k, "business", "till", 0, "")
	for i, name := range names {
		s.customers = append(s.customers, s.bluetoothDevice(t, k, "customer", name, 1+i, ""))
	}
	s.openBluetooth(t)
	return s
}

// bluetoothDevice returns a device that owns an adapter, by itself or through
// the radio process behind a socket. It is not started.
func (w *world) bluetoothDevice(t *testing.T, k *testbed.Kernel, role, name string, controller int, socket string) *device {
	t.Helper()
	d := w.device(t, role, name, quick)
	d.configure(t, fmt.Sprintf("role = %q\ndisplay_name = %q\n%s[radio]\nadapter = \"addr:%s\"\nsocket = %q\n[store]\ndir = %q\n[grpc]\nsocket = %q\n",
		role, "Device "+name, quick, publicAddress(k, controller), socket, d.dir, d.socket))
	return d
}

// openBluetooth starts all devices, enrolls them and takes the network away.
func (s *shop) openBluetooth(t *testing.T) {
	t.Helper()
	s.till.start(t)
	s.till.enroll(t)
	for _, c := range s.customers {
		c.start(t)
		c.enroll(t)
		c.fund(t, "100.00")
	}
	for _, d := range append([]*device{s.till}, s.customers...) {
		d.hasAdapter(t)
	}
	if code := s.backend.stop(t); code != 0 {
		t.Fatalf("backend: exit %d", code)
	}
}

func (d *device) hasAdapter(t *testing.T) {
	t.Helper()
	d.radioBecomes(t, "has its adapter", (*devicev1.RadioStatus).GetReady)
}

// radioProcess returns the process that owns the adapter of a device.
func (d *device) radioProcess(t *testing.T) int {
	t.Helper()
	return onlyChild(t, d.daemon)
}

// onlyChild returns the child of a process, as soon as there is one.
func onlyChild(t *testing.T, p *process) (pid int) {
	t.Helper()
	eventually(t, patience, p.name+" has a child", func() (bool, string) {
		children := childrenOf(t, p.cmd.Process.Pid)
		if len(children) == 1 {
			pid = children[0]
		}
		return len(children) == 1, fmt.Sprint(children)
	})
	return pid
}

// kill9 ends a process with no chance to do anything.
func kill9(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatalf("kill %d: %v", pid, err)
	}
}

// figure puts a line into the table that the run ends with.
func figure(t *testing.T, what, format string, args ...any) {
	t.Helper()
	t.Logf("[figure] %s\t%s", what, fmt.Sprintf(format, args...))
}

// spread is the figure of how long something took, many times.
func spread(t *testing.T, what string, took []time.Duration) {
	t.Helper()
	took = slices.Sorted(slices.Values(took))
	n := len(took)
	figure(t, what, "median %s, 95%% %s, longest %s, of %d",
		milliseconds(took[n/2]), milliseconds(took[n*95/100]), milliseconds(took[n-1]), n)
}

func milliseconds(d time.Duration) string { return d.Round(time.Millisecond).String() }

// troubles returns a function that tells what has happened to a device's radio
// since.
func (d *device) troubles(t *testing.T) func() string {
	t.Helper()
	before := d.radio(t)
	return func() string {
		t.Helper()
		now := d.radio(t)
		var parts []string
		if n := now.GetRestarts() - before.GetRestarts(); n > 0 {
			parts = append(parts, fmt.Sprintf("radio process replaced %d×", n))
		}
		for _, what := range slices.Sorted(maps.Keys(now.GetRefused())) {
			if n := now.GetRefused()[what] - before.GetRefused()[what]; n > 0 {
				parts = append(parts, fmt.Sprintf("%q %d×", what, n))
			}
		}
		return strings.Join(parts, ", ")
	}
}

// radio is the state of a device's radio.
func (d *device) radio(t *testing.T) (now *devicev1.RadioStatus) {
	t.Helper()
	d.radioBecomes(t, "an answer", func(r *devicev1.RadioStatus) bool { now = r; return true })
	return now
}

// radioBecomes waits until a device's radio is as ok wants it. No program is
// started for each look: that would keep a small machine busy.
func (d *device) radioBecomes(t *testing.T, what string, ok func(*devicev1.RadioStatus) bool) {
	t.Helper()
	c := devicev1.NewDeviceServiceClient(d.api(t))
	eventually(t, patience, d.name+": "+what, func() (bool, string) {
		answer, err := c.GetStatus(t.Context(), &devicev1.GetStatusRequest{}, grpc.WaitForReady(true))
		if err != nil {
			return false, err.Error()
		}
		r := answer.GetStatus().GetRadio()
		return ok(r), r.String()
	})
}

// reaches waits until a payment is in a state on this device, as becomes does.
func (d *device) reaches(t *testing.T, id string, want paymentv1.PaymentState) {
	t.Helper()
	fetch := customerv1.NewCustomerServiceClient(d.api(t)).FetchPayment
	if d.role == "business" {
		fetch = businessv1.NewBusinessServiceClient(d.api(t)).FetchPayment
	}
	eventually(t, 3*patience, d.name+" has "+want.String(), func() (bool, string) {
		answer, err := fetch(t.Context(), &paymentv1.FetchPaymentRequest{PaymentId: id}, grpc.WaitForReady(true))
		if err != nil {
			return false, err.Error()
		}
		got := answer.GetPayment().GetState()
		return got == want, got.String()
	})
}
