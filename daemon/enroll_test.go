package daemon

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"maps"
	"slices"
	"testing"

	"google.golang.org/grpc/codes"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/daemon/payment"
)

// Whoever gets the JWK can check what the device signs, and knows no more.
func TestBeginEnrollment(t *testing.T) {
	b := newBench(t, asTill, notEnrolled)
	resp, err := b.device(manager).BeginEnrollment(t.Context(), &devicev1.BeginEnrollmentRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var key map[string]string
	if err := json.Unmarshal([]byte(resp.GetJwk()), &key); err != nil {
		t.Fatal(err)
	}
	if got := slices.Sorted(maps.Keys(key)); !slices.Equal(got, []string{"alg", "crv", "kid", "kty", "use", "x", "y"}) {
		t.Errorf("members %q", got)
	}
	id := b.opt.Keys.Public().KeyID()
	for member, want := range map[string]string{"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": hex.EncodeToString(id[:])} {
		if key[member] != want {
			t.Errorf("%s is %q, want %q", member, key[member], want)
		}
	}
	x, errX := base64.RawURLEncoding.DecodeString(key["x"])
	y, errY := base64.RawURLEncoding.DecodeString(key["y"])
	if errX != nil || errY != nil || len(x) != 32 || len(y) != 32 {
		t.Fatalf("x %q, y %q", key["x"], key["y"])
	}
	public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P256(), slices.Concat([]byte{4}, x, y))
	if err != nil || !b.opt.Keys.Signing.PublicKey.Equal(public) {
		t.Errorf("another key: %v (%v)", public, err)
	}
	noise, err := base64.RawURLEncoding.DecodeString(resp.GetNoiseKey())
	if err != nil || string(noise) != string(b.opt.Keys.Noise.PublicKey().Bytes()) {
		t.Errorf("noise key %q (%v)", resp.GetNoiseKey(), err)
	}
}

func TestEnrollWithoutNetwork(t *testing.T) {
	client := newBench(t, asTill, notEnrolled).run().device(manager)
	_, err := client.Enroll(t.Context(), &devicev1.EnrollRequest{RequestId: namedID("call").String(), BackendUrl: "not a url", CaPem: "x", Code: "x"})
	wantStatus(t, "no url", err, codes.InvalidArgument, "FIELD_INVALID")
	_, err = client.CompleteEnrollment(t.Context(), &devicev1.CompleteEnrollmentRequest{RequestId: namedID("call").String(), BackendUrl: "not a url", CaPem: "x", Token: "x"})
	wantStatus(t, "no url", err, codes.InvalidArgument, "FIELD_INVALID")
	_, err = client.Enroll(t.Context(), &devicev1.EnrollRequest{RequestId: namedID("call").String(), BackendUrl: "https://backend.test:1"})
	wantField(t, "no code", err, "FIELD_INVALID", "code")
}

func TestLogout(t *testing.T) {
	b := withHistory(t, asTill, payment.Provisional)
	client := b.device(admin)
	_, err := client.Logout(t.Context(), &devicev1.LogoutRequest{RequestId: namedID("call").String()})
	wantStatus(t, "with unsynced money", err, codes.FailedPrecondition, "UNSYNCED_MONEY")
	resp, err := client.Logout(t.Context(), &devicev1.LogoutRequest{RequestId: namedID("forced").String(), Force: true})
	if err != nil || resp.GetIdentity().GetState() != devicev1.AuthenticationState_AUTHENTICATION_STATE_NOT_ENROLLED {
		t.Errorf("forced: %v (%v)", resp, err)
	}
	if st := statusOf(t, b); len(st.GetUnsynced()) != 1 {
		t.Errorf("the money is gone with the enrollment: %v", st)
	}
	_, err = b.device(manager).Logout(t.Context(), &devicev1.LogoutRequest{RequestId: namedID("forced").String(), Force: true})
	wantStatus(t, "manager", err, codes.PermissionDenied, "NOT_PERMITTED")
}
