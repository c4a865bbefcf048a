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
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
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
			Issuers: []*peerv1.IssuerKey{{PublicKey: issuer[:], NotBeforeMs: from, NotAfterMs: to}},
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

func TestServerListsItsServices(t *testing.T) {
	conn := newBench(t, asTill, nil).serve(observer)
	stream, err := reflectionv1.NewServerReflectionClient(conn).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{ListServices: "*"},
	}); err != nil {
		t.Fatal(err)
	}
	resp, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range resp.GetListServicesResponse().GetService() {
		got = append(got, s.GetName())
	}
	want := []string{
		"grpc.channelz.v1.Channelz", "grpc.health.v1.Health",
		"grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
		"vipaso.business.v1.BusinessService", "vipaso.customer.v1.CustomerService",
		"vipaso.device.v1.DeviceService", "vipaso.sim.v1.SimService",
	}
	if !slices.Equal(got, want) {
		t.Errorf("services\n%q, want\n%q", got, want)
	}
}

// Every method of the other role's service answers WRONG_ROLE, whatever is
// asked of it.
func TestServerRefusesTheOtherRole(t *testing.T) {
	for _, tt := range []struct {
		role  peerv1.Role
		other grpc.ServiceDesc
	}{
		{asTill, customerv1.CustomerService_ServiceDesc},
		{asCustomer, businessv1.BusinessService_ServiceDesc},
	} {
		conn := newBench(t, tt.role, nil).serve(admin)
		for _, m := range methodsOf(tt.other) {
			err := callAny(t.Context(), conn, tt.other.ServiceName, m)
			wantStatus(t, m, err, codes.FailedPrecondition, "WRONG_ROLE")
		}
	}
}

// methodsOf returns the names of a service's methods.
func methodsOf(d grpc.ServiceDesc) []string {
	var names []string
	for _, m := range d.Methods {
		names = append(names, m.MethodName)
	}
	for _, s := range d.Streams {
		names = append(names, s.StreamName)
	}
	return names
}

// callAny makes a call with an empty message, and returns what came back
// first.
func callAny(ctx context.Context, conn *grpc.ClientConn, service, method string) error {
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, "/"+service+"/"+method)
	if err != nil {
		return err
	}
	if err := stream.SendMsg(&devicev1.GetStatusRequest{}); err != nil {
		return err
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	return stream.RecvMsg(&devicev1.GetStatusResponse{})
}

// A panic in a call is that call's alone: the caller learns nothing but where
// to look, the log has the rest, and the next call is answered.
func TestServerSurvivesAPanic(t *testing.T) {
	b := newBench(t, asTill, nil)
	st := b.store
	b.store = nil
	client := b.business(observer)
	_, err := client.FetchPayments(t.Context(), &paymentv1.FetchPaymentsRequest{})
	wantStatus(t, "with a broken device", err, codes.Internal, "INTERNAL")
	id := errorInfo(t, err).GetMetadata()["incident"]
	if text := err.Error(); strings.Contains(text, "nil pointer") || !strings.Contains(text, id) {
		t.Errorf("told: %s", text)
	}
	if log := b.log.String(); strings.Count(log, "incident="+id) != 1 || !strings.Contains(log, "nil pointer") {
		t.Errorf("logged: %s", log)
	}
	b.store = st
	if _, err := client.FetchPayments(t.Context(), &paymentv1.FetchPaymentsRequest{}); err != nil {
		t.Errorf("next call: %v", err)
	}
}

func TestServerBoundsMessages(t *testing.T) {
	conn := newBench(t, asTill, nil).serve(admin)
	client := devicev1.NewDeviceServiceClient(conn)
	_, err := client.Enroll(t.Context(), &devicev1.EnrollRequest{CaPem: strings.Repeat("x", messageMax)})
	wantStatus(t, "unary", err, codes.InvalidArgument, "MESSAGE_TOO_LARGE")
	big, err := businessv1.NewBusinessServiceClient(conn).StreamPaymentRequest(t.Context(), &businessv1.StreamPaymentRequestRequest{
		Request: &businessv1.SendPaymentRequestViaBleRequest{Amount: strings.Repeat("1", messageMax)},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = big.Recv()
	wantStatus(t, "stream", err, codes.InvalidArgument, "MESSAGE_TOO_LARGE")
}

// What breaks a rule of a field is named, with its path, also in streams.
func TestServerValidates(t *testing.T) {
	conn := newBench(t, asTill, nil).serve(admin)
	client := businessv1.NewBusinessServiceClient(conn)
	good := func() *businessv1.SendPaymentRequestViaBleRequest {
		return &businessv1.SendPaymentRequestViaBleRequest{RequestId: namedID("call").String(), Amount: "12.00", Currency: "USD"}
	}
	for _, tt := range []struct {
		field  string
		change func(*businessv1.SendPaymentRequestViaBleRequest)
	}{
		{"request_id", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.RequestId = "" }},
		{"request_id", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.RequestId = "12" }},
		{"amount", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.Amount = strings.Repeat("1", 65) }},
		{"currency", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.Currency = "US DOLLAR" }},
		{"payment_reference", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.PaymentReference = strings.Repeat("ä", 33) }},
		{"policy", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.Policy = 9 }},
		{"tag_id", func(r *businessv1.SendPaymentRequestViaBleRequest) { r.TagId = "table 4" }},
		{"tip.max", func(r *businessv1.SendPaymentRequestViaBleRequest) {
			r.Tip = &businessv1.TipPolicy{Max: strings.Repeat("1", 65)}
		}},
	} {
		r := good()
		tt.change(r)
		_, err := client.SendPaymentRequestViaBle(t.Context(), r)
		wantField(t, "unary "+tt.field, err, "FIELD_INVALID", tt.field)
		stream, err := client.StreamPaymentRequest(t.Context(), &businessv1.StreamPaymentRequestRequest{Request: r})
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		wantField(t, "stream "+tt.field, err, "FIELD_INVALID", "request."+tt.field)
	}
}
