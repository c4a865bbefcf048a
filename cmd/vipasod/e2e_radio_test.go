package main_test

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestRadioProcess: the daemon learns from its radio process why an adapter
// that no machine has cannot be used, and does not guess another. So it does
// from a process behind a socket, which outlives it and serves it again.
func TestRadioProcess(t *testing.T) {
	t.Parallel()
	const adapter = "addr:02:00:5E:00:53:01"
	reasons := []string{"ADAPTER_MISSING", "KERNEL_NO_BLUETOOTH"}
	w := newWorld(t)
	told := func(d *device) {
		t.Helper()
		eventually(t, patience, "the reason", func() (bool, string) {
			r := d.status(t).GetRadio()
			return !r.GetReady() && slices.Contains(reasons, r.GetReason()), r.String()
		})
	}
	configure := func(d *device, socket string) {
		d.configure(t, fmt.Sprintf("role = \"business\"\n[radio]\nadapter = %q\nsocket = %q\n[store]\ndir = %q\n[grpc]\nsocket = %q\n", adapter, socket, d.dir, d.socket))
	}

	own := w.device(t, "business", "own", "")
	configure(own, "")
	own.start(t)
	told(own)
	if text := own.ctl(t, "doctor").stdout; !slices.ContainsFunc(reasons, func(r string) bool { return strings.Contains(text, r) }) {
		t.Errorf("the doctor does not say so:\n%s", text)
	}

	unit := w.device(t, "business", "unit", "")
	socket := w.path("radio.sock")
	configure(unit, socket)
	w.run(t, "radio", nil, "vipasod", "radio", "--config", unit.config, "--socket", socket)
	eventually(t, patience, "a socket for the group", func() (bool, string) {
		info, err := os.Stat(socket)
		if err != nil {
			return false, err.Error()
		}
		return info.Mode().Perm() == 0o660, info.Mode().String()
	})
	unit.start(t)
	told(unit)
	unit.restart(t)
	told(unit)
}
