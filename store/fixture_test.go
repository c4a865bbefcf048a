package store

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/sha256"
	"fmt"
	"testing"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// start is the time at which all tests begin.
var start = time.Date(2026, 11, 21, 9, 0, 0, 0, time.UTC)

// openAt opens a store in dir and closes it with the test.
func openAt(t testing.TB, dir, role string) *Store {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{Role: role, Now: func() time.Time { return start }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// wallet opens a customer's store with one pre-authorization of 1000.00 USD.
func wallet(t testing.TB) (*Store, Authorization) {
	t.Helper()
	s := openAt(t, t.TempDir(), Customer)
	a := authorization(t, 1)
	commit(t, s, &Change{Put: []Authorization{a}})
	return s, a
}

func commit(t testing.TB, s *Store, c *Change) {
	t.Helper()
	if err := s.Commit(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// sound fails the test unless Check finds nothing.
func sound(t testing.TB, s *Store) {
	t.Helper()
	found, err := s.Check(t.Context())
	if err != nil || len(found) > 0 {
		t.Fatalf("check: %v %q", err, found)
	}
}

func idOf(parts ...any) preauth.ID {
	h := hashOf(parts...)
	return preauth.ID(h[:16])
}

func hashOf(parts ...any) preauth.Hash { return sha256.Sum256([]byte(fmt.Sprint(parts...))) }

func signingKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	seed := sha256.Sum256([]byte("issuer of the tests"))
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), seed[:])
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// authorization returns the nth pre-authorization, of 1000.00 USD.
func authorization(t testing.TB, n int) Authorization {
	t.Helper()
	key := signingKey(t)
	id, instrument, owner, spender := idOf("preauth", n), idOf("instrument", n), idOf("owner"), preauth.PublicKeyOf(&key.PublicKey)
	cert, err := preauth.Sign(key, &peerv1.PreauthCert{
		PreauthId: id[:], Serial: uint64(n), Spender: spender[:], InstrumentRef: instrument[:], OwnerRef: owner[:],
		Currency: "USD", Limit: 1_000_00, PaymentMax: 1_000_00, PaymentsMax: 1000,
		IssuedMs: start.UnixMilli(), SpendByMs: start.Add(24 * time.Hour).UnixMilli(), SettleByMs: start.Add(15 * 24 * time.Hour).UnixMilli(),
		Assurance: peerv1.Assurance_ASSURANCE_SOFTWARE,
	})
	if err != nil {
		t.Fatal(err)
	}
	return Authorization{Authorization: preauth.Authorization{Cert: cert, Instrument: instrument, Prev: cert.Hash}}
}

// attempt returns a new attempt at the nth payment of a till.
func attempt(n int) Attempt {
	return Attempt{
		Attempt: payment.Attempt{
			Request: hashOf("request", n), Payment: idOf("payment", n), Business: idOf("till"),
			State: payment.Requested, Rev: 1, UpdatedAt: at(n),
		},
		RequestBytes: []byte("a signed request"), Amount: 12_00, Currency: "USD", ResumeKey: idOf("resume", n), Code: "1234",
		CreatedAt: at(n), ExpiresAt: at(n).Add(time.Minute), Latest: true,
	}
}

func at(n int) time.Time { return start.Add(time.Duration(n) * time.Second) }

// accepted returns the next revision of a, with a voucher that is the nth of
// a pre-authorization.
func accepted(a Attempt, on Authorization, counter uint32) Attempt {
	a.State, a.Rev = payment.Authorized, a.Rev+1
	a.Voucher, a.VoucherBytes = hashOf("voucher", a.Request), []byte("a signed voucher")
	a.Preauth, a.Instrument, a.Counter = on.ID(), on.Instrument, counter
	a.SettleBy = start.Add(15 * 24 * time.Hour)
	return a
}

// stepped returns the next revision of a, in a state.
func stepped(a Attempt, to payment.State) Attempt {
	a.State, a.Rev = to, a.Rev+1
	return a
}

// cancelled returns the next revision of a, with a Cancel.
func cancelled(a Attempt) Attempt {
	a = stepped(a, payment.Cancelled)
	a.Cancel, a.CancelBytes = true, []byte(fmt.Sprint("a signed cancel of ", a.Request))
	return a
}

// claim returns the outbox item of an attempt's voucher.
func claim(a Attempt) Item {
	return Item{
		ItemKey: ItemKey{payment.ItemClaim, a.Request}, Payment: a.Payment, Deadline: a.SettleBy,
		Total: a.Amount + a.Tip, Currency: a.Currency, CreatedAt: a.CreatedAt,
	}
}

// sale returns the nth payment of a till.
func sale(n int) Sale {
	return Sale{
		Sale:   payment.Sale{ID: idOf("payment", n), State: payment.Open, Rev: 1, UpdatedAt: at(n)},
		Amount: 12_00, Currency: "USD", Reference: fmt.Sprint("order ", n), Policy: PreferOnline,
		CreatedAt: at(n), Deadline: at(n).Add(time.Minute),
	}
}

// paid returns the next revision of v, paid by the voucher of a.
func paid(v Sale, a Ask) Sale {
	v.State, v.Rev, v.Winner, v.Guaranteed = payment.Provisional, v.Rev+1, a.Request, a.Guaranteed
	return v
}

// ask returns the nth request of a sale.
func ask(v Sale, n int) Ask {
	return Ask{
		Ask: payment.Ask{Request: hashOf("ask", v.ID, n)}, Payment: v.ID, Customer: idOf("customer", n),
		CustomerCert: []byte("a signed certificate"), RequestBytes: []byte("a signed request"), Currency: v.Currency,
		ResumeKey: idOf("resume", n), CreatedAt: v.CreatedAt,
	}
}

// answered returns a with a voucher and a Receipt.
func answered(a Ask, on preauth.ID, counter uint32, total int64) Ask {
	a.Voucher, a.Receipt = hashOf("voucher", a.Request), true
	a.VoucherBytes, a.CertBytes = []byte("a signed voucher"), []byte("a signed certificate")
	a.Preauth, a.Counter, a.Total, a.Guaranteed, a.StoredAt, a.Owed = on, counter, total, total/2, a.CreatedAt, true
	return a
}

// opened is the event that a payment began.
func opened(id preauth.ID) *paymentv1.Event {
	return &paymentv1.Event{Event: &paymentv1.Event_PaymentOpened{PaymentOpened: &paymentv1.PaymentOpened{PaymentId: id.String(), Amount: "12.00", Currency: "USD"}}}
}
