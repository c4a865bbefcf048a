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
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
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

// Renew gets the certificates that the backend gives the device now, and shows
// them from then on.
func (d *Device) Renew(ctx context.Context, dial func(context.Context) (net.Conn, error)) (err error) {
	conn, err := d.backend(dial)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	resp, err := backendv1.NewSettlementServiceClient(conn).Renew(ctx, &backendv1.RenewRequest{}, grpc.WaitForReady(true))
	if err != nil {
		return err
	}
	d.Identity.DeviceCert, d.Identity.TLSCert = resp.DeviceCert, resp.TlsCert
	d.Cert, err = preauth.Open[*peerv1.DeviceCert](resp.DeviceCert)
	return err
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
