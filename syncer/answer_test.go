package syncer

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// calls are all that a device asks, with what is answered right.
var calls = map[string]func(context.Context, *device) error{
	"PreAuthorize": func(ctx context.Context, d *device) error {
		_, err := d.s.PreAuthorize(ctx, request, card, 10_000, "USD", nil)
		return err
	},
	"Void":     func(ctx context.Context, d *device) error { _, err := d.s.Void(ctx, request, card); return err },
	"Register": func(ctx context.Context, d *device) error { return d.s.RegisterPayment(ctx, request) },
	"Refresh":  func(ctx context.Context, d *device) error { return d.s.refresh(ctx, 3) },
	"Renew":    func(ctx context.Context, d *device) error { return d.s.Renew(ctx) },
	"Query": func(ctx context.Context, d *device) error {
		_, _, err := d.s.verdictsOn(ctx, []preauth.Hash{{1}})
		return err
	},
	"Enroll": func(ctx context.Context, d *device) error { _, err := d.s.Enroll(ctx, d.enrollInput()); return err },
}

// A wrong is an answer to a call as it must not be.
type wrong struct {
	name, call string
	bend       func(d *device, resp any)
}

func wrongAnswers() []wrong {
	return []wrong{
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
	}
}

func wrongRenewals() []wrong {
	return []wrong{
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
	}
}

func wrongEnrollments() []wrong {
	return []wrong{
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
}

func TestAnswersThatDoNotVerify(t *testing.T) {
	for _, tt := range slices.Concat(wrongAnswers(), wrongRenewals(), wrongEnrollments()) {
		t.Run(tt.call+" "+tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := newDevice(t)
				d.connect()
				if err := calls[tt.call](t.Context(), d); err != nil {
					t.Fatalf("the right answer: %v", err)
				}
				d.mu.Lock()
				renewals, refreshes := d.renewals, len(d.refresh)
				d.mu.Unlock()
				d.b.now(func() { d.b.bend = func(_ string, resp any) { tt.bend(d, resp) } })
				if err := calls[tt.call](t.Context(), d); !errors.Is(err, ErrAnswer) || Reason(err) != "CERT_INVALID" {
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
