package backend

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/x509"
	"encoding/json"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

func TestEnrollmentSaysEverythingADeviceNeeds(t *testing.T) {
	b := newBench(t, Options{})
	ada := b.customer("Ada")
	card := b.instrument(ada, 500_00)
	phone := b.phone(ada)
	code, err := b.admin.EnrollCode(b.ctx, Party{Customer: ada}, time.Hour)
	must(t, err)
	resp, err := backendv1.NewEnrollmentServiceClient(b.dial(nil, nil)).Enroll(b.ctx, phone.enrollment(code, peerv1.Role_ROLE_CUSTOMER))
	must(t, err)
	trust, err := preauth.OpenTrust(preauth.PublicKey(resp.RootKey), resp.TrustBundle)
	must(t, err)
	cert, err := trust.DeviceCert(resp.DeviceCert, peerv1.Role_ROLE_CUSTOMER, b.now())
	must(t, err)
	if preauth.ID(cert.Body.DeviceId) != phone.id {
		t.Error("the same key and customer became another device")
	}
	if got := cert.Body.NotAfterMs; got != b.since(90*day) {
		t.Errorf("the certificate ends at %d", got)
	}
	for _, c := range cert.Body.Caps {
		if c.PaymentMax != 50_00 || c.TotalMax != 500_00 {
			t.Errorf("cap is %v", c)
		}
	}
	if len(cert.Body.Caps) != 4 || cert.Body.StoredCountMax != 100 {
		t.Errorf("caps are %v", cert.Body)
	}
	if in := resp.Instruments; len(in) != 1 || preauth.ID(in[0].InstrumentId) != card || in[0].Balance != 500_00 || !in[0].PreAuthCapable || in[0].Type != 1 {
		t.Errorf("instruments are %v", in)
	}
	leaf, err := x509.ParseCertificate(resp.TlsCert)
	must(t, err)
	if leaf.URIs[0].String() != "urn:uuid:"+phone.id.String() || !leaf.PublicKey.(*ecdsa.PublicKey).Equal(&phone.key.PublicKey) {
		t.Errorf("the TLS certificate names %v", leaf.URIs)
	}
	if resp.Time.ServerTimeMs != b.now().UnixMilli() || trust.SignedAt() != time.UnixMilli(b.now().UnixMilli()) {
		t.Error("the time is not now")
	}
}

func TestEveryInstrumentsCurrencyHasACap(t *testing.T) {
	b := newBench(t, Options{})
	ada := b.customer("Ada")
	_, err := b.admin.CreateInstrument(b.ctx, Instrument{Customer: ada, Type: "MNO", Currency: "JPY", PreAuthCapable: true})
	must(t, err)
	cert, err := preauth.Open[*peerv1.DeviceCert](b.phone(ada).cert)
	must(t, err)
	last := cert.Body.Caps[len(cert.Body.Caps)-1]
	if last.Currency != "JPY" || last.PaymentMax != 50 || last.TotalMax != 500 {
		t.Errorf("cap is %v", last)
	}
}

func TestEnrollment(t *testing.T) {
	b := newBench(t, Options{})
	shop, ada, bob := b.business("Cafe Luna"), b.customer("Ada"), b.customer("Bob")
	used, err := b.admin.EnrollCode(b.ctx, Party{Customer: ada}, time.Hour)
	must(t, err)
	enroll := backendv1.NewEnrollmentServiceClient(b.dial(nil, nil))
	device := &party{b: b, key: newKey(t), noise: random32(t)}
	first, err := enroll.Enroll(b.ctx, device.enrollment(used, peerv1.Role_ROLE_CUSTOMER))
	must(t, err)

	fresh := func(p Party, ttl time.Duration) string {
		code, err := b.admin.EnrollCode(b.ctx, p, ttl)
		must(t, err)
		return code
	}
	other := &party{b: b, key: newKey(t), noise: random32(t)}
	renoised := &party{b: b, key: device.key, noise: random32(t)}
	tests := []struct {
		name string
		call func() *backendv1.EnrollRequest
		want string
	}{
		{"a used code with the same keys is answered again", func() *backendv1.EnrollRequest {
			return device.enrollment(used, peerv1.Role_ROLE_CUSTOMER)
		}, ""},
		{"with another signing key it is not", func() *backendv1.EnrollRequest {
			return other.enrollment(used, peerv1.Role_ROLE_CUSTOMER)
		}, "CODE_INVALID"},
		{"with another session key it is not", func() *backendv1.EnrollRequest {
			return renoised.enrollment(used, peerv1.Role_ROLE_CUSTOMER)
		}, "CODE_INVALID"},
		{"nor for the other role", func() *backendv1.EnrollRequest {
			return device.enrollment(used, peerv1.Role_ROLE_BUSINESS)
		}, "WRONG_ROLE"},
		{"an unknown code is refused", func() *backendv1.EnrollRequest {
			return other.enrollment("AAAA-BBBB-CCCC-DDDD", peerv1.Role_ROLE_CUSTOMER)
		}, "CODE_INVALID"},
		{"an expired code is refused", func() *backendv1.EnrollRequest {
			code := fresh(Party{Customer: ada}, time.Minute)
			b.advance(2 * time.Minute)
			return other.enrollment(code, peerv1.Role_ROLE_CUSTOMER)
		}, "CODE_INVALID"},
		{"a customer's code makes no till", func() *backendv1.EnrollRequest {
			return other.enrollment(fresh(Party{Customer: ada}, time.Hour), peerv1.Role_ROLE_BUSINESS)
		}, "WRONG_ROLE"},
		{"a till's code makes no customer", func() *backendv1.EnrollRequest {
			return other.enrollment(fresh(Party{Business: shop}, time.Hour), peerv1.Role_ROLE_CUSTOMER)
		}, "WRONG_ROLE"},
		{"a proof over something else is refused", func() *backendv1.EnrollRequest {
			r := other.enrollment(fresh(Party{Customer: ada}, time.Hour), peerv1.Role_ROLE_CUSTOMER)
			r.NoiseKey[0] ^= 1
			defer func() { other.noise[0] ^= 1 }()
			return proto.CloneOf(r)
		}, "PROOF_INVALID"},
		{"a key that is no point is refused", func() *backendv1.EnrollRequest {
			r := other.enrollment(fresh(Party{Customer: ada}, time.Hour), peerv1.Role_ROLE_CUSTOMER)
			r.SigningKey = make([]byte, 33)
			return r
		}, "PROOF_INVALID"},
		{"a key keeps to its owner", func() *backendv1.EnrollRequest {
			return device.enrollment(fresh(Party{Customer: bob}, time.Hour), peerv1.Role_ROLE_CUSTOMER)
		}, "KEY_IN_USE"},
		{"a role that is none is refused", func() *backendv1.EnrollRequest {
			return other.enrollment(used, 7)
		}, "FIELD_INVALID"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := enroll.Enroll(b.ctx, tt.call())
			wantReason(t, err, tt.want)
			if tt.want == "" && (string(resp.DeviceCert) != string(first.DeviceCert) || string(resp.TlsCert) != string(first.TlsCert)) {
				t.Error("other certificates than before")
			}
		})
	}
	must(t, b.admin.RevokeDevice(b.ctx, deviceIDOf(t, first.DeviceCert)))
	_, err = enroll.Enroll(b.ctx, device.enrollment(used, peerv1.Role_ROLE_CUSTOMER))
	wantReason(t, err, "DEVICE_REVOKED")
}

func deviceIDOf(t *testing.T, b []byte) preauth.ID {
	t.Helper()
	cert, err := preauth.Open[*peerv1.DeviceCert](b)
	must(t, err)
	return preauth.ID(cert.Body.DeviceId)
}

func TestEnrollmentByToken(t *testing.T) {
	b := newBench(t, Options{})
	ada := b.customer("Ada")
	device := &party{b: b, key: newKey(t), noise: random32(t)}
	key, err := ParseJWK(jwkOf(t, device.key))
	must(t, err)
	token, err := b.admin.EnrollToken(b.ctx, Party{Customer: ada}, key, time.Hour)
	must(t, err)
	enroll := backendv1.NewEnrollmentServiceClient(b.dial(nil, nil))
	by := func(d *party, token string) *backendv1.EnrollRequest {
		r := d.enrollment(token, peerv1.Role_ROLE_CUSTOMER)
		r.Credential = &backendv1.EnrollRequest_Token{Token: token}
		return r
	}
	first, err := enroll.Enroll(b.ctx, by(device, token))
	must(t, err)
	again, err := enroll.Enroll(b.ctx, by(device, token))
	must(t, err)
	if string(first.DeviceCert) != string(again.DeviceCert) {
		t.Error("a repeat got another certificate")
	}
	other := &party{b: b, key: newKey(t), noise: random32(t)}
	_, err = enroll.Enroll(b.ctx, by(other, token))
	wantReason(t, err, "CODE_INVALID")

	otherKey, err := ParseJWK(jwkOf(t, other.key))
	must(t, err)
	mallory := b.admin
	mallory.Issuer = newKey(t)
	forged, err := mallory.EnrollToken(b.ctx, Party{Customer: ada}, otherKey, time.Hour)
	must(t, err)
	late, err := b.admin.EnrollToken(b.ctx, Party{Customer: ada}, otherKey, time.Minute)
	must(t, err)
	b.advance(time.Hour)
	for _, bad := range []string{forged, late, "a.b", "a.b.c", late[:len(late)-4] + "AAAA"} {
		_, err = enroll.Enroll(b.ctx, by(other, bad))
		wantReason(t, err, "CODE_INVALID")
	}
	_, err = b.admin.EnrollToken(b.ctx, Party{Customer: preauth.ID{1}}, otherKey, time.Hour)
	if Reason(err) != "NOT_FOUND" {
		t.Errorf("a token for nobody: %v", err)
	}
}

func jwkOf(t *testing.T, key *ecdsa.PrivateKey) []byte {
	t.Helper()
	point, err := key.PublicKey.Bytes()
	must(t, err)
	text, err := json.Marshal(map[string]string{
		"kty": "EC", "crv": "P-256", "x": b64.EncodeToString(point[1:33]), "y": b64.EncodeToString(point[33:]),
	})
	must(t, err)
	return text
}

func TestParseJWK(t *testing.T) {
	key := newKey(t)
	got, err := ParseJWK(jwkOf(t, key))
	must(t, err)
	if got != preauth.PublicKeyOf(&key.PublicKey) {
		t.Error("another key came out")
	}
	zeros := b64.EncodeToString(make([]byte, 32))
	for _, bad := range []string{
		`{`, `{}`, `{"kty":"RSA"}`, `{"kty":"EC","crv":"P-384","x":"` + zeros + `","y":"` + zeros + `"}`,
		`{"kty":"EC","crv":"P-256","x":"` + zeros + `","y":"` + zeros + `"}`, `{"kty":"EC","crv":"P-256","x":"AA","y":"!"}`,
	} {
		if _, err := ParseJWK([]byte(bad)); Reason(err) != "FIELD_INVALID" {
			t.Errorf("%s: %v", bad, err)
		}
	}
}

// The thumbprint is that of RFC 7638 for the P-256 key of RFC 7517, A.1.
func TestThumbprint(t *testing.T) {
	key, err := ParseJWK([]byte(`{"kty":"EC","crv":"P-256","x":"MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4","y":"4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"}`))
	must(t, err)
	if _, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), append([]byte{4}, make([]byte, 64)...)); err == nil {
		t.Error("a point off the curve was taken")
	}
	got, err := thumbprint(key)
	must(t, err)
	if want := "cn-I_WNMClehiVp51i_0VpOENW1upEerA8sEam5hn-s"; got != want {
		t.Errorf("thumbprint is %s", got)
	}
}

func TestWhoMayCall(t *testing.T) {
	s := newStreet(t)
	nobody := backendv1.NewSettlementServiceClient(s.dial(nil, nil))
	_, err := nobody.Refresh(s.ctx, &backendv1.RefreshRequest{})
	wantReason(t, err, "NOT_ENROLLED")
	_, err = nobody.Submit(s.ctx, &backendv1.SubmitRequest{})
	wantReason(t, err, "NOT_ENROLLED")

	// A certificate for the till's id but another key proves nothing.
	thief := newKey(t)
	der, err := s.authority.deviceTLS(preauth.PublicKeyOf(&thief.PublicKey), s.till.id, start, start.Add(day))
	must(t, err)
	_, err = backendv1.NewSettlementServiceClient(s.dial(der, thief)).Refresh(s.ctx, &backendv1.RefreshRequest{})
	wantReason(t, err, "NOT_ENROLLED")

	// A certificate of another CA does not even connect.
	rogue := Authority{CAKey: newKey(t)}
	rogue.CACert, err = NewCA(rogue.CAKey, start)
	must(t, err)
	der, err = rogue.deviceTLS(preauth.PublicKeyOf(&s.till.key.PublicKey), s.till.id, start, start.Add(day))
	must(t, err)
	if _, err = backendv1.NewSettlementServiceClient(s.dial(der, s.till.key)).Refresh(s.ctx, &backendv1.RefreshRequest{}); err == nil {
		t.Error("a certificate of another CA was taken")
	}
	if _, err = backendv1.NewSettlementServiceClient(s.plain()).Refresh(s.ctx, &backendv1.RefreshRequest{}); err == nil {
		t.Error("a connection without TLS was taken")
	}
}

func TestExpiredDeviceHandsInAndRenews(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	d := w.sale(s.till, 10_00)
	s.advance(14 * day)
	s.ms.Add((80 * day).Milliseconds())
	s.till.connect()
	s.till.expect(d.claim(), says{"REJECTED", 0, 10_00, "TOO_LATE"})
	_, err := s.phone.calls.PreAuthorize(s.ctx, &backendv1.PreAuthorizeRequest{
		RequestId: randomID(t), InstrumentId: s.card[:], Amount: 1, Currency: "USD",
	})
	wantReason(t, err, "CERT_EXPIRED")
	s.refreshExpired(s.till)
	renewed, err := s.till.calls.Renew(s.ctx, &backendv1.RenewRequest{})
	must(t, err)
	if string(renewed.DeviceCert) != string(s.till.cert) {
		t.Error("a fresh certificate was replaced")
	}
}
