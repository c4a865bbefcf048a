package rogue

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
)

// errCA says that the stored CA certificate cannot be used.
var errCA = errors.New("no CA certificate")

// Submit hands items in at the backend that dial reaches, as the device of
// the certificate, and returns what the backend says.
func (d *Device) Submit(ctx context.Context, dial func(context.Context) (net.Conn, error), items ...*backendv1.Item) (resp *backendv1.SubmitResponse, err error) {
	conn, err := d.backend(dial)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return backendv1.NewSettlementServiceClient(conn).Submit(ctx, &backendv1.SubmitRequest{Items: items}, grpc.WaitForReady(true))
}

func (d *Device) backend(dial func(context.Context) (net.Conn, error)) (*grpc.ClientConn, error) {
	at, err := url.Parse(d.Identity.BackendURL)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(d.Identity.CA) {
		return nil, fmt.Errorf("%s: %w", at, errCA)
	}
	own := tls.Certificate{Certificate: [][]byte{d.Identity.TLSCert}, PrivateKey: d.Keys.Signing}
	return grpc.NewClient("passthrough:///"+at.Host,
		grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{
			MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: at.Hostname(), Time: func() time.Time { return d.Trust.SignedAt() },
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil },
		})),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return dial(ctx) }),
		grpc.WithDisableServiceConfig(),
	)
}
