package main_test

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// A world is a backend, an air and devices, each a process of its own, in a
// directory with a short name: the path of a socket has 107 bytes at most.
type world struct {
	dir     string
	address string // of the backend
	backend *process
	air     *process
	all     []*process
}

// newWorld returns a world in which nothing runs yet. At the end of the test
// everything in it is killed, and shown if the test has failed.
func newWorld(t *testing.T) *world {
	t.Helper()
	dir, err := os.MkdirTemp("", "v")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{dir: dir, address: ownAddress()}
	t.Cleanup(func() {
		for _, p := range w.all {
			p.kill()
			if t.Failed() {
				t.Logf("--- %s: exit %d, stdout:\n%sstderr:\n%s", p.name, p.cmd.ProcessState.ExitCode(), p.out.text(), p.err.text())
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return w
}

// ownAddress returns an address of this machine that nobody else uses: the port
// stays free while the backend is away, whatever other tests listen on.
func ownAddress() string {
	return fmt.Sprintf("127.%d.%d.%d:8443", 1+rand.N(254), rand.N(256), 1+rand.N(254))
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) url() string { return "https://" + w.address }

func (w *world) ca() string { return w.path("backend/ca.pem") }

// run starts a program of the world.
func (w *world) run(t *testing.T, name string, env []string, prog string, args ...string) *process {
	t.Helper()
	p := start(t, name, env, program(t, prog), args...)
	w.all = append(w.all, p)
	return p
}

// startBackend returns when the backend answers.
func (w *world) startBackend(t *testing.T) {
	t.Helper()
	w.backend = w.run(t, "backend", nil, "vipaso-backend", "serve", "--dir", w.path("backend"), "--listen", w.address)
	w.backend.await(t, "line that it serves", func(s string) bool { return strings.HasPrefix(s, "serving on ") })
}

// startAir returns when devices can join.
func (w *world) startAir(t *testing.T) {
	t.Helper()
	w.air = w.run(t, "air", nil, "vipaso-demo", "air", "--listen", w.path("air"))
	w.air.await(t, "line that it is there", func(s string) bool { return strings.HasPrefix(s, "simulated air on ") })
}

// admin runs an admin command of the backend.
func (w *world) admin(t *testing.T, args ...string) answer {
	t.Helper()
	return command(t, nil, program(t, "vipaso-backend"), append([]string{"admin", "--dir", w.path("backend"), "--json"}, args...)...)
}

// create runs an admin command that makes something, and returns its id.
func (w *world) create(t *testing.T, field string, args ...string) string {
	t.Helper()
	id, ok := w.admin(t, args...).ok(t).object(t)[field].(string)
	if !ok || id == "" {
		t.Fatalf("%v made no %s", args, field)
	}
	return id
}

// killAll ends everything at once, as a power cut does.
func (w *world) killAll() {
	for _, p := range w.all {
		p.kill()
	}
}

// A device is a till or the device of a customer.
type device struct {
	w          *world
	name, role string
	dir        string
	socket     string
	config     string
	party      string // its business or customer
	instrument string // of a customer
	daemon     *process
}

// quick makes a device synchronize soon after a change, so that tests are
// short. The defaults are for fleets.
const quick = "[backend]\nsplay = \"0s\"\nretry_max = \"1s\"\n"

// device returns a device that is configured but not started. The lines are
// added to its configuration.
func (w *world) device(t *testing.T, role, name, lines string) *device {
	t.Helper()
	d := &device{w: w, name: name, role: role, dir: w.path(name), socket: w.path(name + ".sock"), config: w.path(name + ".toml")}
	d.configure(t, fmt.Sprintf("role = %q\ndisplay_name = %q\n%s[radio]\ndriver = \"sim\"\nsim_socket = %q\n[store]\ndir = %q\n[grpc]\nsocket = %q\n",
		role, "Device "+name, lines, w.path("air"), d.dir, d.socket))
	return d
}

// configure replaces the configuration.
func (d *device) configure(t *testing.T, text string) {
	t.Helper()
	if err := os.WriteFile(d.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// launch starts the daemon and does not wait for it.
func (d *device) launch(t *testing.T, env ...string) *process {
	t.Helper()
	d.daemon = d.w.run(t, d.name, env, "vipasod", "run", "--config", d.config)
	return d.daemon
}

// start starts the daemon and returns when it answers.
func (d *device) start(t *testing.T, env ...string) {
	t.Helper()
	p := d.launch(t, env...)
	eventually(t, patience, d.name+" answers", func() (bool, string) {
		if !p.running() {
			t.Fatalf("%s ended: %s", d.name, p.err.text())
		}
		c, err := net.Dial("unix", d.socket)
		if err != nil {
			return false, err.Error()
		}
		return c.Close() == nil, "closed"
	})
}

// restart kills the daemon and starts it again.
func (d *device) restart(t *testing.T) {
	t.Helper()
	d.daemon.kill()
	d.start(t)
}

// ctl runs vipasoctl against the device.
func (d *device) ctl(t *testing.T, args ...string) answer {
	t.Helper()
	return command(t, nil, program(t, "vipasoctl"), append([]string{"--socket", d.socket}, args...)...)
}

// ask runs vipasoctl with --json, which must succeed.
func (d *device) ask(t *testing.T, args ...string) answer {
	t.Helper()
	return d.ctl(t, append([]string{"--json"}, args...)...).ok(t)
}

// follow starts a vipasoctl that goes on.
func (d *device) follow(t *testing.T, args ...string) *process {
	t.Helper()
	return d.w.run(t, d.name+": "+strings.Join(args, " "), nil, "vipasoctl", append([]string{"--socket", d.socket, "--json"}, args...)...)
}

// join makes the device's party known to the backend, with 500.00 USD if it
// is a customer, and returns a code to enroll with.
func (d *device) join(t *testing.T) string {
	t.Helper()
	if d.role == "business" {
		d.party = d.w.create(t, "business_id", "business", "create", "--name", "Cafe "+d.name)
	} else {
		d.party = d.w.create(t, "customer_id", "customer", "create", "--name", d.name)
		d.instrument = d.w.create(t, "instrument_id", "instrument", "create", "--customer", d.party, "--type", "CARD", "--balance", "500.00", "--currency", "USD")
	}
	return d.w.create(t, "code", "enroll-code", "create", "--"+d.role, d.party)
}

// enroll makes the device known to the backend.
func (d *device) enroll(t *testing.T) {
	t.Helper()
	d.ask(t, "enroll", "--backend", d.w.url(), "--ca", d.w.ca(), "--code", d.join(t))
}

// fund sets an amount of USD aside.
func (d *device) fund(t *testing.T, amount string) {
	t.Helper()
	d.ask(t, "preauth", "create", amount, "USD", "--instrument", d.instrument)
}

// A shop is a world that is ready to pay with no network: a till, customers
// with 100.00 USD each, and the backend stopped.
type shop struct {
	*world
	till      *device
	customers []*device
}

func newShop(t *testing.T, names ...string) *shop {
	t.Helper()
	s := &shop{world: newWorld(t)}
	s.startBackend(t)
	s.startAir(t)
	s.till = s.device(t, "business", "till", quick)
	s.till.start(t)
	s.till.enroll(t)
	for _, name := range names {
		c := s.device(t, "customer", name, quick)
		s.customers = append(s.customers, c)
		c.start(t)
		c.enroll(t)
		c.fund(t, "100.00")
	}
	if code := s.backend.stop(t); code != 0 {
		t.Fatalf("backend: exit %d", code)
	}
	return s
}

// receive starts pay receive on a customer's device.
func (d *device) receive(t *testing.T, args ...string) *process {
	t.Helper()
	return d.follow(t, append([]string{"pay", "receive"}, args...)...)
}

// accept starts to accept what a customer was asked.
func (d *device) accept(t *testing.T, e *paymentv1.Event) *process {
	t.Helper()
	r := e.GetPaymentRequestReceived()
	return d.follow(t, "pay", "accept", r.GetPaymentId(), "--amount", r.GetAmount(), "--currency", r.GetCurrency(), "--instrument", d.instrument)
}

// accepting starts a customer who accepts everything.
func (d *device) accepting(t *testing.T, args ...string) *process {
	t.Helper()
	return d.receive(t, append([]string{"--accept-all", "--instrument", d.instrument}, args...)...)
}
