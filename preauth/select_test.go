package preauth

import (
	"errors"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// named is a pre-authorization with an id of its own that expires so many
// minutes from noon.
func named(t *testing.T, name string, minutes int64, alter ...func(*Authorization)) Authorization {
	t.Helper()
	a := auth(t, func(c *peerv1.PreauthCert) {
		c.PreauthId = testBytes(name, 16)
		c.SpendByMs = noon.Add(time.Duration(minutes) * time.Minute).UnixMilli()
	})
	for _, f := range alter {
		f(&a)
	}
	return a
}

func low(a *Authorization)       { a.Held = 8701 }
func voided(a *Authorization)    { a.Voided = true }
func usedUp(a *Authorization)    { a.Counter = 1000 }
func inEuros(a *Authorization)   { a.Cert.Body.Currency = "EUR" }
func elsewhere(a *Authorization) { a.Instrument = testID("other instrument") }
func boundTo(h Hash) func(*Authorization) {
	return func(a *Authorization) { a.Cert.Body.BoundTo = h[:] }
}

func TestSelect(t *testing.T) {
	r := request(t, asAsked)
	mine, other := boundTo(r.Hash), boundTo(Hash(testBytes("other", 32)))
	tests := []struct {
		name string
		all  []Authorization
		want string
		err  error
	}{
		{"the only one", []Authorization{named(t, "a", 60)}, "a", nil},
		{"the one that expires first", []Authorization{named(t, "a", 60), named(t, "b", 30), named(t, "c", 90)}, "b", nil},
		{"the first of those that expire together", []Authorization{named(t, "a", 60), named(t, "b", 60)}, "a", nil},
		{"the first to expire that covers it", []Authorization{named(t, "a", 10, low), named(t, "b", 60), named(t, "c", 90)}, "b", nil},
		{"one that just covers it", []Authorization{named(t, "a", 60, func(a *Authorization) { a.Held = 8700 })}, "a", nil},
		{"the bound one, though it expires last", []Authorization{named(t, "a", 10), named(t, "b", 60, mine), named(t, "c", 20)}, "b", nil},
		{"the bound one, though it comes first", []Authorization{named(t, "a", 60, mine), named(t, "b", 10)}, "a", nil},
		{"the earlier of two bound ones", []Authorization{named(t, "a", 60, mine), named(t, "b", 30, mine)}, "b", nil},
		{"never one bound to another request", []Authorization{named(t, "a", 10, other), named(t, "b", 60)}, "b", nil},
		{"never one on another instrument", []Authorization{named(t, "a", 10, elsewhere), named(t, "b", 60)}, "b", nil},
		{"never one that expired, was voided or used up", []Authorization{
			named(t, "a", 0), named(t, "b", 5, voided), named(t, "c", 6, usedUp), named(t, "d", 7, inEuros), named(t, "e", 60),
		}, "e", nil},

		{"none at all", nil, "", ErrNotAvailable},
		{"none on this instrument", []Authorization{named(t, "a", 60, elsewhere)}, "", ErrNotAvailable},
		{"none but one bound elsewhere", []Authorization{named(t, "a", 60, other)}, "", ErrNotAvailable},
		{"only another currency", []Authorization{named(t, "a", 60, inEuros)}, "", ErrCurrency},
		{"voided is closer than another currency", []Authorization{named(t, "a", 60, voided), named(t, "b", 60, inEuros)}, "", ErrVoided},
		{"expired is closer than voided", []Authorization{named(t, "a", 60, voided), named(t, "b", 0)}, "", ErrPreauthExpired},
		{"used up is closer than expired", []Authorization{named(t, "a", 0), named(t, "b", 60, usedUp)}, "", ErrCount},
		{"too large for one payment is closer than too little", []Authorization{
			named(t, "a", 60, func(a *Authorization) { a.Cert.Body.PaymentMax = 1299 }), named(t, "b", 60, low),
		}, "", ErrLimitPayment},
		{"too little where both are, since a larger payment would not help", []Authorization{
			named(t, "a", 60, low, func(a *Authorization) { a.Cert.Body.PaymentMax = 1299 }),
		}, "", ErrInsufficient},
		{"too little is closer than the rest", []Authorization{named(t, "a", 60, low), named(t, "b", 60, usedUp), named(t, "c", 0)}, "", ErrInsufficient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Select(tt.all, testID("instrument"), r, 100, noon)
			if !errors.Is(err, tt.err) {
				t.Fatalf("%v; want %v", err, tt.err)
			}
			if tt.err != nil {
				if Code(err) != Code(tt.err) || !got.Cert.Zero() {
					t.Errorf("selected %v with %v", got.Cert.Body, err)
				}
				return
			}
			if got.ID() != testID(tt.want) {
				t.Errorf("selected the one that expires at %d, want %s", got.Cert.Body.SpendByMs, tt.want)
			}
		})
	}
}

// What tills would not take is not drawn on: of a backend the device was
// enrolled at before, issued to an earlier key, or revoked by a bundle that
// came from a till.
func TestSpendable(t *testing.T) {
	d := newDeal()
	r := request(t, asAsked)
	good := named(t, "good", 90)
	other := func(key, name string, change func(*peerv1.PreauthCert)) Authorization {
		c := proto.CloneOf(d.preauth)
		c.PreauthId = testBytes(name, 16)
		c.SpendByMs = noon.Add(time.Hour).UnixMilli() // sooner than the good one
		change(c)
		cert := mustSign(t, key, c)
		return Authorization{Cert: cert, Instrument: testID("instrument"), Prev: cert.Hash}
	}
	asIs := func(*peerv1.PreauthCert) {}
	stranger := testPub("stranger")
	tests := []struct {
		name string
		bad  Authorization
		err  error
	}{
		{"of another backend", other("stranger", "a", asIs), ErrNotAvailable},
		{"of an issuer that is none any more", other("till", "b", asIs), ErrNotAvailable},
		{"for an earlier key", other("issuer", "c", func(c *peerv1.PreauthCert) { c.Spender = stranger[:] }), ErrNotAvailable},
		{"revoked", other("issuer", "d", func(c *peerv1.PreauthCert) { c.Serial = 11 }), ErrVoided},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got, err := Select([]Authorization{tt.bad, good}, testID("instrument"), r, 0, noon); err != nil || got.ID() != tt.bad.ID() {
				t.Fatalf("without the check %s was selected, %v", got.ID(), err)
			}
			both := Spendable([]Authorization{tt.bad, good}, d.trust(t), testPub("customer"), noon)
			if got, err := Select(both, testID("instrument"), r, 0, noon); err != nil || got.ID() != good.ID() {
				t.Errorf("beside a good one: %s, %v", got.ID(), err)
			}
			if over := Spendable([]Authorization{tt.bad}, d.trust(t), testPub("customer"), noon.Add(48*time.Hour)); len(over) != 1 || over[0].Voided {
				t.Errorf("after its end: %v", over)
			}
			alone := Spendable([]Authorization{tt.bad}, d.trust(t), testPub("customer"), noon)
			if _, err := Select(alone, testID("instrument"), r, 0, noon); !errors.Is(err, tt.err) {
				t.Errorf("alone: %v, want %v", err, tt.err)
			}
		})
	}
}
