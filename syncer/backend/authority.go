package backend

import (
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/url"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// backdate is how far before its making a certificate starts to count, for
// devices whose clock is behind.
const backdate = time.Hour

// An Authority is the backend's secrets: the root key that signs trust
// bundles, the issuer key that signs certificates and verdicts, the X25519
// key that opens what devices sealed, and the CA of the transport. Which issuer
// key signs is said by the books: Issuer is the first one of new books, and
// otherwise one more that may be found.
type Authority struct {
	Root    *ecdsa.PrivateKey
	Issuer  *ecdsa.PrivateKey
	Sealing *ecdh.PrivateKey // nil: bundles name none

	// Find returns the private keys that rotation has put beside Root and
	// Issuer, by their public ones. Nil: there are no others.
	Find func(preauth.PublicKey) (*ecdsa.PrivateKey, error)

	// IssuerFrom and IssuerUntil bound the validity of the issuer key. They
	// count once, when the key is first used with a database.
	IssuerFrom, IssuerUntil time.Time

	CAKey  *ecdsa.PrivateKey
	CACert *x509.Certificate
}

// NewCA makes the self-signed certificate of a transport CA.
func NewCA(key *ecdsa.PrivateKey, now time.Time) (*x509.Certificate, error) {
	serial, err := certSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "Vipaso backend CA"},
		NotBefore: now.Add(-backdate), NotAfter: now.AddDate(20, 0, 0),
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, fmt.Errorf("sign CA: %w", err)
	}
	return x509.ParseCertificate(der)
}

// deviceTLS makes the X.509 certificate by which a device shows itself on a
// connection: its signing key, its id in a URI name, no other use.
func (a Authority) deviceTLS(key preauth.PublicKey, device preauth.ID, from, until time.Time) ([]byte, error) {
	public, err := key.ECDSA()
	if err != nil {
		return nil, err
	}
	serial, err := certSerial()
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: device.String()},
		URIs:      []*url.URL{{Scheme: "urn", Opaque: "uuid:" + device.String()}},
		NotBefore: from, NotAfter: until,
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.CACert, public, a.CAKey)
	if err != nil {
		return nil, fmt.Errorf("sign certificate of device %s: %w", device, err)
	}
	return der, nil
}

// deviceOf reads the device id that deviceTLS put into a certificate.
func deviceOf(c *x509.Certificate) (preauth.ID, bool) {
	const prefix = "uuid:"
	for _, u := range c.URIs {
		if u.Scheme == "urn" && len(u.Opaque) > len(prefix) && u.Opaque[:len(prefix)] == prefix {
			id, err := preauth.ParseID(u.Opaque[len(prefix):])
			return id, err == nil
		}
	}
	return preauth.ID{}, false
}

func certSerial() (*big.Int, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("serial: %w", err)
	}
	return serial.Add(serial, big.NewInt(1)), nil
}
