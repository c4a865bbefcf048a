package main_test

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"maps"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// These tests keep what scripts may rely on, one subtest for each promise. The
// subtests of one test are one story, in order.

const (
	notEnrolled = devicev1.AuthenticationState_AUTHENTICATION_STATE_NOT_ENROLLED
	enrolled    = devicev1.AuthenticationState_AUTHENTICATION_STATE_ENROLLED
)

// TestContractStart: how a device starts, with nothing around it.
func TestContractStart(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	d := w.device(t, "business", "till", "")
	d.configure(t, "role = \"business\"\n")
	alone := []string{"VIPASO_STORE_DIR=" + d.dir, "VIPASO_GRPC_SOCKET=" + d.socket}
	t.Run("needs no key but role", func(t *testing.T) { d.start(t, alone...) })
	t.Run("a missing group is a log line", func(t *testing.T) { socketGroup(t, d) })
	t.Run("starts not enrolled, and status exits 0 and says so", func(t *testing.T) {
		if got := d.status(t).GetIdentity().GetState(); got != notEnrolled {
			t.Errorf("state %s", got)
		}
		if text := d.ctl(t, "status").ok(t).stdout; !strings.Contains(strings.ToLower(text), "not enrolled") {
			t.Errorf("status does not say so:\n%s", text)
		}
	})
	t.Run("creates its directory and keys", func(t *testing.T) {
		files, err := os.ReadDir(d.dir)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, f := range files {
			names = append(names, f.Name())
			if info, err := f.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("others may use %s: %v, %v", f.Name(), info.Mode(), err)
			}
		}
		if !slices.Contains(names, "store.db") || !slices.ContainsFunc(names, func(s string) bool { return strings.Contains(s, "key") }) {
			t.Errorf("%s has %v", d.dir, names)
		}
	})
	t.Run("a stale socket is replaced", func(t *testing.T) {
		d.daemon.kill()
		if _, err := os.Stat(d.socket); err != nil {
			t.Fatalf("nothing stale: %v", err)
		}
		d.start(t, alone...)
	})
	t.Run("a stale socket of the air too", func(t *testing.T) {
		w.startAir(t)
		w.air.kill()
		w.startAir(t)
		w.air.kill()
	})
	till := w.device(t, "business", "other", quick)
	t.Run("starts and keeps retrying without air or backend", func(t *testing.T) {
		till.start(t)
		if r := till.status(t).GetRadio(); r.GetReady() {
			t.Errorf("a radio without an air: %s", r)
		}
		w.startAir(t)
		till.awaitRadio(t)
		w.startBackend(t)
		till.enroll(t)
		if code := w.backend.stop(t); code != 0 {
			t.Errorf("backend: exit %d", code)
		}
		till.restart(t)
		w.startBackend(t)
		eventually(t, patience, "the backend is found again", func() (bool, string) {
			b := till.status(t).GetBackend()
			return b.GetOnline(), b.String()
		})
	})
	t.Run("a clean stop exits 0 and takes the socket away", func(t *testing.T) {
		if code := till.daemon.stop(t); code != 0 {
			t.Errorf("exit %d", code)
		}
		if _, err := os.Stat(till.socket); err == nil {
			t.Errorf("%s is still there", till.socket)
		}
	})
}

// socketGroup: the socket is for a group that packages make. Where there is
// none, that is a line in the log.
func socketGroup(t *testing.T, d *device) {
	group, err := user.LookupGroup("vipaso")
	if err != nil {
		d.daemon.awaitLog(t, "line about the group", func(s string) bool { return strings.Contains(s, `"group":"vipaso"`) })
		return
	}
	var st syscall.Stat_t
	if err := syscall.Stat(d.socket, &st); err != nil || fmt.Sprint(st.Gid) != group.Gid {
		t.Errorf("the socket is for group %d, want %s: %v", st.Gid, group.Gid, err)
	}
}

// TestContractBackend: what ca.pem promises, and what a restart leaves.
func TestContractBackend(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.backend = w.run(t, "backend", nil, "vipaso-backend", "serve", "--dir", w.path("backend"), "--listen", w.address)
	pool := x509.NewCertPool()
	t.Run("when ca.pem exists it is whole", func(t *testing.T) {
		var pem []byte
		eventually(t, patience, "ca.pem", func() (ok bool, state string) {
			var err error
			pem, err = os.ReadFile(w.ca())
			return err == nil, w.backend.err.text()
		})
		if !pool.AppendCertsFromPEM(pem) {
			t.Fatalf("%q", pem)
		}
	})
	t.Run("and serve listens, with a certificate for the host, localhost and 127.0.0.1", func(t *testing.T) {
		host, _, err := net.SplitHostPort(w.address)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{host, "localhost", "127.0.0.1"} {
			d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: &tls.Config{RootCAs: pool, ServerName: name, NextProtos: []string{"h2"}}}
			c, err := d.DialContext(t.Context(), "tcp", w.address)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			c.Close()
		}
	})
	t.Run("one port: enroll without a client certificate, all else with", func(t *testing.T) { onePort(t, w, pool) })
	t.Run("and admin works", func(t *testing.T) { w.sound(t) })
	w.startAir(t)
	d := w.device(t, "customer", "ann", quick)
	d.start(t)
	d.enroll(t)
	t.Run("a restart on DIR changes nothing", func(t *testing.T) {
		before := contents(t, w.path("backend"))
		if code := w.backend.stop(t); code != 0 {
			t.Errorf("exit %d", code)
		}
		w.startBackend(t)
		after := contents(t, w.path("backend"))
		for name, sum := range before {
			if books := strings.Contains(name, ".db") || name == "backend.head"; after[name] != sum && !books {
				t.Errorf("%s has changed", name)
			}
		}
		d.fund(t, "100.00")
		w.sound(t)
	})
}

// onePort: without a client certificate there is enrollment and nothing else.
func onePort(t *testing.T, w *world, pool *x509.CertPool) {
	c, err := grpc.NewClient(w.address, grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(pool, "")))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	enrollment, settlement := backendv1.NewEnrollmentServiceClient(c), backendv1.NewSettlementServiceClient(c)
	// What is missing of the call is found before anybody is asked for.
	if _, err := enrollment.Enroll(t.Context(), &backendv1.EnrollRequest{}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("enroll: %v", err)
	}
	_, refresh := settlement.Refresh(t.Context(), &backendv1.RefreshRequest{})
	_, submit := settlement.Submit(t.Context(), &backendv1.SubmitRequest{})
	for _, err := range []error{refresh, submit} {
		if status.Code(err) != codes.Unauthenticated {
			t.Errorf("without a certificate: %v", err)
		}
	}
}

// contents returns the hash of every file of a directory.
func contents(t *testing.T, dir string) map[string][32]byte {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][32]byte{}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[f.Name()] = sha256.Sum256(b)
	}
	return all
}

// TestContractEnroll: the cable may be pulled as soon as a command returns.
func TestContractEnroll(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startBackend(t)
	w.startAir(t)
	till, ann := w.device(t, "business", "till", quick), w.device(t, "customer", "ann", quick)
	till.start(t)
	ann.start(t)
	till.enroll(t)
	code := ann.join(t)
	enroll := func(t *testing.T) *devicev1.Identity {
		t.Helper()
		return read[devicev1.Identity](t, ann.ask(t, "enroll", "--backend", w.url(), "--ca", w.ca(), "--code", code).stdout)
	}
	first := enroll(t)
	t.Run("enroll returns when certificate, bundle, limits and instruments are stored", func(t *testing.T) {
		w.backend.kill()
		ann.restart(t)
		st := ann.status(t)
		if id := st.GetIdentity(); id.GetState() != enrolled || id.GetDeviceId() != first.GetDeviceId() {
			t.Errorf("identity %s", id)
		}
		if st.GetBackend().GetBundleTime() == nil || len(st.GetLimits()) == 0 {
			t.Errorf("no bundle or no limits: %s", st)
		}
		if list := ann.ask(t, "instruments", "list").object(t); list["instrument_id"] != ann.instrument {
			t.Errorf("instruments %v", list)
		}
	})
	w.startBackend(t)
	t.Run("enroll again with the same code is the same device", func(t *testing.T) {
		if again := enroll(t); again.GetDeviceId() != first.GetDeviceId() || again.GetState() != enrolled {
			t.Errorf("first %s, then %s", first, again)
		}
		if list := w.admin(t, "device", "list").ok(t).objects(t); len(list) != 2 {
			t.Errorf("the backend has %v", list)
		}
	})
	t.Run("preauth create returns when its certificate is stored", func(t *testing.T) {
		ann.fund(t, "100.00")
		w.backend.kill()
		ann.restart(t)
		ann.holds(t, "0.00", "0.00", "100.00")
	})
	t.Run("default limits allow a payment of 50.00", func(t *testing.T) {
		ann.accepting(t)
		till.request(t, "50.00")
		ann.holds(t, "0.00", "50.00", "50.00")
	})
	t.Run("and no more than they say", func(t *testing.T) {
		limit := slices.Collect(maps.Values(limits(till.status(t))))
		if len(limit) == 0 || limit[0] == "" {
			t.Errorf("limits %v", limit)
		}
		till.ctl(t, "pay", "request", "99999.00", "USD").refused(t, 1, "LIMIT_PAYMENT")
	})
}

func limits(s *devicev1.Status) map[string]string {
	all := map[string]string{}
	for _, l := range s.GetLimits() {
		all[l.GetCurrency()] = l.GetPaymentMax()
	}
	return all
}

// TestContractSync: with the settings that devices are delivered with.
func TestContractSync(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.startBackend(t)
	w.startAir(t)
	till, ann := w.device(t, "business", "till", ""), w.device(t, "customer", "ann", "")
	for _, d := range []*device{till, ann} {
		d.start(t)
		d.enroll(t)
	}
	ann.fund(t, "100.00")
	t.Run("sync now with nothing to do exits 0", func(t *testing.T) {
		got := read[devicev1.SyncNowResponse](t, till.ask(t, "sync", "now").stdout)
		if got.GetSummary().GetSynced() != 0 || got.GetSummary().GetRemaining() != 0 {
			t.Errorf("synchronized %s", got)
		}
		if text := till.ctl(t, "sync", "now").ok(t).stdout; text == "" {
			t.Error("it says nothing")
		}
	})
	t.Run("first sync at most 5 s after start", func(t *testing.T) {
		till.restart(t)
		eventually(t, patience, "an answer", func() (bool, string) {
			st := till.status(t)
			answered := st.GetBackend().GetLastAnswer().AsTime().After(st.GetStartedAt().AsTime())
			if next := time.Until(st.GetBackend().GetNextTry().AsTime()); !answered && next > 5*time.Second {
				t.Errorf("it waits for another %s", next)
			}
			return answered, st.GetBackend().String()
		})
	})
	t.Run("SETTLED at most 90 s after the backend answers", func(t *testing.T) {
		w.backend.kill()
		single := ann.accepting(t, "--single")
		id := till.request(t, "3.00").GetPaymentId()
		single.exit(t)
		for _, d := range []*device{till, ann} {
			d.ctl(t, "sync", "now").refused(t, 1, "OFFLINE")
			d.restart(t)
		}
		w.startBackend(t)
		since := time.Now()
		till.becomes(t, id, settled)
		ann.becomes(t, id, settled)
		if took := time.Since(since); took > 90*time.Second {
			t.Errorf("it took %s", took)
		}
		w.settledOnce(t, till, ann, id, "3.00")
	})
	t.Run("a request that nobody answers ends in time and exits 6", func(t *testing.T) {
		a := till.ctl(t, "--json", "pay", "request", "1.00", "USD", "--timeout", "1s")
		p := read[paymentv1.Payment](t, a.stdout)
		if a.code != 6 || p.GetStatus() == completed || p.GetReason() == "" {
			t.Errorf("exit %d: %s", a.code, p)
		}
	})
}

// status of a payment that is done, for shops and for people.
const completed = paymentv1.PaymentStatus_PAYMENT_STATUS_COMPLETED
