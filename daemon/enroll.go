package daemon

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

// jwk is a P-256 public key as JSON Web Key (RFC 7517 and 7518).
type jwk struct {
	KeyType   string `json:"kty"`
	Curve     string `json:"crv"`
	X         string `json:"x"`
	Y         string `json:"y"`
	Algorithm string `json:"alg"`
	Use       string `json:"use"`
	KeyID     string `json:"kid"`
}

// jwk returns the signing key's public part. The key id is the one that
// certificates and messages name it by, in hex.
func (k Keys) jwk() (string, error) {
	point, err := k.Signing.PublicKey.Bytes() // 4, x, y: 65 bytes
	if err != nil {
		return "", err
	}
	b64 := base64.RawURLEncoding.EncodeToString
	id := k.Public().KeyID()
	text, err := json.Marshal(jwk{
		KeyType: "EC", Curve: "P-256", X: b64(point[1:33]), Y: b64(point[33:]),
		Algorithm: "ES256", Use: "sig", KeyID: hex.EncodeToString(id[:]),
	})
	return string(text), err
}

// BeginEnrollment implements devicev1.DeviceServiceServer.
func (s *deviceService) BeginEnrollment(context.Context, *devicev1.BeginEnrollmentRequest) (*devicev1.BeginEnrollmentResponse, error) {
	key, err := s.d.opt.Keys.jwk()
	if err != nil {
		return nil, err
	}
	return &devicev1.BeginEnrollmentResponse{
		Jwk: key, NoiseKey: base64.RawURLEncoding.EncodeToString(s.d.opt.Keys.Noise.PublicKey().Bytes()),
	}, nil
}

// CompleteEnrollment implements devicev1.DeviceServiceServer.
func (s *deviceService) CompleteEnrollment(ctx context.Context, req *devicev1.CompleteEnrollmentRequest) (*devicev1.CompleteEnrollmentResponse, error) {
	call, err := newCall(methodComplete, req)
	if err != nil {
		return nil, err
	}
	id, err := s.enroll(ctx, Enrollment{URL: req.GetBackendUrl(), CA: []byte(req.GetCaPem()), Token: req.GetToken(), call: &call})
	if err != nil {
		return nil, err
	}
	return &devicev1.CompleteEnrollmentResponse{Identity: id}, nil
}

// Enroll implements devicev1.DeviceServiceServer.
func (s *deviceService) Enroll(ctx context.Context, req *devicev1.EnrollRequest) (*devicev1.EnrollResponse, error) {
	call, err := newCall(methodEnroll, req)
	if err != nil {
		return nil, err
	}
	id, err := s.enroll(ctx, Enrollment{URL: req.GetBackendUrl(), CA: []byte(req.GetCaPem()), Code: req.GetCode(), call: &call})
	if err != nil {
		return nil, err
	}
	return &devicev1.EnrollResponse{Identity: id}, nil
}

// enroll enrolls, or finds that e was done before.
func (s *deviceService) enroll(ctx context.Context, e Enrollment) (*devicev1.Identity, error) {
	if err := s.d.Enroll(ctx, e); err != nil {
		return nil, err
	}
	return s.d.identityProto(), nil
}

// Logout implements devicev1.DeviceServiceServer.
func (s *deviceService) Logout(ctx context.Context, req *devicev1.LogoutRequest) (*devicev1.LogoutResponse, error) {
	call, err := newCall(methodLogout, req)
	if err != nil {
		return nil, err
	}
	if err := s.d.logout(ctx, call, req.GetForce()); err != nil {
		return nil, err
	}
	return &devicev1.LogoutResponse{Identity: s.d.identityProto()}, nil
}

// takesWrites says why the store takes no writes, if so.
func (d *Device) takesWrites(ctx context.Context) error {
	stats, err := d.store.Stats(ctx)
	if err != nil {
		return err
	}
	return storeUsable(stats)
}
