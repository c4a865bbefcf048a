package daemon

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

const (
	green = healthv1.HealthCheckResponse_SERVING
	red   = healthv1.HealthCheckResponse_NOT_SERVING
)

// owed gives a customer a voucher that the backend must have by deadline.
func (b *bench) owed(name string, deadline time.Time) {
	b.t.Helper()
	a := b.charge(b.ask(name))
	b.change(&store.Change{Outbox: []store.Item{{
		ItemKey: store.ItemKey{Kind: payment.ItemClaim, Request: a.Request}, Payment: a.Payment,
		Currency: a.Currency, Total: a.Amount, CreatedAt: a.CreatedAt, Deadline: deadline,
	}}})
}

func wantHealth(t *testing.T, conn *grpc.ClientConn, want map[string]healthv1.HealthCheckResponse_ServingStatus) {
	t.Helper()
	client := healthv1.NewHealthClient(conn)
	all, err := client.List(t.Context(), &healthv1.HealthListRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range want {
		if got := all.GetStatuses()[name].GetStatus(); got != s {
			t.Errorf("%q is %s, want %s", name, got, s)
		}
		resp, err := client.Check(t.Context(), &healthv1.HealthCheckRequest{Service: name})
		if err != nil || resp.GetStatus() != s {
			t.Errorf("%q checked is %s %v, want %s", name, resp.GetStatus(), err, s)
		}
	}
}

type states = map[string]healthv1.HealthCheckResponse_ServingStatus

// Being offline is normal. Money that nobody has handed in for most of its
// time is not.
func TestHealth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asCustomer, nil)
		conn := b.serve(observer)
		wantHealth(t, conn, states{
			"": green, "radio": green, "store": green, "sync": green, "vipaso.device.v1.DeviceService": green,
			"vipaso.customer.v1.CustomerService": green, "vipaso.business.v1.BusinessService": red, "grpc.health.v1.Health": green,
		})
		b.radio.set(link.Status{Reason: "ADAPTER_MISSING"})
		wantHealth(t, conn, states{"": green, "radio": red, "store": green, "sync": green})
		b.owed("p", time.Now().Add(100*time.Hour))
		<-time.After(80 * time.Hour)
		wantHealth(t, conn, states{"": green, "sync": green})
		<-time.After(time.Second)
		wantHealth(t, conn, states{"": red, "sync": red, "store": green, "vipaso.customer.v1.CustomerService": red})
		_, err := healthv1.NewHealthClient(conn).Check(t.Context(), &healthv1.HealthCheckRequest{Service: "moon"})
		wantStatus(t, "no such name", err, codes.NotFound, "NOT_FOUND")
	})
}

// A store that cannot be asked is no store, and that is no error of the call.
func TestHealthWithoutStore(t *testing.T) {
	b := newBench(t, asTill, nil)
	conn := b.serve(observer)
	if err := b.store.Close(); err != nil {
		t.Fatal(err)
	}
	wantHealth(t, conn, states{"": red, "store": red, "radio": green})
}

// A backend that is not who it should be is a matter for somebody, and none
// of the payments'.
func TestHealthWithAnUntrustedBackend(t *testing.T) {
	key, now := fixedKey("stranger"), time.Now()
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{"backend.test"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	stranger := &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}, NextProtos: []string{"h2"}}
	b := newBench(t, asCustomer, func(o *Options, _ *papers) {
		o.DialBackend = func(context.Context, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				_ = tls.Server(far, stranger).Handshake() // what comes of it is the device's to judge
				far.Close()
			}()
			return near, nil
		}
	})
	if _, err := b.sync.PreAuthorize(t.Context(), namedID("x"), namedID("card"), 1, "USD", nil); !errors.Is(err, syncer.ErrUntrusted) {
		t.Fatalf("called: %v", err)
	}
	wantHealth(t, b.serve(observer), states{"": green, "sync": red, "store": green})
}

// A watcher gets the state, then each change: at once if something happened,
// else within ten seconds.
func TestHealthWatch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil)
		client := healthv1.NewHealthClient(b.serve(observer))
		watch := func(ctx context.Context, name string) <-chan string {
			stream, err := client.Watch(ctx, &healthv1.HealthCheckRequest{Service: name})
			if err != nil {
				t.Fatal(err)
			}
			came := make(chan string, 8)
			go func() {
				defer close(came)
				for {
					m, err := stream.Recv()
					if err != nil {
						return
					}
					came <- m.GetStatus().String()
				}
			}()
			return came
		}
		ctx, cancel := context.WithCancel(t.Context())
		radio, moon := watch(ctx, "radio"), watch(ctx, "moon")
		expect := func(came <-chan string, want ...string) {
			t.Helper()
			synctest.Wait()
			for _, w := range want {
				if len(came) == 0 {
					t.Fatalf("nothing came, want %s", w)
				}
				if got := <-came; got != w {
					t.Errorf("%s came, want %s", got, w)
				}
			}
			if len(came) > 0 {
				t.Errorf("%s came as well", <-came)
			}
		}
		expect(radio, "SERVING")
		expect(moon, "SERVICE_UNKNOWN")
		b.changed.fire()
		expect(radio)
		b.radio.set(link.Status{Reason: "ADAPTER_DOWN"})
		b.changed.fire()
		expect(radio, "NOT_SERVING")
		b.radio.set(link.Status{Up: true})
		<-time.After(9 * time.Second)
		expect(radio)
		<-time.After(time.Second)
		expect(radio, "SERVING")
		cancel()
		<-radio
		<-moon
	})
}

func TestLateAt(t *testing.T) {
	made := time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		made, deadline time.Time
		after          time.Duration
		want           bool
	}{
		{time.Time{}, time.Time{}, time.Hour, false},
		{made, time.Time{}, time.Hour, false},
		{made, made.Add(100 * time.Hour), 0, false},
		{made, made.Add(100 * time.Hour), 80 * time.Hour, false},
		{made, made.Add(100 * time.Hour), 80*time.Hour + 1, true},
		{made, made.Add(100 * time.Hour), 200 * time.Hour, true},
	} {
		if got := lateAt(tt.made, tt.deadline, tt.made.Add(tt.after)); got != tt.want {
			t.Errorf("made %s, deadline %s, %s later: %v", tt.made, tt.deadline, tt.after, got)
		}
	}
}

func TestRefusedBy(t *testing.T) {
	for reason, want := range map[string]bool{
		"": false, "OFFLINE": false, "OVERLOADED": false, "NOT_ENROLLED": false, "DEVICE_REVOKED": true, "BACKEND_UNTRUSTED": true, "CERT_EXPIRED": true,
	} {
		if refusedBy(reason) != want {
			t.Errorf("%q: %v", reason, !want)
		}
	}
}

// A step that takes its time is no reason to restart anything.
func TestAlive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asTill, nil)
		if err := b.Alive(t.Context()); err != nil {
			t.Errorf("well: %v", err)
		}
		held := make(chan struct{})
		b.mu.Lock()
		go func() {
			<-held
			b.mu.Unlock()
		}()
		start := time.Now()
		verdict := make(chan error)
		go func() { verdict <- b.Alive(context.Background()) }()
		close(held)
		if err := <-verdict; err != nil || time.Since(start) != 0 {
			t.Errorf("after a step that ended: %v", err)
		}
	})
}

func TestAliveSaysWhatIsStuck(t *testing.T) {
	b := newBench(t, asTill, nil)
	for what, mu := range map[string]*sync.Mutex{"a step": &b.mu, "a till's session": &b.till.mu, "a wallet's session": &b.wallet.mu} {
		mu.Lock()
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := b.Alive(ctx); err == nil || !strings.Contains(err.Error(), "does not end") {
			t.Errorf("with %s that hangs: %v", what, err)
		}
		mu.Unlock()
	}
}

func TestHeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asCustomer, nil)
		if got, want := b.Headline(t.Context()), "customer; radio sim ready; backend offline; nothing unsynced"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		b.owed("p", time.Now().Add(time.Hour))
		b.radio.set(link.Status{Reason: "ADAPTER_BUSY"})
		_, _ = b.sync.PreAuthorize(t.Context(), namedID("x"), namedID("card"), 1, "USD", nil)
		if got, want := b.Headline(t.Context()), "customer; radio ADAPTER_BUSY; backend offline since 2000-01-01T00:00:00Z; 1 unsynced, 12.00 USD"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
		fresh := newBench(t, asTill, notEnrolled)
		if got, want := fresh.Headline(t.Context()), "business, not enrolled; radio sim ready; backend offline; nothing unsynced"; got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})
}
