package store

import (
	"testing"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// wantDealings compares what is out with a device, in USD and EUR, and how
// many payments there were in the first minute.
func wantDealings(t *testing.T, s *Store, what string, device preauth.ID, usd, eur, count int64) {
	t.Helper()
	for currency, want := range map[string]int64{"USD": usd, "EUR": eur} {
		if got, err := s.OutWith(t.Context(), device, currency); err != nil || got != want {
			t.Errorf("%s: %d %s out, want %d: %v", what, got, currency, want, err)
		}
	}
	if got, err := s.CountWith(t.Context(), device, start.Add(-time.Millisecond), at(60).Add(-time.Millisecond)); err != nil || got != count {
		t.Errorf("%s: %d payments, want %d: %v", what, got, count, err)
	}
}

// sell stores the nth payment of a till, paid by a customer.
func sell(t *testing.T, s *Store, n int, customer preauth.ID, change func(*Sale, *Ask)) {
	t.Helper()
	v := sale(n)
	a := ask(v, 0)
	a.Customer = customer
	a = answered(a, idOf("preauth"), uint32(n+1), 12_00)
	v = paid(v, a)
	v.Rev = 1
	if change != nil {
		change(&v, &a)
	}
	commit(t, s, &Change{Sale: &v, Asks: []Ask{a}})
}

func TestDealingsOfATill(t *testing.T) {
	s := openAt(t, t.TempDir(), Business)
	ann, bob := idOf("ann"), idOf("bob")
	wantDealings(t, s, "nothing yet", ann, 0, 0, 0)
	sell(t, s, 0, ann, nil)
	sell(t, s, 1, ann, func(v *Sale, a *Ask) { v.Currency, a.Currency = "EUR", "EUR" })
	sell(t, s, 2, bob, nil)
	sell(t, s, 3, ann, func(v *Sale, _ *Ask) { v.State = payment.Settled })
	wantDealings(t, s, "what is settled is not out", ann, 12_00, 12_00, 3)
	sell(t, s, 4, ann, func(v *Sale, a *Ask) { v.State, a.Preauth, a.Counter = payment.Awaiting, preauth.ID{}, 0 })
	sell(t, s, 5, ann, func(v *Sale, _ *Ask) { v.State, v.Policy = payment.Awaiting, RequireOnline })
	wantDealings(t, s, "what the backend decides is no offline payment", ann, 36_00, 12_00, 3)
	sell(t, s, 6, ann, func(v *Sale, a *Ask) { v.VerdictBytes, a.StoredAt = []byte("verdict"), at(60) })
	sell(t, s, 7, ann, func(_ *Sale, a *Ask) { a.StoredAt = start.Add(-time.Millisecond) })
	wantDealings(t, s, "outside the time", ann, 60_00, 12_00, 3)

	// A customer that was asked and has not paid has nothing out.
	v := sale(8)
	other := ask(v, 1)
	other.Customer = ann
	won := answered(ask(v, 2), idOf("other preauth"), 1, 5_00)
	won.Customer = bob
	v = paid(v, won)
	v.Rev = 1
	commit(t, s, &Change{Sale: &v, Asks: []Ask{other, won}})
	wantDealings(t, s, "another has paid", ann, 60_00, 12_00, 3)
	wantDealings(t, s, "the other one", bob, 17_00, 0, 2)

	// However far ahead the clock was, what nobody has decided counts as now.
	sell(t, s, 9, bob, func(_ *Sale, a *Ask) { a.StoredAt = start.AddDate(1, 0, 0) })
	wantDealings(t, s, "by a clock that was ahead", bob, 29_00, 0, 3)
	sound(t, s)
}

func TestDealingsOfACustomer(t *testing.T) {
	s, auth := wallet(t)
	till, kiosk := idOf("till"), idOf("kiosk")
	counter := uint32(0)
	pay := func(n int, business preauth.ID, states ...payment.State) {
		t.Helper()
		a := attempt(n)
		a.Business = business
		commit(t, s, &Change{Attempts: []Attempt{a}})
		counter++
		a = accepted(a, auth, counter)
		commit(t, s, &Change{Attempts: []Attempt{a}})
		for _, state := range states {
			a = stepped(a, state)
			commit(t, s, &Change{Attempts: []Attempt{a}})
		}
	}
	pay(0, till)
	pay(1, till, payment.Provisional)
	pay(2, till, payment.Provisional, payment.Settled)
	pay(3, kiosk)
	asked := attempt(4)
	commit(t, s, &Change{Attempts: []Attempt{asked}})
	online := attempt(5)
	commit(t, s, &Change{Attempts: []Attempt{online}})
	online = accepted(online, auth, 0)
	online.Preauth, online.Charge = preauth.ID{}, true
	commit(t, s, &Change{Attempts: []Attempt{online}})
	wantDealings(t, s, "one till", till, 36_00, 0, 3)
	wantDealings(t, s, "another", kiosk, 12_00, 0, 1)
	pay(1000, kiosk)
	wantDealings(t, s, "by a clock that was ahead", kiosk, 24_00, 0, 2)
	ahead, err := s.Attempt(t.Context(), attempt(1000).Request)
	if err != nil {
		t.Fatal(err)
	}
	ahead = stepped(ahead, payment.Settled)
	ahead.VerdictBytes = []byte("verdict")
	commit(t, s, &Change{Attempts: []Attempt{ahead}})
	wantDealings(t, s, "and the backend has decided", kiosk, 12_00, 0, 1)
	sound(t, s)
}
