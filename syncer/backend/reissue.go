package backend

import (
	"bytes"
	"context"
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
	epochs map[[8]byte]uint64                // of the first bundle that named a key
	key    func() (*ecdsa.PrivateKey, error) // that signs now
}

func (s *Server) reissuer(t Tx, now time.Time) (reissuer, error) {
	all, err := t.issuerKeys()
	if err != nil {
		return reissuer{}, err
	}
	r := reissuer{
		listed: map[[8]byte]bool{}, epochs: map[[8]byte]uint64{},
		key: func() (*ecdsa.PrivateKey, error) {
			s.knowIssuers(all)
			return s.keys.private(signing(all, now).public)
		},
	}
	for _, k := range all {
		r.listed[k.public.KeyID()], r.epochs[k.public.KeyID()] = k.listed, k.epoch
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
// device may have another signature than it needs: those that were signed anew,
// each time, for an answer can get lost, and by outdated the holds whose
// certificates still have to be.
func (r reissuer) preauths(holds []hold, now time.Time) (certs [][]byte, outdated []hold, err error) {
	for _, h := range holds {
		if !h.voided.IsZero() || !now.Before(h.spendBy) {
			continue
		}
		c, err := preauth.Open[*peerv1.PreauthCert](h.cert)
		if err != nil {
			return nil, nil, err
		}
		switch {
		case !r.listed[c.KeyID()]:
			outdated = append(outdated, h)
		case r.epochs[c.KeyID()] != c.Body.MinEpoch: // which is that of the key that signed it first
			certs = append(certs, c.Bytes)
		}
	}
	return certs, outdated, nil
}

// certifyAnew returns the certificates of holds as bundles lead to them.
func (s *Server) certifyAnew(ctx context.Context, holds []hold, now time.Time) (certs [][]byte, err error) {
	if len(holds) == 0 {
		return nil, nil
	}
	err = s.store.Write(ctx, func(t Tx) error {
		issued, err := s.reissuer(t, now)
		if err != nil {
			return err
		}
		for _, before := range holds {
			h, _, err := t.hold(before.id)
			if err != nil {
				return err
			}
			c, err := issued.hold(t, h)
			if err != nil {
				return err
			}
			certs = append(certs, c)
		}
		return nil
	})
	return certs, err
}

// hold returns the certificate of a hold as bundles lead to it. Signed anew it
// is stored, so that it is signed once, and all who ask get the same.
func (r reissuer) hold(t Tx, h hold) ([]byte, error) {
	c, err := reissued[*peerv1.PreauthCert](r, h.cert)
	if err != nil || bytes.Equal(c, h.cert) {
		return c, err
	}
	return c, t.recertify(h.id, c)
}

// disowns reports whether bundles list the key no more that signed a device's
// certificate.
func (r reissuer) disowns(cert []byte) (bool, error) {
	c, err := preauth.Open[*peerv1.DeviceCert](cert)
	return err == nil && !r.listed[c.KeyID()], err
}
