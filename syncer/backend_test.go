package syncer

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net"
	"net/url"
	"path"
	"slices"
	"sync"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// A ca signs the certificates of both ends of a connection.
type ca struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func newCA(t testing.TB) ca {
	t.Helper()
	c := ca{key: newKey(t)}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	c.cert, c.pem = sealed(t, template, template, &c.key.PublicKey, c.key)
	return c
}

func sealed(t testing.TB, template, parent *x509.Certificate, key any, by *ecdsa.PrivateKey) (*x509.Certificate, []byte) {
	t.Helper()
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key, by)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// server is the backend's certificate.
func (c ca) server(t testing.TB) tls.Certificate {
	t.Helper()
	key := newKey(t)
	cert, _ := sealed(t, &x509.Certificate{
		SerialNumber: big.NewInt(2), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0),
		DNSNames: []string{"backend.test"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}, c.cert, &key.PublicKey, c.key)
	return tls.Certificate{Certificate: [][]byte{cert.Raw}, PrivateKey: key}
}

// device is a device's certificate, valid for life.
func (c ca) device(t testing.TB, id []byte, key *ecdsa.PublicKey, life time.Duration) []byte {
	t.Helper()
	return c.sealed(t, id, key, life)
}

// deviceAny is a device's certificate for a key of any kind.
func (c ca) deviceAny(t testing.TB, id []byte, key any) []byte {
	t.Helper()
	return c.sealed(t, id, key, time.Hour)
}

func (c ca) sealed(t testing.TB, id []byte, key any, life time.Duration) []byte {
	t.Helper()
	cert, _ := sealed(t, &x509.Certificate{
		SerialNumber: big.NewInt(3), NotBefore: time.Now(), NotAfter: time.Now().Add(life),
		URIs:     []*url.URL{{Scheme: "urn", Opaque: "uuid:" + preauth.ID(id).String()}},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}, c.cert, key, c.key)
	return cert.Raw
}

// A fakeBackend answers as the real one does, as far as a device can tell. It
// settles every claim it gets in full.
type fakeBackend struct {
	backendv1.UnimplementedEnrollmentServiceServer
	backendv1.UnimplementedSettlementServiceServer

	t            testing.TB
	ca           ca
	root, issuer *ecdsa.PrivateKey
	device       *device

	mu       sync.Mutex
	epoch    uint64
	calls    []string
	callers  []string // URI of each call's certificate
	times    []time.Time
	batches  []int // sizes
	verdicts map[preauth.Hash][]byte
	settled  map[preauth.Hash]int    // how often money moved
	silent   map[preauth.Hash]string // items without a verdict, and why

	handed [][]byte // requests in order of arrival

	changed   [][]byte                    // verdicts that replaced others, the first is number 1
	refreshed []*backendv1.RefreshRequest // in order
	anew      [][]byte                    // certificates that are signed anew

	refuse func(method string) error     // before a call
	lose   func(method string) bool      // its answer
	bend   func(method string, resp any) // its answer
	issue  func(*peerv1.PreauthCert)     // before it is signed
}

func newBackend(t testing.TB) *fakeBackend {
	b := &fakeBackend{
		t: t, ca: newCA(t), root: newKey(t), issuer: newKey(t), epoch: 3,
		verdicts: map[preauth.Hash][]byte{}, settled: map[preauth.Hash]int{},
		silent: map[preauth.Hash]string{},
	}
	return b
}

// serve answers on a listener until the test ends.
func (b *fakeBackend) serve(lis net.Listener) (stop func()) {
	g := grpc.NewServer(
		grpc.Creds(credentials.NewTLS(&tls.Config{
			Certificates: []tls.Certificate{b.ca.server(b.t)}, MinVersion: tls.VersionTLS13, ClientAuth: tls.RequestClientCert,
		})),
		grpc.UnaryInterceptor(b.intercept),
	)
	backendv1.RegisterEnrollmentServiceServer(g, b)
	backendv1.RegisterSettlementServiceServer(g, b)
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := g.Serve(lis); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			b.t.Errorf("serve: %v", err)
		}
	}()
	return func() { g.Stop(); <-done }
}

func (b *fakeBackend) intercept(ctx context.Context, req any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	method := path.Base(info.FullMethod)
	b.mu.Lock()
	b.calls, b.times = append(b.calls, method), append(b.times, time.Now())
	b.callers = append(b.callers, shownBy(ctx))
	refuse, lose, bend := b.refuse, b.lose, b.bend
	b.mu.Unlock()
	if refuse != nil {
		if err := refuse(method); err != nil {
			return nil, err
		}
	}
	resp, err := next(ctx, req)
	if err == nil && bend != nil {
		bend(method, resp)
	}
	if lose != nil && lose(method) {
		return nil, status.Error(codes.Unavailable, "lost") // as the network says it
	}
	return resp, err
}

// refusal is an error as the backend gives it.
func refusal(code codes.Code, reason string, after time.Duration) error {
	s, err := status.New(code, "in words").WithDetails(&errdetails.ErrorInfo{Domain: domain, Reason: reason})
	if after > 0 {
		s, err = s.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)})
	}
	if err != nil {
		return err
	}
	return s.Err()
}

func signedNow() *backendv1.SignedTime {
	return &backendv1.SignedTime{ServerTimeMs: time.Now().UnixMilli()}
}

func (b *fakeBackend) bundle() []byte {
	key := preauth.PublicKeyOf(&b.issuer.PublicKey)
	return sign(b.t, b.root, &peerv1.TrustBundle{
		Epoch: b.epoch, ServerTimeMs: time.Now().UnixMilli(),
		Issuers: []*peerv1.IssuerKey{{PublicKey: key[:], NotBeforeMs: 1, NotAfterMs: time.Now().AddDate(2, 0, 0).UnixMilli()}},
	}).Bytes
}

func (b *fakeBackend) rootKey() preauth.PublicKey { return preauth.PublicKeyOf(&b.root.PublicKey) }

// certify is the signed certificate of a device.
func (b *fakeBackend) certify(d *device, life time.Duration) []byte {
	key := preauth.PublicKeyOf(&d.key.PublicKey)
	cert := &peerv1.DeviceCert{
		DeviceId: d.id, Role: d.role, SigningKey: key[:], NoiseKey: d.noise[:],
		NotBeforeMs: time.Now().UnixMilli(), NotAfterMs: time.Now().Add(life).UnixMilli(),
	}
	if d.role == peerv1.Role_ROLE_BUSINESS {
		cert.BusinessId, cert.DisplayName = testBytes("business", 16), "Cafe"
	}
	return sign(b.t, b.issuer, cert).Bytes
}

func (b *fakeBackend) Submit(_ context.Context, r *backendv1.SubmitRequest) (*backendv1.SubmitResponse, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.batches = append(b.batches, len(r.Items))
	resp := &backendv1.SubmitResponse{Time: signedNow()}
	for _, it := range r.Items {
		if string(it.PreauthCert) == "malformed" {
			return nil, refusal(codes.InvalidArgument, "FIELD_INVALID", 0)
		}
		b.handed = append(b.handed, it.Request)
		result := &backendv1.ItemResult{}
		resp.Results = append(resp.Results, result)
		request := hashOf(b.t, it.Request)
		if why, ok := b.silent[request]; ok {
			result.Error = why
			continue
		}
		result.Verdict = b.judge(request, it)
	}
	for i, it := range r.Items { // a later Cancel changes what an earlier claim got
		if len(resp.Results[i].Verdict) > 0 {
			resp.Results[i].Verdict = b.verdicts[hashOf(b.t, it.Request)]
		}
	}
	resp.Totals = b.totals(r.Items, resp.Results)
	return resp, nil
}

// judge settles a request once, and cancels it for ever.
func (b *fakeBackend) judge(request preauth.Hash, it *backendv1.Item) []byte {
	total, promise := promised(b.t, it)
	if old, ok := b.verdicts[request]; ok && len(it.Cancel) == 0 {
		return old
	}
	v := &peerv1.Verdict{RequestHash: request[:], VoucherHash: promise, Outcome: peerv1.Outcome_OUTCOME_SETTLED, Amount: total, TimeMs: time.Now().UnixMilli()}
	if len(it.Cancel) > 0 {
		v.Outcome, v.Amount = peerv1.Outcome_OUTCOME_CANCELLED, 0
	} else {
		b.settled[request]++
	}
	b.verdicts[request] = sign(b.t, b.issuer, v).Bytes
	return b.verdicts[request]
}

// totals follow the package comment of outbox.
func (b *fakeBackend) totals(items []*backendv1.Item, results []*backendv1.ItemResult) []*backendv1.Total {
	sums := map[preauth.Hash]int64{}
	for i, it := range items {
		request := hashOf(b.t, it.Request)
		if total, promise := promised(b.t, it); len(results[i].Verdict) > 0 && (promise != nil || sums[request] == 0) {
			sums[request] = total
		}
	}
	var lines []outbox.Total
	for i, it := range items {
		request := hashOf(b.t, it.Request)
		sum, ok := sums[request]
		if len(results[i].Verdict) == 0 || !ok {
			continue
		}
		delete(sums, request)
		r, v := open[*peerv1.Request](b.t, it.Request), open[*peerv1.Verdict](b.t, results[i].Verdict)
		lines = append(lines, outbox.Total{Currency: r.Body.Currency, Outcome: v.Body.Outcome, Count: 1, Sum: sum, Settled: v.Body.Amount})
	}
	var all []*backendv1.Total
	for _, l := range outbox.Add(lines, nil) {
		all = append(all, &backendv1.Total{Currency: l.Currency, Outcome: uint32(l.Outcome), Count: l.Count, Sum: l.Sum, Settled: l.Settled})
	}
	return all
}

func (b *fakeBackend) Query(_ context.Context, r *backendv1.QueryRequest) (*backendv1.QueryResponse, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	resp := &backendv1.QueryResponse{Time: signedNow()}
	for _, h := range r.RequestHashes {
		if v, ok := b.verdicts[preauth.Hash(h)]; ok {
			resp.Verdicts = append(resp.Verdicts, v)
		}
	}
	return resp, nil
}

func (b *fakeBackend) Refresh(_ context.Context, r *backendv1.RefreshRequest) (*backendv1.RefreshResponse, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refreshed = append(b.refreshed, r)
	to := min(int(r.VerdictsAfter)+changedMax, len(b.changed))
	return &backendv1.RefreshResponse{
		TrustBundle: b.bundle(), Time: signedNow(), Voided: [][]byte{testBytes("voided", 16)},
		Instruments: []*backendv1.Instrument{instrument(1), instrument(9)},
		Verdicts:    b.changed[min(int(r.VerdictsAfter), to):to], VerdictsTo: int64(to), PreauthCerts: b.anew,
	}, nil
}

// instrument is a funding source of a type.
func instrument(kind uint32) *backendv1.Instrument {
	return &backendv1.Instrument{
		InstrumentId: testBytes("card", 16), Type: kind, Label: "Card", Currency: "USD", Balance: 50_000, PreAuthCapable: true,
	}
}

// A log is what a backend has seen so far.
type log struct {
	calls   []string
	callers []string
	times   []time.Time
	batches []int
	handed  int
}

func (b *fakeBackend) seen() log {
	b.mu.Lock()
	defer b.mu.Unlock()
	return log{
		slices.Clone(b.calls), slices.Clone(b.callers), slices.Clone(b.times), slices.Clone(b.batches), len(b.handed),
	}
}

// count is how often a method was called.
func (l log) count(method string) int {
	n := 0
	for _, c := range l.calls {
		if c == method {
			n++
		}
	}
	return n
}

func (b *fakeBackend) count(method string) int { return b.seen().count(method) }

// now changes how the backend answers from here on.
func (b *fakeBackend) now(change func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change()
}
