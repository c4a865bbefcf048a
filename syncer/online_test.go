package syncer

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

var (
	card    = preauth.ID(testBytes("card", 16))
	request = preauth.ID(testBytes("request id", 16))
)

func TestPreAuthorize(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		asked := d.owe(1).Request
		for name, bound := range map[string][]byte{"for any request": nil, "for one": asked} {
			got, err := d.s.PreAuthorize(t.Context(), request, card, 10_000, "USD", bound)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			body := got.Cert.Body
			if body.Limit != 10_000 || body.Currency != "USD" || (len(body.BoundTo) > 0) != (bound != nil) {
				t.Errorf("%s: %v", name, body)
			}
			if got.Trust.Epoch() != 3 || got.Instrument.ID != card || got.Instrument.Type != "CARD" || got.ServerTime.Sub(time.Now()).Abs() > time.Second {
				t.Errorf("%s: %+v", name, got)
			}
		}
		if n := len(d.heardTimes()); n != 2 {
			t.Errorf("heard the time %d times", n)
		}
		if l := d.b.seen(); l.callers[0] != "urn:uuid:"+preauth.ID(d.id).String() {
			t.Errorf("called as %q", l.callers[0])
		}
		if !d.s.Online() {
			t.Error("an answered call is no sign of life")
		}
	})
}

func TestAPreAuthorizationMustSayWhatWasAsked(t *testing.T) {
	tests := []struct {
		name string
		bend func(*peerv1.PreauthCert)
	}{
		{"of another key", func(c *peerv1.PreauthCert) {
			k := preauth.PublicKeyOf(&newKey(t).PublicKey)
			c.Spender = k[:]
		}},
		{"over less", func(c *peerv1.PreauthCert) { c.Limit-- }},
		{"in another currency", func(c *peerv1.PreauthCert) { c.Currency = "EUR" }},
		{"bound to a request nobody named", func(c *peerv1.PreauthCert) { c.BoundTo = testBytes("bound", 32) }},
		{"asking for a bundle that did not come", func(c *peerv1.PreauthCert) { c.MinEpoch++ }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := newDevice(t)
				d.connect()
				d.b.issue = tt.bend
				_, err := d.s.PreAuthorize(t.Context(), request, card, 10_000, "USD", nil)
				if !errors.Is(err, ErrAnswer) {
					t.Errorf("accepted: %v", err)
				}
			})
		})
	}
}

// What an answer to each call must not be.
func TestAnswersThatDoNotVerify(t *testing.T) {
	ctx := context.Background()
	calls := map[string]func(*device) error{
		"PreAuthorize": func(d *device) error {
			_, err := d.s.PreAuthorize(ctx, request, card, 10_000, "USD", nil)
			return err
		},
		"Void":     func(d *device) error { _, err := d.s.Void(ctx, request, card); return err },
		"Register": func(d *device) error { return d.s.RegisterPayment(ctx, request) },
		"Refresh":  func(d *device) error { return d.s.refresh(ctx, 3) },
		"Renew":    func(d *device) error { return d.s.Renew(ctx) },
		"Query": func(d *device) error {
			_, err := d.s.Query(ctx, []preauth.Hash{{1}})
			return err
		},
		"Enroll": func(d *device) error { _, err := d.s.Enroll(ctx, d.enrollInput()); return err },
	}
	tests := []struct {
		name, call string
		bend       func(d *device, resp any)
	}{
		{"a time is missing", "Register", func(_ *device, r any) { r.(*backendv1.RegisterPaymentResponse).Time = nil }},
		{"the bundle is a stranger's", "PreAuthorize", func(d *device, r any) {
			r.(*backendv1.PreAuthorizeResponse).TrustBundle = d.strange(r.(*backendv1.PreAuthorizeResponse).TrustBundle)
		}},
		{"the certificate is a stranger's", "PreAuthorize", func(d *device, r any) {
			c := open[*peerv1.PreauthCert](d.t, r.(*backendv1.PreAuthorizeResponse).PreauthCert)
			r.(*backendv1.PreAuthorizeResponse).PreauthCert = sign(d.t, newKey(d.t), c.Body).Bytes
		}},
		{"the instrument is missing", "PreAuthorize", func(_ *device, r any) { r.(*backendv1.PreAuthorizeResponse).Instrument = nil }},
		{"the bundle is none", "Void", func(_ *device, r any) { r.(*backendv1.VoidPreAuthorizationResponse).TrustBundle = nil }},
		{"the bundle is a stranger's", "Refresh", func(d *device, r any) {
			r.(*backendv1.RefreshResponse).TrustBundle = d.strange(r.(*backendv1.RefreshResponse).TrustBundle)
		}},
		{"the bundle is an old one", "Refresh", func(d *device, r any) {
			d.b.epoch = 2
			r.(*backendv1.RefreshResponse).TrustBundle = d.b.bundle()
		}},
		{"an id is too short", "Refresh", func(_ *device, r any) { r.(*backendv1.RefreshResponse).Voided = [][]byte{{1}} }},
		{"the certificate is none", "Renew", func(_ *device, r any) { r.(*backendv1.RenewResponse).DeviceCert = nil }},
		{"the TLS certificate is none", "Renew", func(_ *device, r any) { r.(*backendv1.RenewResponse).TlsCert = nil }},
		{"the TLS certificate is of another CA", "Renew", func(d *device, r any) {
			r.(*backendv1.RenewResponse).TlsCert = newCA(d.t).device(d.t, d.id, &d.key.PublicKey, time.Hour)
		}},
		{"the TLS certificate is of another key", "Renew", func(d *device, r any) {
			r.(*backendv1.RenewResponse).TlsCert = d.b.ca.device(d.t, d.id, &newKey(d.t).PublicKey, time.Hour)
		}},
		{"the TLS certificate names another device", "Renew", func(d *device, r any) {
			r.(*backendv1.RenewResponse).TlsCert = d.b.ca.device(d.t, testBytes("other", 16), &d.key.PublicKey, time.Hour)
		}},
		{"the certificate is of another key", "Renew", func(d *device, r any) {
			r.(*backendv1.RenewResponse).DeviceCert = d.certified(func(o *device) { o.key = newKey(d.t) })
		}},
		{"the certificate is of another Noise key", "Renew", func(d *device, r any) {
			r.(*backendv1.RenewResponse).DeviceCert = d.certified(func(o *device) { o.noise[0]++ })
		}},
		{"the certificate is of another device", "Renew", func(d *device, r any) {
			r.(*backendv1.RenewResponse).DeviceCert = d.certified(func(o *device) { o.id = testBytes("other", 16) })
		}},
		{"the certificate is of another role", "Renew", func(d *device, r any) {
			r.(*backendv1.RenewResponse).DeviceCert = d.certified(func(o *device) { o.role = peerv1.Role_ROLE_BUSINESS })
		}},
		{"the verdict is none", "Query", func(_ *device, r any) { r.(*backendv1.QueryResponse).Verdicts = [][]byte{{1}} }},
		{"the root key is none", "Enroll", func(_ *device, r any) { r.(*backendv1.EnrollResponse).RootKey = nil }},
		{"the root key is another", "Enroll", func(d *device, r any) {
			k := preauth.PublicKeyOf(&newKey(d.t).PublicKey)
			r.(*backendv1.EnrollResponse).RootKey = k[:]
		}},
		{"the time is missing", "Enroll", func(_ *device, r any) { r.(*backendv1.EnrollResponse).Time = nil }},
		{"the certificate is of the other role", "Enroll", func(d *device, r any) {
			r.(*backendv1.EnrollResponse).DeviceCert = d.certified(func(o *device) { o.role = peerv1.Role_ROLE_BUSINESS })
		}},
		{"the certificate is of other keys", "Enroll", func(d *device, r any) {
			r.(*backendv1.EnrollResponse).DeviceCert = d.certified(func(o *device) { o.noise[0]++ })
		}},
		{"the TLS certificate is of another CA", "Enroll", func(d *device, r any) {
			r.(*backendv1.EnrollResponse).TlsCert = newCA(d.t).device(d.t, d.id, &d.key.PublicKey, time.Hour)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.call+" "+tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := newDevice(t)
				d.connect()
				if err := calls[tt.call](d); err != nil {
					t.Fatalf("the right answer: %v", err)
				}
				d.mu.Lock()
				renewals, refreshes := d.renewals, len(d.refresh)
				d.mu.Unlock()
				d.b.now(func() { d.b.bend = func(_ string, resp any) { tt.bend(d, resp) } })
				if err := calls[tt.call](d); !errors.Is(err, ErrAnswer) || Reason(err) != "CERT_INVALID" {
					t.Errorf("accepted: %v", err)
				}
				if d.renewals != renewals || len(d.refresh) != refreshes {
					t.Error("the book was told")
				}
			})
		})
	}
}

// strange is the bundle, signed by a stranger.
func (d *device) strange(bundle []byte) []byte {
	return sign(d.t, newKey(d.t), open[*peerv1.TrustBundle](d.t, bundle).Body).Bytes
}

// certified is the backend's certificate for a device that differs.
func (d *device) certified(change func(*device)) []byte {
	o := &device{key: d.key, noise: d.noise, id: d.id, role: d.role}
	change(o)
	return d.b.certify(o, time.Hour)
}

func TestVoid(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		got, err := d.s.Void(t.Context(), request, card)
		if err != nil || got.Trust.Epoch() != 3 || got.ReleasedAt.Sub(got.ServerTime) != time.Hour {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestQuery(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		known := d.owe(1)
		if _, err := d.s.SyncNow(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		asked := make([]preauth.Hash, 150)
		asked[149] = known.Key.Request
		got, err := d.s.Query(t.Context(), asked)
		if err != nil || len(got) != 1 || got[0].Body.Amount != 1200 {
			t.Errorf("%v, %v", got, err)
		}
		if n := d.b.count("Query"); n != 2 {
			t.Errorf("%d calls for 150 requests", n)
		}
	})
}

func TestRefreshTellsTheBook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.b.epoch = 7
		if _, err := d.s.SyncNow(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if len(d.refresh) != 1 {
			t.Fatalf("told %d times", len(d.refresh))
		}
		r := d.refresh[0]
		if r.Trust.Epoch() != 7 || len(r.Voided) != 1 || r.Voided[0] != preauth.ID(testBytes("voided", 16)) {
			t.Errorf("%+v", r)
		}
		want := Instrument{ID: card, Type: "CARD", Label: "Card", Currency: "USD", Balance: 50_000, PreAuthCapable: true}
		if len(r.Instruments) != 1 || r.Instruments[0] != want {
			t.Errorf("instruments %+v, of a type that is not known none", r.Instruments)
		}
	})
}

func TestRefusalsKeepTheirReason(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		_, err := d.s.PreAuthorize(t.Context(), request, card, 90_000, "USD", nil)
		var refused *Refused
		if !errors.As(err, &refused) || refused.Reason != "INSUFFICIENT_FUNDS" || refused.Detail != "in words" {
			t.Errorf("%v", err)
		}
		if st := d.s.State(); !st.Online || st.LastError != "" {
			t.Errorf("state %+v: the caller was told, and the backend is fine", st)
		}
		d.b.refuse = func(string) error { return refusal(codes.Unavailable, "OVERLOADED", 3*time.Second) }
		err = d.s.RegisterPayment(t.Context(), request)
		if !errors.As(err, &refused) || refused.RetryAfter != 3*time.Second || errors.Is(err, ErrOffline) {
			t.Errorf("%v", err)
		}
	})
}

func TestACallerThatLeavesSaysNothingOfTheBackend(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		if err := d.s.RegisterPayment(t.Context(), request); err != nil {
			t.Fatal(err)
		}
		ctx, leave := context.WithCancel(t.Context())
		stuck := make(chan struct{})
		d.b.now(func() { d.b.refuse = func(string) error { leave(); <-stuck; return nil } })
		if err := d.s.RegisterPayment(ctx, request); !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		if !d.s.Online() {
			t.Error("taken for offline")
		}
		close(stuck)
	})
}

func TestABackendThatHangsIsOffline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		stuck := make(chan struct{})
		d.b.refuse = func(string) error { <-stuck; return nil }
		began := time.Now()
		err := d.s.RegisterPayment(t.Context(), request)
		if !errors.Is(err, ErrOffline) || time.Since(began) != callLimit || d.s.Online() {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		close(stuck)
	})
}

func TestCertificatesAreRenewedInTime(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.enroll(90 * time.Minute)
		old := d.creds.TLS.Certificate[0]
		d.run()
		pass(59 * time.Minute)
		if d.b.count("Renew") != 0 {
			t.Fatalf("renewed with more than a third of its life left")
		}
		pass(3 * time.Minute)
		creds, err := d.Credentials(t.Context())
		if err != nil || d.b.count("Renew") != 1 || bytes.Equal(creds.TLS.Certificate[0], old) {
			t.Fatalf("%d renewals after two thirds of its life", d.b.count("Renew"))
		}
		pass(30 * time.Minute) // the old one has ended
		if !d.s.Online() || d.dialled() != 2 {
			t.Errorf("online %v, dialled %d times: once for each certificate", d.s.Online(), d.dialled())
		}
	})
}

func TestRenewalIsNoReasonToStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.enroll(time.Minute)
		pass(50 * time.Second)
		d.owe(1)
		d.b.refuse = func(method string) error {
			if method == "Renew" {
				return refusal(codes.PermissionDenied, "DEVICE_REVOKED", 0)
			}
			return nil
		}
		if sum, err := d.s.SyncNow(t.Context(), nil); err != nil || sum.Synced != 1 {
			t.Errorf("%+v, %v", sum, err)
		}
	})
}
