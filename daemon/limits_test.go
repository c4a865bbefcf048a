package daemon

import (
	"errors"
	"strings"
	"testing"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// limited makes a certificate that bounds what is done with one device.
func limited(_ *Options, p *papers) {
	p.cert.Caps[0].CounterpartyMax = 30_00
	p.cert.VelocityMax, p.cert.VelocityMs = 3, (7 * 24 * time.Hour).Milliseconds()
}

// A till that has sold to a customer before takes no more from that customer
// than its certificate says; another one can still pay.
func TestATillLimitsWhatItTakesFromOneCustomer(t *testing.T) {
	for _, tt := range []struct {
		name     string
		states   []payment.State
		customer string
		want     string
	}{
		{"nothing yet", nil, "phone", ""},
		{"there is room", []payment.State{payment.Provisional}, "phone", ""},
		{"too much is out", []payment.State{payment.Provisional, payment.Provisional}, "phone", "LIMIT_COUNTERPARTY"},
		{"from another", []payment.State{payment.Provisional, payment.Provisional}, "other phone", ""},
		{"too often in a week, though all is settled", []payment.State{payment.Settled, payment.Settled, payment.Settled}, "phone", "LIMIT_VELOCITY"},
	} {
		b := newBench(t, asTill, limited)
		for n, state := range tt.states {
			b.sold(n, state)
		}
		ask, v := vouched(t, b)
		ask.Customer = namedID(tt.customer)
		in, err := v.judge(t.Context(), b.Device, b.self.Load(), nil, store.Sale{}, &ask)
		if err != nil || in.Code != tt.want {
			t.Errorf("%s: %s %q, %v", tt.name, in.Event, in.Code, err)
		}
		if tt.want != "" && in.Event != payment.Refuse {
			t.Errorf("%s: %s", tt.name, in.Event)
		}
	}
}

// A clock that is set forward, or forward and back, makes no room for more
// payments of one customer. What it has dated ahead counts until the backend
// has decided it, and blocks nobody after that.
func TestAClockMakesNoRoomForMorePayments(t *testing.T) {
	var ahead time.Duration
	b := newBench(t, asTill, func(o *Options, p *papers) {
		p.cert.VelocityMax, p.cert.VelocityMs = 2, (2 * time.Hour).Milliseconds()
		o.Wall = func() time.Time { return time.Now().Add(ahead) }
	})
	must(t, b.Heard(t.Context(), time.Now()))
	want := func(what, code string) {
		t.Helper()
		ask, v := vouched(t, b)
		if in, err := v.judge(t.Context(), b.Device, b.self.Load(), nil, store.Sale{}, &ask); err != nil || in.Code != code {
			t.Errorf("%s: %q, want %q: %v", what, in.Code, code, err)
		}
	}
	b.sold(0, payment.Settled) // an hour ago
	want("one payment", "")
	b.sold(1, payment.Settled)
	want("two payments", "LIMIT_VELOCITY")
	ahead = 3 * time.Hour
	want("the clock is set forward", "LIMIT_VELOCITY")

	b.started = time.Now().Add(20 * time.Hour)
	dated := b.sold(2, payment.Provisional)
	ahead = -time.Hour
	want("and back", "LIMIT_VELOCITY")
	ahead = 0
	who := *b.self.Load()
	who.cert.Body.VelocityMax, who.cert.Body.VelocityMs = 1, time.Minute.Milliseconds()
	b.self.Store(&who)
	want("one that is dated ahead", "LIMIT_VELOCITY")
	dated.State, dated.Rev, dated.VerdictBytes = payment.Settled, dated.Rev+1, []byte{1}
	b.change(&store.Change{Sale: &dated})
	want("when it is decided", "")
}

// A customer's device keeps to the same limits at one till, and says so before
// it signs anything.
func TestACustomerLimitsWhatItPaysAtOneTill(t *testing.T) {
	for _, tt := range []struct {
		name  string
		paid  int // payments of 12.00 before
		state payment.State
		till  preauth.ID
		want  error
	}{
		{"nothing yet", 0, payment.Provisional, namedID("till"), nil},
		{"there is room", 1, payment.Provisional, namedID("till"), nil},
		{"too much is out", 2, payment.Provisional, namedID("till"), preauth.ErrLimitCounterparty},
		{"at another till", 2, payment.Provisional, namedID("other till"), nil},
		{"too often in a week, though all is settled", 3, payment.Settled, namedID("till"), preauth.ErrLimitVelocity},
	} {
		b := newBench(t, asCustomer, limited)
		auth := setAside(t, b, "auth", namedID("card"), nil)
		b.change(&store.Change{Put: []store.Authorization{auth}})
		for n := range tt.paid {
			a := requested(t, paymentName(n).String())
			a.Business, a.Voucher, a.VoucherBytes = tt.till, namedHash(paymentName(n).String()), []byte("voucher")
			a.Preauth, a.Counter, a.State = auth.ID(), uint32(n+1), tt.state
			b.change(&store.Change{Attempts: []store.Attempt{a}})
		}
		r, err := preauth.Open[*peerv1.Request](requested(t, "payment").RequestBytes)
		if err != nil {
			t.Fatal(err)
		}
		_, signed, _, err := b.draw(t.Context(), b.self.Load(), r, card("card"), 0)
		if !errors.Is(err, tt.want) || (signed == nil) != (tt.want != nil) {
			t.Errorf("%s: %d bytes signed, %v", tt.name, len(signed), err)
		}
	}
}

// Without the backend for longer than is signed, a device pays and sells
// nothing offline; how long it has been survives a restart.
func TestTooLongOffline(t *testing.T) {
	b := newBench(t, asTill, func(_ *Options, p *papers) { p.cert.OfflineMaxMs = (8 * time.Hour).Milliseconds() })
	must(t, b.Heard(t.Context(), time.Now().Add(-8*time.Hour+time.Minute)))
	b.change(&store.Change{})
	check := func(d *Device) error {
		t.Helper()
		e, err := d.exposure(t.Context(), d.self.Load())
		must(t, err)
		return e.Check("USD", 1)
	}
	if err := check(b.Device); err != nil {
		t.Errorf("a minute before: %v", err)
	}
	again, err := New(t.Context(), b.opt)
	must(t, err)
	if err := check(again); err != nil {
		t.Errorf("after a restart: %v", err)
	}
	must(t, again.Heard(t.Context(), time.Now().Add(-8*time.Hour-time.Minute)))
	if err := check(again); !errors.Is(err, preauth.ErrLimitOffline) {
		t.Errorf("a minute after: %v", err)
	}
}

// When a device stops dealing offline: the first of what ends.
func TestHorizon(t *testing.T) {
	b := newBench(t, asTill, nil)
	now := b.started
	who := *b.self.Load()
	who.cert.Body.NotAfterMs = now.Add(100 * time.Hour).UnixMilli()
	signed := func(ago time.Duration) { who.trust.Bundle.Body.ServerTimeMs = now.Add(-ago).UnixMilli() }
	stale := func(until time.Duration) allowed {
		return allowed{preauth.AllowStaleBundle: {Allowance: preauth.Allowance{Until: now.Add(until)}}}
	}
	for _, tt := range []struct {
		name   string
		bundle time.Duration
		heard  time.Duration
		most   time.Duration
		open   allowed
		left   time.Duration
		soon   bool
	}{
		{"a fresh bundle", 0, 0, 0, nil, 72 * time.Hour, false},
		{"a bundle of two days", 49 * time.Hour, 0, 0, nil, 23 * time.Hour, true},
		{"long without the backend", 0, 7 * time.Hour, 8 * time.Hour, nil, time.Hour, true},
		{"shortly without the backend", 0, time.Hour, 8 * time.Hour, nil, 7 * time.Hour, false},
		{"no longer than the bundle", 70 * time.Hour, 0, 80 * time.Hour, nil, 2 * time.Hour, true},
		{"more is allowed", 80 * time.Hour, 80 * time.Hour, 0, stale(10 * time.Hour), 10 * time.Hour, true},
		{"less than without", 10 * time.Hour, 0, 0, stale(time.Hour), 62 * time.Hour, false},
		{"no longer than a week", 160 * time.Hour, 0, 0, stale(24 * time.Hour), 8 * time.Hour, true},
	} {
		signed(tt.bundle)
		b.clock.Hear(now.Add(-tt.heard))
		got := b.horizonOf(&who, preauth.Limits{OfflineMax: tt.most}, tt.open, now)
		if left := got.Until.Sub(now).Round(time.Second); left != tt.left || got.Soon != tt.soon {
			t.Errorf("%s: %s, soon %t", tt.name, left, got.Soon)
		}
	}
	c := newBench(t, asCustomer, nil)
	who = *c.self.Load()
	if got := c.horizonOf(&who, preauth.Limits{}, nil, now); got.Until.UnixMilli() != who.cert.Body.NotAfterMs || got.Soon {
		t.Errorf("a customer's ends with its certificate: %+v", got)
	}
}

// Of many limits a screen shows those of the currencies in use.
func TestLimitsInUse(t *testing.T) {
	in := func(currencies string) func(string) bool {
		return func(c string) bool { return strings.Contains(currencies, c) }
	}
	all := preauth.Limits{Currencies: map[string]preauth.Limit{
		"EUR": {}, "GBP": {}, "KES": {}, "USD": {PaymentMax: 50_00, TotalMax: 500_00, CounterpartyMax: 600_00},
	}}
	few := preauth.Limits{Currencies: map[string]preauth.Limit{"EUR": {}, "USD": {}}}
	for _, tt := range []struct {
		limits preauth.Limits
		used   string
		want   string
	}{
		{all, "", "EUR GBP KES USD"}, {all, "USD", "USD"}, {all, "USD GBP", "GBP USD"}, {all, "JPY", "EUR GBP KES USD"}, {few, "USD", "EUR USD"},
	} {
		var got []string
		for _, l := range limitsProto(tt.limits, in(tt.used)) {
			got = append(got, l.GetCurrency())
		}
		if strings.Join(got, " ") != tt.want {
			t.Errorf("%q in use: %q", tt.used, got)
		}
	}
	if l := limitsProto(all, in("USD"))[0]; l.GetCounterpartyMax() != "500.00" {
		t.Errorf("above the total: %v", l)
	}
}
