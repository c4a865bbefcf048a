package daemon

import (
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/store"
)

// readiness asks a device through its own service.
func (b *bench) readiness(conn *grpc.ClientConn, amount, currency string) (*paymentv1.CheckReadinessResponse, error) {
	req := &paymentv1.CheckReadinessRequest{Amount: amount, Currency: currency}
	if b.Device.business() {
		return businessv1.NewBusinessServiceClient(conn).CheckReadiness(b.t.Context(), req)
	}
	return customerv1.NewCustomerServiceClient(conn).CheckReadiness(b.t.Context(), req)
}

func TestReadiness(t *testing.T) {
	mins := func(n int) time.Duration { return time.Duration(n) * time.Minute }
	tests := []struct {
		name             string
		role             peerv1.Role
		change           func(*Options, *papers)
		prepare          func(*bench)
		amount, currency string
		want             []string
	}{
		{name: "till for anything", role: asTill},
		{name: "till for an amount", role: asTill, amount: "50.00", currency: "USD"},
		{name: "till above its limit", role: asTill, amount: "50.01", currency: "USD", want: []string{"LIMIT_PAYMENT"}},
		{name: "till in another currency", role: asTill, amount: "1.00", currency: "EUR", want: []string{"LIMIT_PAYMENT"}},
		{name: "till for anything in another currency", role: asTill, currency: "EUR", want: []string{"LIMIT_PAYMENT"}},
		{name: "till that may not sell", role: asTill, change: func(_ *Options, p *papers) { p.cert.Caps = nil }, want: []string{"LIMIT_PAYMENT"}},
		{name: "till with one currency of two left", role: asTill, change: func(_ *Options, p *papers) {
			p.cert.Caps = append(p.cert.Caps, &peerv1.Cap{Currency: "AED"})
		}},
		{name: "till with as many as it may keep", role: asTill, change: func(_ *Options, p *papers) { p.cert.StoredCountMax = 0 }, want: []string{"LIMIT_COUNT"}},
		{name: "not enrolled", role: asTill, change: notEnrolled, want: []string{"NOT_ENROLLED"}},
		{name: "everything at once", role: asTill, change: func(o *Options, p *papers) {
			o.Radio, o.RadioReason, p.cert = nil, "ADAPTER_MISSING", nil
		}, want: []string{"ADAPTER_MISSING", "NOT_ENROLLED"}},
		{name: "adapter down", role: asTill, prepare: func(b *bench) {
			b.radio.set(link.Status{Reason: "ADAPTER_RFKILL", Detail: "soft blocked"})
		}, want: []string{"ADAPTER_RFKILL"}},
		{name: "certificate ended", role: asTill, change: func(_ *Options, p *papers) { p.cert.NotAfterMs = time.Now().UnixMilli() }, want: []string{"CERT_EXPIRED"}},
		{name: "locked", role: asTill, prepare: func(b *bench) {
			who := *b.self.Load()
			who.Locked = true
			b.self.Store(&who)
		}, want: []string{"DEVICE_LOCKED"}},
		{name: "bundle of 71 hours", role: asTill, change: func(_ *Options, p *papers) {
			p.bundle.ServerTimeMs = time.Now().Add(-71 * time.Hour).UnixMilli()
		}},
		{name: "bundle of 73 hours", role: asTill, change: func(_ *Options, p *papers) {
			p.bundle.ServerTimeMs = time.Now().Add(-73 * time.Hour).UnixMilli()
		}, want: []string{"BUNDLE_STALE"}},
		{name: "clock behind", role: asTill, prepare: func(b *bench) { b.clock.Raise(time.Now().Add(mins(6))) }, want: []string{"CLOCK_REGRESSED"}},
		{name: "clock a little behind", role: asTill, prepare: func(b *bench) { b.clock.Raise(time.Now().Add(mins(4))) }},
		{name: "customer with nothing set aside", role: asCustomer, want: []string{"PREAUTH_NOT_AVAILABLE"}},
		{name: "customer with enough", role: asCustomer, prepare: holding(nil), amount: "50.00", currency: "USD"},
		{name: "customer for anything", role: asCustomer, prepare: holding(nil)},
		{name: "more than one pre-authorization covers", role: asCustomer, prepare: holding(func(c *peerv1.PreauthCert) { c.Limit, c.PaymentMax = 40_00, 40_00 }),
			amount: "40.01", currency: "USD", want: []string{"INSUFFICIENT_FUNDS"}},
		{name: "more than the largest payment of a pre-authorization", role: asCustomer, prepare: holding(func(c *peerv1.PreauthCert) { c.PaymentMax = 40_00 }),
			amount: "40.01", currency: "USD", want: []string{"LIMIT_PAYMENT"}},
		{name: "set aside at another backend", role: asCustomer, prepare: func(b *bench) {
			c := setAside(b.t, b, "kept", namedID("card"), nil).Cert
			cert := signedBy(b.t, "another issuer", c.Body)
			b.change(&store.Change{Put: []store.Authorization{{Authorization: preauth.Authorization{Cert: cert, Instrument: namedID("card"), Prev: cert.Hash}}}})
		}, want: []string{"PREAUTH_NOT_AVAILABLE"}},
		{name: "revoked by the newest bundle", role: asCustomer, change: func(_ *Options, p *papers) { p.bundle.RevokedSerials = []uint64{1} },
			prepare: holding(func(c *peerv1.PreauthCert) { c.Serial = 1 }), want: []string{"PREAUTH_VOIDED"}},
		{name: "in another currency", role: asCustomer, prepare: holding(nil), currency: "EUR", want: []string{"LIMIT_PAYMENT", "PREAUTH_NOT_AVAILABLE"}},
		{name: "bound to another request", role: asCustomer, prepare: holding(func(c *peerv1.PreauthCert) {
			h := namedHash("request")
			c.BoundTo = h[:]
		}), want: []string{"PREAUTH_NOT_AVAILABLE"}},
		{name: "expired", role: asCustomer, prepare: holding(func(c *peerv1.PreauthCert) {
			c.IssuedMs = time.Now().Add(-time.Hour).UnixMilli()
			c.SpendByMs = time.Now().UnixMilli()
		}), want: []string{"PREAUTH_EXPIRED"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, tt.role, tt.change)
			if tt.prepare != nil {
				tt.prepare(b)
			}
			resp, err := b.readiness(b.serve(observer), tt.amount, tt.currency)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, p := range resp.GetProblems() {
				got = append(got, p.GetReason())
				if p.GetDetail() == "" || p.GetNextStep() == "" {
					t.Errorf("no help with %v", p)
				}
			}
			if !slices.Equal(got, tt.want) || resp.GetReady() != (len(tt.want) == 0) {
				t.Errorf("ready %v, problems %q, want %q", resp.GetReady(), got, tt.want)
			}
		})
	}
}

// holding gives a customer a pre-authorization.
func holding(change func(*peerv1.PreauthCert)) func(*bench) {
	return func(b *bench) {
		b.change(&store.Change{Put: []store.Authorization{setAside(b.t, b, "kept", namedID("card"), change)}})
	}
}

func TestReadinessReadsAmounts(t *testing.T) {
	b := newBench(t, asTill, nil)
	conn := b.serve(observer)
	for _, tt := range []struct{ amount, currency, reason, field string }{
		{"1,00", "USD", "AMOUNT_SYNTAX", "amount"},
		{"0", "USD", "AMOUNT_RANGE", "amount"},
		{"1.00", "", "CURRENCY_UNKNOWN", "currency"},
		{"", "DM", "CURRENCY_UNKNOWN", "currency"},
	} {
		_, err := b.readiness(conn, tt.amount, tt.currency)
		wantField(t, tt.amount+" "+tt.currency, err, tt.reason, tt.field)
	}
}

// Of several reasons the one that is closest to a payment is told.
func TestCoveredTellsTheClosest(t *testing.T) {
	b, now := newBench(t, asCustomer, nil), time.Now()
	with := func(name string, change func(*preauth.Authorization)) preauth.Authorization {
		a := setAside(t, b, name, namedID("card"), nil).Authorization
		change(&a)
		return a
	}
	voided := with("voided", func(a *preauth.Authorization) { a.Voided = true })
	spent := with("spent", func(a *preauth.Authorization) { a.Held = 100_00 })
	used := with("used", func(a *preauth.Authorization) { a.Counter = 10 })
	expired := with("expired", func(a *preauth.Authorization) { a.Cert.Body.SpendByMs = now.UnixMilli() })
	good := with("good", func(*preauth.Authorization) {})
	for _, tt := range []struct {
		all  []preauth.Authorization
		want string
	}{
		{nil, "PREAUTH_NOT_AVAILABLE"},
		{[]preauth.Authorization{voided}, "PREAUTH_VOIDED"},
		{[]preauth.Authorization{expired, voided}, "PREAUTH_EXPIRED"},
		{[]preauth.Authorization{used, expired}, "PREAUTH_COUNT"},
		{[]preauth.Authorization{voided, spent, used, expired}, "INSUFFICIENT_FUNDS"},
		{[]preauth.Authorization{voided, spent, good}, ""},
	} {
		got := ""
		if err := covered(tt.all, money.Amount{Currency: "USD"}, now); err != nil {
			got = preauth.Code(err)
		}
		if got != tt.want {
			t.Errorf("%d pre-authorizations: %q, want %q", len(tt.all), got, tt.want)
		}
	}
}
