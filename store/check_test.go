package store

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// TestCheckFinds: whatever differs from what it is made of is named, and such
// a store takes no more writes. One whose file is damaged is not opened.
func TestCheckFinds(t *testing.T) {
	tests := []struct {
		name, damage, want string
	}{
		{"a hold too much", `UPDATE authorizations SET held = held + 1`, "holds 1201 and has spent 0, its vouchers say 1200 and 0"},
		{"money spent that nobody paid", `UPDATE authorizations SET spent = 5`, "holds 1200 and has spent 5"},
		{"a counter set back", `UPDATE authorizations SET counter = 0`, "is at voucher 0, there is one with 1"},
		{"an unsettled payment too many", `UPDATE unsettled SET count = 2`, "unsettled USD: counted 2 of 1200, guaranteed 0; the payments say 1 of 1200"},
		{"unsettled money of no payment", `INSERT INTO unsettled VALUES ('EUR', 1, 1, 1)`, "unsettled EUR"},
		{"unsettled money forgotten", `DELETE FROM unsettled`, "unsettled USD: not counted"},
		{"a state changed by hand", `UPDATE attempts SET state = 'SETTLED' WHERE voucher IS NOT NULL`, "holds 1200 and has spent 0, its vouchers say 0 and 1200"},
		{"an event lost", `DELETE FROM events WHERE seq = 2`, "event log is at 3, it has 2 events, the last is 3"},
		{"the last event lost", `DELETE FROM events WHERE seq = 3`, "event log is at 3, it has 2 events, the last is 2"},
		{"an event changed", `UPDATE events SET body = zeroblob(length(body)) WHERE seq = 2`, "event 2 or the one before it is not what was stored"},
		{"an event of another time", `UPDATE events SET time = time + 1 WHERE seq = 3`, "event 3 or the one before it"},
		{"an event of another payment", `UPDATE events SET payment = NULL WHERE seq = 1`, "event 1 or the one before it"},
		{"another hash", `UPDATE events SET hash = zeroblob(32) WHERE seq = 1`, "event 2 or the one before it"},
		{"a chain that does not go on", `UPDATE events SET hash = NULL WHERE seq = 3`, "event 3 or the one before it"},
		{"another end of the chain", `UPDATE head SET journal = zeroblob(32)`, "the last event is not the one that was stored last"},
		{"no end of the chain", `UPDATE head SET journal = NULL`, "the last event is not the one that was stored last"},
		{"an item lost", `DELETE FROM outbox`, "outbox counts 1 items and has 0"},
		{"no attempt shown", `UPDATE attempts SET latest = 0`, "is marked wrongly"},
		{"an old attempt shown", `UPDATE attempts SET latest = 1`, "is marked wrongly"},
		{"a voucher of no pre-authorization", `PRAGMA foreign_keys = OFF; DELETE FROM authorizations`, "of attempts has no authorizations"},
		{"an index that leaves a row out", `PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE INDEX attempts_payment ON attempts (business)' WHERE name = 'attempts_payment'; PRAGMA writable_schema = RESET`, "file: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, auth := wallet(t)
			first, second := attempt(1), attempt(2)
			second.Payment = first.Payment
			commit(t, s, &Change{Attempts: []Attempt{first}, Events: []*paymentv1.Event{opened(first.Payment), opened(first.Payment)}})
			commit(t, s, &Change{Attempts: []Attempt{stepped(first, "EXPIRED"), second}})
			second = accepted(second, auth, 1)
			commit(t, s, &Change{Attempts: []Attempt{second}, Outbox: []Item{claim(second)}, Events: []*paymentv1.Event{opened(first.Payment)}})
			sound(t, s)
			if _, err := s.conn.ExecContext(t.Context(), tt.damage); err != nil {
				t.Fatal(err)
			}
			found, err := s.Check(t.Context())
			if err != nil || !strings.Contains(strings.Join(found, "\n"), tt.want) {
				t.Errorf("found %q, want %q: %v", found, tt.want, err)
			}
			closed(t, s)
			if strings.HasPrefix(tt.want, "file: ") {
				if _, err := Open(t.Context(), s.dir, Options{Role: Customer}); !errors.Is(err, ErrCorrupt) {
					t.Errorf("opened: %v", err)
				}
				return
			}
			for range 2 { // the first start mends nothing and hides nothing
				inconsistent(t, s.dir, tt.want)
			}
		})
	}
}

// inconsistent opens a customer's store that contradicts itself: it can be
// read, and says why nothing more is written.
func inconsistent(t *testing.T, dir, want string) {
	t.Helper()
	s, err := Open(t.Context(), dir, Options{Role: Customer})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	st, err := s.Stats(t.Context())
	if err != nil || st.Writable || st.Reason != Inconsistent || !strings.Contains(st.Detail, want) {
		t.Errorf("stats: %+v, want %q: %v", st, want, err)
	}
	_, _, err = s.Attempts(t.Context(), Filter{})
	_, due := s.DueItems(t.Context(), time.Unix(1<<40, 0), 10)
	if err := errors.Join(err, due, s.Backup(t.Context(), filepath.Join(t.TempDir(), "copy.db"))); err != nil {
		t.Errorf("read: %v", err)
	}
	for name, write := range map[string]error{
		"commit": s.Commit(t.Context(), &Change{Events: []*paymentv1.Event{opened(idOf("payment", 1))}}),
		"retry":  s.Retry(t.Context(), []Item{{}}), "due all": s.DueAll(t.Context()),
	} {
		if !errors.Is(write, ErrReadOnly) || !errors.Is(write, ErrInconsistent) {
			t.Errorf("%s: %v", name, write)
		}
	}
}

// TestCheckSales: the counters of a till are checked as well.
func TestCheckSales(t *testing.T) {
	s := openAt(t, t.TempDir(), Business)
	commit(t, s, crashChange(1))
	sound(t, s)
	if _, err := s.conn.ExecContext(t.Context(), `UPDATE sales SET tip = 5`); err != nil {
		t.Fatal(err)
	}
	found, err := s.Check(t.Context())
	want := "unsettled USD: counted 1 of 1200, guaranteed 600; the payments say 1 of 1205, guaranteed 600"
	if err != nil || fmt.Sprint(found) != "["+want+"]" {
		t.Errorf("found %q, want %q: %v", found, want, err)
	}
}
