package syncer

import (
	"context"
	"crypto/tls"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/backend"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// A street is the real backend with a till and a customer, each with its own
// Syncer, over real TLS.
type street struct {
	t        *testing.T
	admin    backend.Admin
	ca       ca
	wire     *bufconn.Listener
	till     *device
	customer *device
	card     preauth.ID
	auth     preauth.Authorization
	nonce    byte
}

func newStreet(t *testing.T) *street {
	t.Helper()
	s := &street{t: t, ca: newCA(t), wire: bufconn.Listen(1 << 20)}
	store, err := backend.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "backend.db"))
	must(t, err)
	authority := backend.Authority{
		Root: newKey(t), Issuer: newKey(t), CAKey: s.ca.key, CACert: s.ca.cert,
		IssuerFrom: time.Now().Add(-time.Hour), IssuerUntil: time.Now().AddDate(5, 0, 0),
	}
	server, err := backend.New(t.Context(), store, authority, backend.Options{})
	must(t, err)
	g, err := server.GRPC(s.ca.server(t))
	must(t, err)
	served := make(chan error, 1)
	go func() { served <- g.Serve(s.wire) }()
	s.admin = backend.Admin{Store: store, Issuer: authority.Issuer}
	t.Cleanup(func() {
		g.Stop()
		if err := <-served; !errors.Is(err, grpc.ErrServerStopped) {
			must(t, err)
		}
		s.sound()
		must(t, store.Close())
	})
	s.open()
	return s
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// open enrolls both devices and sets 100.00 aside.
func (s *street) open() {
	s.t.Helper()
	ctx := s.t.Context()
	shop, err := s.admin.CreateBusiness(ctx, "Cafe", 5812)
	must(s.t, err)
	person, err := s.admin.CreateCustomer(ctx, "Ada")
	must(s.t, err)
	s.card, err = s.admin.CreateInstrument(ctx, backend.Instrument{
		Customer: person, Type: "CARD", Label: "Card", Currency: "USD", Free: 500_00, PreAuthCapable: true,
	})
	must(s.t, err)
	s.till = s.enroll(backend.Party{Business: shop}, peerv1.Role_ROLE_BUSINESS)
	s.customer = s.enroll(backend.Party{Customer: person}, peerv1.Role_ROLE_CUSTOMER)
	got, err := s.customer.s.PreAuthorize(ctx, preauth.ID{1}, s.card, 100_00, "USD", nil)
	must(s.t, err)
	s.auth = preauth.Authorization{Cert: got.Cert, Instrument: s.card, Prev: got.Cert.Hash}
	if got.Instrument.Balance != 400_00 {
		s.t.Errorf("%d left on the card", got.Instrument.Balance)
	}
}

func (s *street) enroll(p backend.Party, role peerv1.Role) *device {
	s.t.Helper()
	code, err := s.admin.EnrollCode(s.t.Context(), p, time.Hour)
	must(s.t, err)
	d := &device{
		t: s.t, key: newKey(s.t), noise: [32]byte{byte(role)}, role: role, wire: s.wire,
		items: map[outbox.Key]outbox.Item{}, judged: map[outbox.Key]preauth.Verdict{},
	}
	d.s = New(Options{Book: d, Dial: d.dial})
	s.t.Cleanup(func() { d.s.SetOffline(true) })
	in := EnrollInput{URL: "https://backend.test", CA: s.ca.pem, Code: code, Role: role, Key: d.key, NoiseKey: d.noise}
	got, err := d.s.Enroll(s.t.Context(), in)
	must(s.t, err)
	again, err := d.s.Enroll(s.t.Context(), in)
	must(s.t, err)
	if string(again.DeviceCert) != string(got.DeviceCert) || string(again.TLSCert) != string(got.TLSCert) {
		s.t.Error("the same code and keys gave other certificates")
	}
	cert := open[*peerv1.DeviceCert](s.t, got.DeviceCert)
	d.id = cert.Body.DeviceId
	trust, err := preauth.OpenTrust(got.RootKey, got.TrustBundle)
	must(s.t, err)
	d.creds = Credentials{
		URL: in.URL, CA: in.CA, Root: got.RootKey, Trust: trust, BundleEpoch: trust.Epoch(), DeviceCert: got.DeviceCert,
		TLS:          tls.Certificate{Certificate: [][]byte{got.TLSCert}, PrivateKey: d.key},
		CertNotAfter: time.UnixMilli(cert.Body.NotAfterMs),
	}
	return d
}

// sound fails the test if the backend's books do not hold.
func (s *street) sound() {
	for _, check := range []func(context.Context) (backend.Report, error){s.admin.Check, s.admin.Reconcile} {
		r, err := check(context.Background())
		if err != nil {
			s.t.Error(err)
		}
		for _, p := range r.Problems {
			s.t.Errorf("%s: %s: %s", p.Rule, p.Subject, p.Detail)
		}
	}
}

// A sale is what both devices hold of a request.
type sale struct {
	request preauth.Request
	item    outbox.Item // claim of who holds the receipt
	cancel  []byte
}

// ask makes a request; pay answers it with a voucher, and the till with its
// receipt.
func (s *street) ask(amount int64) *sale {
	s.nonce++
	r := sign(s.t, s.till.key, &peerv1.Request{
		PaymentId: testBytes(string(s.nonce), 16), BusinessDeviceId: s.till.id, Nonce: testBytes(string(s.nonce), 16), Amount: amount,
		Currency: "USD", Tip: &peerv1.TipPolicy{Allowed: true}, TtlMs: 60_000, Online: true, ChannelBinding: testBytes(string(s.nonce), 32),
		DeviceCert: s.till.creds.DeviceCert,
	})
	c := sign(s.t, s.till.key, &peerv1.Cancel{RequestHash: r.Hash[:], Reason: peerv1.CancelReason_CANCEL_REASON_REVERSAL})
	return &sale{request: r, cancel: c.Bytes, item: outbox.Item{
		Key: outbox.Key{Kind: payment.ItemClaim, Request: r.Hash}, Payment: preauth.ID(r.Body.PaymentId), Request: r.Bytes,
		Deadline: time.Now().Add(time.Hour), Currency: "USD",
	}}
}

func (s *street) pay(amount, tip int64) *sale {
	s.t.Helper()
	x := s.ask(amount)
	body, err := s.auth.Draw(x.request, tip, time.Now())
	must(s.t, err)
	v := sign(s.t, s.customer.key, body)
	s.auth.Counter, s.auth.Prev, s.auth.Held = body.Counter, v.Hash, s.auth.Held+amount+tip
	x.item.Voucher, x.item.PreauthCert, x.item.Total = v.Bytes, s.auth.Cert.Bytes, amount+tip
	s.receipt(x, v.Hash)
	return x
}

func (s *street) receipt(x *sale, promise preauth.Hash) {
	x.item.Receipt = sign(s.t, s.till.key, &peerv1.Receipt{
		RequestHash: x.request.Hash[:], VoucherHash: promise[:],
		Status: peerv1.ReceiptStatus_RECEIPT_STATUS_STORED, StoredMs: time.Now().UnixMilli(),
	}).Bytes
}

// owes puts an item of the sale into a device's outbox.
func (d *device) owes(x *sale, change ...func(*outbox.Item)) {
	it := x.item
	for _, c := range change {
		c(&it)
	}
	if it.Key.Kind == payment.ItemCancel {
		it.Cancel = x.cancel
	}
	d.items[it.Key] = it
}

// withPromise is a Cancel beside the voucher that it ends.
func withPromise(it *outbox.Item) { it.Key.Kind, it.Receipt = payment.ItemCancel, nil }

// sync hands everything over and wants it all to be done.
func (d *device) sync(want int) Summary {
	d.t.Helper()
	sum, err := d.s.SyncNow(d.t.Context(), func(r Result) {
		if r.Err != nil {
			d.t.Errorf("%s %s: %v", r.Item.Key.Kind, r.Item.Payment, r.Err)
		}
	})
	if err != nil || sum.Synced != want || d.left() != 0 {
		d.t.Fatalf("%+v, %v, %d left", sum, err, d.left())
	}
	return sum
}

func (d *device) outcome(x *sale, k payment.ItemKind) string {
	v := d.verdict(outbox.Key{Kind: k, Request: x.request.Hash})
	return v.Body.GetOutcome().String()[len("OUTCOME_"):]
}

// Both ends count alike, whoever hands in first and whatever each has seen.
func TestBothBooksAgree(t *testing.T) {
	s := newStreet(t)
	paid, tipped, reversed, ended, unseen := s.pay(12_00, 0), s.pay(20_00, 3_00), s.pay(10_00, 2_00), s.ask(5_00), s.pay(7_00, 1_00)

	for _, x := range []*sale{paid, tipped, reversed} {
		s.customer.owes(x)
	}
	s.customer.owes(unseen, withPromise) // the till never got this voucher
	sum := s.customer.sync(4)
	want := []outbox.Total{
		{Currency: "USD", Outcome: peerv1.Outcome_OUTCOME_SETTLED, Count: 3, Sum: 47_00, Settled: 47_00},
		{Currency: "USD", Outcome: peerv1.Outcome_OUTCOME_CANCELLED, Count: 1, Sum: 8_00},
	}
	if len(sum.Totals) != 2 || sum.Totals[0] != want[0] || sum.Totals[1] != want[1] {
		t.Errorf("the customer counts %+v, want %+v", sum.Totals, want)
	}

	for _, x := range []*sale{paid, tipped} {
		s.till.owes(x)
	}
	for _, x := range []*sale{reversed, ended, unseen} { // bare Cancels, also of a tip it never saw
		s.till.owes(x, asCancel)
	}
	s.till.sync(5)
	for x, want := range map[*sale]string{paid: "SETTLED", tipped: "SETTLED"} {
		if got := s.till.outcome(x, payment.ItemClaim); got != want || s.customer.outcome(x, payment.ItemClaim) != want {
			t.Errorf("%s at the till, want %s", got, want)
		}
	}
	for _, x := range []*sale{reversed, ended, unseen} {
		if got := s.till.outcome(x, payment.ItemCancel); got != "CANCELLED" {
			t.Errorf("%s, although it was cancelled", got)
		}
	}

	// Again, mixed: nothing moves, and both still count alike.
	s.till.owes(reversed)
	s.till.owes(reversed, asCancel)
	s.till.owes(paid)
	s.till.sync(3)
	if got := s.till.outcome(reversed, payment.ItemClaim); got != "CANCELLED" {
		t.Errorf("%s after the Cancel", got)
	}
}

// A customer without a receipt asks until the till has handed in.
func TestACustomerLearnsWhatTheTillHandedIn(t *testing.T) {
	s := newStreet(t)
	x := s.pay(12_00, 0)
	s.customer.owes(x, asQuestion)
	sum, err := s.customer.s.SyncNow(t.Context(), nil)
	if err != nil || sum.Remaining != 1 {
		t.Fatalf("%+v, %v", sum, err)
	}
	s.till.owes(x)
	s.till.sync(1)
	s.customer.sync(1)
	if got := s.customer.outcome(x, payment.ItemClaim); got != "SETTLED" {
		t.Errorf("%s", got)
	}
}

func TestAChargeIsTakenOnline(t *testing.T) {
	s := newStreet(t)
	x := s.ask(30_00)
	must(t, s.till.s.RegisterPayment(t.Context(), x.item.Payment))
	c := sign(t, s.customer.key, &peerv1.Charge{
		InstrumentRef: s.card[:], RequestHash: x.request.Hash[:], Amount: 30_00, Tip: 1_00, Currency: "USD", CustomerDeviceId: s.customer.id,
	})
	x.item.Charge = c.Bytes
	s.receipt(x, c.Hash)
	s.till.owes(x)
	s.till.sync(1)
	if v := s.till.verdict(x.item.Key); v.Body.Amount != 31_00 {
		t.Errorf("verdict %v", v.Body)
	}
	s.till.owes(x, asCancel, func(it *outbox.Item) { it.Charge = nil })
	s.till.sync(1)
	got, trust, err := s.customer.s.verdictsOn(t.Context(), []preauth.Hash{x.request.Hash})
	if err != nil || len(got) != 1 {
		t.Fatalf("%d verdicts, %v", len(got), err)
	}
	if v, err := trust.Verdict(got[0]); err != nil || v.Body.Outcome != peerv1.Outcome_OUTCOME_CANCELLED {
		t.Errorf("%v, %v", v.Body, err)
	}
}

// The backend's own refusals arrive with their reasons.
func TestTheBackendRefuses(t *testing.T) {
	s := newStreet(t)
	ctx := t.Context()
	tests := []struct {
		name, reason string
		call         func() error
	}{
		{"more than the device may hold", "LIMIT_TOTAL", func() error {
			_, err := s.customer.s.PreAuthorize(ctx, preauth.ID{2}, s.card, 401_00, "USD", nil)
			return err
		}},
		{"another currency", "CURRENCY_MISMATCH", func() error {
			_, err := s.customer.s.PreAuthorize(ctx, preauth.ID{3}, s.card, 1_00, "EUR", nil)
			return err
		}},
		{"an instrument of nobody", "INSTRUMENT_NOT_FOUND", func() error {
			_, err := s.customer.s.PreAuthorize(ctx, preauth.ID{4}, preauth.ID{9}, 1_00, "USD", nil)
			return err
		}},
		{"a till that sets aside", "WRONG_ROLE", func() error {
			_, err := s.till.s.PreAuthorize(ctx, preauth.ID{5}, s.card, 1_00, "USD", nil)
			return err
		}},
		{"a wrong code", "CODE_INVALID", func() error {
			_, err := s.till.s.Enroll(ctx, EnrollInput{URL: "https://backend.test", CA: s.ca.pem, Code: "NONE", Role: s.till.role, Key: newKey(t)})
			return err
		}},
	}
	for _, tt := range tests {
		if err := tt.call(); Reason(err) != tt.reason {
			t.Errorf("%s: %v, want %s", tt.name, err, tt.reason)
		}
	}
}

func TestARevokedTillStillHandsIn(t *testing.T) {
	s := newStreet(t)
	x := s.pay(12_00, 0)
	must(t, s.admin.RevokeDevice(t.Context(), preauth.ID(s.till.id)))
	s.till.owes(x)
	s.till.sync(1)
	if err := s.till.s.RegisterPayment(t.Context(), preauth.ID{1}); Reason(err) != "DEVICE_REVOKED" {
		t.Errorf("registered: %v", err)
	}
}

func TestVoidAtTheBackend(t *testing.T) {
	s := newStreet(t)
	got, err := s.customer.s.Void(t.Context(), preauth.ID{7}, s.auth.ID())
	if err != nil || got.ReleasedAt.Before(time.Now().AddDate(0, 0, 7)) {
		t.Fatalf("%+v, %v", got, err)
	}
	if _, err := got.Trust.PreauthCert(s.auth.Cert.Bytes, time.Now()); !errors.Is(err, preauth.ErrVoided) {
		t.Errorf("the bundle says %v", err)
	}
	s.customer.sync(0)
	if n := len(s.customer.refresh); n == 0 || len(s.customer.refresh[n-1].Voided) != 1 {
		t.Errorf("refreshed %+v", s.customer.refresh)
	}
}

// What the operator changes of the limits reaches a device when it
// synchronizes next, once.
func TestLimitsReachADevice(t *testing.T) {
	s := newStreet(t)
	d := s.customer
	cert := func() *peerv1.DeviceCert {
		c, err := d.Credentials(t.Context())
		must(t, err)
		return open[*peerv1.DeviceCert](t, c.DeviceCert).Body
	}
	sync := func(renewals int, counterparty int64) {
		t.Helper()
		_, err := d.s.SyncNow(t.Context(), nil)
		must(t, err)
		if c := cert(); d.renewals != renewals || c.Caps[0].PaymentMax != 50_00 || c.Caps[0].CounterpartyMax != counterparty {
			t.Errorf("%d renewals, limits %v", d.renewals, c.Caps[0])
		}
	}
	sync(0, 0)
	must(t, s.admin.SetLimits(t.Context(), "USD", func(_ *peerv1.DeviceCert, in *peerv1.Cap) { in.CounterpartyMax = 80_00 }))
	sync(1, 80_00)
	sync(1, 80_00)

	// Also if another device has passed on the bundle of that epoch before.
	must(t, s.admin.SetLimits(t.Context(), "USD", func(_ *peerv1.DeviceCert, in *peerv1.Cap) { in.CounterpartyMax = 90_00 }))
	_, err := s.till.s.SyncNow(t.Context(), nil)
	must(t, err)
	fresh, err := s.till.Credentials(t.Context())
	must(t, err)
	d.mu.Lock()
	d.creds.Trust, d.creds.BundleEpoch = fresh.Trust, fresh.BundleEpoch
	d.mu.Unlock()
	sync(2, 90_00)
}
