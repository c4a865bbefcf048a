package daemon

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"log/slog"
	"math/big"
	"net"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// deaf is a radio that nobody is near: it can be used, hears nothing, and
// notes what it was told.
type deaf struct {
	mu     sync.Mutex
	status link.Status
	told   link.Advertisement
}

func newDeaf() *deaf { return &deaf{status: link.Status{Adapter: "test", Up: true}} }

func (r *deaf) Advertise(_ context.Context, a link.Advertisement) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = a
	return nil
}

func (r *deaf) Scan(context.Context, bool) error { return nil }

func (r *deaf) NextSighting(ctx context.Context) (link.Sighting, error) {
	<-ctx.Done()
	return link.Sighting{}, ctx.Err()
}

func (r *deaf) Dial(context.Context, string, bool) (link.Link, error) { return nil, link.ErrLost }

func (r *deaf) Accept(ctx context.Context) (link.Link, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func (r *deaf) Status() link.Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

func (r *deaf) set(s link.Status) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.status = s
}

func (r *deaf) Close() error { return nil }

// fixedKey returns the P-256 key of a name, always the same.
func fixedKey(name string) *ecdsa.PrivateKey {
	d := sha256.Sum256([]byte("daemon test key " + name))
	k, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), d[:])
	if err != nil {
		panic(err)
	}
	return k
}

// namedID returns the id of a name, always the same.
func namedID(name string) preauth.ID {
	sum := sha256.Sum256([]byte("daemon test id " + name))
	return preauth.ID(sum[:16])
}

func namedHash(name string) preauth.Hash { return sha256.Sum256([]byte("daemon test hash " + name)) }

// papers is what a backend would have given a device, before it is signed.
type papers struct {
	bundle *peerv1.TrustBundle
	cert   *peerv1.DeviceCert
}

// newPapers returns the papers of a device enrolled an hour ago: a till, or a
// customer device, with limits of 50.00 and 500.00 USD and 100 payments.
func newPapers(role peerv1.Role, keys Keys, now time.Time) papers {
	issuer, key, id, shop := preauth.PublicKeyOf(&fixedKey("issuer").PublicKey), keys.Public(), namedID("device"), namedID("shop")
	from, to := now.Add(-time.Hour).UnixMilli(), now.Add(30*24*time.Hour).UnixMilli()
	p := papers{
		bundle: &peerv1.TrustBundle{
			Epoch: 1, ServerTimeMs: from,
			Issuers:    []*peerv1.IssuerKey{{PublicKey: issuer[:], NotBeforeMs: from, NotAfterMs: to}},
			SealingKey: sealingKey().PublicKey().Bytes(),
		},
		cert: &peerv1.DeviceCert{
			DeviceId: id[:], Role: role, SigningKey: key[:], NoiseKey: keys.Noise.PublicKey().Bytes(), StoredCountMax: 100,
			Caps: []*peerv1.Cap{{Currency: "USD", PaymentMax: 50_00, TotalMax: 500_00}}, NotBeforeMs: from, NotAfterMs: to,
		},
	}
	if role == peerv1.Role_ROLE_BUSINESS {
		p.cert.BusinessId, p.cert.DisplayName, p.cert.Mcc = shop[:], "Kiosk", 5812
	}
	return p
}

func (p papers) sign(t testing.TB) store.Identity {
	t.Helper()
	return store.Identity{
		DeviceCert: signedBy(t, "issuer", p.cert).Bytes, TrustBundle: signedBy(t, "root", p.bundle).Bytes,
		RootKey: preauth.PublicKeyOf(&fixedKey("root").PublicKey), BackendURL: "https://backend.test:1", TLSCert: []byte{1}, CA: backendCA(t),
	}
}

// backendCA is the file that names a backend nobody reaches.
func backendCA(t testing.TB) []byte {
	t.Helper()
	key, now := fixedKey("ca"), time.Now()
	tmpl := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

func signedBy[M proto.Message](t testing.TB, key string, body M) preauth.Signed[M] {
	t.Helper()
	s, err := preauth.Sign(fixedKey(key), body)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// bench is a device with its API, and the radio under it.
type bench struct {
	*Device
	t     testing.TB
	radio *deaf
	log   *strings.Builder // what the server logged; read it after the calls
}

// newBench returns an enrolled device of a role in an empty directory. change
// may alter its options and papers; nil alters nothing.
func newBench(t testing.TB, role peerv1.Role, change func(*Options, *papers)) *bench {
	t.Helper()
	dir, name := t.TempDir(), "customer"
	if role == peerv1.Role_ROLE_BUSINESS {
		name = "business"
	}
	st, err := store.Open(t.Context(), dir, store.Options{Role: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	keys, err := LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, radio: newDeaf(), log: &strings.Builder{}}
	o := Options{
		Role: role, Store: st, Keys: keys, Dir: dir, Radio: b.radio, Driver: "sim",
		DialBackend: func(context.Context, string) (net.Conn, error) { return nil, syscall.ENETUNREACH },
	}
	p := newPapers(role, keys, time.Now())
	if change != nil {
		change(&o, &p)
	}
	if p.cert != nil {
		id := p.sign(t)
		if err := st.Commit(t.Context(), &store.Change{Identity: &id}); err != nil {
			t.Fatal(err)
		}
	}
	if b.Device, err = New(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	return b
}

// notEnrolled is a change of a bench: it has no papers.
func notEnrolled(_ *Options, p *papers) { p.cert = nil }

// run does the device's work until the test ends.
func (b *bench) run() *bench {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- b.Run(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Errorf("run: %v", err)
		}
	})
	return b
}

// serve returns a connection to the device's API as a caller with a role.
func (b *bench) serve(role callerRole) *grpc.ClientConn {
	b.t.Helper()
	log := slog.New(slog.NewTextHandler(&locked{w: b.log}, &slog.HandlerOptions{Level: slog.LevelError}))
	return dialServer(b.t, newServer(b.Device, ServerOptions{Sim: true}, log, asRole(role)))
}

// change stores a change as a step of a payment would.
func (b *bench) change(c *store.Change) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	if err := b.commit(context.Background(), c); err != nil {
		b.t.Fatal(err)
	}
}

// locked lets a server's goroutines write one after the other.
type locked struct {
	mu sync.Mutex
	w  *strings.Builder
}

func (l *locked) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(p)
}

func dialServer(t testing.TB, s *grpc.Server) *grpc.ClientConn {
	t.Helper()
	lis := bufconn.Listen(1 << 20)
	go s.Serve(lis)
	t.Cleanup(s.Stop)
	conn, err := grpc.NewClient("passthrough:///bench", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return lis.DialContext(ctx) }))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// asRole takes every caller for a user with that role.
func asRole(r callerRole) credentials.TransportCredentials { return fixedCaller{role: r} }

type fixedCaller struct {
	peerCredentials
	role callerRole
}

func (f fixedCaller) ServerHandshake(c net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return c, peerUser{uid: 1000, role: f.role}, nil
}

func (f fixedCaller) Clone() credentials.TransportCredentials { return f }

func (b *bench) business(role callerRole) businessv1.BusinessServiceClient {
	return businessv1.NewBusinessServiceClient(b.serve(role))
}

func (b *bench) customer(role callerRole) customerv1.CustomerServiceClient {
	return customerv1.NewCustomerServiceClient(b.serve(role))
}

// Roles of devices, short.
const (
	asTill     = peerv1.Role_ROLE_BUSINESS
	asCustomer = peerv1.Role_ROLE_CUSTOMER
)
