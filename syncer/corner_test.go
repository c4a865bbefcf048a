package syncer

import (
	"context"
	"crypto/ed25519"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/credentials"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/outbox"
)

var errDisk = errors.New("disk")

// faulty is a book that fails in one place.
type faulty struct {
	*device
	heard, postponed, refreshed, credentials error
}

func (f *faulty) Heard(context.Context, time.Time) error { return f.heard }

func (f *faulty) Postpone(ctx context.Context, items []outbox.Item) error {
	return errors.Join(f.device.Postpone(ctx, items), f.postponed)
}

func (f *faulty) Refreshed(ctx context.Context, r Refresh) error {
	return errors.Join(f.device.Refreshed(ctx, r), f.refreshed)
}

func (f *faulty) Credentials(ctx context.Context) (Credentials, error) {
	creds, err := f.device.Credentials(ctx)
	return creds, errors.Join(err, f.credentials)
}

// An error of the book stops a turn, and is told.
func TestTheBookFails(t *testing.T) {
	tests := []struct {
		name string
		in   faulty
		owe  func(*device)
	}{
		{"when it hears the time", faulty{heard: errDisk}, func(*device) {}},
		{"when it is told of a bundle", faulty{refreshed: errDisk}, func(*device) {}},
		{"when it is asked who it is", faulty{credentials: errDisk}, func(*device) {}},
		{"when a broken item stays", faulty{postponed: errDisk}, func(d *device) {
			d.owe(1, func(it *outbox.Item) { it.Request = nil })
		}},
		{"when a question stays", faulty{postponed: errDisk}, func(d *device) { d.owe(1, asQuestion) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := newDevice(t)
				d.connect()
				tt.owe(d)
				tt.in.device = d
				d.s.book = &tt.in
				if _, err := d.s.SyncNow(t.Context(), nil); !errors.Is(err, errDisk) || Reason(err) != "INTERNAL" {
					t.Errorf("%v", err)
				}
			})
		})
	}
}

// A device whose stored credentials do not fit is told so before anything is
// believed.
func TestCredentialsThatDoNotFit(t *testing.T) {
	tests := []struct {
		name string
		bend func(*Credentials)
		want error
	}{
		{"a key that is no P-256 key", func(c *Credentials) { c.TLS = tls.Certificate{PrivateKey: ed25519.PrivateKey{}} }, ErrNotEnrolled},
		{"a certificate that is none", func(c *Credentials) { c.DeviceCert = []byte("certificate") }, preauth.ErrDecode},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := newDevice(t)
				creds := d.creds
				tt.bend(&creds)
				der := d.b.ca.device(t, d.id, &d.key.PublicKey, time.Hour)
				if err := renews(creds, d.b.certify(d, time.Hour), der); !errors.Is(err, tt.want) {
					t.Errorf("%v", err)
				}
			})
		})
	}
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		creds := d.creds
		creds.TLS.PrivateKey = nil
		got := PreAuthorized{}
		got.Cert = preauth.PreauthCert{}
		if err := got.fits(creds, &backendv1.PreAuthorizeRequest{}); !errors.Is(err, ErrNotEnrolled) {
			t.Errorf("%v", err)
		}
		if err := got.fits(creds, &backendv1.PreAuthorizeRequest{BoundRequest: []byte("request")}); !errors.Is(err, preauth.ErrDecode) {
			t.Errorf("%v", err)
		}
		creds.CA = nil
		if err := renews(d.creds, d.b.certify(d, time.Hour), nil); !errors.Is(err, ErrAnswer) {
			t.Errorf("%v", err)
		}
	})
}

func TestOnlyKeysOfTheCurveAreOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			t.Fatal(err)
		}
		der := d.b.ca.deviceAny(t, d.id, public)
		creds := d.creds
		if err := renews(creds, d.b.certify(d, time.Hour), der); !errors.Is(err, ErrAnswer) {
			t.Errorf("%v", err)
		}
		creds.CA = nil
		if err := renews(creds, d.b.certify(d, time.Hour), der); !errors.Is(err, ErrAddress) {
			t.Errorf("%v", err)
		}
	})
}

func TestWhenCertificatesRunOut(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.enroll(90 * time.Minute)
		tests := []struct {
			name string
			bend func(*Credentials)
			want bool
		}{
			{"not yet", func(*Credentials) {}, false},
			{"the signed one ends sooner", func(c *Credentials) { c.CertNotAfter = time.Now().Add(-time.Minute) }, true},
			{"nothing is known of the signed one", func(c *Credentials) { c.CertNotAfter = time.Time{} }, false},
			{"there is none", func(c *Credentials) { c.TLS.Certificate = nil }, false},
			{"it is none", func(c *Credentials) { c.TLS.Certificate = [][]byte{{1}} }, false},
		}
		for _, tt := range tests {
			creds := d.creds
			tt.bend(&creds)
			if got := d.s.runsOut(creds); got != tt.want {
				t.Errorf("%s: %v", tt.name, got)
			}
		}
	})
}

func TestAnAnswerNobodyAskedFor(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.owe(1)
		d.b.now(func() {
			d.b.bend = func(_ string, resp any) {
				if q, ok := resp.(*backendv1.QueryResponse); ok {
					for _, v := range d.b.verdicts {
						q.Verdicts = append(q.Verdicts, v)
					}
				}
			}
		})
		asked := d.owe(2, asQuestion)
		sum, err := d.s.SyncNow(t.Context(), nil)
		if err != nil || sum.Synced != 1 || d.item(asked.Key).Tries != 1 || d.item(asked.Key).Error != "" {
			t.Errorf("%+v, %v: %+v", sum, err, d.item(asked.Key))
		}
	})
}

func TestOneTurnAtATime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		arrived, stuck := make(chan struct{}), make(chan struct{})
		d.b.now(func() {
			d.b.refuse = func(method string) error {
				if method == "Refresh" {
					close(arrived)
					<-stuck
				}
				return nil
			}
		})
		first := make(chan error, 1)
		go func() { _, err := d.s.SyncNow(t.Context(), nil); first <- err }()
		<-arrived
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := d.s.SyncNow(ctx, nil); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the second: %v", err)
		}
		close(stuck)
		if err := <-first; err != nil {
			t.Errorf("the first: %v", err)
		}
	})
}

func TestCopiedCredentialsRememberToo(t *testing.T) {
	h := &handshake{credentials.NewTLS(&tls.Config{}), &conn{}}
	again, ok := h.Clone().(*handshake)
	if !ok || again.c != h.c {
		t.Errorf("%T", h.Clone())
	}
}
