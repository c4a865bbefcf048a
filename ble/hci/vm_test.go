//go:build vm && !race

package hci

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/link/linktest"
	"github.com/vipaso/vipasod/ble/testbed"
)

// TestVMContract holds go-ble on the kernel's HCI user channel to the contract
// of all radios.
func TestVMContract(t *testing.T) {
	k, err := testbed.NewKernel(testbed.Config{Paced: true}, 2+link.LinksMax)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	for _, name := range k.Names {
		appears(t, "an adapter that the kernel has set up", func() bool { return Present(name) })
	}
	linktest.TestRadio(t, func(t *testing.T, n int) []link.Radio {
		var radios []*Radio
		for i := range n {
			o := testNames
			o.Adapter = k.Names[i]
			r, err := Open(t.Context(), o)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { r.Close() })
			radios = append(radios, r)
		}
		return asLinks(radios)
	}, nil)
}

// TestVMOpen names the reasons for which the kernel does not give an adapter.
func TestVMOpen(t *testing.T) {
	k, err := testbed.NewKernel(testbed.Config{}, 1)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(k.Close)
	o := testNames
	o.Adapter = "addr:00:AA:01:00:00:00"
	appears(t, "the address, which the kernel asks the controller for", func() bool { return Present(o.Adapter) })
	first, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	if got := first.Status(); got.Adapter != k.Names[0] || got.Address != "00:AA:01:00:00:00" {
		t.Errorf("status %+v", got)
	}
	o.Adapter = k.Names[0]
	if _, err := Open(t.Context(), o); reasonOf(err) != reasonBusy {
		t.Errorf("second user of %s: %v", o.Adapter, err)
	}
	for _, name := range []string{"hci99", "addr:00:AA:01:00:00:99"} {
		o.Adapter = name
		if _, err := Open(t.Context(), o); reasonOf(err) != reasonMissing {
			t.Errorf("%s: %v", name, err)
		}
	}
	first.Close() // the kernel blocks no adapter that is in use this way
	block(t, k.Names[0], true)
	o.Adapter = k.Names[0]
	if _, err := Open(t.Context(), o); reasonOf(err) != reasonRfkill {
		t.Errorf("switched off: %v", err)
	}
	block(t, k.Names[0], false)
	if first, err = Open(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if err := k.Unplug(0); err != nil {
		t.Fatal(err)
	}
	<-first.Done()
	if err := first.Err(); reasonOf(err) != reasonMissing {
		t.Errorf("after the adapter was unplugged: %v", err)
	}
}

// block switches one adapter off, or on again, as a switch of its own would: it
// writes a struct rfkill_event to /dev/rfkill.
func block(t *testing.T, adapter string, off bool) {
	t.Helper()
	switches, err := filepath.Glob("/sys/class/bluetooth/" + adapter + "/rfkill*/index")
	if err != nil || len(switches) != 1 {
		t.Fatalf("%s has switches %v: %v", adapter, switches, err)
	}
	text, err := os.ReadFile(switches[0])
	if err != nil {
		t.Fatal(err)
	}
	index, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		t.Fatal(err)
	}
	soft := byte(0)
	if off {
		soft = 1
	}
	const bluetooth, change = 2, 2
	if err := os.WriteFile("/dev/rfkill", []byte{byte(index), 0, 0, 0, bluetooth, change, soft, 0}, 0); err != nil {
		t.Fatal(err)
	}
}
