package preauth

import (
	"errors"
	"math"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// auth is a fresh pre-authorization of 100.00 USD after a change of its
// certificate.
func auth(t *testing.T, change func(*peerv1.PreauthCert)) Authorization {
	t.Helper()
	d := newDeal()
	change(d.preauth)
	c := mustSign(t, "issuer", d.preauth)
	return Authorization{Cert: c, Instrument: testID("instrument"), Prev: c.Hash}
}

func asIssued(*peerv1.PreauthCert) {}

// request is the usual request after a change.
func request(t *testing.T, change func(*peerv1.Request)) Request {
	t.Helper()
	d := newDeal()
	change(d.request)
	return d.signRequest(t)
}

func asAsked(*peerv1.Request) {}

func TestStatus(t *testing.T) {
	a := auth(t, asIssued)
	spendBy := time.UnixMilli(a.Cert.Body.SpendByMs)
	voided := a
	voided.Voided = true
	tests := []struct {
		name string
		a    Authorization
		now  time.Time
		want Status
	}{
		{"before spend_by", a, spendBy.Add(-time.Millisecond), Available},
		{"at spend_by", a, spendBy, Expired},
		{"voided", voided, noon, Voided},
		{"voided, then past spend_by", voided, spendBy, Voided},
	}
	for _, tt := range tests {
		if got := tt.a.Status(tt.now); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if a.ID() != testID("preauth") {
		t.Errorf("ID() = %s", a.ID())
	}
}

func unacked(totals ...int64) []Unacked {
	var u []Unacked
	for i, total := range totals {
		u = append(u, Unacked{Cancel: testBytes("cancel", 8+i), Total: total})
	}
	return u
}

func TestRemainingAndLargest(t *testing.T) {
	tests := []struct {
		name               string
		alter              func(*Authorization)
		remaining, largest int64
	}{
		{"fresh", func(*Authorization) {}, 10000, 5000},
		{"with money held and spent", func(a *Authorization) { a.Held, a.Spent = 1500, 4500 }, 4000, 4000},
		{"all spent", func(a *Authorization) { a.Spent = 10000 }, 0, 0},
		{"more held than the limit", func(a *Authorization) { a.Held = 10001 }, 0, 0},
		{"four Cancels are repeated by the next voucher", func(a *Authorization) { a.Unacked = unacked(900, 900, 900, 900) }, 10000, 5000},
		{"what is behind further Cancels stays held", func(a *Authorization) { a.Unacked = unacked(900, 900, 900, 900, 700, 50) }, 9250, 5000},
		{"however much that is", func(a *Authorization) { a.Held, a.Unacked = 9000, unacked(1, 1, 1, 1, 1001) }, 0, 0},
		{"voided", func(a *Authorization) { a.Voided = true }, 10000, 0},
		{"used as often as it may be", func(a *Authorization) { a.Counter = 1000 }, 10000, 0},
		{"used once less", func(a *Authorization) { a.Counter = 999 }, 10000, 5000},
	}
	for _, tt := range tests {
		a := auth(t, asIssued)
		tt.alter(&a)
		if r, l := a.Remaining(), a.Largest(noon); r != tt.remaining || l != tt.largest {
			t.Errorf("%s: remaining %d, largest %d; want %d and %d", tt.name, r, l, tt.remaining, tt.largest)
		}
	}
	if a := auth(t, asIssued); a.Largest(time.UnixMilli(a.Cert.Body.SpendByMs)) != 0 {
		t.Error("an expired pre-authorization covers a payment")
	}
}

func TestDrawPromisesWhatWasAskedFor(t *testing.T) {
	a := auth(t, asIssued)
	a.Counter, a.Prev, a.Held, a.Spent, a.Unacked = 6, Hash(testBytes("previous", 32)), 1000, 2000, unacked(10, 20, 30, 40, 500)
	r := request(t, asAsked)
	got, err := a.Draw(r, 100, noon)
	if err != nil {
		t.Fatal(err)
	}
	want := &peerv1.Voucher{
		PreauthId: testBytes("preauth", 16), RequestHash: r.Hash[:], Amount: 1200, Tip: 100, Currency: "USD",
		Counter: 7, Remaining: 10000 - 1000 - 2000 - 500 - 1300, PrevHash: testBytes("previous", 32), DeviceTimeMs: noon.UnixMilli(),
		Released: [][]byte{testBytes("cancel", 8), testBytes("cancel", 9), testBytes("cancel", 10), testBytes("cancel", 11)},
	}
	if !proto.Equal(got, want) {
		t.Errorf("drew %v\nwant %v", got, want)
	}
}

// A till accepts what an honest customer draws, to the last cent and the last
// counter, and no counter comes twice.
func TestWhatIsDrawnIsAccepted(t *testing.T) {
	d := newDeal()
	d.preauth.Limit, d.preauth.PaymentsMax = 3900, 3
	c := mustSign(t, "issuer", d.preauth)
	a := Authorization{Cert: c, Prev: c.Hash}
	seen := map[uint32]Hash{}
	for i := range 3 {
		v, err := a.Draw(d.signRequest(t), 100, noon)
		if err != nil {
			t.Fatalf("payment %d: %v", i+1, err)
		}
		s := mustSign(t, "customer", v)
		till := d.till(t)
		till.Seen = func(_ ID, counter uint32) (Hash, bool) { h, ok := seen[counter]; return h, ok }
		if _, err := till.CheckVoucher(s.Bytes, c.Bytes); err != nil {
			t.Fatalf("payment %d: %v", i+1, err)
		}
		if Hash(v.PrevHash) != a.Prev || v.Counter != uint32(i+1) || v.Remaining != int64(2-i)*1300 {
			t.Errorf("payment %d: counter %d, remaining %d, after %x", i+1, v.Counter, v.Remaining, v.PrevHash)
		}
		seen[v.Counter] = s.Hash
		a.Counter, a.Prev, a.Held = v.Counter, s.Hash, a.Held+1300
	}
	a.Held = 0 // all cancelled: money is back, counters are not
	if _, err := a.Draw(d.signRequest(t), 100, noon); !errors.Is(err, ErrCount) {
		t.Errorf("fourth payment: %v", err)
	}
}

func fresh(*Authorization) {}

// undrawn are requests that a pre-authorization does not pay.
var undrawn = []struct {
	name  string
	alter func(*Authorization)
	ask   func(*peerv1.Request)
	tip   int64
	want  error
}{
	{"a voided pre-authorization", func(a *Authorization) { a.Voided = true }, asAsked, 0, ErrVoided},
	{"an expired one", func(a *Authorization) { a.Cert.Body.SpendByMs = noon.UnixMilli() }, asAsked, 0, ErrPreauthExpired},
	{"another currency", fresh, func(r *peerv1.Request) { r.Currency = "EUR" }, 0, ErrCurrency},
	{"one bound to another request", func(a *Authorization) { a.Cert.Body.BoundTo = testBytes("other", 32) }, asAsked, 0, ErrBound},
	{"a payment after the last", func(a *Authorization) { a.Counter = 1000 }, asAsked, 0, ErrCount},
	{"more than is left", func(a *Authorization) { a.Held = 8701 }, asAsked, 100, ErrInsufficient},
	{"more than one payment may be", func(a *Authorization) { a.Cert.Body.PaymentMax = 1299 }, asAsked, 100, ErrLimitPayment},
	{"a tip where none is taken", fresh, func(r *peerv1.Request) { r.Tip = nil }, 1, ErrTip},
	{"a tip above the largest", fresh, asAsked, 301, ErrTip},
	{"a negative tip", fresh, asAsked, -1, ErrTip},
	{"a tip so large that the sum overflows", fresh, func(r *peerv1.Request) { r.Tip.Max = 0 }, math.MaxInt64, ErrTip},
}

func TestDrawRefuses(t *testing.T) {
	for _, tt := range undrawn {
		t.Run(tt.name, func(t *testing.T) {
			a := auth(t, asIssued)
			tt.alter(&a)
			v, err := a.Draw(request(t, tt.ask), tt.tip, noon)
			if !errors.Is(err, tt.want) || Code(err) != Code(tt.want) || v != nil {
				t.Errorf("drew %v, %v; want %v", v, err, tt.want)
			}
		})
	}
}

func TestABoundPreauthorizationPaysItsRequest(t *testing.T) {
	r := request(t, asAsked)
	a := auth(t, func(c *peerv1.PreauthCert) { c.BoundTo = r.Hash[:] })
	v, err := a.Draw(r, 0, noon)
	if err != nil || v.Remaining != 8800 {
		t.Errorf("drew %v, %v", v, err)
	}
}
