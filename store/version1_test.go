package store

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/payment"
)

// The files testdata/v1-*.sql are stores as version 1 of the schema left
// them, as statements. VIPASO_UPDATE=v1 writes them anew, which is right only
// until version 1 has been released: later stores are there to be migrated.
func fixture(role string) string { return filepath.Join("testdata", "v1-"+role+".sql") }

// TestVersion1 opens a store of version 1, with whatever migrations there are
// by now, and reads all of it.
func TestVersion1(t *testing.T) {
	for role, fill := range map[string]func(*testing.T, *Store){Business: fillTill, Customer: fillWallet} {
		t.Run(role, func(t *testing.T) {
			if os.Getenv("VIPASO_UPDATE") == "v1" {
				s := openAt(t, t.TempDir(), role)
				fill(t, s)
				if err := os.WriteFile(fixture(role), []byte(statements(t, s)), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			dir := t.TempDir()
			loadFixture(t, fixture(role), filepath.Join(dir, fileName))
			s := openAt(t, dir, role)
			sound(t, s)
			if events, err := s.Events(t.Context(), 0, 100); err != nil || len(events) != 4 { // the fixture is a copy, which adds LOCKED
				t.Errorf("%d events: %v", len(events), err)
			}
			if j := chained(t, s); j.Entries != 4 || j.Chained != 1 || len(j.Restored) != 1 {
				t.Errorf("the journal begins where the chain does: %+v", j)
			}
			if role == Business {
				verifyTill(t, s)
			} else {
				verifyWallet(t, s)
			}
		})
	}
}

// TestVersion1IsFixed: the first migration still makes the tables that the
// fixtures have; a change belongs into a migration of its own.
func TestVersion1IsFixed(t *testing.T) {
	script, err := os.ReadFile(filepath.Join("migrations", "00001_device.sql"))
	if err != nil {
		t.Fatal(err)
	}
	for _, role := range []string{Business, Customer} {
		had, err := os.ReadFile(fixture(role))
		if err != nil {
			t.Fatal(err)
		}
		for statement := range strings.SplitSeq(withoutComments(string(script)), ";\n") {
			if statement = strings.TrimSpace(statement); !strings.Contains(withoutComments(string(had)), statement) {
				t.Errorf("%s does not have\n%s", fixture(role), statement)
			}
		}
	}
}

// withoutComments drops the lines that are comments.
func withoutComments(script string) string {
	var b strings.Builder
	for line := range strings.Lines(script) {
		if !strings.HasPrefix(strings.TrimSpace(line), "--") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func fillTill(t *testing.T, s *Store) {
	v := sale(1)
	won, lost := ask(v, 1), ask(v, 2)
	commit(t, s, &Change{Sale: &v, Asks: []Ask{won, lost}, Events: []*paymentv1.Event{opened(v.ID)}, Floor: at(1)})
	won = answered(won, idOf("preauth", 1), 1, 12_00)
	lost.Cancel, lost.CancelledAt = payment.ReasonOtherPaid, at(2)
	v = paid(v, won)
	commit(t, s, &Change{
		Sale: &v, Asks: []Ask{won, lost}, Events: []*paymentv1.Event{opened(v.ID), opened(idOf("other"))},
		Outbox:   []Item{{ItemKey: ItemKey{payment.ItemClaim, won.Request}, Payment: v.ID, Deadline: at(9), Total: 12_00, Currency: "USD", CreatedAt: at(1)}},
		Identity: &Identity{DeviceCert: []byte("cert"), RootKey: [33]byte{2}, BackendURL: "https://backend.example"},
	})
}

func verifyTill(t *testing.T, s *Store) {
	v, err := s.Sale(t.Context(), idOf("payment", 1))
	if err != nil || v.State != payment.Provisional || len(v.Asks) != 2 || v.Guaranteed != 6_00 {
		t.Errorf("sale: %v %+v", err, v)
	}
	if i, err := s.Identity(t.Context()); err != nil || !i.Enrolled() || i.BackendURL != "https://backend.example" {
		t.Errorf("identity: %v %+v", err, i)
	}
	if due, err := s.DueItems(t.Context(), start, 10); err != nil || len(due) != 1 || due[0].Total != 12_00 {
		t.Errorf("outbox: %v %+v", err, due)
	}
}

func fillWallet(t *testing.T, s *Store) {
	auth := authorization(t, 1)
	commit(t, s, &Change{
		Put: []Authorization{auth}, Attempts: []Attempt{attempt(1), attempt(2)}, Events: []*paymentv1.Event{opened(idOf("payment", 1))},
		Instruments: []Instrument{{ID: auth.Instrument, Type: "CARD", Label: "blue card", Currency: "USD", PreAuthCapable: true}},
		Call:        &Call{RequestID: idOf("call"), Method: "Accept", Content: hashOf("content"), Subject: idOf("payment", 1)},
	})
	a, b := accepted(attempt(1), auth, 1), accepted(attempt(2), auth, 2)
	commit(t, s, &Change{Attempts: []Attempt{a, b}, Outbox: []Item{claim(a), claim(b)}, Events: []*paymentv1.Event{opened(a.Payment)}})
	a = stepped(a, payment.Settled)
	a.Settled, a.Receipt, a.ReceiptBytes = 12_00, true, []byte("a signed receipt")
	commit(t, s, &Change{Attempts: []Attempt{a}, Done: []ItemKey{claim(a).ItemKey}, Events: []*paymentv1.Event{opened(a.Payment)}})
}

func verifyWallet(t *testing.T, s *Store) {
	a, err := s.Attempt(t.Context(), hashOf("request", 1))
	if err != nil || a.State != payment.Settled || string(a.VoucherBytes) != "a signed voucher" || !a.Latest {
		t.Errorf("attempt: %v %+v", err, a)
	}
	w, err := s.Authorization(t.Context(), authorization(t, 1).ID())
	if err != nil || w.Held != 12_00 || w.Spent != 12_00 || w.Counter != 2 || len(w.Unacked) != 0 {
		t.Errorf("pre-authorization: %v %+v", err, w)
	}
	if _, ok, err := s.Call(t.Context(), idOf("call")); err != nil || !ok {
		t.Errorf("call: %v %v", ok, err)
	}
}

// statements returns a store as the statements that make it.
func statements(t *testing.T, s *Store) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	fmt.Fprintf(&b, "PRAGMA application_id = %d;\nBEGIN;\n", applicationID)
	text := func(query string, args ...any) []string {
		lines, err := list(t.Context(), s, func(r row) (line string, err error) { return line, r.Scan(&line) }, query, args...)
		if err != nil {
			t.Fatal(err)
		}
		return lines
	}
	for _, sql := range text(`SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%' ORDER BY rowid`) {
		b.WriteString(sql + ";\n")
	}
	for _, table := range text(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid`) {
		columns := text(`SELECT 'quote("' || name || '")' FROM pragma_table_info(?)`, table)
		for _, values := range text(`SELECT ` + strings.Join(columns, ` || ', ' || `) + ` FROM ` + table) {
			fmt.Fprintf(&b, "INSERT INTO %s VALUES (%s);\n", table, values)
		}
	}
	return b.String() + "COMMIT;\n"
}

// loadFixture makes a database file from the statements in another.
func loadFixture(t *testing.T, sqlFile, path string) {
	t.Helper()
	script, err := os.ReadFile(sqlFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := touch(path); err != nil {
		t.Fatal(err)
	}
	db := connect(path, url.Values{"_foreign_keys": {"OFF"}})
	_, err = db.ExecContext(t.Context(), string(script))
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
}
