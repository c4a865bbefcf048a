package store

import (
	"context"
	"fmt"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// putAuthorization stores a new pre-authorization, or what has been heard of
// a known one: that it is void, which it stays, and its certificate with
// another signature. Counter, chain and holds of a known one are the store's.
// The error wraps ErrConflict if the certificate says something else.
func (t *tx) putAuthorization(a *Authorization) error {
	prev := a.Prev
	if prev.Zero() {
		prev = a.Cert.Hash
	}
	return t.swap(`INSERT INTO authorizations (id, cert, cert_hash, instrument, delegated, voided, counter, prev, held, spent)
		VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, 0)
		ON CONFLICT (id) DO UPDATE SET cert = excluded.cert, instrument = excluded.instrument, delegated = excluded.delegated,
			voided = max(voided, excluded.voided)
		WHERE cert_hash = excluded.cert_hash`,
		fixed(a.ID()), a.Cert.Bytes, fixed(a.Cert.Hash), optional(a.Instrument), a.Delegated, a.Voided, a.Counter, fixed(prev))
}

const (
	authorizationColumns = `id, cert, instrument, delegated, voided, counter, prev, held, spent`
	queryAuthorizations  = `SELECT ` + authorizationColumns + ` FROM authorizations ORDER BY n`
	queryAuthorization   = `SELECT ` + authorizationColumns + ` FROM authorizations WHERE id = ?`
	queryUnacked         = `SELECT cancel_bytes, amount + tip FROM attempts
		WHERE preauth = ? AND cancel_order > 0 AND cancel_acked = 0 AND voucher IS NOT NULL ORDER BY cancel_order, n`
)

func scanAuthorization(r row) (Authorization, error) {
	var a Authorization
	var id preauth.ID
	var cert []byte
	err := r.Scan(into{id[:]}, &cert, into{a.Instrument[:]}, &a.Delegated, &a.Voided, &a.Counter, into{a.Prev[:]}, &a.Held, &a.Spent)
	if err != nil {
		return a, err
	}
	if a.Cert, err = preauth.Open[*peerv1.PreauthCert](cert); err != nil {
		return a, fmt.Errorf("certificate of pre-authorization %s: %w: %w", id, ErrCorrupt, err)
	}
	return a, nil
}

// Authorizations returns all pre-authorizations, oldest first, each with what
// its vouchers hold and have spent, and the Cancels the backend has not
// acknowledged.
func (s *Store) Authorizations(ctx context.Context) ([]Authorization, error) {
	return s.authorizations(ctx, queryAuthorizations)
}

// Authorization returns one pre-authorization. The error wraps ErrNotFound.
func (s *Store) Authorization(ctx context.Context, id preauth.ID) (Authorization, error) {
	all, err := s.authorizations(ctx, queryAuthorization, fixed(id))
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Authorization{}, fmt.Errorf("pre-authorization %s: %w", id, err)
	}
	return all[0], nil
}

func (s *Store) authorizations(ctx context.Context, query string, args ...any) ([]Authorization, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	all, err := list(ctx, s, scanAuthorization, query, args...)
	if err != nil {
		return nil, err
	}
	for i := range all {
		all[i].Unacked, err = list(ctx, s, func(r row) (u preauth.Unacked, err error) {
			return u, r.Scan(&u.Cancel, &u.Total)
		}, queryUnacked, fixed(all[i].ID()))
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}
