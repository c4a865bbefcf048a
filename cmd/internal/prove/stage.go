package prove

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer/backend"
)

// start is when every run begins.
var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// Where the stage keeps the backend's books.
const (
	booksFile = "backend.db"
	booksHead = "backend.head" // without it they would be an older copy
)

// funds is the first balance of each customer's instrument, in cents.
const funds = 150_00

// person is one of those who take part: a device with its identity, known to
// the backend.
type person struct {
	name       string
	role       peerv1.Role
	id         preauth.ID
	party      backend.Party
	key        *ecdsa.PrivateKey
	cert       preauth.DeviceCert
	instrument preauth.ID // a customer's
}

func (p *person) business() bool { return p.role == peerv1.Role_ROLE_BUSINESS }

// Stage is what all runs begin with: books and stores of devices that have
// just been enrolled. Runs copy it.
type Stage struct {
	dir       string
	authority backend.Authority
	people    []*person
}

// NewStage sets the stage in a directory of its own below dir, which should
// be in memory. stored is how many payments not settled yet the operator lets
// devices have, 0 for as many as if nobody had said so. Close removes it.
func NewStage(dir string, stored uint32) (*Stage, error) {
	at, err := os.MkdirTemp(dir, "prove-")
	if err != nil {
		return nil, err
	}
	s := &Stage{dir: at}
	if err := s.build(context.Background(), stored); err != nil {
		return nil, errors.Join(fmt.Errorf("stage: %w", err), s.Close())
	}
	return s, nil
}

// Close removes the stage and what runs have left there.
func (s *Stage) Close() error { return os.RemoveAll(s.dir) }

func (s *Stage) build(ctx context.Context, stored uint32) error {
	if err := s.makeKeys(); err != nil {
		return err
	}
	books, err := backend.Open(ctx, "sqlite:"+filepath.Join(s.dir, booksFile))
	if err != nil {
		return err
	}
	now := func() time.Time { return start }
	ids := numbered("stage")
	newID := func() (preauth.ID, error) { return ids() }
	server, err := backend.New(ctx, books, s.authority, backend.Options{Now: now, NewID: newID})
	if err != nil {
		return errors.Join(err, books.Close())
	}
	admin := backend.Admin{Store: books, Issuer: s.authority.Issuer, Now: now, NewID: newID}
	if stored > 0 {
		if err := admin.SetLimits(ctx, "", func(all *peerv1.DeviceCert, _ *peerv1.Cap) { all.StoredCountMax = stored }); err != nil {
			return errors.Join(err, books.Close())
		}
	}
	for _, who := range []struct {
		name string
		role peerv1.Role
	}{
		{"luna", peerv1.Role_ROLE_BUSINESS}, {"sol", peerv1.Role_ROLE_BUSINESS},
		{"ann", peerv1.Role_ROLE_CUSTOMER}, {"bob", peerv1.Role_ROLE_CUSTOMER}, {"eve", peerv1.Role_ROLE_CUSTOMER},
	} {
		p := &person{name: who.name, role: who.role}
		if err := s.enroll(ctx, server, admin, p); err != nil {
			return errors.Join(fmt.Errorf("enroll %s: %w", who.name, err), books.Close())
		}
		s.people = append(s.people, p)
	}
	return books.Close()
}

func (s *Stage) makeKeys() error {
	var err error
	for name, key := range map[string]**ecdsa.PrivateKey{
		"root": &s.authority.Root, "issuer": &s.authority.Issuer, "ca": &s.authority.CAKey,
	} {
		if *key, err = keyOf(name); err != nil {
			return err
		}
	}
	s.authority.IssuerFrom, s.authority.IssuerUntil = start.Add(-time.Hour), start.AddDate(5, 0, 0)
	s.authority.CACert, err = backend.NewCA(s.authority.CAKey, start)
	return err
}

// enroll makes a person known to the backend and prepares the store.
func (s *Stage) enroll(ctx context.Context, server *backend.Server, admin backend.Admin, p *person) error {
	var err error
	if p.key, err = keyOf(p.name); err != nil {
		return err
	}
	var instruments []store.Instrument
	if p.business() {
		p.party.Business, err = admin.CreateBusiness(ctx, "Cafe "+p.name, 5812)
	} else {
		if p.party.Customer, err = admin.CreateCustomer(ctx, p.name); err != nil {
			return err
		}
		p.instrument, err = admin.CreateInstrument(ctx, backend.Instrument{
			Customer: p.party.Customer, Type: "CARD", Label: "Card", Currency: "USD", PreAuthCapable: true, Free: funds,
		})
		instruments = []store.Instrument{{ID: p.instrument, Type: "CARD", Label: "Card", Currency: "USD", PreAuthCapable: true, Balance: funds}}
	}
	if err != nil {
		return err
	}
	code, err := admin.EnrollCode(ctx, p.party, time.Hour)
	if err != nil {
		return err
	}
	got, err := server.Enroll(ctx, enrollRequest(p, code))
	if err != nil {
		return err
	}
	if p.cert, err = preauth.Open[*peerv1.DeviceCert](got.DeviceCert); err != nil {
		return err
	}
	p.id = preauth.ID(p.cert.Body.DeviceId)
	return s.prepare(ctx, p, got, instruments)
}

func enrollRequest(p *person, code string) *backendv1.EnrollRequest {
	public := preauth.PublicKeyOf(&p.key.PublicKey)
	secret := sha256.Sum256([]byte("noise key of " + p.name))
	noise, _ := ecdh.X25519().NewPrivateKey(secret[:]) // any 32 bytes are one
	r := &backendv1.EnrollRequest{
		Role: uint32(p.role), Credential: &backendv1.EnrollRequest_Code{Code: code},
		SigningKey: public[:], NoiseKey: noise.PublicKey().Bytes(),
	}
	body := append([]byte(code), 0)
	body = append(append(body, r.SigningKey...), r.NoiseKey...)
	r.Signature, _ = preauth.SignMessage(p.key, "enrollment", body) // fails for other curves only
	return r
}

// prepare makes the store of a device that has just been enrolled.
func (s *Stage) prepare(ctx context.Context, p *person, got *backendv1.EnrollResponse, instruments []store.Instrument) error {
	st, err := store.Open(ctx, filepath.Join(s.dir, p.name), store.Options{Role: roleName(p.role), Now: func() time.Time { return start }})
	if err != nil {
		return err
	}
	err = st.Commit(ctx, &store.Change{
		Instruments: instruments, Floor: time.UnixMilli(got.Time.ServerTimeMs),
		Identity: &store.Identity{
			DeviceCert: got.DeviceCert, TLSCert: got.TlsCert, RootKey: preauth.PublicKey(got.RootKey),
			TrustBundle: got.TrustBundle, BackendURL: "https://backend",
		},
	})
	return errors.Join(err, st.Close())
}

func roleName(r peerv1.Role) string {
	if r == peerv1.Role_ROLE_BUSINESS {
		return store.Business
	}
	return store.Customer
}

// copyTo copies the stage into an empty directory.
func (s *Stage) copyTo(dir string) error {
	for _, name := range []string{booksFile, booksHead} {
		if err := copyFile(filepath.Join(dir, name), filepath.Join(s.dir, name)); err != nil {
			return err
		}
	}
	for _, p := range s.people {
		if err := os.Mkdir(filepath.Join(dir, p.name), 0o700); err != nil {
			return err
		}
		files, err := os.ReadDir(filepath.Join(s.dir, p.name))
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := copyFile(filepath.Join(dir, p.name, f.Name()), filepath.Join(s.dir, p.name, f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyFile(to, from string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o600)
}
