//go:build amd64

package crash

import (
	"context"
	"crypto/ecdh"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/backend"
)

const booksFile, booksHead = "backend.db", "backend.head"

// books is the flow of a backend.
var books = flow{name: "backend", run: runBooks, sound: soundBooks, file: booksFile, head: booksHead, fileMax: 500 << 10, diskMax: 700 << 10, balances: []string{
	`SELECT kind, account_id, currency, sum(amount) FROM postings GROUP BY kind, account_id, currency`,
	`SELECT hash, total FROM requests`,
	`SELECT request_hash, outcome, paid, guaranteed FROM verdicts`,
}}

// An office is a backend at work: its books, its service called as the port
// calls it, and the two devices that it serves.
type office struct {
	store       *backend.Store
	server      *backend.Server
	admin       backend.Admin
	now         time.Time
	told        func()
	till, phone *member
}

// member is a device that the backend knows.
type member struct {
	key  *ecdsa.PrivateKey
	cert preauth.DeviceCert
}

func (e *member) id() preauth.ID { return preauth.ID(e.cert.Body.DeviceId) }

func keyOf(name string) (*ecdsa.PrivateKey, error) {
	seed := hashOf("key of ", name)
	return ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
}

func openOffice(dir string, told func(), weaken func(any) error) (*office, error) {
	a := backend.Authority{IssuerFrom: start.Add(-time.Hour), IssuerUntil: start.AddDate(5, 0, 0)}
	var err error
	for name, key := range map[string]**ecdsa.PrivateKey{"root": &a.Root, "issuer": &a.Issuer, "ca": &a.CAKey} {
		if *key, err = keyOf(name); err != nil {
			return nil, err
		}
	}
	if a.CACert, err = backend.NewCA(a.CAKey, start); err != nil {
		return nil, err
	}
	o := &office{now: start, told: told}
	now := func() time.Time { return o.now }
	if o.store, err = backend.Open(context.Background(), "sqlite:"+filepath.Join(dir, booksFile)); err != nil {
		return nil, err
	}
	if err := o.store.Older(); err != nil {
		return nil, errors.Join(err, o.store.Close())
	}
	if weaken != nil {
		if err := weaken(o.store); err != nil {
			return nil, errors.Join(err, o.store.Close())
		}
	}
	if o.server, err = backend.New(context.Background(), o.store, a, backend.Options{Now: now}); err != nil {
		return nil, errors.Join(err, o.store.Close())
	}
	o.admin = backend.Admin{Store: o.store, Issuer: a.Issuer, Now: now}
	return o, nil
}

// soundBooks opens the books, as no older copy, holds them against their rules and the signed
// objects, and closes them.
func soundBooks(dir string) error {
	o, err := openOffice(dir, nil, nil)
	if err != nil {
		return err
	}
	for _, check := range []func(context.Context) (backend.Report, error){o.admin.Check, o.admin.Reconcile} {
		r, failed := check(context.Background())
		err = errors.Join(err, failed)
		for _, p := range r.Problems {
			err = errors.Join(err, fmt.Errorf("%w: %s: %s: %s", errReported, p.Rule, p.Subject, p.Detail))
		}
	}
	return errors.Join(err, o.store.Close())
}

// runBooks lets a customer pay a till, settles it, and lets what is left
// lapse, in two lives.
func runBooks(dir string, told func(), weaken func(any) error) error {
	o, err := openOffice(dir, told, weaken)
	if err != nil {
		return err
	}
	told()
	card, err := o.enrollAll()
	if err != nil {
		return err
	}
	w, err := o.reserve(card, 100_00)
	if err != nil {
		return err
	}
	again, err := o.business(w)
	if err != nil {
		return err
	}
	if err := o.store.Close(); err != nil {
		return err
	}
	next, err := openOffice(dir, told, weaken)
	if err != nil {
		return err
	}
	next.till, next.phone = o.till, o.phone
	if err := next.submit(again...); err != nil { // the answer had got lost
		return err
	}
	if err := next.submit(w.claim(next.till, 3_00)); err != nil {
		return err
	}
	next.now = start.AddDate(0, 1, 0)
	if err := next.server.Sweep(context.Background()); err != nil {
		return err
	}
	told()
	return next.store.Close()
}

// business is what a day brings: claims alone and together, one that was
// reversed, a second pre-authorization that is voided.
func (o *office) business(w *purse) (again []*backendv1.Item, err error) {
	if again = append(again, w.claim(o.till, 12_00)); o.submit(again...) != nil {
		return nil, errors.New("first claim")
	}
	several := []*backendv1.Item{w.claim(o.till, 5_00), w.claim(o.till, 6_00), w.claim(o.till, 7_00)}
	reversed := several[1]
	if err := o.submit(several...); err != nil {
		return nil, err
	}
	request, err := preauth.Open[*peerv1.Request](reversed.Request)
	if err != nil {
		return nil, err
	}
	cancel, err := preauth.Sign(o.till.key, &peerv1.Cancel{RequestHash: request.Hash[:], Reason: peerv1.CancelReason_CANCEL_REASON_REVERSAL})
	if err != nil {
		return nil, err
	}
	again = append(again, &backendv1.Item{Request: reversed.Request, Cancel: cancel.Bytes})
	if err := o.submit(again...); err != nil {
		return nil, err
	}
	second, err := o.reserve(w.card, 50_00)
	if err != nil {
		return nil, err
	}
	if err := o.submit(second.claim(o.till, 20_00)); err != nil {
		return nil, err
	}
	return again, call(o, o.phone, backendv1.SettlementService_VoidPreAuthorization_FullMethodName, &backendv1.VoidPreAuthorizationRequest{
		RequestId: newID(), PreauthId: second.cert.Body.PreauthId,
	}, o.server.VoidPreAuthorization, nil)
}

// enrollAll makes the parties and their devices known, and returns the
// customer's instrument.
func (o *office) enrollAll() (card preauth.ID, err error) {
	ctx := context.Background()
	shop, err := o.admin.CreateBusiness(ctx, "Cafe Luna", 5812)
	if err != nil {
		return card, err
	}
	o.told()
	ann, err := o.admin.CreateCustomer(ctx, "Ann")
	if err != nil {
		return card, err
	}
	o.told()
	card, err = o.admin.CreateInstrument(ctx, backend.Instrument{
		Customer: ann, Type: "CARD", Label: "Card", Currency: "USD", PreAuthCapable: true, Free: 500_00,
	})
	if err != nil {
		return card, err
	}
	o.told()
	if o.till, err = o.enroll("till", peerv1.Role_ROLE_BUSINESS, backend.Party{Business: shop}); err != nil {
		return card, err
	}
	o.phone, err = o.enroll("phone", peerv1.Role_ROLE_CUSTOMER, backend.Party{Customer: ann})
	return card, err
}

func (o *office) enroll(name string, role peerv1.Role, p backend.Party) (*member, error) {
	key, err := keyOf(name)
	if err != nil {
		return nil, err
	}
	code, err := o.admin.EnrollCode(context.Background(), p, time.Hour)
	if err != nil {
		return nil, err
	}
	o.told()
	seed := hashOf("noise key of ", name)
	noise, err := ecdh.X25519().NewPrivateKey(seed[:])
	if err != nil {
		return nil, err
	}
	public := preauth.PublicKeyOf(&key.PublicKey)
	r := &backendv1.EnrollRequest{
		Role: uint32(role), Credential: &backendv1.EnrollRequest_Code{Code: code},
		SigningKey: public[:], NoiseKey: noise.PublicKey().Bytes(),
	}
	if r.Signature, err = preauth.SignMessage(key, "enrollment", slices.Concat([]byte(code), []byte{0}, r.SigningKey, r.NoiseKey)); err != nil {
		return nil, err
	}
	got, err := o.server.Enroll(context.Background(), r)
	if err != nil {
		return nil, err
	}
	o.told()
	cert, err := preauth.Open[*peerv1.DeviceCert](got.DeviceCert)
	return &member{key, cert}, err
}

// call makes a call of a device as the port does, and tells when it has been
// answered.
func call[Q, A any](o *office, e *member, method string, q Q, serve func(context.Context, Q) (A, error), answer *A) error {
	leaf := &x509.Certificate{PublicKey: &e.key.PublicKey, URIs: []*url.URL{{Scheme: "urn", Opaque: "uuid:" + e.id().String()}}}
	ctx := peer.NewContext(context.Background(), &peer.Peer{AuthInfo: credentials.TLSInfo{
		State: tls.ConnectionState{PeerCertificates: []*x509.Certificate{leaf}},
	}})
	got, err := o.server.Identify(ctx, q, &grpc.UnaryServerInfo{FullMethod: method},
		func(ctx context.Context, _ any) (any, error) { return serve(ctx, q) })
	if err != nil {
		return err
	}
	if answer != nil {
		*answer = got.(A)
	}
	o.told()
	return nil
}

func (o *office) submit(items ...*backendv1.Item) error {
	var got *backendv1.SubmitResponse
	err := call(o, o.till, backendv1.SettlementService_Submit_FullMethodName, &backendv1.SubmitRequest{Items: items}, o.server.Submit, &got)
	for _, r := range got.GetResults() {
		if len(r.Verdict) == 0 {
			err = errors.Join(err, fmt.Errorf("no verdict: %s", r.Error))
		}
	}
	return err
}

// A purse is a pre-authorization at its device.
type purse struct {
	o       *office
	card    preauth.ID
	cert    preauth.PreauthCert
	counter uint32
	prev    preauth.Hash
	left    int64
}

func (o *office) reserve(card preauth.ID, amount int64) (*purse, error) {
	var got *backendv1.PreAuthorizeResponse
	err := call(o, o.phone, backendv1.SettlementService_PreAuthorize_FullMethodName, &backendv1.PreAuthorizeRequest{
		RequestId: newID(), InstrumentId: card[:], Amount: amount, Currency: "USD",
	}, o.server.PreAuthorize, &got)
	if err != nil {
		return nil, err
	}
	cert, err := preauth.Open[*peerv1.PreauthCert](got.PreauthCert)
	return &purse{o: o, card: card, cert: cert, prev: cert.Hash, left: cert.Body.Limit}, err
}

// claim is what a till hands in for a payment that it has been promised.
func (w *purse) claim(till *member, amount int64) *backendv1.Item {
	request := signed(till.key, &peerv1.Request{
		PaymentId: newID(), BusinessDeviceId: till.cert.Body.DeviceId, Nonce: newID(), Amount: amount, Currency: "USD",
		TtlMs: 60_000, ChannelBinding: slices.Concat(newID(), newID()), DeviceCert: till.cert.Bytes, CreatedMs: start.UnixMilli(),
	})
	w.counter++
	w.left -= amount
	voucher := signed(w.o.phone.key, &peerv1.Voucher{
		PreauthId: w.cert.Body.PreauthId, RequestHash: request.Hash[:], Amount: amount, Currency: "USD",
		Counter: w.counter, Remaining: w.left, PrevHash: w.prev[:], DeviceTimeMs: start.UnixMilli(),
	})
	w.prev = voucher.Hash
	receipt := signed(till.key, &peerv1.Receipt{
		RequestHash: request.Hash[:], VoucherHash: voucher.Hash[:], Status: peerv1.ReceiptStatus_RECEIPT_STATUS_STORED, StoredMs: start.UnixMilli(),
	})
	return &backendv1.Item{Request: request.Bytes, PreauthCert: w.cert.Bytes, Voucher: voucher.Bytes, Receipt: receipt.Bytes}
}

// signed signs what cannot fail to be signed.
func signed[M proto.Message](key *ecdsa.PrivateKey, body M) preauth.Signed[M] {
	s, err := preauth.Sign(key, body)
	if err != nil {
		panic(err)
	}
	return s
}

func newID() []byte {
	id := uuid.New()
	return id[:]
}
