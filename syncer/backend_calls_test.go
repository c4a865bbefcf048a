package syncer

import (
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

func (b *fakeBackend) Enroll(_ context.Context, r *backendv1.EnrollRequest) (*backendv1.EnrollResponse, error) {
	key, err := preauth.PublicKeyFrom(r.SigningKey)
	if err != nil {
		return nil, refusal(codes.PermissionDenied, "PROOF_INVALID", 0)
	}
	body := slices.Concat([]byte(r.GetCode()+r.GetToken()), []byte{0}, r.SigningKey, r.NoiseKey)
	if preauth.VerifyMessage(key, "enrollment", body, r.Signature) != nil {
		return nil, refusal(codes.PermissionDenied, "PROOF_INVALID", 0)
	}
	if r.GetCode() != "CODE" && r.GetToken() != "TOKEN" {
		return nil, refusal(codes.PermissionDenied, "CODE_INVALID", 0)
	}
	public, err := key.ECDSA()
	if err != nil {
		return nil, err
	}
	d := &device{id: testBytes("device", 16), role: peerv1.Role(r.Role), noise: [32]byte(r.NoiseKey)}
	d.key = &ecdsa.PrivateKey{PublicKey: *public}
	root := b.rootKey()
	return &backendv1.EnrollResponse{
		DeviceCert: b.certify(d, time.Hour), TlsCert: b.ca.device(b.t, d.id, public, time.Hour), RootKey: root[:],
		TrustBundle: b.bundle(), Time: signedNow(), Instruments: []*backendv1.Instrument{instrument(2)},
	}, nil
}

// Renew answers with the present certificates while half of an hour and a half
// is left of them.
func (b *fakeBackend) Renew(ctx context.Context, _ *backendv1.RenewRequest) (*backendv1.RenewResponse, error) {
	d := b.device
	d.mu.Lock()
	now := d.creds
	d.mu.Unlock()
	if time.Until(now.CertNotAfter) >= 45*time.Minute {
		return &backendv1.RenewResponse{DeviceCert: now.DeviceCert, TlsCert: now.TLS.Certificate[0], Time: signedNow()}, nil
	}
	return &backendv1.RenewResponse{
		DeviceCert: b.certify(d, 90*time.Minute), TlsCert: b.ca.device(b.t, d.id, &d.key.PublicKey, 90*time.Minute), Time: signedNow(),
	}, nil
}

func (b *fakeBackend) PreAuthorize(_ context.Context, r *backendv1.PreAuthorizeRequest) (*backendv1.PreAuthorizeResponse, error) {
	if r.Amount > 50_000 {
		return nil, refusal(codes.FailedPrecondition, "INSUFFICIENT_FUNDS", 0)
	}
	key, at := preauth.PublicKeyOf(&b.device.key.PublicKey), time.Now()
	cert := &peerv1.PreauthCert{
		PreauthId: testBytes("hold", 16), Serial: 1, Spender: key[:], InstrumentRef: r.InstrumentId, OwnerRef: testBytes("owner", 16),
		Currency: r.Currency, Limit: r.Amount, PaymentMax: r.Amount, PaymentsMax: 1000,
		IssuedMs: at.UnixMilli(), SpendByMs: at.Add(time.Hour).UnixMilli(), SettleByMs: at.Add(2 * time.Hour).UnixMilli(),
		Assurance: peerv1.Assurance_ASSURANCE_SOFTWARE, MinEpoch: b.epoch,
	}
	if len(r.BoundRequest) > 0 {
		h := hashOf(b.t, r.BoundRequest)
		cert.BoundTo = h[:]
	}
	if b.issue != nil {
		b.issue(cert)
	}
	return &backendv1.PreAuthorizeResponse{
		PreauthCert: sign(b.t, b.issuer, cert).Bytes, TrustBundle: b.bundle(), Instrument: instrument(1), Time: signedNow(),
	}, nil
}

func (b *fakeBackend) VoidPreAuthorization(context.Context, *backendv1.VoidPreAuthorizationRequest) (*backendv1.VoidPreAuthorizationResponse, error) {
	return &backendv1.VoidPreAuthorizationResponse{
		TrustBundle: b.bundle(), ReleasedAtMs: time.Now().Add(time.Hour).UnixMilli(), Time: signedNow(),
	}, nil
}

func (b *fakeBackend) RegisterPayment(context.Context, *backendv1.RegisterPaymentRequest) (*backendv1.RegisterPaymentResponse, error) {
	return &backendv1.RegisterPaymentResponse{ChargeUntilMs: time.Now().Add(time.Hour).UnixMilli(), Time: signedNow()}, nil
}

// shownBy names the device of a call's certificate.
func shownBy(ctx context.Context) string {
	p, _ := peer.FromContext(ctx)
	if info, ok := p.AuthInfo.(credentials.TLSInfo); ok && len(info.State.PeerCertificates) > 0 {
		return info.State.PeerCertificates[0].URIs[0].String()
	}
	return ""
}

func testBytes(name string, n int) []byte {
	b := sha256.Sum256([]byte(name))
	return b[:n]
}

func sign[M proto.Message](t testing.TB, key *ecdsa.PrivateKey, body M) preauth.Signed[M] {
	t.Helper()
	s, err := preauth.Sign(key, body)
	if err != nil {
		t.Fatalf("sign: %v", err)
	}
	return s
}

func open[M proto.Message](t testing.TB, b []byte) preauth.Signed[M] {
	t.Helper()
	s, err := preauth.Open[M](b)
	if err != nil {
		t.Errorf("open: %v", err)
	}
	return s
}

func hashOf(t testing.TB, request []byte) preauth.Hash {
	return open[*peerv1.Request](t, request).Hash
}

// promised is what an item's voucher or charge promises, and its hash; without
// either it is what the request asks for.
func promised(t testing.TB, it *backendv1.Item) (int64, []byte) {
	switch {
	case len(it.Voucher) > 0:
		v := open[*peerv1.Voucher](t, it.Voucher)
		return v.Body.Amount + v.Body.Tip, v.Hash[:]
	case len(it.Charge) > 0:
		c := open[*peerv1.Charge](t, it.Charge)
		return c.Body.Amount + c.Body.Tip, c.Hash[:]
	}
	return open[*peerv1.Request](t, it.Request).Body.Amount, nil
}
