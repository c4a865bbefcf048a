package syncer

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"errors"
	"testing"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

func (d *device) enrollInput() EnrollInput {
	return EnrollInput{
		URL: "https://backend.test", CA: d.b.ca.pem, Code: "CODE", Role: d.role, Key: d.key, NoiseKey: d.noise,
	}
}

func TestEnroll(t *testing.T) {
	tests := []struct {
		name   string
		change func(*EnrollInput)
	}{
		{"by code", func(*EnrollInput) {}},
		{"by token", func(in *EnrollInput) { in.Code, in.Token = "", "TOKEN" }},
		{"as a till", func(in *EnrollInput) { in.Role = peerv1.Role_ROLE_BUSINESS }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := newDevice(t)
				d.connect()
				d.creds = Credentials{}
				in := d.enrollInput()
				tt.change(&in)
				got, err := d.s.Enroll(t.Context(), in)
				if err != nil {
					t.Fatal(err)
				}
				cert := open[*peerv1.DeviceCert](t, got.DeviceCert).Body
				if cert.Role != in.Role || preauth.PublicKey(cert.SigningKey) != preauth.PublicKeyOf(&d.key.PublicKey) {
					t.Errorf("certificate %v", cert)
				}
				if got.RootKey != d.b.rootKey() || len(got.TLSCert) == 0 || time.Until(got.ServerTime).Abs() > time.Second {
					t.Errorf("%+v", got)
				}
				if len(got.Instruments) != 1 || got.Instruments[0].Type != "BANK_ACCOUNT" {
					t.Errorf("instruments %+v", got.Instruments)
				}
				if _, err := preauth.OpenTrust(got.RootKey, got.TrustBundle); err != nil {
					t.Error(err)
				}
				if l := d.b.seen(); l.callers[0] != "" {
					t.Errorf("showed the certificate %s", l.callers[0])
				}
				if !d.s.Online() {
					t.Error("an answered call is no sign of life")
				}
			})
		})
	}
}

func TestEnrollFails(t *testing.T) {
	p384, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name   string
		change func(*device, *EnrollInput)
		want   error
		reason string
	}{
		{"with a wrong code", func(_ *device, in *EnrollInput) { in.Code = "OTHER" }, nil, "CODE_INVALID"},
		{"without network", func(d *device, _ *EnrollInput) { d.plug(false) }, ErrOffline, "OFFLINE"},
		{"when cut off", func(d *device, _ *EnrollInput) { d.s.SetOffline(true) }, ErrOffline, "OFFLINE"},
		{"with the CA of another backend", func(d *device, in *EnrollInput) { in.CA = newCA(d.t).pem }, ErrUntrusted, "BACKEND_UNTRUSTED"},
		{"with a CA file that is none", func(_ *device, in *EnrollInput) { in.CA = []byte("CA") }, ErrAddress, "FIELD_INVALID"},
		{"with a URL that is none", func(_ *device, in *EnrollInput) { in.URL = "backend" }, ErrAddress, "FIELD_INVALID"},
		{"with a key of another curve", func(_ *device, in *EnrollInput) { in.Key = p384 }, preauth.ErrKey, "INTERNAL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				d := newDevice(t)
				d.connect()
				in := d.enrollInput()
				tt.change(d, &in)
				_, err := d.s.Enroll(t.Context(), in)
				if err == nil || tt.want != nil && !errors.Is(err, tt.want) || Reason(err) != tt.reason {
					t.Errorf("%v (%s), want %s", err, Reason(err), tt.reason)
				}
			})
		})
	}
}
