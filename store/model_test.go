package store

import (
	"errors"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vipaso/vipasod/daemon/payment"
)

// model is a store as a slow mind would keep it: every payment, and sums made
// anew for each question.
type model struct {
	attempts []Attempt
	sales    []Sale
	counter  uint32
}

// unsettled adds up what is not settled.
func (m *model) unsettled() []Unsettled {
	sums := map[string]Unsettled{}
	add := func(currency string, total, guaranteed int64, awaited bool) {
		u := sums[currency]
		u.Currency, u.Count, u.Total, u.Guaranteed = currency, u.Count+1, u.Total+total, u.Guaranteed+guaranteed
		if awaited {
			u.Awaited += total
		}
		sums[currency] = u
	}
	for _, a := range m.attempts {
		if slices.Contains([]payment.State{"AUTHORIZED", "PROVISIONAL"}, a.State) {
			add(a.Currency, a.Amount+a.Tip, a.Guaranteed, a.Charge)
		}
	}
	for _, v := range m.sales {
		if slices.Contains([]payment.State{"AWAITING", "PROVISIONAL"}, v.State) {
			add(v.Currency, v.Amount+v.Tip, v.Guaranteed, v.State == "AWAITING")
		}
	}
	var list []Unsettled
	for _, currency := range slices.Sorted(maps.Keys(sums)) {
		list = append(list, sums[currency])
	}
	return list
}

// oldest is when the oldest unsettled payment was made.
func (m *model) oldest() time.Time {
	var first time.Time
	note := func(at time.Time) {
		if first.IsZero() || at.Before(first) {
			first = at
		}
	}
	for _, a := range m.attempts {
		if a.State == "AUTHORIZED" || a.State == "PROVISIONAL" {
			note(a.CreatedAt)
		}
	}
	for _, v := range m.sales {
		if v.State == "AWAITING" || v.State == "PROVISIONAL" {
			note(v.CreatedAt)
		}
	}
	return first
}

// holds adds up what vouchers hold and have spent.
func (m *model) holds() (held, spent int64) {
	for _, a := range m.attempts {
		if a.Voucher.Zero() || a.Preauth.Zero() {
			continue
		}
		switch a.State {
		case "AUTHORIZED", "PROVISIONAL", "REJECTED":
			held += a.Amount + a.Tip
		case "SETTLED":
			spent += a.Amount + a.Tip
		}
	}
	return held, spent
}

var (
	withoutVoucher = []payment.State{"REQUESTED", "DECLINED", "CANCELLED", "OTHER_PAID", "EXPIRED"}
	withVoucher    = []payment.State{"AUTHORIZED", "PROVISIONAL", "SETTLED", "CANCELLED", "OTHER_PAID", "REJECTED", "RELEASED"}
	ofSale         = []payment.State{"AWAITING", "PROVISIONAL", "SETTLED", "CANCELLED", "EXPIRED", "REJECTED"}
)

// TestCounters: whatever payments do, in whatever order and with whatever is
// refused in between, the maintained sums are those of the payments.
func TestCounters(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(r *rapid.T) {
		dir, err := os.MkdirTemp(dir, "")
		if err != nil {
			r.Fatal(err)
		}
		s, err := Open(t.Context(), dir, Options{Role: Customer})
		if err != nil {
			r.Fatal(err)
		}
		defer s.Close()
		auth := authorization(t, 1)
		commit(t, s, &Change{Put: []Authorization{auth}})
		m := &model{}
		r.Repeat(map[string]func(*rapid.T){
			"request": func(r *rapid.T) { m.request(t, r, s) },
			"accept":  func(r *rapid.T) { m.accept(t, r, s, auth) },
			"step":    func(r *rapid.T) { m.step(t, r, s) },
			"sell":    func(r *rapid.T) { m.sell(t, r, s) },
			"":        func(r *rapid.T) { m.compare(t, r, s, auth) },
		})
		found, err := s.Check(t.Context())
		if err != nil || len(found) > 0 {
			r.Fatalf("check: %v %q", err, found)
		}
	})
}

func currency(r *rapid.T) string {
	return rapid.SampledFrom([]string{"USD", "EUR"}).Draw(r, "currency")
}

func (m *model) request(t *testing.T, r *rapid.T, s *Store) {
	a := attempt(len(m.attempts))
	a.Amount, a.Currency = rapid.Int64Range(0, 100).Draw(r, "amount"), currency(r)
	a.CreatedAt = at(rapid.IntRange(0, 5).Draw(r, "created"))
	commit(t, s, &Change{Attempts: []Attempt{a}})
	m.attempts = append(m.attempts, a)
}

// accept gives an attempt a voucher, at times with a counter that is not the
// next one.
func (m *model) accept(t *testing.T, r *rapid.T, s *Store, auth Authorization) {
	i := m.pick(r, func(a Attempt) bool { return a.Voucher.Zero() })
	if i < 0 {
		return
	}
	off := rapid.SampledFrom([]int{0, 0, 0, -1, 1}).Draw(r, "off")
	a := accepted(m.attempts[i], auth, m.counter+1+uint32(off))
	a.Tip, a.Guaranteed = rapid.Int64Range(0, 9).Draw(r, "tip"), rapid.Int64Range(0, 9).Draw(r, "guaranteed")
	if rapid.Bool().Draw(r, "charge") {
		a.Charge, a.Preauth, off = true, [16]byte{}, 0
	} else if off == 0 {
		m.counter++
	}
	err := s.Commit(t.Context(), &Change{Attempts: []Attempt{a}})
	switch {
	case off != 0 && !errors.Is(err, ErrConflict):
		r.Fatalf("counter off by %d: %v", off, err)
	case off == 0 && err != nil:
		r.Fatal(err)
	case off == 0:
		m.attempts[i] = a
	}
}

// step moves an attempt or sale to any state that it could be in, at times
// over a revision that is gone.
func (m *model) step(t *testing.T, r *rapid.T, s *Store) {
	if len(m.sales) > 0 && rapid.Bool().Draw(r, "a sale") {
		i := rapid.IntRange(0, len(m.sales)-1).Draw(r, "which")
		v := m.sales[i]
		v.State, v.Rev = rapid.SampledFrom(ofSale).Draw(r, "state"), v.Rev+1
		v.Tip, v.Guaranteed = rapid.Int64Range(0, 9).Draw(r, "tip"), rapid.Int64Range(0, 9).Draw(r, "guaranteed")
		commit(t, s, &Change{Sale: &v})
		m.sales[i] = v
		return
	}
	i := m.pick(r, func(Attempt) bool { return true })
	if i < 0 {
		return
	}
	a := m.attempts[i]
	states := withVoucher
	if a.Voucher.Zero() {
		states = withoutVoucher
	}
	a = stepped(a, rapid.SampledFrom(states).Draw(r, "state"))
	if rapid.Bool().Draw(r, "stale") {
		a.Rev--
		if err := s.Commit(t.Context(), &Change{Attempts: []Attempt{a}}); !errors.Is(err, ErrConflict) {
			r.Fatalf("stale: %v", err)
		}
		return
	}
	commit(t, s, &Change{Attempts: []Attempt{a}})
	m.attempts[i] = a
}

func (m *model) sell(t *testing.T, r *rapid.T, s *Store) {
	v := sale(len(m.sales))
	v.Amount, v.Currency = rapid.Int64Range(0, 100).Draw(r, "amount"), currency(r)
	v.State = rapid.SampledFrom(ofSale).Draw(r, "state")
	commit(t, s, &Change{Sale: &v})
	m.sales = append(m.sales, v)
}

// pick returns an attempt, -1 if there is none to keep.
func (m *model) pick(r *rapid.T, keep func(Attempt) bool) int {
	var which []int
	for i, a := range m.attempts {
		if keep(a) {
			which = append(which, i)
		}
	}
	if len(which) == 0 {
		return -1
	}
	return rapid.SampledFrom(which).Draw(r, "which")
}

func (m *model) compare(t *testing.T, r *rapid.T, s *Store, auth Authorization) {
	sums, oldest, _, err := s.Unsettled(t.Context())
	if want := m.unsettled(); err != nil || !slices.Equal(sums, want) {
		r.Fatalf("unsettled %v, want %v: %v", sums, want, err)
	}
	if want := m.oldest(); !oldest.Equal(want) {
		r.Fatalf("oldest %v, want %v", oldest, want)
	}
	a, err := s.Authorization(t.Context(), auth.ID())
	if held, spent := m.holds(); err != nil || a.Held != held || a.Spent != spent || a.Counter != m.counter {
		r.Fatalf("holds %d, spent %d, at %d; want %d, %d, %d: %v", a.Held, a.Spent, a.Counter, held, spent, m.counter, err)
	}
}
