package main

import (
	"bytes"
	"database/sql"
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
)

// tampers changes the backend's books behind everybody's back.
func (s *stage) tampers(statements ...string) {
	db, err := sql.Open("sqlite3", "file:"+filepath.Join(s.host.books(), "backend.db")+"?_busy_timeout=5000")
	s.check(err, "open the books")
	defer db.Close()
	for _, statement := range append([]string{`DROP TRIGGER postings_are_final`}, statements...) {
		_, err := db.ExecContext(s.ctx, statement)
		s.check(err, "%s", statement)
	}
}

const captured = ` AND transfer_seq = (SELECT seq FROM transfers WHERE reason = 'CAPTURE')`

// TestAuditIsOfWhatIsThere changes the books of a payment that went well, and
// sees that the demo's own sums find it, not only the backend's.
func TestAuditIsOfWhatIsThere(t *testing.T) {
	for _, tt := range []struct {
		name       string
		statements []string
		finds      string
	}{
		{"a cent too much for the business", []string{`UPDATE postings SET amount = amount + 1 WHERE kind = 'BUSINESS'`}, "sum to 1"},
		{"a dollar more than anybody signed, out of the hold", []string{
			`UPDATE postings SET amount = amount + 100 WHERE kind = 'BUSINESS'` + captured,
			`UPDATE postings SET amount = amount - 100 WHERE kind = 'HELD'` + captured,
		}, "was credited 1300"},
		{"the whole payment once more", []string{
			`INSERT INTO transfers (seq, reason, request_hash, preauth_id, at_ms)
				SELECT 1000, reason, request_hash, preauth_id, at_ms FROM transfers WHERE reason = 'CAPTURE'`,
			`INSERT INTO postings SELECT 1000, kind, account_id, currency, amount FROM postings
				WHERE transfer_seq = (SELECT seq FROM transfers WHERE reason = 'CAPTURE' AND seq < 1000)`,
		}, "was credited 2400"},
		{"a payment to another business", []string{
			`UPDATE postings SET account_id = zeroblob(16) WHERE kind = 'BUSINESS'`,
		}, "the business is owed 0"},
		{"a payment that is gone", []string{
			`UPDATE postings SET amount = amount - 1200 - 1 WHERE kind = 'BUSINESS'` + captured,
			`UPDATE postings SET amount = amount + 1200 + 1 WHERE kind = 'HELD'` + captured,
		}, "was credited -1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				s, err := build(t.Context(), newBubble(t), cast{}, nil)
				if err != nil {
					t.Fatal(err)
				}
				a, err := s.enact(scenario{play: func(s *stage) { happy(s); s.tampers(tt.statements...) }})
				if err := errors.Join(err, s.close()); err != nil {
					t.Fatal(err)
				}
				var own []string
				for _, p := range a.problems {
					if !strings.HasPrefix(p, "backend: ") {
						own = append(own, p)
					}
				}
				if got := strings.Join(own, "\n"); !strings.Contains(got, tt.finds) {
					t.Errorf("found %q, not %q", got, tt.finds)
				}
			})
		})
	}
}

// TestWhatDoesNotAddUpFails plays a scenario whose money is tampered with, as
// the program does: the table says NO and the exit code is 1.
func TestWhatDoesNotAddUpFails(t *testing.T) {
	bad := scenario{name: "tampered", play: func(s *stage) {
		happy(s)
		s.tampers(`UPDATE postings SET amount = amount + 1 WHERE kind = 'BUSINESS'`)
	}}
	var out bytes.Buffer
	err := playAll(t.Context(), []scenario{bad}, shortDir(t), &out, io.Discard)
	if !errors.Is(err, errNotWhole) || exitCode(err) != 1 {
		t.Errorf("exit %d, %v", exitCode(err), err)
	}
	for _, want := range []string{"WRONG  tampered", "sum to 1", "88.00       NO"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q is not in\n%s", want, &out)
		}
	}
}

// TestPromisedScenarios: scripts rely on these names.
func TestPromisedScenarios(t *testing.T) {
	have := strings.Join(names(), " ") + " "
	for _, name := range []string{
		"happy", "two-customers-race", "decline", "cancel", "tip", "delegated", "insufficient-preauth", "expired-preauth",
		"voided-preauth", "currency-mismatch", "link-lost-before-accept", "link-lost-after-accept", "crash-payer",
		"crash-business", "backend-down", "sync-twice", "loser-syncs-first", "customer-carries-claim", "till-online", "customer-online",
	} {
		if !strings.Contains(" "+have, " "+name+" ") {
			t.Errorf("no scenario %s among %s", name, have)
		}
	}
}
