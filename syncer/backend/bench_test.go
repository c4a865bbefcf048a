package backend

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"math/big"
	"net"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/proto"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
	"github.com/vipaso/vipasod/preauth/money"
)

var start = time.Date(2026, 3, 2, 9, 0, 0, 0, time.UTC)

// A bench is a backend with real TLS and a real database, on a clock of its
// own. When the test ends, its books must hold and agree with the signed
// objects.
type bench struct {
	t         *testing.T
	ctx       context.Context
	ms        atomic.Int64
	store     *Store
	path      string
	authority Authority
	server    *Server
	listener  *bufconn.Listener
	grpc      *grpc.Server
	served    chan error
	admin     Admin
}

func newBench(t *testing.T, o Options) *bench {
	t.Helper()
	b := &bench{t: t, ctx: t.Context(), path: filepath.Join(t.TempDir(), "b.db")}
	b.ms.Store(start.UnixMilli())
	b.authority = Authority{
		Root: newKey(t), Issuer: newKey(t), CAKey: newKey(t),
		IssuerFrom: start.Add(-time.Hour), IssuerUntil: start.AddDate(5, 0, 0),
	}
	ca, err := NewCA(b.authority.CAKey, start)
	must(t, err)
	b.authority.CACert = ca
	b.open(o)
	t.Cleanup(func() {
		b.sound()
		b.close()
	})
	return b
}

func (b *bench) open(o Options) {
	b.t.Helper()
	ctx := context.Background()
	store, err := Open(ctx, "sqlite:"+b.path)
	must(b.t, err)
	b.store = store
	o.Now = b.now
	b.server, err = New(ctx, store, b.authority, o)
	must(b.t, err)
	b.admin = Admin{Store: store, Issuer: b.authority.Issuer, Now: b.now}
	b.grpc, err = b.server.GRPC(b.certificate())
	must(b.t, err)
	b.listener = bufconn.Listen(1 << 20)
	g, l, done := b.grpc, b.listener, make(chan error, 1)
	b.served = done
	go func() { done <- g.Serve(l) }()
}

func (b *bench) close() {
	b.grpc.Stop()
	if err := <-b.served; !errors.Is(err, grpc.ErrServerStopped) { // it may never have begun
		must(b.t, err)
	}
	must(b.t, b.store.Close())
}

func (b *bench) now() time.Time              { return time.UnixMilli(b.ms.Load()).UTC() }
func (b *bench) advance(d time.Duration)     { b.ms.Add(d.Milliseconds()) }
func (b *bench) since(d time.Duration) int64 { return start.Add(d).UnixMilli() }

func (b *bench) certificate() tls.Certificate {
	key := newKey(b.t)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "test"}, DNSNames: []string{"localhost"},
		NotBefore: start.Add(-time.Hour), NotAfter: start.AddDate(5, 0, 0),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, b.authority.CACert, &key.PublicKey, b.authority.CAKey)
	must(b.t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

// dial connects, with a client certificate if there is one.
func (b *bench) dial(chain []byte, key *ecdsa.PrivateKey) *grpc.ClientConn {
	b.t.Helper()
	pool := x509.NewCertPool()
	pool.AddCert(b.authority.CACert)
	config := &tls.Config{RootCAs: pool, ServerName: "localhost", Time: b.now, MinVersion: tls.VersionTLS13}
	if chain != nil {
		config.Certificates = []tls.Certificate{{Certificate: [][]byte{chain}, PrivateKey: key}}
	}
	c, err := grpc.NewClient("passthrough:///bench",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return b.listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(credentials.NewTLS(config)))
	must(b.t, err)
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

func (b *bench) plain() *grpc.ClientConn {
	c, err := grpc.NewClient("passthrough:///bench",
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return b.listener.DialContext(ctx) }),
		grpc.WithTransportCredentials(insecure.NewCredentials()))
	must(b.t, err)
	b.t.Cleanup(func() { _ = c.Close() })
	return c
}

// sound fails the test if the books break a rule or disagree with what was
// signed.
func (b *bench) sound() {
	b.t.Helper()
	for _, check := range []func(context.Context) (Report, error){b.admin.Check, b.admin.Reconcile} {
		r, err := check(context.Background())
		must(b.t, err)
		for _, p := range r.Problems {
			b.t.Errorf("%s: %s: %s", p.Rule, p.Subject, p.Detail)
		}
	}
}

func (b *bench) business(name string) preauth.ID {
	id, err := b.admin.CreateBusiness(b.ctx, name, 5812)
	must(b.t, err)
	return id
}

func (b *bench) customer(name string) preauth.ID {
	id, err := b.admin.CreateCustomer(b.ctx, name)
	must(b.t, err)
	return id
}

func (b *bench) instrument(customer preauth.ID, balance int64) preauth.ID {
	id, err := b.admin.CreateInstrument(b.ctx, Instrument{
		Customer: customer, Type: "CARD", Label: "Card", Currency: "USD", PreAuthCapable: true, Free: balance,
	})
	must(b.t, err)
	return id
}

func (b *bench) guarantee(amount int64) {
	must(b.t, b.admin.SetGuarantee(b.ctx, peerv1.Assurance_ASSURANCE_SOFTWARE, money.Amount{Minor: amount, Currency: "USD"}))
}

// free is what an instrument has left, owed what a business is owed.
func (b *bench) free(instrument preauth.ID) int64 {
	return b.balance(ledger.Account{Kind: ledger.Instrument, ID: instrument})
}

func (b *bench) owed(business preauth.ID) int64 {
	return b.balance(ledger.Account{Kind: ledger.Business, ID: business})
}

func (b *bench) balance(a ledger.Account) (sum int64) {
	must(b.t, b.store.Read(b.ctx, func(t Tx) (err error) {
		sum, err = t.balance(a, "USD")
		return err
	}))
	return sum
}

// A party is an enrolled device with its keys and its connection.
type party struct {
	b     *bench
	key   *ecdsa.PrivateKey
	noise [32]byte
	id    preauth.ID
	owner preauth.ID
	cert  []byte
	tls   []byte
	root  preauth.PublicKey
	calls backendv1.SettlementServiceClient
}

func (b *bench) till(business preauth.ID) *party {
	return b.enroll(Party{Business: business}, newKey(b.t))
}

func (b *bench) phone(customer preauth.ID) *party {
	return b.enroll(Party{Customer: customer}, newKey(b.t))
}

func (b *bench) enroll(p Party, key *ecdsa.PrivateKey) *party {
	b.t.Helper()
	code, err := b.admin.EnrollCode(b.ctx, p, time.Hour)
	must(b.t, err)
	d := &party{b: b, key: key, owner: p.Customer}
	if p.Customer.Zero() {
		d.owner = p.Business
	}
	d.noise = random32(b.t)
	resp, err := backendv1.NewEnrollmentServiceClient(b.dial(nil, nil)).Enroll(b.ctx, d.enrollment(code, roleOf(p)))
	must(b.t, err)
	d.accept(resp)
	return d
}

func roleOf(p Party) peerv1.Role { return Device{Party: p}.Role() }

func (d *party) enrollment(code string, role peerv1.Role) *backendv1.EnrollRequest {
	public := preauth.PublicKeyOf(&d.key.PublicKey)
	sig, err := preauth.SignMessage(d.key, "enrollment", slices.Concat([]byte(code), []byte{0}, public[:], d.noise[:]))
	must(d.b.t, err)
	return &backendv1.EnrollRequest{
		Credential: &backendv1.EnrollRequest_Code{Code: code},
		SigningKey: public[:], NoiseKey: d.noise[:], Signature: sig, Role: uint32(role),
	}
}

func (d *party) accept(resp *backendv1.EnrollResponse) {
	d.b.t.Helper()
	cert, err := preauth.Open[*peerv1.DeviceCert](resp.DeviceCert)
	must(d.b.t, err)
	d.id, d.cert, d.tls = preauth.ID(cert.Body.DeviceId), resp.DeviceCert, resp.TlsCert
	d.root = preauth.PublicKey(resp.RootKey)
	d.connect()
}

func (d *party) connect() {
	d.calls = backendv1.NewSettlementServiceClient(d.b.dial(d.tls, d.key))
}

// A wallet is one pre-authorization at its device.
type wallet struct {
	d       *party
	cert    preauth.PreauthCert
	counter uint32
	prev    preauth.Hash
	left    int64
}

func (d *party) preauthorize(instrument preauth.ID, amount int64) *wallet {
	d.b.t.Helper()
	resp, err := d.calls.PreAuthorize(d.b.ctx, &backendv1.PreAuthorizeRequest{
		RequestId: randomID(d.b.t), InstrumentId: instrument[:], Amount: amount, Currency: "USD",
	})
	must(d.b.t, err)
	return d.wallet(resp.PreauthCert)
}

func (d *party) wallet(b []byte) *wallet {
	cert, err := preauth.Open[*peerv1.PreauthCert](b)
	must(d.b.t, err)
	return &wallet{d: d, cert: cert, prev: cert.Hash, left: cert.Body.Limit}
}

// A deal is one payment between a till and a customer, with everything that
// was signed for it. Parts that were never made are zero.
type deal struct {
	till    *party
	request preauth.Request
	cert    []byte
	voucher preauth.Voucher
	charge  preauth.Charge
	receipt preauth.Receipt
	cancel  preauth.Cancel
}

func (d *party) ask(amount int64, change ...func(*peerv1.Request)) *deal {
	body := &peerv1.Request{
		PaymentId: randomID(d.b.t), BusinessDeviceId: d.id[:], Nonce: randomID(d.b.t), Amount: amount, Currency: "USD",
		Tip: &peerv1.TipPolicy{Allowed: true}, TtlMs: 60_000, ChannelBinding: slices.Concat(randomID(d.b.t), randomID(d.b.t)),
		DeviceCert: d.cert, CreatedMs: d.b.now().UnixMilli(),
	}
	for _, f := range change {
		f(body)
	}
	return &deal{till: d, request: signed(d.b.t, d.key, body)}
}

// pay signs the next voucher for the deal.
func (w *wallet) pay(d *deal, tip int64, change ...func(*peerv1.Voucher)) *deal {
	total := d.request.Body.Amount + tip
	w.left -= total
	w.counter++
	body := &peerv1.Voucher{
		PreauthId: w.cert.Body.PreauthId, RequestHash: d.request.Hash[:], Amount: d.request.Body.Amount, Tip: tip, Currency: "USD",
		Counter: w.counter, Remaining: max(w.left, 0), PrevHash: w.prev[:], DeviceTimeMs: w.d.b.now().UnixMilli(),
	}
	for _, f := range change {
		f(body)
	}
	d.cert, d.voucher = w.cert.Bytes, signed(w.d.b.t, w.d.key, body)
	w.prev = d.voucher.Hash
	return d
}

// take is the till's receipt.
func (d *deal) take() *deal {
	promised := d.voucher.Hash
	if d.voucher.Zero() {
		promised = d.charge.Hash
	}
	d.receipt = signed(d.till.b.t, d.till.key, &peerv1.Receipt{
		RequestHash: d.request.Hash[:], VoucherHash: promised[:],
		Status: peerv1.ReceiptStatus_RECEIPT_STATUS_STORED, StoredMs: d.till.b.now().UnixMilli(),
	})
	return d
}

// undo is the till's Cancel.
func (d *deal) undo() *deal {
	d.cancel = signed(d.till.b.t, d.till.key, &peerv1.Cancel{
		RequestHash: d.request.Hash[:], Reason: peerv1.CancelReason_CANCEL_REASON_REVERSAL,
	})
	return d
}

// claim is the item without the Cancel, cancelled the Request with it.
func (d *deal) claim() *backendv1.Item {
	return &backendv1.Item{
		Request: d.request.Bytes, PreauthCert: d.cert, Voucher: d.voucher.Bytes, Charge: d.charge.Bytes, Receipt: d.receipt.Bytes,
	}
}

func (d *deal) cancelled() *backendv1.Item {
	return &backendv1.Item{Request: d.request.Bytes, Cancel: d.cancel.Bytes}
}

// sale is a paid and received payment.
func (w *wallet) sale(till *party, amount int64) *deal { return w.pay(till.ask(amount), 0).take() }

// says is a verdict in one line: outcome, amount, and the reason or what
// falls short.
type says struct {
	outcome string
	amount  int64
	short   int64
	reason  string
}

var (
	cancelled = says{outcome: "CANCELLED"}
	exhausted = func(short int64) says { return says{"REJECTED", 0, short, "EXHAUSTED"} }
	settled   = func(amount int64) says { return says{outcome: "SETTLED", amount: amount} }
)

func (b *bench) read(verdict []byte) says {
	b.t.Helper()
	v, err := b.server.genuine.Load().Verdict(verdict)
	must(b.t, err)
	return says{v.Body.Outcome.String()[len("OUTCOME_"):], v.Body.Amount, v.Body.Shortfall, v.Body.Reason}
}

// submit hands items in and returns the verdicts, or the errors of items.
func (d *party) submit(items ...*backendv1.Item) []says {
	d.b.t.Helper()
	resp, err := d.calls.Submit(d.b.ctx, &backendv1.SubmitRequest{Items: items})
	must(d.b.t, err)
	var all []says
	for _, r := range resp.Results {
		if len(r.Verdict) == 0 {
			all = append(all, says{outcome: "UNJUDGED", reason: r.Error})
			continue
		}
		all = append(all, d.b.read(r.Verdict))
	}
	return all
}

// expect submits and compares.
func (d *party) expect(item *backendv1.Item, want says) {
	d.b.t.Helper()
	if got := d.submit(item); got[0] != want {
		d.b.t.Errorf("verdict is %+v, want %+v", got[0], want)
	}
}

// verdict asks what stands on a deal.
func (d *party) verdict(on *deal) says {
	d.b.t.Helper()
	resp, err := d.calls.Query(d.b.ctx, &backendv1.QueryRequest{RequestHashes: [][]byte{on.request.Hash[:]}})
	must(d.b.t, err)
	if len(resp.Verdicts) == 0 {
		return says{outcome: "UNKNOWN"}
	}
	return d.b.read(resp.Verdicts[0])
}

func signed[M interface {
	*peerv1.Request | *peerv1.Voucher | *peerv1.Charge | *peerv1.Receipt | *peerv1.Cancel
	proto.Message
}](t *testing.T, key *ecdsa.PrivateKey, body M) preauth.Signed[M] {
	t.Helper()
	s, err := preauth.Sign(key, body)
	must(t, err)
	return s
}

// reasonOf is the reason an error carries, empty if there is no error.
func reasonOf(err error) string {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.ErrorInfo); ok && info.Domain == domain {
			return info.Reason
		}
	}
	if err != nil {
		return err.Error()
	}
	return ""
}

func wantReason(t *testing.T, err error, want string) {
	t.Helper()
	if got := reasonOf(err); got != want {
		t.Errorf("reason is %q, want %q (%v)", got, want, err)
	}
}

func newKey(t *testing.T) *ecdsa.PrivateKey {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	return k
}

func randomID(t *testing.T) []byte {
	t.Helper()
	id, err := newID()
	must(t, err)
	return id[:]
}

func random32(t *testing.T) (b [32]byte) {
	t.Helper()
	_, err := rand.Read(b[:])
	must(t, err)
	return b
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// retryDelay is when an error says to come back.
func retryDelay(err error) time.Duration {
	for _, d := range status.Convert(err).Details() {
		if info, ok := d.(*errdetails.RetryInfo); ok {
			return info.RetryDelay.AsDuration()
		}
	}
	return 0
}
