package syncer

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"net/url"
	"slices"
)

// splitURL returns the host to expect in the certificate and the address to
// dial of a backend's URL: https, a host, perhaps a port, and nothing else. The
// error wraps ErrAddress.
func splitURL(raw string) (host, address string, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return "", "", fmt.Errorf("URL %q is not written as in https://pay.example:8443: %w", raw, ErrAddress)
	}
	switch {
	case u.Scheme != "https":
		return "", "", fmt.Errorf("URL %q does not begin with https://: %w", raw, ErrAddress)
	case u.Hostname() == "":
		return "", "", fmt.Errorf("URL %q names no host: %w", raw, ErrAddress)
	case u.User != nil, u.RawQuery != "", u.Fragment != "", u.Path != "" && u.Path != "/":
		return "", "", fmt.Errorf("URL %q has more than host and port: %w", raw, ErrAddress)
	}
	port := u.Port()
	if port == "" {
		port = "443"
	}
	return u.Hostname(), net.JoinHostPort(u.Hostname(), port), nil
}

// pool holds the CA's certificates and no other. The error wraps ErrAddress.
func pool(ca []byte) (*x509.CertPool, error) {
	p := x509.NewCertPool()
	if !p.AppendCertsFromPEM(ca) {
		return nil, fmt.Errorf("CA file holds no PEM certificate: %w", ErrAddress)
	}
	return p, nil
}

// An identity tells connections apart: one is reused as long as the address,
// the CA and the certificate are the same.
type identity [sha256.Size]byte

func identityOf(rawURL string, ca []byte, own tls.Certificate) identity {
	parts := [][]byte{[]byte(rawURL), ca}
	parts = append(parts, own.Certificate...)
	var all []byte
	for _, p := range parts {
		sum := sha256.Sum256(p)
		all = slices.Concat(all, sum[:])
	}
	return sha256.Sum256(all)
}
