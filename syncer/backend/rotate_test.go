package backend

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
)

// A rotor is a street whose operator rotates keys.
type rotor struct {
	*street
	keys map[preauth.PublicKey]*ecdsa.PrivateKey
}

func newRotor(t *testing.T) *rotor {
	t.Helper()
	r := &rotor{street: newStreet(t), keys: map[preauth.PublicKey]*ecdsa.PrivateKey{}}
	r.authority.Find = r.find
	r.restart()
	return r
}

func sealingKey(t *testing.T) *ecdh.PrivateKey {
	t.Helper()
	key, err := ecdh.X25519().GenerateKey(rand.Reader)
	must(t, err)
	return key
}

// rotateMuch replaces keys as often as a bundle can tell.
func (b *bench) rotateMuch() func(preauth.PublicKey) (*ecdsa.PrivateKey, error) {
	b.t.Helper()
	r := &rotor{street: &street{bench: b}, keys: map[preauth.PublicKey]*ecdsa.PrivateKey{}}
	for range issuersListed - 1 {
		r.issuer(0)
	}
	for range preauth.HandoversMax + 1 {
		r.root()
	}
	return r.find
}

func (r *rotor) find(public preauth.PublicKey) (*ecdsa.PrivateKey, error) {
	for _, k := range []*ecdsa.PrivateKey{r.authority.Root, r.authority.Issuer} {
		if preauth.PublicKeyOf(&k.PublicKey) == public {
			return k, nil
		}
	}
	if k := r.keys[public]; k != nil {
		return k, nil
	}
	return nil, fs.ErrNotExist
}

func (r *rotor) restart() {
	r.t.Helper()
	r.close()
	r.open(Options{})
	for _, p := range []*party{r.till, r.other, r.phone, r.second} {
		p.connect()
	}
}

func (r *rotor) add() preauth.PublicKey {
	k := newKey(r.t)
	public := preauth.PublicKeyOf(&k.PublicKey)
	r.keys[public] = k
	return public
}

func (r *rotor) issuer(overlap time.Duration) preauth.PublicKey {
	r.t.Helper()
	next := r.add()
	from, err := r.admin.RotateIssuer(r.ctx, next, overlap)
	must(r.t, err)
	if from.Before(r.now().Add(overlap).Truncate(time.Millisecond)) {
		r.t.Errorf("it signs from %s on, after %s at %s", from, overlap, r.now())
	}
	return next
}

func (r *rotor) root() preauth.PublicKey {
	r.t.Helper()
	next := r.add()
	from, err := r.admin.RotateRoot(r.ctx, r.find, next)
	must(r.t, err)
	if !from.Equal(r.now()) {
		r.t.Errorf("it signs from %s on, at %s", from, r.now())
	}
	return next
}

// bundleFor is the trust of a device that knows that root key.
func (r *rotor) bundleFor(root preauth.PublicKey) (preauth.Trust, error) {
	r.t.Helper()
	resp, err := r.till.calls.Refresh(r.ctx, &backendv1.RefreshRequest{})
	must(r.t, err)
	return preauth.OpenTrust(root, resp.TrustBundle)
}

// trust is that of a device that knows the first root key.
func (r *rotor) trust() (got preauth.Trust) {
	r.t.Helper()
	must(r.t, r.store.Read(r.ctx, func(t Tx) error {
		b, err := r.server.bundle(t, r.now())
		if err != nil {
			return err
		}
		got, err = preauth.OpenTrust(preauth.PublicKeyOf(&r.authority.Root.PublicKey), b.Bytes)
		return err
	}))
	return got
}

func (r *rotor) wantIssuers(when string, want int) preauth.Trust {
	r.t.Helper()
	got := r.trust()
	if n, certs := len(got.Bundle.Body.Issuers), len(got.Bundle.Body.IssuerCerts); n != want || certs != want {
		r.t.Errorf("%s: %d issuers, %d certificates of issuers; want %d", when, n, certs, want)
	}
	return got
}

func TestAnIssuerKeyIsReplaced(t *testing.T) {
	r := newRotor(t)
	first := preauth.PublicKeyOf(&r.authority.Issuer.PublicKey)
	old := r.phone.preauthorize(r.card, 50_00)
	before := r.wantIssuers("before", 1)

	next := r.issuer(IssuerOverlap)
	listed := r.wantIssuers("at once", 2)
	if listed.Epoch() != before.Epoch()+1 {
		t.Errorf("epoch %d after %d", listed.Epoch(), before.Epoch())
	}
	meanwhile := r.phone.preauthorize(r.card, 10_00)
	if meanwhile.cert.KeyID() != first.KeyID() || meanwhile.cert.Body.MinEpoch != old.cert.Body.MinEpoch {
		t.Errorf("in the overlap key %x signs, for tills of epoch %d", meanwhile.cert.KeyID(), meanwhile.cert.Body.MinEpoch)
	}

	r.advance(IssuerOverlap)
	fresh := r.phone.preauthorize(r.card, 10_00)
	if fresh.cert.KeyID() != next.KeyID() || fresh.cert.Body.MinEpoch != listed.Epoch() {
		t.Errorf("afterwards key %x signs, for tills of epoch %d", fresh.cert.KeyID(), fresh.cert.Body.MinEpoch)
	}
	sale := old.sale(r.till, 10_00)
	r.till.expect(sale.claim(), settled(10_00))
	if v, err := listed.Verdict(r.standing(sale)); err != nil || v.KeyID() != next.KeyID() {
		t.Errorf("the verdict: %v", err)
	}
	r.till.expect(fresh.sale(r.till, 10_00).claim(), settled(10_00))
	r.restart()
	r.till.expect(meanwhile.sale(r.till, 10_00).claim(), settled(10_00))
	if _, err := listed.PreauthCert(old.cert.Bytes, r.now()); err != nil {
		t.Errorf("what the old key signed: %v", err)
	}
}

func TestAnIssuerKeyStaysListedWhileItMatters(t *testing.T) {
	r := newRotor(t)
	old := r.phone.preauthorize(r.card, 50_00)
	sale := old.sale(r.till, 10_00)
	r.till.expect(sale.claim(), settled(10_00))
	r.issuer(0)
	must(t, r.server.Sweep(r.ctx))
	retired := r.wantIssuers("when it is replaced", 2)
	if again := r.wantIssuers("again", 2); again.Epoch() != retired.Epoch() {
		t.Errorf("epoch %d, then %d, with the same lists", retired.Epoch(), again.Epoch())
	}
	end := start.Add(certLife + ledger.Grace)
	if ms := retired.Bundle.Body.Issuers[1].NotAfterMs; ms < end.UnixMilli() || ms > end.Add(day).UnixMilli() {
		t.Errorf("it ends at %s", time.UnixMilli(ms).UTC())
	}
	if _, err := retired.DeviceCert(r.phone.cert, 2, start.Add(certLife-day)); err != nil {
		t.Errorf("a device's certificate, before it ends: %v", err)
	}
	r.advance(end.Sub(r.now()))
	must(t, r.server.Sweep(r.ctx))
	r.wantIssuers("at the end", 2)
	r.advance(day)
	must(t, r.server.Sweep(r.ctx))
	gone := r.wantIssuers("afterwards", 1)
	if gone.Epoch() <= retired.Epoch() {
		t.Errorf("epoch %d after %d", gone.Epoch(), retired.Epoch())
	}
	if _, err := r.server.genuine.Load().GenuinePreauth(old.cert.Bytes); err != nil {
		t.Errorf("settlement knows it still: %v", err)
	}
	_, err := r.till.calls.Renew(r.ctx, &backendv1.RenewRequest{})
	must(t, err)
	again, err := r.till.calls.Submit(r.ctx, &backendv1.SubmitRequest{Items: []*backendv1.Item{sale.claim()}})
	must(t, err)
	asked, err := r.till.calls.Query(r.ctx, &backendv1.QueryRequest{RequestHashes: [][]byte{sale.request.Hash[:]}})
	must(t, err)
	for what, b := range map[string][]byte{"handed in again": again.Results[0].Verdict, "asked for": asked.Verdicts[0]} {
		if v, err := gone.Verdict(b); err != nil || v.Body.Amount != 10_00 {
			t.Errorf("the verdict, %s: %v", what, err)
		}
	}
	if v, err := retired.Verdict(r.standing(sale)); err != nil || v.KeyID() != preauth.PublicKey(retired.Bundle.Body.Issuers[1].PublicKey).KeyID() {
		t.Errorf("the verdict, as it is kept: %v", err)
	}
	keys, err := r.admin.IssuerKeys(r.ctx)
	must(t, err)
	if len(keys) != 2 || !keys[0].Signs || !keys[0].Listed || keys[1].Signs || keys[1].Listed {
		t.Errorf("keys: %+v", keys)
	}
}

func TestIssuerKeysAreBounded(t *testing.T) {
	r := newRotor(t)
	for range issuersListed - 1 {
		r.issuer(0)
	}
	if _, err := r.admin.RotateIssuer(r.ctx, r.add(), 0); !errors.Is(err, ErrIssuersFull) {
		t.Errorf("one more: %v", err)
	}
	if _, err := r.admin.RotateIssuer(r.ctx, r.add(), -1); !errors.Is(err, ErrInvalid) {
		t.Errorf("before now: %v", err)
	}
	if _, err := r.admin.RotateIssuer(r.ctx, r.add(), IssuerLife+time.Hour); !errors.Is(err, ErrInvalid) {
		t.Errorf("after the present key has ended: %v", err)
	}
	r.wantIssuers("then", issuersListed)
}

func TestDevicesFollowTheRoot(t *testing.T) {
	r := newRotor(t)
	roots := []preauth.PublicKey{preauth.PublicKeyOf(&r.authority.Root.PublicKey)}
	before := r.trust()
	roots = append(roots, r.root(), r.root())
	for i, known := range roots {
		got, err := r.bundleFor(known)
		if err != nil || got.Root != roots[2] || got.Epoch() != before.Epoch()+2 {
			t.Errorf("a device that knows root %d: root %x, epoch %d, %v", i, got.Root.KeyID(), got.Epoch(), err)
		}
		if _, err := preauth.OpenIssuance(known, got.Issuance()); err != nil {
			t.Errorf("a receipt for somebody who knows root %d: %v", i, err)
		}
	}
	if p := r.enroll(Party{Customer: r.phone.owner}, newKey(t)); p.root != roots[2] {
		t.Errorf("a new device learns root %x", p.root.KeyID())
	}
	r.restart()
	for len(roots) < preauth.HandoversMax+2 {
		roots = append(roots, r.root())
	}
	if _, err := r.bundleFor(roots[0]); !errors.Is(err, preauth.ErrSignature) {
		t.Errorf("a device that missed nine roots: %v", err)
	}
	if got, err := r.bundleFor(roots[1]); err != nil || got.Root != roots[len(roots)-1] {
		t.Errorf("a device that missed eight roots: %v", err)
	}
}

func TestKeysMustBeThere(t *testing.T) {
	for name, rotate := range map[string]func(*rotor) preauth.PublicKey{
		"root":   (*rotor).root,
		"issuer": func(r *rotor) preauth.PublicKey { return r.issuer(0) },
	} {
		r := newRotor(t)
		delete(r.keys, rotate(r))
		if _, err := New(r.ctx, r.store, r.authority, Options{Now: r.now}); !errors.Is(err, ErrForeign) || !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("without the %s key: %v", name, err)
		}
		r.authority.Find = nil
		if _, err := New(r.ctx, r.store, r.authority, Options{Now: r.now}); !errors.Is(err, ErrForeign) {
			t.Errorf("without the %s key, and nowhere to look: %v", name, err)
		}
	}
	r := newRotor(t)
	if _, err := r.admin.RotateRoot(r.ctx, func(preauth.PublicKey) (*ecdsa.PrivateKey, error) { return nil, fs.ErrNotExist }, r.add()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a handover that nobody can sign: %v", err)
	}
	r.wantIssuers("of the first root", 1)
}

// A first sealing key raises the epoch, as does another one. That what was sealed
// for a lost one cannot be opened is told, once.
func TestANewSealingKeyRaisesTheEpoch(t *testing.T) {
	r := newRotor(t)
	var log strings.Builder
	start := func(key *ecdh.PrivateKey) {
		r.authority.Sealing = key
		_, err := New(r.ctx, r.store, r.authority, Options{Now: r.now, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		must(t, err)
	}
	start(sealingKey(t))
	if strings.Contains(log.String(), "sealing key") {
		t.Errorf("of a first key: %s", &log)
	}
	another := sealingKey(t)
	start(another)
	start(another)
	if strings.Count(log.String(), "the sealing key is another one") != 1 {
		t.Errorf("of another key: %s", &log)
	}
	before := r.trust()
	key := sealingKey(t)
	r.authority.Sealing = key
	for range 2 {
		r.restart()
		got := r.trust()
		if got.Epoch() != before.Epoch()+1 || string(got.Bundle.Body.SealingKey) != string(key.PublicKey().Bytes()) {
			t.Errorf("epoch %d after %d, sealing key %x", got.Epoch(), before.Epoch(), got.Bundle.Body.SealingKey)
		}
	}
}

// Books of before keep their root key.
func TestBooksOfOneRootKey(t *testing.T) {
	path := filepath.Join(t.TempDir(), "b.db")
	db, err := sql.Open("sqlite3", path)
	must(t, err)
	files, err := fs.Sub(migrations, "migrations")
	must(t, err)
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	must(t, err)
	_, err = p.UpTo(t.Context(), 3)
	must(t, err)
	root, issuer := newKey(t), newKey(t)
	public := preauth.PublicKeyOf(&root.PublicKey)
	_, err = db.Exec(`INSERT INTO settings (name, value) VALUES ('root_key', ?)`, hex.EncodeToString(public[:]))
	must(t, err)
	must(t, db.Close())
	store, err := Open(context.Background(), "sqlite:"+path)
	must(t, err)
	a := Authority{Root: root, Issuer: issuer, IssuerFrom: start, IssuerUntil: start.Add(day)}
	if _, err := New(t.Context(), store, a, Options{}); err != nil {
		t.Errorf("its own: %v", err)
	}
	a.Root = newKey(t)
	if _, err := New(t.Context(), store, a, Options{}); !errors.Is(err, ErrForeign) {
		t.Errorf("another: %v", err)
	}
	must(t, store.Close())
}
