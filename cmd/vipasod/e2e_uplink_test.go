package main_test

import (
	"os"
	"strings"
	"testing"
)

// TestUplink: a daemon with an uplink makes no connection itself, says so while
// there is none, and enrolls and synchronizes through it.
func TestUplink(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startBackend(t)
	w.startAir(t)
	socket := w.path("uplink.sock")
	d := w.device(t, "customer", "ann", strings.Replace(quick, "\n", "\nuplink = \""+socket+"\"\n", 1))
	d.start(t)
	code := d.join(t)
	enroll := []string{"enroll", "--backend", w.url(), "--ca", w.ca(), "--code", code}
	if a := d.ctl(t, enroll...); a.code == 0 || !strings.Contains(a.stderr, "OFFLINE") {
		t.Fatalf("enrolled without an uplink: %d %s", a.code, a.stderr)
	}
	up := w.run(t, "uplink", nil, "vipasod", "uplink", "--socket", socket)
	eventually(t, patience, "a socket for the group", func() (bool, string) {
		info, err := os.Stat(socket)
		if err != nil {
			return false, err.Error()
		}
		return info.Mode().Perm() == 0o660, info.Mode().String()
	})
	d.ctl(t, enroll...).ok(t)
	d.fund(t, "10.00")

	up.kill()
	online := func(want bool) func() (bool, string) {
		return func() (bool, string) {
			d.ctl(t, "sync", "now") // fails while it is offline
			b := d.status(t).GetBackend()
			return b.GetOnline() == want, b.String()
		}
	}
	eventually(t, patience, "offline without an uplink", online(false))
	w.run(t, "uplink", nil, "vipasod", "uplink", "--socket", socket)
	eventually(t, patience, "online again", online(true))

	w.backend.kill()
	eventually(t, patience, "offline without a backend, for the uplink's reason", func() (bool, string) {
		off, state := online(false)()
		return off && strings.Contains(d.status(t).GetBackend().GetLastError(), "connection refused"), state
	})
}
