package store

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// history returns a till's store with 25 ended payments, five in each
// millisecond, and one that is AWAITING; every fourth is still to be claimed.
// It also returns their ids, newest first.
func history(t *testing.T) (*Store, []preauth.ID) {
	t.Helper()
	s := openAt(t, t.TempDir(), Business)
	type placed struct {
		at time.Time
		id preauth.ID
	}
	var all []placed
	for n := range 26 {
		v := sale(n)
		v.CreatedAt = start.Add(time.Duration(n/5) * time.Millisecond)
		c := Change{Sale: &v}
		switch {
		case n == 25:
			v.State = payment.Awaiting
		case n%4 == 0:
			v.State = payment.Provisional
			c.Outbox = []Item{{ItemKey: ItemKey{payment.ItemClaim, hashOf(n)}, Payment: v.ID, Currency: "USD"}}
		default:
			v.State = payment.Expired
			c.Outbox = []Item{{ItemKey: ItemKey{payment.ItemCancel, hashOf(n)}, Payment: v.ID, Currency: "USD"}}
		}
		commit(t, s, &c)
		all = append(all, placed{v.CreatedAt, v.ID})
	}
	slices.SortFunc(all, func(a, b placed) int {
		if c := b.at.Compare(a.at); c != 0 {
			return c
		}
		return slices.Compare(b.id[:], a.id[:])
	})
	var ids []preauth.ID
	for _, p := range all {
		ids = append(ids, p.id)
	}
	return s, ids
}

// pages reads all pages of a filter.
func pages(t *testing.T, s *Store, f Filter) []preauth.ID {
	t.Helper()
	var ids []preauth.ID
	for {
		page, next, err := s.Sales(t.Context(), f)
		if err != nil || len(page) > f.Limit {
			t.Fatalf("page of %d: %v", len(page), err)
		}
		for _, v := range page {
			ids = append(ids, v.ID)
		}
		if f.After = next; next == "" {
			return ids
		}
	}
}

// TestSalesPages: pages of any length show every payment once, newest first.
func TestSalesPages(t *testing.T) {
	s, ids := history(t)
	pick := func(keep func(n int) bool) []preauth.ID {
		var found []preauth.ID
		for _, id := range ids {
			for n := range 26 {
				if id == idOf("payment", n) && keep(n) {
					found = append(found, id)
				}
			}
		}
		return found
	}
	tests := []struct {
		name   string
		filter Filter
		want   []preauth.ID
	}{
		{"all", Filter{}, ids},
		{"from a time on", Filter{From: start.Add(2 * time.Millisecond)}, pick(func(n int) bool { return n >= 10 })},
		{"before a time", Filter{To: start.Add(2 * time.Millisecond)}, pick(func(n int) bool { return n < 10 })},
		{"between", Filter{From: start.Add(time.Millisecond), To: start.Add(2 * time.Millisecond)}, pick(func(n int) bool { return n/5 == 1 })},
		{"in one state", Filter{States: []payment.State{payment.Expired}}, pick(func(n int) bool { return n != 25 && n%4 != 0 })},
		{"in two states", Filter{States: []payment.State{payment.Awaiting, payment.Provisional}}, pick(func(n int) bool { return n == 25 || n%4 == 0 })},
		{"unsynced", Filter{Unsynced: true}, pick(func(n int) bool { return n == 25 || n%4 == 0 })},
		{"unsynced of a time", Filter{Unsynced: true, From: start.Add(time.Millisecond), To: start.Add(4 * time.Millisecond)},
			pick(func(n int) bool { return n%4 == 0 && n >= 5 && n < 20 })},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, tt.filter.Limit = range []int{1, 3, 5, 25, 26, 27} {
				if got := pages(t, s, tt.filter); !slices.Equal(got, tt.want) {
					t.Errorf("pages of %d:\n got %v\nwant %v", tt.filter.Limit, got, tt.want)
				}
			}
		})
	}
	page, next, err := s.Sales(t.Context(), Filter{})
	if err != nil || next != "" || len(page) != 26 {
		t.Errorf("a page of no limit has %d of 26, then %q: %v", len(page), next, err)
	}
}

// TestPageDefault: a page is of 50 unless asked for otherwise.
func TestPageDefault(t *testing.T) {
	s := openAt(t, t.TempDir(), Customer)
	for n := range 51 {
		commit(t, s, &Change{Attempts: []Attempt{attempt(n)}})
	}
	page, next, err := s.Attempts(t.Context(), Filter{})
	if err != nil || next == "" || len(page) != 50 || page[0].Request != hashOf("request", 50) {
		t.Fatalf("page of %d, then %q: %v", len(page), next, err)
	}
	if page, next, err = s.Attempts(t.Context(), Filter{After: next}); err != nil || next != "" || len(page) != 1 || page[0].Request != hashOf("request", 0) {
		t.Errorf("last page of %d, then %q: %v", len(page), next, err)
	}
}

// TestAttemptsShowTheLatest: of several requests of a till's payment the
// newest is listed, by whatever name and time it came.
func TestAttemptsShowTheLatest(t *testing.T) {
	s, auth := wallet(t)
	first, second, elsewhere := attempt(1), attempt(2), attempt(3)
	second.Payment = first.Payment
	elsewhere.Payment, elsewhere.Business = first.Payment, idOf("another till")
	commit(t, s, &Change{Attempts: []Attempt{first}})
	commit(t, s, &Change{Attempts: []Attempt{stepped(first, payment.Expired), second}})
	commit(t, s, &Change{Attempts: []Attempt{elsewhere}})
	page, _, err := s.Attempts(t.Context(), Filter{})
	if err != nil || len(page) != 2 || page[0].Request != elsewhere.Request || page[1].Request != second.Request {
		t.Errorf("list: %v %+v", err, page)
	}
	old, err := s.Attempt(t.Context(), first.Request)
	if err != nil || old.Latest || old.State != payment.Expired {
		t.Errorf("first attempt: %v %+v", err, old)
	}
	// An attempt that is not the latest does not become it by a step.
	late := stepped(old, payment.Expired)
	late.Latest = true
	commit(t, s, &Change{Attempts: []Attempt{late}})
	sound(t, s)

	order := func(got []Attempt, err error, want ...Attempt) {
		t.Helper()
		if err != nil || !slices.EqualFunc(got, want, func(a, b Attempt) bool { return a.Request == b.Request }) {
			t.Errorf("attempts: %v\n got %+v\nwant %+v", err, got, want)
		}
	}
	got, err := s.AttemptsOf(t.Context(), first.Payment)
	order(got, err, elsewhere, second, first)
	got, err = s.UnfinishedAttempts(t.Context())
	order(got, err, second, elsewhere)

	second = accepted(second, auth, 1)
	commit(t, s, &Change{Attempts: []Attempt{second}})
	got, _, err = s.Attempts(t.Context(), Filter{Unsynced: true})
	order(got, err, second)
	second = stepped(second, payment.Provisional)
	commit(t, s, &Change{Attempts: []Attempt{second}})
	got, err = s.UnfinishedAttempts(t.Context())
	order(got, err, elsewhere)
	commit(t, s, &Change{Attempts: []Attempt{stepped(second, payment.Settled)}, Outbox: []Item{claim(second)}})
	got, _, err = s.Attempts(t.Context(), Filter{Unsynced: true})
	order(got, err, second)
	commit(t, s, &Change{Done: []ItemKey{claim(second).ItemKey}})
	got, _, err = s.Attempts(t.Context(), Filter{Unsynced: true})
	order(got, err)
}

// TestTokens: only tokens of the store's own are taken.
func TestTokens(t *testing.T) {
	s := openAt(t, t.TempDir(), Business)
	for _, bad := range []string{"x", "AAAA", "====", token(1, []byte("short")), token(1, make([]byte, 33)), "' OR 1=1 --"} {
		if _, _, err := s.Sales(t.Context(), Filter{After: bad}); !errors.Is(err, ErrToken) {
			t.Errorf("token %q: %v", bad, err)
		}
	}
	id := idOf("payment")
	createdMS, key, err := parseToken(token(start.UnixMilli(), id[:]))
	if err != nil || createdMS != start.UnixMilli() || !slices.Equal(key, id[:]) {
		t.Errorf("token: %d %x %v", createdMS, key, err)
	}
}
