package syncer

import (
	"context"
	"crypto/ecdsa"
	"crypto/x509"
	"fmt"
	"slices"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// EnrollInput is what a device enrolls with.
type EnrollInput struct {
	URL string
	CA  []byte // PEM

	Code  string // made by the operator; or
	Token string // got by the operator's server for Key

	Role     peerv1.Role
	Key      *ecdsa.PrivateKey // P-256
	NoiseKey [32]byte          // X25519, public
}

// Enrolled is what the device is from now on, all of it verified.
type Enrolled struct {
	DeviceCert  []byte // Signed DeviceCert
	TLSCert     []byte // X.509, DER
	TrustBundle []byte // Signed TrustBundle
	RootKey     preauth.PublicKey
	Instruments []Instrument
	ServerTime  time.Time
}

// Enroll makes the device known to the backend at in.URL. It proves that it
// holds its signing key, and checks that the certificates it gets name its
// keys and role and come from the CA and the root they came with. The same
// input gets the same certificates again.
//
// The error is one of those of ask but ErrNotEnrolled, or preauth.ErrKey.
func (s *Syncer) Enroll(ctx context.Context, in EnrollInput) (Enrolled, error) {
	req, err := enrollRequest(in)
	if err != nil {
		return Enrolled{}, err
	}
	creds := Credentials{URL: in.URL, CA: in.CA}
	resp, err := exchange(ctx, s, creds, callLimit, func(ctx context.Context, c *conn) (*backendv1.EnrollResponse, error) {
		return backendv1.NewEnrollmentServiceClient(c.grpc).Enroll(ctx, req)
	})
	if err != nil {
		return Enrolled{}, err
	}
	e := Enrolled{
		DeviceCert: resp.DeviceCert, TLSCert: resp.TlsCert, TrustBundle: resp.TrustBundle,
		Instruments: s.instruments(ctx, resp.Instruments),
	}
	if e.ServerTime, err = timeOf(resp); err != nil {
		return Enrolled{}, err
	}
	if e.RootKey, err = preauth.PublicKeyFrom(resp.RootKey); err != nil {
		return Enrolled{}, fmt.Errorf("root key: %w: %w", ErrAnswer, err)
	}
	if err := e.verify(in); err != nil {
		return Enrolled{}, err
	}
	s.refusal(nil) // whatever was said of the device that this one was
	return e, nil
}

// enrollRequest proves possession: a signature of kind "enrollment" over the
// credential, a zero byte and both keys.
func enrollRequest(in EnrollInput) (*backendv1.EnrollRequest, error) {
	key := preauth.PublicKeyOf(&in.Key.PublicKey)
	credential := in.Code
	if credential == "" {
		credential = in.Token
	}
	body := slices.Concat([]byte(credential), []byte{0}, key[:], in.NoiseKey[:])
	sig, err := preauth.SignMessage(in.Key, "enrollment", body)
	if err != nil {
		return nil, err
	}
	req := &backendv1.EnrollRequest{
		SigningKey: key[:], NoiseKey: in.NoiseKey[:], Signature: sig, Role: uint32(in.Role),
		Credential: &backendv1.EnrollRequest_Token{Token: in.Token},
	}
	if in.Code != "" {
		req.Credential = &backendv1.EnrollRequest_Code{Code: in.Code}
	}
	return req, nil
}

func (e Enrolled) verify(in EnrollInput) error {
	trust, err := preauth.OpenTrust(e.RootKey, e.TrustBundle)
	if err != nil {
		return fmt.Errorf("trust bundle: %w: %w", ErrAnswer, err)
	}
	cert, err := trust.DeviceCert(e.DeviceCert, in.Role, e.ServerTime)
	if err != nil {
		return fmt.Errorf("device certificate: %w: %w", ErrAnswer, err)
	}
	own := preauth.PublicKeyOf(&in.Key.PublicKey)
	if preauth.PublicKey(cert.Body.SigningKey) != own || [32]byte(cert.Body.NoiseKey) != in.NoiseKey {
		return fmt.Errorf("device certificate of other keys: %w", ErrAnswer)
	}
	return shows(e.TLSCert, in.CA, cert.Body, own)
}

// publicKey is the certificate's key, zero if it is not on P-256.
func publicKey(c *x509.Certificate) preauth.PublicKey {
	if key, ok := c.PublicKey.(*ecdsa.PublicKey); ok {
		return preauth.PublicKeyOf(key)
	}
	return preauth.PublicKey{}
}
