package prove

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/syncer/backend"
)

// errOffline says that a call got no answer.
var errOffline = errors.New("no answer of the backend")

// office is the backend: the real books and the real service, called as the
// port calls it, and the checker's own eye on the tables.
type office struct {
	w       *world
	options backend.Options
	books   *backend.Store // nil while the process is down
	server  *backend.Server
	eye     *sql.DB
	next    fault // of the next commit, in a script
}

// open starts the backend on the copied books.
func (w *world) openOffice(guarantee int64) error {
	ids := numbered(fmt.Sprint("run ", w.seed))
	w.newID = func() (preauth.ID, error) { return ids() }
	o := &office{w: w, options: backend.Options{
		PreauthLife: 7 * 24 * time.Hour, SettleAfter: 7 * 24 * time.Hour,
		Now: func() time.Time { return w.now }, NewID: w.newID,
	}}
	w.office = o
	if err := o.boot(); err != nil {
		return err
	}
	err := o.guarantee(guarantee)
	if err != nil {
		return err
	}
	file := (&url.URL{Scheme: "file", Opaque: filepath.Join(w.dir, booksFile)}).String()
	o.eye, err = sql.Open("sqlite3", file+"?_query_only=on&_busy_timeout=5000&_stmt_cache_size=8")
	if err == nil {
		o.eye.SetMaxOpenConns(1)
	}
	return err
}

// guarantee sets what the issuer pays per till for what is set aside from now
// on.
func (o *office) guarantee(cents int64) error {
	admin := backend.Admin{Store: o.books, Now: o.options.Now}
	return admin.SetGuarantee(ctx, peerv1.Assurance_ASSURANCE_SOFTWARE, money.Amount{Minor: cents, Currency: "USD"})
}

func (o *office) boot() error {
	books, err := backend.Open(ctx, "sqlite:"+filepath.Join(o.w.dir, booksFile))
	if err != nil {
		return fmt.Errorf("backend does not start: %w", err)
	}
	o.books = books
	o.server, err = backend.New(ctx, books, o.w.stage.authority, o.options)
	return err
}

func (o *office) up() bool { return o.books != nil }

func (o *office) crash() error {
	if !o.up() {
		return nil
	}
	o.w.tell("backend", "", "✗ dies", preauth.Hash{})
	o.w.harm["backend killed"]++
	err := o.books.Close()
	o.books, o.server = nil, nil
	return err
}

func (o *office) close() error {
	err := o.crash()
	if o.eye != nil {
		err = errors.Join(err, o.eye.Close())
	}
	return err
}

// shownBy is the context of a call over a connection on which p has shown its
// certificate and proven its key.
func shownBy(p *person) context.Context {
	leaf := &x509.Certificate{
		PublicKey: &p.key.PublicKey,
		URIs:      []*url.URL{{Scheme: "urn", Opaque: "uuid:" + p.id.String()}},
	}
	return peer.NewContext(ctx, &peer.Peer{AuthInfo: credentials.TLSInfo{
		State: tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}},
	}})
}

// serve runs one call of p as the port would.
func serve[Q, A any](o *office, p *person, method string, q Q, call func(context.Context, Q) (A, error)) (A, error) {
	var none A
	got, err := o.server.Identify(shownBy(p), q, &grpc.UnaryServerInfo{FullMethod: method},
		func(ctx context.Context, _ any) (any, error) { return call(ctx, q) })
	if err != nil {
		return none, err
	}
	return got.(A), nil
}

// submit hands items in and compares what the books then say with the model.
func (o *office) submit(p *person, items []*backendv1.Item) (*backendv1.SubmitResponse, error) {
	resp, err := serve(o, p, backendv1.SettlementService_Submit_FullMethodName, &backendv1.SubmitRequest{Items: items}, o.server.Submit)
	if err != nil {
		return nil, o.w.check.broken("backend fails: %v", err)
	}
	for _, it := range items {
		o.w.check.model.submit(it, o.w.now)
	}
	return resp, o.w.check.books()
}

// sweep lets the backend look at what has passed its settle_by, as it does by
// itself when the time has come.
func (o *office) sweep() error {
	if err := o.server.Sweep(ctx); err != nil {
		return o.w.check.broken("backend sweeps: %v", err)
	}
	o.w.check.model.sweep(o.w.now)
	return o.w.check.books()
}

func (o *office) query(p *person, hashes []preauth.Hash) (*backendv1.QueryResponse, error) {
	q := &backendv1.QueryRequest{}
	for _, h := range hashes {
		q.RequestHashes = append(q.RequestHashes, h[:])
	}
	return serve(o, p, backendv1.SettlementService_Query_FullMethodName, q, o.server.Query)
}

func (o *office) refresh(p *person, epoch uint64, after int64) (*backendv1.RefreshResponse, error) {
	q := &backendv1.RefreshRequest{BundleEpoch: epoch, VerdictsAfter: after}
	return serve(o, p, backendv1.SettlementService_Refresh_FullMethodName, q, o.server.Refresh)
}

// reach says whether a call gets through, and whether its answer comes back.
func (o *office) reach() (there, back bool) {
	if !o.up() || o.w.cutOff {
		return false, false
	}
	if o.w.quiet {
		return true, true
	}
	return !o.w.dice.chance(50), !o.w.dice.chance(100)
}

// fails decides whether a commit of the backend fails, and how. Its process
// then ends without an answer, and learns from its books what is on disk.
func (o *office) fails() fault {
	if f := o.next; f != faultNone {
		o.next = faultNone
		return f
	}
	if o.w.quiet || !o.w.dice.chance(15) {
		return faultNone
	}
	f := faultLost
	if o.w.dice.chance(500) {
		f = faultKept
	}
	o.w.harm["backend's "+harmNames[f]]++
	return f
}

// commits runs what a call writes. answered is false if the process has ended
// over it, whether what was written is on disk or not.
func (o *office) commits(write func() error) (answered bool, err error) {
	f := o.fails()
	if f == faultLost {
		return false, o.crash()
	}
	if err := write(); err != nil || f == faultNone {
		return true, err
	}
	return false, o.crash()
}

// register opens the minutes in which a Charge is taken. It reports whether
// the till heard that.
func (o *office) register(d *device, id preauth.ID) bool {
	there, back := o.reach()
	if !there {
		return false
	}
	answered, err := o.commits(func() error {
		_, err := serve(o, d.person, backendv1.SettlementService_RegisterPayment_FullMethodName,
			&backendv1.RegisterPaymentRequest{PaymentId: id[:]}, o.server.RegisterPayment)
		if err == nil {
			o.w.check.model.register(d.id, id, o.w.now)
		}
		return err
	})
	return err == nil && answered && back
}

// preauthorize has the issuer set funds aside. The answer may get lost: the
// same request id gets the same certificate again.
func (o *office) preauthorize(p *person, q *backendv1.PreAuthorizeRequest) (*backendv1.PreAuthorizeResponse, error) {
	there, back := o.reach()
	if !there {
		return nil, errOffline
	}
	var got *backendv1.PreAuthorizeResponse
	answered, err := o.commits(func() (err error) {
		if got, err = serve(o, p, backendv1.SettlementService_PreAuthorize_FullMethodName, q, o.server.PreAuthorize); err != nil {
			return err
		}
		c, err := preauth.Open[*peerv1.PreauthCert](got.PreauthCert)
		if err != nil {
			return o.w.check.broken("certificate: %v", err)
		}
		o.w.vouched(c.Bytes, preauth.ID{})
		o.w.check.model.reserve(c.Body)
		return o.w.check.books()
	})
	if err == nil && !(answered && back) {
		err = errOffline
	}
	if err != nil {
		return nil, err
	}
	return got, nil
}

// void stops spending on a pre-authorization.
func (o *office) void(p *person, id preauth.ID) (*backendv1.VoidPreAuthorizationResponse, error) {
	there, back := o.reach()
	if !there {
		return nil, errOffline
	}
	request, _ := o.w.newID()
	var got *backendv1.VoidPreAuthorizationResponse
	answered, err := o.commits(func() (err error) {
		got, err = serve(o, p, backendv1.SettlementService_VoidPreAuthorization_FullMethodName,
			&backendv1.VoidPreAuthorizationRequest{RequestId: request[:], PreauthId: id[:]}, o.server.VoidPreAuthorization)
		return err
	})
	if err == nil && !(answered && back) {
		err = errOffline
	}
	return got, err
}
