package backend

import (
	"database/sql"
	"strings"
	"testing"
	"time"
)

// A tampered bench has one of everything in its books.
func tampered(t *testing.T, query string) (ledger, reconcile []Problem) {
	t.Helper()
	s := newStreet(t)
	s.guarantee(5_00)
	w := s.phone.preauthorize(s.card, 40_00)
	reversed := s.phone.preauthorize(s.card, 5_00).sale(s.till, 4_00)
	s.till.submit(reversed.claim())
	s.till.submit(reversed.undo().cancelled())
	clone := *w
	s.till.submit(w.sale(s.till, 30_00).claim(), clone.sale(s.other, 20_00).claim(), w.sale(s.till, 1_00).undo().cancelled())
	second := s.bench.phone(s.phone.owner)
	s.phone = second
	charge := s.charge(s.till.ask(7_00, online), 0)
	s.register(charge)
	s.till.submit(charge.claim(), second.preauthorize(s.card, 10_00).sale(s.till, 2_00).undo().claim())
	s.advance(16 * day)
	s.till.submit(w.sale(s.till, 3_00).claim())

	// What follows is done behind the backend's back, to a copy.
	path := t.TempDir() + "/copy.db"
	_, err := s.store.writer.Exec(`VACUUM INTO ?`, path)
	must(t, err)
	db, err := sql.Open("sqlite3", "file:"+path)
	must(t, err)
	db.SetMaxOpenConns(1)
	for _, q := range []string{
		`DROP TRIGGER postings_are_final`, `DROP TRIGGER postings_stay`, `DROP TRIGGER verdicts_are_final`,
		`PRAGMA ignore_check_constraints = ON`, query,
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
	}
	must(t, db.Close())
	store, err := Open(t.Context(), "sqlite:"+path)
	must(t, err)
	defer func() { must(t, store.Close()) }()
	a := Admin{Store: store, Now: s.now}
	c, err := a.Check(t.Context())
	must(t, err)
	r, err := a.Reconcile(t.Context())
	must(t, err)
	return c.Problems, r.Problems
}

func TestChecksFindWhatWasTamperedWith(t *testing.T) {
	const (
		inLedger = 1 << iota
		inObjects
	)
	tests := []struct {
		name  string
		query string
		where int
		rule  string
	}{
		{"nothing", `SELECT 1`, 0, ""},
		{"money from nowhere", `UPDATE postings SET amount = amount + 1 WHERE kind = 'BUSINESS'`, inLedger, "postings sum to zero"},
		{"a posting less", `DELETE FROM postings WHERE kind = 'HELD' AND amount < 0`, inLedger, "two sides"},
		{"a whole transfer less", `DELETE FROM postings WHERE transfer_seq = (SELECT seq FROM transfers WHERE reason = 'CAPTURE')`, inLedger, "settled at most once"},
		{"a transfer twice", `INSERT INTO postings SELECT 1000 + transfer_seq, kind, account_id, currency, amount FROM postings
			WHERE transfer_seq = (SELECT seq FROM transfers WHERE reason = 'CAPTURE')`, inLedger, "the database file"},
		{"money moved to the wrong account", `UPDATE postings SET account_id = (SELECT id FROM businesses ORDER BY name DESC LIMIT 1)
			WHERE kind = 'BUSINESS'`, inLedger, "each business is owed"},
		{"a balance nobody earned", `UPDATE postings SET amount = amount * 2 WHERE transfer_seq = (SELECT seq FROM transfers WHERE reason = 'RESERVE')`, inLedger, "each instrument's balance"},
		{"a limit that grew", `UPDATE preauths SET limit_minor = limit_minor + 1`, inLedger, "limit = paid + held + released"},
		{"a verdict's amount", `UPDATE verdicts SET paid = paid + 1 WHERE outcome = 'SETTLED'`, inLedger | inObjects, "each signed verdict"},
		{"a verdict's outcome", `UPDATE verdicts SET outcome = 'SETTLED' WHERE outcome = 'REJECTED'`, inObjects, "each outcome follows"},
		{"the amount of a verdict that was replaced", `UPDATE verdicts SET paid = paid + 1 WHERE outcome = 'SETTLED'
			AND seq NOT IN (SELECT verdict_seq FROM requests WHERE verdict_seq IS NOT NULL)`, inObjects, "each signed verdict"},
		{"a verdict of another", `UPDATE requests SET verdict_seq = (SELECT max(verdict_seq) FROM requests)
			WHERE verdict_seq = (SELECT min(verdict_seq) FROM requests)`, inLedger | inObjects, "each signed verdict"},
		{"a Cancel that vanished", `DELETE FROM cancels`, inObjects, "signed objects that verify"},
		{"a Cancel that nobody signed", `UPDATE requests SET cancelled_ms = 1`, inLedger | inObjects, "signed objects that verify"},
		{"another order of arrival", `UPDATE arrivals SET at_ms = at_ms + 1300000000000 WHERE kind = 'CLAIM'`, inObjects, "each outcome follows"},
		{"a voucher of another", `UPDATE claims SET bytes = (SELECT bytes FROM claims WHERE preauth_id IS NOT NULL ORDER BY seq LIMIT 1)`, inObjects, "signed objects that verify"},
		{"a receipt of another", `UPDATE claims SET receipt = (SELECT receipt FROM claims ORDER BY seq LIMIT 1)`, inObjects, "signed objects that verify"},
		{"a payment to another till", `UPDATE requests SET till_id = (SELECT id FROM devices WHERE customer_id IS NOT NULL LIMIT 1)`, inObjects, "signed objects that verify"},
		{"a guarantee above its bound", `UPDATE preauths SET guarantee = 1`, inLedger, "limit = paid + held + released"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ledger, objects := tampered(t, tt.query)
			if got := len(ledger) > 0; got != (tt.where&inLedger != 0) && tt.where != inObjects {
				t.Errorf("ledger check says %v", ledger)
			}
			if len(objects) == 0 && tt.where&inObjects != 0 || tt.where == 0 && len(objects) > 0 {
				t.Errorf("reconcile says %v", objects)
			}
			found := tt.rule == ""
			for _, p := range append(ledger, objects...) {
				found = found || strings.Contains(p.Rule, tt.rule)
			}
			if !found {
				t.Errorf("nothing breaks %q: %v %v", tt.rule, ledger, objects)
			}
		})
	}
}

func TestPaymentOfNobody(t *testing.T) {
	b := newBench(t, Options{})
	if _, err := b.admin.Payment(b.ctx, [16]byte{1}); Reason(err) != "NOT_FOUND" {
		t.Errorf("an unknown payment: %v", err)
	}
	if _, err := b.admin.EnrollCode(b.ctx, Party{Customer: [16]byte{1}}, time.Hour); Reason(err) != "NOT_FOUND" {
		t.Errorf("a code for nobody: %v", err)
	}
}
