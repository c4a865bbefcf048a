package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
)

// item returns an item that is due, by its name.
func item(name string, deadline time.Time, total int64) Item {
	return Item{
		ItemKey: ItemKey{payment.ItemClaim, hashOf(name)}, Payment: idOf(name), Deadline: deadline, Total: total,
		Currency: "USD", CreatedAt: at(1),
	}
}

func names(items []Item, all ...string) []string {
	var found []string
	for _, i := range items {
		for _, name := range all {
			if i.Request == hashOf(name) {
				found = append(found, name)
			}
		}
	}
	return found
}

// TestDueItems: the earliest deadline first, of equal ones what was stored
// first, of one change the most money, and nothing before its time.
func TestDueItems(t *testing.T) {
	s := openAt(t, t.TempDir(), Customer)
	all := []string{"late", "soon small", "soon large", "later larger", "tried"}
	tried := item("tried", at(1), 1)
	commit(t, s, &Change{Outbox: []Item{
		item("late", at(900), 99_00), item("soon small", at(600), 1_00), item("soon large", at(600), 50_00), tried,
	}})
	commit(t, s, &Change{Outbox: []Item{item("later larger", at(600), 90_00)}})
	tried.Tries, tried.NextTry, tried.Error, tried.Stored = 3, at(60), "OFFLINE", 1
	gone := item("gone", at(1), 1)
	if err := s.Retry(t.Context(), []Item{tried, gone}); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		name  string
		now   time.Time
		limit int
		want  []string
	}{
		{"one that was tried waits", at(59), 10, []string{"soon large", "soon small", "later larger", "late"}},
		{"until its time", at(60), 10, []string{"tried", "soon large", "soon small", "later larger", "late"}},
		{"at most as many as asked for", at(60), 2, []string{"tried", "soon large"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := s.DueItems(t.Context(), tt.now, tt.limit)
			if err != nil || !slices.Equal(names(got, all...), tt.want) {
				t.Errorf("due: %q, want %q: %v", names(got, all...), tt.want, err)
			}
		})
	}
	got, err := s.DueItems(t.Context(), at(60), 1)
	if err != nil || len(got) != 1 || got[0] != tried {
		t.Errorf("after a try: %v\n got %+v\nwant %+v", err, got, tried)
	}

	if err := s.DueAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, err := s.DueItems(t.Context(), at(0), 10); err != nil || len(got) != 5 || got[0].Tries != 3 {
		t.Errorf("all made due: %v %+v", err, got)
	}
}

// TestHandInAgain: an item that is there is made due again and keeps its age.
func TestHandInAgain(t *testing.T) {
	s := openAt(t, t.TempDir(), Customer)
	first := item("one", at(900), 5_00)
	commit(t, s, &Change{Outbox: []Item{first}})
	tried := first
	tried.Tries, tried.NextTry, tried.Error = 2, at(100), "OFFLINE"
	if err := s.Retry(t.Context(), []Item{tried}); err != nil {
		t.Fatal(err)
	}
	again := item("one", at(800), 6_00)
	again.CreatedAt, again.Tries, again.NextTry, again.Error = at(50), 7, at(700), "ignored"
	commit(t, s, &Change{Outbox: []Item{again}})
	want := item("one", at(800), 6_00)
	want.Stored = 1
	if got, err := s.DueItems(t.Context(), at(0), 10); err != nil || len(got) != 1 || got[0] != want {
		t.Errorf("handed in again: %v\n got %+v\nwant %+v", err, got, want)
	}
	if n, err := s.OutboxSize(t.Context()); err != nil || n != 1 {
		t.Errorf("outbox of %d: %v", n, err)
	}

	other := ItemKey{payment.ItemCancel, first.Request}
	commit(t, s, &Change{Outbox: []Item{{ItemKey: other, Currency: "USD"}}})
	if n, err := s.OutboxSize(t.Context()); err != nil || n != 2 {
		t.Errorf("outbox of %d with a cancel: %v", n, err)
	}
	// What a change puts in stays in, even if it is done with what was there.
	commit(t, s, &Change{Done: []ItemKey{first.ItemKey, first.ItemKey}, Outbox: []Item{again}})
	commit(t, s, &Change{Done: []ItemKey{other}})
	if got, err := s.DueItems(t.Context(), at(0), 10); err != nil || len(got) != 1 || got[0].CreatedAt != again.CreatedAt {
		t.Errorf("done and handed in: %v %+v", err, got)
	}
	if n, err := s.OutboxSize(t.Context()); err != nil || n != 1 {
		t.Errorf("outbox of %d at the end: %v", n, err)
	}
	sound(t, s)
}

// TestUnsettledDeadline: the earliest claim tells how long there is.
func TestUnsettledDeadline(t *testing.T) {
	s, auth := wallet(t)
	for n := range 3 {
		a := attempt(n)
		commit(t, s, &Change{Attempts: []Attempt{a}})
		a = accepted(a, auth, uint32(n+1))
		a.SettleBy, a.Guaranteed = at(1000-n), int64(n)
		commit(t, s, &Change{Attempts: []Attempt{a}, Outbox: []Item{claim(a)}})
	}
	commit(t, s, &Change{Outbox: []Item{{ItemKey: ItemKey{payment.ItemCancel, hashOf("x")}, Deadline: at(1), Currency: "USD"}}})
	sums, oldest, deadline, err := s.Unsettled(t.Context())
	if err != nil || fmt.Sprint(sums) != "[{USD 3 3600 3 0}]" || !oldest.Equal(at(0)) || !deadline.Equal(at(998)) {
		t.Errorf("unsettled: %v since %v until %v: %v", sums, oldest, deadline, err)
	}
}
