package backend

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net"
	"path/filepath"
	"time"

	"github.com/vipaso/vipasod/syncer/backend"
)

// The certificate of the port is looked at when the backend starts, and not
// again: a process may run for serverRenew before no device believes it any
// more.
const (
	serverLife  = 5 * 365 * 24 * time.Hour
	serverRenew = 4 * 365 * 24 * time.Hour
)

// serverCertificate reads the certificate of the port, and makes a new one if
// there is none that can be used: one for the key that is there, of today's CA,
// that names host and does not end soon.
func serverCertificate(dir string, a backend.Authority, host string, now time.Time) (tls.Certificate, error) {
	key, err := ensureKey(filepath.Join(dir, serverKeyFile))
	if err != nil {
		return tls.Certificate{}, err
	}
	path := filepath.Join(dir, serverFile)
	cert, err := readCert(path)
	if err != nil || !key.PublicKey.Equal(cert.PublicKey) || now.Before(cert.NotBefore) || now.Add(serverRenew).After(cert.NotAfter) ||
		!names(cert, host) || cert.CheckSignatureFrom(a.CACert) != nil {
		if cert, err = makeServerCertificate(a, &key.PublicKey, host, now); err != nil {
			return tls.Certificate{}, err
		}
		if err := writeFile(path, encodeCert(cert.Raw), 0o644); err != nil {
			return tls.Certificate{}, err
		}
	}
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key, Leaf: cert}, nil
}

func names(c *x509.Certificate, host string) bool {
	return host == "" || c.VerifyHostname(host) == nil
}

func makeServerCertificate(a backend.Authority, public any, host string, now time.Time) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("serial: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Vipaso backend"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(serverLife),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	if ip := net.ParseIP(host); ip != nil {
		template.IPAddresses = append(template.IPAddresses, ip)
	} else if host != "" && host != "localhost" {
		template.DNSNames = append(template.DNSNames, host)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.CACert, public, a.CAKey)
	if err != nil {
		return nil, fmt.Errorf("sign server certificate: %w", err)
	}
	return x509.ParseCertificate(der)
}
