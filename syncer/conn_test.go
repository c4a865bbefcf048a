package syncer

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

func TestURLs(t *testing.T) {
	tests := []struct {
		url, host, address string // empty: refused
	}{
		{"https://backend.test", "backend.test", "backend.test:443"},
		{"https://backend.test/", "backend.test", "backend.test:443"},
		{"https://backend.test:8443", "backend.test", "backend.test:8443"},
		{"https://127.0.0.1:8443", "127.0.0.1", "127.0.0.1:8443"},
		{"https://[::1]:8443", "::1", "[::1]:8443"},
		{"", "", ""},
		{"backend.test:8443", "", ""},
		{"http://backend.test", "", ""},
		{"https://", "", ""},
		{"https://:8443", "", ""},
		{"https://backend.test:port", "", ""},
		{"https://user@backend.test", "", ""},
		{"https://backend.test/api", "", ""},
		{"https://backend.test?x=1", "", ""},
		{"https://backend.test#x", "", ""},
		{"https://backend\x00.test", "", ""},
	}
	for _, tt := range tests {
		host, address, err := splitURL(tt.url)
		if host != tt.host || address != tt.address || errors.Is(err, ErrAddress) != (tt.host == "") {
			t.Errorf("%q: %q, %q, %v", tt.url, host, address, err)
		}
	}
	_, _, err := splitURL("127.0.0.1:8443") // a parser would speak of path segments
	if want := `URL "127.0.0.1:8443" is not written as in https://pay.example:8443: cannot be used as a backend`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// An impostor is not a lost network.
func TestWhoIsNotTheBackend(t *testing.T) {
	tests := []struct {
		name string
		who  func(d *device, raw net.Conn) // answers instead
		want error
	}{
		{"somebody with another CA", func(d *device, raw net.Conn) {
			c := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{newCA(d.t).server(d.t)}, NextProtos: []string{"h2"}})
			if err := c.Handshake(); err == nil {
				d.t.Error("shook hands")
			}
		}, ErrUntrusted},
		{"somebody without TLS", func(d *device, raw net.Conn) {
			if _, err := raw.Read(make([]byte, 4096)); err != nil {
				d.t.Error(err)
			}
			if _, err := raw.Write([]byte("HTTP/1.0 400 Bad Request\r\n\r\n")); err != nil {
				d.t.Error(err)
			}
		}, ErrUntrusted},
		{"somebody with an older TLS", func(d *device, raw net.Conn) {
			c := tls.Server(raw, &tls.Config{Certificates: []tls.Certificate{d.b.ca.server(d.t)}, MaxVersion: tls.VersionTLS12})
			if err := c.Handshake(); err == nil {
				d.t.Error("shook hands")
			}
		}, ErrOffline},
		{"nobody", func(*device, net.Conn) {}, ErrOffline},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := newDevice(t)
				done := make(chan struct{})
				go func() {
					defer close(done)
					raw, err := d.wire.Accept()
					if err != nil {
						t.Error(err)
						return
					}
					tt.who(d, raw)
					raw.Close()
				}()
				err := d.s.RegisterPayment(t.Context(), [16]byte{1})
				if !errors.Is(err, tt.want) || errors.Is(err, ErrOffline) != (tt.want == ErrOffline) {
					t.Errorf("%v, want %v", err, tt.want)
				}
				if st := d.s.State(); st.Online || st.Reason != Reason(tt.want) {
					t.Errorf("state %+v", st)
				}
				d.s.SetOffline(true)
				<-done
			})
		})
	}
}

func TestTheHostMustBeTheCertificates(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t, func(o *Options) {
			dial := o.Dial
			o.Dial = func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx, "backend.test:443") }
		})
		d.connect()
		d.creds.URL = "https://other.test"
		if err := d.s.RegisterPayment(t.Context(), [16]byte{1}); !errors.Is(err, ErrUntrusted) {
			t.Errorf("%v", err)
		}
	})
}

// A device whose clock stopped judges the backend by trusted time.
func TestCertificatesAreJudgedByTheClockGiven(t *testing.T) {
	bubble(t, func(t *testing.T) {
		behind := 0 * time.Hour
		d := newDevice(t, func(o *Options) { o.Now = func() time.Time { return time.Now().Add(-behind) } })
		d.connect()
		behind = 24 * 365 * 30 * time.Hour
		if err := d.s.RegisterPayment(t.Context(), [16]byte{1}); !errors.Is(err, ErrUntrusted) {
			t.Errorf("thirty years behind: %v", err)
		}
		behind = 0
		if err := d.s.RegisterPayment(t.Context(), [16]byte{1}); err != nil {
			t.Errorf("right: %v", err)
		}
	})
}

func TestAChangeOfCredentialsDialsAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		call := func() {
			t.Helper()
			if err := d.s.RegisterPayment(t.Context(), [16]byte{1}); err != nil {
				t.Fatal(err)
			}
		}
		call()
		call()
		if d.dialled() != 1 {
			t.Fatalf("dialled %d times for two calls", d.dialled())
		}
		// A call under way ends on the connection it began on.
		arrived, stuck, ended := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		d.b.now(func() {
			d.b.refuse = func(string) error { close(arrived); <-stuck; return nil }
		})
		go func() { ended <- d.s.RegisterPayment(t.Context(), [16]byte{1}) }()
		<-arrived
		d.b.now(func() { d.b.refuse = nil })
		d.enroll(time.Hour)
		call()
		if d.dialled() != 2 {
			t.Errorf("dialled %d times for two certificates", d.dialled())
		}
		close(stuck)
		if err := <-ended; err != nil {
			t.Errorf("the call under way: %v", err)
		}
	})
}

func TestALostConnectionIsDialledAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		if err := d.s.RegisterPayment(t.Context(), [16]byte{1}); err != nil {
			t.Fatal(err)
		}
		d.b.now(func() { d.b.lose = func(string) bool { return true } })
		if err := d.s.RegisterPayment(t.Context(), [16]byte{1}); !errors.Is(err, ErrOffline) {
			t.Errorf("%v", err)
		}
		d.b.now(func() { d.b.lose = nil })
		d.plug(false)
		began := time.Now()
		if err := d.s.RegisterPayment(t.Context(), [16]byte{1}); !errors.Is(err, ErrOffline) || !strings.Contains(err.Error(), "unreachable") {
			t.Errorf("%v", err)
		}
		d.plug(true)
		if err := d.s.RegisterPayment(t.Context(), [16]byte{1}); err != nil {
			t.Error(err)
		}
		if waited := time.Since(began); waited > 0 {
			t.Errorf("waited %s: when to try is not the library's decision", waited)
		}
	})
}

// Once over a real network: TCP, the wall clock, no hooks.
func TestLoopback(t *testing.T) {
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := newDevice(t, func(o *Options) { o.Dial = nil })
	stop := d.b.serve(lis)
	d.creds.URL = "https://" + lis.Addr().String()
	d.owe(1)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	sum, err := d.s.SyncNow(ctx, nil)
	if err != nil || sum.Synced != 1 || !d.s.Online() {
		t.Errorf("%+v, %v", sum, err)
	}
	stop()
	d.owe(2)
	if _, err := d.s.SyncNow(ctx, nil); !errors.Is(err, ErrOffline) || d.s.Online() {
		t.Errorf("refused: %v", err)
	}
	go func() { ended <- d.s.Run(ctx) }()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestAddressesOfTheSixthVersion(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dialled := ""
		d := newDevice(t, func(o *Options) {
			o.Dial = func(_ context.Context, address string) (net.Conn, error) {
				dialled = address
				return nil, errors.New("network is unreachable")
			}
		})
		d.creds.URL = "https://[::1]:8443"
		if err := d.s.RegisterPayment(t.Context(), [16]byte{1}); !errors.Is(err, ErrOffline) || dialled != "[::1]:8443" {
			t.Errorf("dialled %q: %v", dialled, err)
		}
	})
}
