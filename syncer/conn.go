package syncer

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/keepalive"
)

// A conn is one connection to one backend. It is dropped after the first
// call that gets no answer, so that the next call dials at once: when to try
// is this package's decision, not the library's.
type conn struct {
	grpc *grpc.ClientConn
	id   identity

	// distrust is why the last handshake did not prove the backend.
	distrust atomic.Pointer[error]

	// Guarded by the Syncer's mu.
	calls   int
	retired bool
}

// dial prepares a connection; the network is first touched by a call. The
// error wraps ErrAddress.
func (s *Syncer) dial(rawURL string, ca []byte, own tls.Certificate) (*conn, error) {
	host, address, err := splitURL(rawURL)
	if err != nil {
		return nil, err
	}
	roots, err := pool(ca)
	if err != nil {
		return nil, err
	}
	config := &tls.Config{
		MinVersion: tls.VersionTLS13, RootCAs: roots, ServerName: host, Time: s.now,
		// The certificate is shown whatever CAs the server names: an
		// answer that says what is wrong beats a silent refusal.
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil },
	}
	c := &conn{id: identityOf(rawURL, ca, own)}
	c.grpc, err = grpc.NewClient("passthrough:///"+address,
		grpc.WithTransportCredentials(&handshake{credentials.NewTLS(config), c}),
		grpc.WithContextDialer(s.dialer),
		grpc.WithDisableServiceConfig(),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: 30 * time.Second, Timeout: 10 * time.Second}),
	)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", rawURL, err, ErrAddress)
	}
	return c, nil
}

func dialTCP(ctx context.Context, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", address)
}

// handshake remembers why a TLS handshake failed: gRPC tells only that one
// did, and an impostor must not look like a lost network.
type handshake struct {
	credentials.TransportCredentials
	c *conn
}

func (h *handshake) ClientHandshake(ctx context.Context, authority string, raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	secure, info, err := h.TransportCredentials.ClientHandshake(ctx, authority, raw)
	h.c.distrust.Store(nil)
	var unverified *tls.CertificateVerificationError
	var notTLS tls.RecordHeaderError
	if errors.As(err, &unverified) || errors.As(err, &notTLS) {
		h.c.distrust.Store(&err)
	}
	return secure, info, err
}

func (h *handshake) Clone() credentials.TransportCredentials {
	return &handshake{h.TransportCredentials.Clone(), h.c}
}

// explain makes an error of a call on c one of this package's.
func (c *conn) explain(err error) error {
	err = translate(err)
	if why := c.distrust.Load(); why != nil && errors.Is(err, ErrOffline) {
		return fmt.Errorf("%w: %w", ErrUntrusted, *why)
	}
	return err
}

// acquire returns the connection for the credentials, the present one if it
// is theirs. The caller releases it.
func (s *Syncer) acquire(creds Credentials) (*conn, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.cut {
		return nil, fmt.Errorf("%w: taken offline", ErrOffline)
	}
	if id := identityOf(creds.URL, creds.CA, creds.TLS); s.conn == nil || s.conn.id != id {
		c, err := s.dial(creds.URL, creds.CA, creds.TLS)
		if err != nil {
			return nil, err
		}
		s.retire(s.conn)
		s.conn = c
	}
	s.conn.calls++
	return s.conn, nil
}

func (s *Syncer) release(c *conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	c.calls--
	if c.retired && c.calls == 0 {
		c.grpc.Close()
	}
}

// retire closes a connection as soon as its last call has ended. The caller
// holds mu.
func (s *Syncer) retire(c *conn) {
	if c == nil {
		return
	}
	c.retired = true
	if s.conn == c {
		s.conn = nil
	}
	if c.calls == 0 {
		c.grpc.Close()
	}
}
