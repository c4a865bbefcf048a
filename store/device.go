package store

import (
	"context"
	"errors"
	"time"
)

// saveIdentity replaces who the device is.
func (t *tx) saveIdentity(i *Identity) error {
	return t.exec(`INSERT INTO identity (id, device_cert, tls_cert, root_key, trust_bundle, ca, backend_url, locked, void_until_ms)
		VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (id) DO UPDATE SET device_cert = excluded.device_cert, tls_cert = excluded.tls_cert, root_key = excluded.root_key,
			trust_bundle = excluded.trust_bundle, ca = excluded.ca, backend_url = excluded.backend_url, locked = excluded.locked,
			void_until_ms = excluded.void_until_ms`,
		i.DeviceCert, i.TLSCert, i.RootKey[:], i.TrustBundle, i.CA, i.BackendURL, i.Locked, ms(i.VoidUntil))
}

// Identity returns who the device is, the zero value if it is not enrolled.
func (s *Store) Identity(ctx context.Context) (Identity, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return Identity{}, err
	}
	defer s.mu.Unlock()
	i, err := one(ctx, s, func(r row) (i Identity, err error) {
		return i, r.Scan(&i.DeviceCert, &i.TLSCert, into{i.RootKey[:]}, &i.TrustBundle, &i.CA, &i.BackendURL, &i.Locked, clock{&i.VoidUntil})
	}, `SELECT device_cert, tls_cert, root_key, trust_bundle, ca, backend_url, locked, void_until_ms FROM identity WHERE id = 1`)
	if errors.Is(err, ErrNotFound) {
		return Identity{}, nil
	}
	return i, err
}

// replaceInstruments stores the list of instruments instead of the one
// before.
func (t *tx) replaceInstruments(all []Instrument) error {
	if err := t.exec(`DELETE FROM instruments`); err != nil {
		return err
	}
	for _, i := range all {
		err := t.exec(`INSERT INTO instruments (id, type, label, currency, balance, pre_auth_capable, delegated) VALUES (?, ?, ?, ?, ?, ?, ?)`,
			fixed(i.ID), i.Type, i.Label, i.Currency, i.Balance, i.PreAuthCapable, i.Delegated)
		if err != nil {
			return err
		}
	}
	return nil
}

// Instruments returns the instruments, in the order of the last Change that
// had some.
func (s *Store) Instruments(ctx context.Context) ([]Instrument, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return list(ctx, s, func(r row) (i Instrument, err error) {
		return i, r.Scan(into{i.ID[:]}, &i.Type, &i.Label, &i.Currency, &i.Balance, &i.PreAuthCapable, &i.Delegated)
	}, `SELECT id, type, label, currency, balance, pre_auth_capable, delegated FROM instruments ORDER BY n`)
}

// VerdictsTo returns how far the backend's list of changed verdicts was read,
// zero at first.
func (s *Store) VerdictsTo(ctx context.Context) (int64, error) {
	if _, err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return s.head.verdicts, nil
}

// Floor returns the stored trusted-time floor, in milliseconds; zero if there
// is none.
func (s *Store) Floor(ctx context.Context) (time.Time, error) {
	if _, err := s.enter(ctx); err != nil {
		return time.Time{}, err
	}
	defer s.mu.Unlock()
	return s.head.floor, nil
}

// Heard returns when the backend last answered, by its own clock; zero if it
// never did since the store keeps that.
func (s *Store) Heard(ctx context.Context) (time.Time, error) {
	if _, err := s.enter(ctx); err != nil {
		return time.Time{}, err
	}
	defer s.mu.Unlock()
	return s.head.heard, nil
}
