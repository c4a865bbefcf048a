package backend

import (
	"context"
	"crypto/ecdsa"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"

	"github.com/vipaso/vipasod/preauth"
)

// TLSConfig is what the server's port needs: TLS 1.3, a client certificate
// taken if there is one. Whether a certificate is genuine is decided here,
// whether it still counts is decided per call, because an expired or revoked
// device must still be able to hand in what it holds.
func (s *Server) TLSConfig(certificate tls.Certificate) *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(s.authority.CACert)
	return &tls.Config{
		Certificates: []tls.Certificate{certificate},
		MinVersion:   tls.VersionTLS13,
		ClientAuth:   tls.RequestClientCert,
		ClientCAs:    pool,
		Time:         s.now,
		NextProtos:   []string{"h2"},
		VerifyConnection: func(c tls.ConnectionState) error {
			if len(c.PeerCertificates) == 0 {
				return nil
			}
			leaf := c.PeerCertificates[0]
			_, err := leaf.Verify(x509.VerifyOptions{
				Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
				CurrentTime: leaf.NotBefore.Add(time.Second),
			})
			return err
		},
	}
}

// A caller is the device on the other end of a call.
type caller struct {
	device Device
	key    deviceKey
}

type callerKey struct{}

// from returns the caller that Identify has put into the context.
func from(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// access says which callers a method takes beside sound devices.
type access struct{ anybody, expired, revoked bool }

var methods = map[string]access{
	backendv1.EnrollmentService_Enroll_FullMethodName:       {anybody: true},
	"/grpc.health.v1.Health/Check":                          {anybody: true},
	"/grpc.health.v1.Health/Watch":                          {anybody: true},
	backendv1.SettlementService_Submit_FullMethodName:       {expired: true, revoked: true},
	backendv1.SettlementService_SubmitSealed_FullMethodName: {expired: true, revoked: true},
	backendv1.SettlementService_Query_FullMethodName:        {expired: true, revoked: true}, // what became of it
	backendv1.SettlementService_Renew_FullMethodName:        {expired: true},
}

// Identify is the interceptor that finds out who calls, and refuses whom the
// method does not take.
func (s *Server) Identify(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	a := methods[info.FullMethod]
	if a.anybody {
		return next(ctx, req)
	}
	c, err := s.callerOf(ctx)
	if err != nil {
		return nil, err
	}
	if !c.device.Revoked.IsZero() && !a.revoked {
		return nil, fmt.Errorf("device %s: %w", c.device.ID, ErrDeviceRevoked)
	}
	if s.now().After(c.key.notAfter) && !a.expired {
		return nil, fmt.Errorf("device %s: %w", c.device.ID, ErrCertificateExpired)
	}
	return next(context.WithValue(ctx, callerKey{}, c), req)
}

// callerOf reads the client certificate, whose chain and possession the
// handshake has proven, and finds its device.
func (s *Server) callerOf(ctx context.Context) (c caller, err error) {
	id, key, ok := shown(ctx)
	if !ok {
		return c, ErrNoCertificate
	}
	err = s.store.Read(ctx, func(t Tx) error {
		var known bool
		if c.key, known, err = t.deviceKey(key); err != nil {
			return err
		}
		if !known || c.key.device != id {
			return fmt.Errorf("device %s: %w", id, ErrNoCertificate)
		}
		c.device, _, err = t.device(id)
		return err
	})
	return c, err
}

func shown(ctx context.Context) (preauth.ID, preauth.PublicKey, bool) {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return preauth.ID{}, preauth.PublicKey{}, false
	}
	info, ok := p.AuthInfo.(credentials.TLSInfo)
	if !ok || len(info.State.PeerCertificates) == 0 {
		return preauth.ID{}, preauth.PublicKey{}, false
	}
	leaf := info.State.PeerCertificates[0]
	public, ok := leaf.PublicKey.(*ecdsa.PublicKey)
	if !ok {
		return preauth.ID{}, preauth.PublicKey{}, false
	}
	id, ok := deviceOf(leaf)
	return id, preauth.PublicKeyOf(public), ok
}

// sound refuses a device that was revoked since Identify let it in. What
// certifies or promises something asks again in the transaction that does so:
// a call may have waited for the one that revoked its device.
func (t Tx) sound(c caller) error {
	d, ok, err := t.device(c.device.ID)
	if err == nil && (!ok || !d.Revoked.IsZero()) {
		err = fmt.Errorf("device %s: %w", c.device.ID, ErrDeviceRevoked)
	}
	return err
}

// wantCustomer refuses tills, wantBusiness refuses customers.
func wantCustomer(c caller) error {
	if c.device.Party.Customer.Zero() {
		return fmt.Errorf("device %s is a till: %w", c.device.ID, ErrWrongRole)
	}
	return nil
}

func wantBusiness(c caller) error {
	if c.device.Party.Business.Zero() {
		return fmt.Errorf("device %s is a customer's: %w", c.device.ID, ErrWrongRole)
	}
	return nil
}
