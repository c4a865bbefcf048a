package syncer

import (
	"bytes"
	"context"
	"errors"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

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
			if got.Trust.Epoch() != 3 || got.Instrument.ID != card || got.Instrument.Type != "CARD" || time.Until(got.ServerTime).Abs() > time.Second {
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
		if d.renewals != 0 || d.b.count("Renew") != 1 { // once for the epoch, in vain
			t.Fatalf("renewed with more than a third of its life left")
		}
		pass(3 * time.Minute)
		creds, err := d.Credentials(t.Context())
		if err != nil || d.b.count("Renew") != 2 || bytes.Equal(creds.TLS.Certificate[0], old) {
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
