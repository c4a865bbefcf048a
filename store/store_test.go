package store

import (
	"reflect"
	"testing"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// TestCustomerPayment walks one payment through a wallet's store, with a
// reopening after every commit: what was committed is what is read.
func TestCustomerPayment(t *testing.T) {
	dir := t.TempDir()
	auth := authorization(t, 1)
	a := attempt(1)
	acc := accepted(a, auth, 1)
	prov := stepped(acc, payment.Provisional)
	settled := stepped(prov, payment.Settled)
	settled.Settled = 12_00
	steps := []struct {
		name        string
		change      Change
		want        Attempt
		held, spent int64
		outbox      int
	}{
		{"the request is stored", Change{Put: []Authorization{auth}, Attempts: []Attempt{a}}, a, 0, 0, 0},
		{"the voucher holds its total", Change{Attempts: []Attempt{acc}, Outbox: []Item{claim(acc)}}, acc, 12_00, 0, 1},
		{"a receipt keeps it held", Change{Attempts: []Attempt{prov}}, prov, 12_00, 0, 1},
		{"the verdict spends it", Change{Attempts: []Attempt{settled}, Done: []ItemKey{claim(acc).ItemKey}}, settled, 0, 12_00, 0},
	}
	for i, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			s := openAt(t, dir, Customer)
			step.change.Events = append(step.change.Events, opened(a.Payment))
			step.change.Floor = at(i + 1)
			commit(t, s, &step.change)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = openAt(t, dir, Customer)
			got, err := s.Attempt(t.Context(), a.Request)
			if err != nil || !reflect.DeepEqual(got, step.want) {
				t.Errorf("attempt: %v\n got %+v\nwant %+v", err, got, step.want)
			}
			w, err := s.Authorization(t.Context(), auth.ID())
			if err != nil || w.Held != step.held || w.Spent != step.spent {
				t.Errorf("holds %d and spent %d, want %d and %d: %v", w.Held, w.Spent, step.held, step.spent, err)
			}
			if n, err := s.OutboxSize(t.Context()); err != nil || n != step.outbox {
				t.Errorf("outbox of %d, want %d: %v", n, step.outbox, err)
			}
			if seq, err := s.LastSequence(t.Context()); err != nil || seq != uint64(i+1) {
				t.Errorf("sequence %d, want %d: %v", seq, i+1, err)
			}
			if floor, err := s.Floor(t.Context()); err != nil || !floor.Equal(at(i+1)) {
				t.Errorf("floor %v, want %v: %v", floor, at(i+1), err)
			}
			sound(t, s)
		})
	}
}

// TestVerdictsTo: how far changed verdicts were read outlives the process, and
// goes back when somebody says so.
func TestVerdictsTo(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Customer)
	for _, to := range []int64{7, 107, 0} {
		commit(t, s, &Change{VerdictsTo: &to})
		commit(t, s, &Change{Floor: at(1)})
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		s = openAt(t, dir, Customer)
		if got, err := s.VerdictsTo(t.Context()); err != nil || got != to {
			t.Errorf("%d, want %d: %v", got, to, err)
		}
	}
}

// TestBusinessPayment walks one payment of two customers through a till's
// store.
func TestBusinessPayment(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Business)
	v := sale(1)
	won, lost := ask(v, 1), ask(v, 2)
	commit(t, s, &Change{Sale: &v, Asks: []Ask{won, lost}})
	if got, ok, err := s.OpenSale(t.Context()); err != nil || !ok || got.ID != v.ID || len(got.Asks) != 2 {
		t.Fatalf("open sale: %v %v %+v", err, ok, got)
	}
	won = answered(won, idOf("preauth"), 7, 12_00)
	lost.Cancel, lost.CancelledAt, lost.Owed = payment.ReasonOtherPaid, at(3), true
	v = paid(v, won)
	commit(t, s, &Change{Sale: &v, Asks: []Ask{won, lost}})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s = openAt(t, dir, Business)
	v.Asks = []payment.Ask{won.Ask, lost.Ask}
	if got, err := s.Sale(t.Context(), v.ID); err != nil || !reflect.DeepEqual(got, v) {
		t.Errorf("sale: %v\n got %+v\nwant %+v", err, got, v)
	}
	if got, ok, err := s.OpenSale(t.Context()); err != nil || ok {
		t.Errorf("open sale after it was paid: %v %+v", err, got)
	}
	for name, read := range map[string]func() ([]Ask, error){
		"of the payment": func() ([]Ask, error) { return s.AsksOf(t.Context(), v.ID) },
		"owed":           func() ([]Ask, error) { return s.OwedAsks(t.Context()) },
	} {
		if got, err := read(); err != nil || !reflect.DeepEqual(got, []Ask{won, lost}) {
			t.Errorf("asks %s: %v\n got %+v\nwant %+v", name, err, got, []Ask{won, lost})
		}
	}
	if h, ok, err := s.VoucherSeen(t.Context(), won.Preauth, 7); err != nil || !ok || h != won.Voucher {
		t.Errorf("voucher 7: %v %v %v", h, ok, err)
	}
	if h, ok, err := s.VoucherSeen(t.Context(), won.Preauth, 8); err != nil || ok || h != (preauth.Hash{}) {
		t.Errorf("voucher 8: %v %v %v", h, ok, err)
	}
	if n, err := s.GuaranteeUsed(t.Context(), won.Preauth); err != nil || n != won.Guaranteed {
		t.Errorf("guarantee used %d, want %d: %v", n, won.Guaranteed, err)
	}
	wantUnsettled := []Unsettled{{Currency: "USD", Count: 1, Total: 12_00, Guaranteed: 6_00}}
	if sums, oldest, deadline, err := s.Unsettled(t.Context()); err != nil || !reflect.DeepEqual(sums, wantUnsettled) || !oldest.Equal(v.CreatedAt) || deadline != (time.Time{}) {
		t.Errorf("unsettled: %v %v %v %v", sums, oldest, deadline, err)
	}
	sound(t, s)
}
