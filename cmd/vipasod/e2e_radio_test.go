package main_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/vipaso/vipasod/ble/radio"
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
	eventually(t, patience, "the doctor says so, too", func() (bool, string) { // but not while the radio process starts
		text := own.ctl(t, "doctor").stdout
		return slices.ContainsFunc(reasons, func(r string) bool { return strings.Contains(text, r) }), text
	})

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

// TestRadioProcessHangs stops the process behind a socket that serves the radio.
// Its client can only hang up; the next one is served all the same.
func TestRadioProcessHangs(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.device(t, "business", "unit", "")
	d.configure(t, fmt.Sprintf("role = \"business\"\n[radio]\nadapter = \"addr:02:00:5E:00:53:01\"\n[store]\ndir = %q\n[grpc]\nsocket = %q\n", d.dir, d.socket))
	socket := w.path("radio.sock")
	unit := w.run(t, "radio", nil, "vipasod", "radio", "--config", d.config, "--socket", socket)
	served := func() (leave func()) {
		t.Helper()
		c := radio.NewClient(radio.Options{Dial: func(ctx context.Context) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "unix", socket)
		}})
		done := make(chan error, 1)
		go func() { done <- c.Run(context.Background()) }()
		leave = func() {
			if err := errors.Join(c.Close(), <-done); err != nil {
				t.Error(err)
			}
		}
		eventually(t, patience, "a radio process", func() (bool, string) {
			s := c.Status()
			return s.Adapter != "radio", fmt.Sprintf("%+v", s)
		})
		return leave
	}
	leave := served()
	children := childrenOf(t, unit.cmd.Process.Pid)
	if len(children) == 0 {
		t.Fatal("it has no child")
	}
	for _, pid := range children {
		if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
			t.Error(err)
		}
	}
	leave()
	served()()
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
