package backend

import (
	"bytes"
	"crypto/ecdsa"
	"time"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// A reissuer gives what an issuer key has signed as a device of today can
// verify it. Objects are known by the hash of their bodies: one that is signed
// anew is the same object.
type reissuer struct {
	listed map[[8]byte]bool
	key    func() (*ecdsa.PrivateKey, error) // that signs now
}

func (s *Server) reissuer(t Tx, now time.Time) (reissuer, error) {
	all, err := t.issuerKeys()
	if err != nil {
		return reissuer{}, err
	}
	r := reissuer{
		listed: map[[8]byte]bool{},
		key: func() (*ecdsa.PrivateKey, error) {
			s.knowIssuers(all)
			return s.keys.private(signing(all, now).public)
		},
	}
	for _, k := range listed(all) {
		r.listed[k.public.KeyID()] = true
	}
	return r, nil
}

// reissued returns b if bundles list the key that signed it, and else the same
// body, signed by the present key.
func reissued[M proto.Message](r reissuer, b []byte) ([]byte, error) {
	o, err := preauth.Open[M](b)
	if err != nil || r.listed[o.KeyID()] {
		return b, err
	}
	key, err := r.key()
	if err != nil {
		return nil, err
	}
	o, err = preauth.Sign(key, o.Body)
	return o.Bytes, err
}

// preauths returns the certificates of holds that can be spent and whose
// device has another signature than it needs.
func (r reissuer) preauths(holds []hold, now time.Time) (certs [][]byte, err error) {
	for _, h := range holds {
		if !h.voided.IsZero() || !now.Before(h.spendBy) {
			continue
		}
		c, err := reissued[*peerv1.PreauthCert](r, h.cert)
		if err != nil {
			return nil, err
		}
		if !bytes.Equal(c, h.cert) {
			certs = append(certs, c)
		}
	}
	return certs, nil
}

// disowns reports whether bundles list the key no more that signed a device's
// certificate.
func (r reissuer) disowns(cert []byte) (bool, error) {
	c, err := preauth.Open[*peerv1.DeviceCert](cert)
	return err == nil && !r.listed[c.KeyID()], err
}
