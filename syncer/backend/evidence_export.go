package backend

import (
	"context"
	"fmt"
	"slices"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// A Proven is evidence of a double spend that the backend keeps.
type Proven struct {
	ID      int64
	Kind    string // preauth.SameCounter or preauth.OverLimit
	Device  preauth.ID
	Preauth preauth.ID
	Counter uint32 // of both vouchers, with SameCounter
	At      time.Time
}

// Evidence returns all evidence, oldest first.
func (a Admin) Evidence(ctx context.Context) (all []Proven, err error) {
	err = a.Store.Read(ctx, func(t Tx) error {
		all, err = t.evidence()
		return err
	})
	return all, err
}

// ExportEvidence returns evidence as anyone can verify it who knows a root key
// of this backend. The error wraps ErrNotFound.
func (s *Server) ExportEvidence(ctx context.Context, id int64) (e *peerv1.Evidence, err error) {
	err = s.store.Read(ctx, func(t Tx) error {
		e, err = s.evidenceOf(t, id)
		return err
	})
	return e, err
}

func (s *Server) evidenceOf(t Tx, id int64) (*peerv1.Evidence, error) {
	all, err := t.evidence()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(all, func(p Proven) bool { return p.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("evidence %d: %w", id, ErrNotFound)
	}
	objects, err := t.evidenceObjects(id)
	if err != nil {
		return nil, err
	}
	cert, err := preauth.Open[*peerv1.PreauthCert](objects[0])
	if err != nil {
		return nil, fmt.Errorf("evidence %d: %w", id, err)
	}
	accused, ok, err := t.deviceKey(preauth.PublicKey(cert.Body.Spender))
	if err != nil {
		return nil, err
	}
	if !ok {
		return nil, fmt.Errorf("evidence %d: device of key %x: %w", id, preauth.PublicKey(cert.Body.Spender).KeyID(), ErrNotFound)
	}
	device, err := preauth.Open[*peerv1.DeviceCert](accused.cert)
	if err != nil {
		return nil, fmt.Errorf("evidence %d: %w", id, err)
	}
	from, err := s.issuance(t, cert.KeyID(), device.KeyID())
	return &peerv1.Evidence{
		Kind: all[i].Kind, PreauthCert: objects[0], Vouchers: objects[1:], DeviceCert: accused.cert, Issuance: from,
	}, err
}

// issuance leads from the root keys to the issuers with those key ids, also to
// those that no bundle lists any more.
func (s *Server) issuance(t Tx, keyIDs ...[8]byte) (*peerv1.Issuance, error) {
	root, handovers, err := s.root(t)
	if err != nil {
		return nil, err
	}
	keys, err := t.issuerKeys()
	if err != nil {
		return nil, err
	}
	from := &peerv1.Issuance{Handovers: handovers}
	for _, k := range keys {
		if !slices.Contains(keyIDs, k.public.KeyID()) {
			continue
		}
		c, err := preauth.Sign(root, k.message())
		if err != nil {
			return nil, fmt.Errorf("sign issuer key %x: %w", k.public.KeyID(), err)
		}
		from.IssuerCerts = append(from.IssuerCerts, c.Bytes)
	}
	return from, nil
}

func (t Tx) evidence() (all []Proven, err error) {
	err = t.each(`SELECT seq, kind, device_id, preauth_id, counter, at_ms FROM evidence ORDER BY seq`, nil, func(row func(...any) error) error {
		var p Proven
		err := row(&p.ID, &p.Kind, fixed(p.Device[:]), fixed(p.Preauth[:]), &p.Counter, moment{&p.At})
		all = append(all, p)
		return err
	})
	return all, err
}

// evidenceObjects returns the pre-authorization's certificate and the vouchers.
func (t Tx) evidenceObjects(id int64) (all [][]byte, err error) {
	err = t.each(`SELECT bytes FROM evidence_objects WHERE evidence_seq = ? ORDER BY position`, []any{id}, func(row func(...any) error) error {
		var b []byte
		err := row(&b)
		all = append(all, b)
		return err
	})
	return all, err
}
