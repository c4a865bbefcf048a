package backend

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/vipaso/vipasod/preauth/ledger"
)

// A Report is what a check of the books found.
type Report struct {
	Checked  []Checked
	Problems []Problem
}

// Checked is one rule and how many things were held against it.
type Checked struct {
	Rule  string
	Count int
}

// A Problem is one thing that breaks a rule.
type Problem struct{ Rule, Subject, Detail string }

// OK reports whether every rule holds.
func (r Report) OK() bool { return len(r.Problems) == 0 }

func (r *Report) checked(rule string, count int) {
	r.Checked = append(r.Checked, Checked{rule, count})
}

func (r *Report) problem(rule, subject, format string, args ...any) {
	r.Problems = append(r.Problems, Problem{rule, subject, fmt.Sprintf(format, args...)})
}

// Check holds the ledger against its invariants. It reads all of it.
func (a Admin) Check(ctx context.Context) (r Report, err error) {
	err = a.Store.Read(ctx, func(t Tx) error {
		for _, check := range []func(Tx, *Report) error{
			checkFile, checkZero, checkTransfers, checkHolds, checkRequests, checkInstruments, checkBusinesses,
		} {
			if err := check(t, &r); err != nil {
				return err
			}
		}
		return nil
	})
	return r, err
}

// checkFile asks the database about itself. This is SQLite's own.
func checkFile(t Tx, r *Report) error {
	const rule = "the database file is sound"
	count := 0
	err := t.each(`PRAGMA integrity_check`, nil, func(row func(...any) error) error {
		var text string
		if err := row(&text); err != nil {
			return err
		}
		count++
		if text != "ok" {
			r.problem(rule, "file", "%s", text)
		}
		return nil
	})
	if err != nil {
		return err
	}
	r.checked(rule, count)
	return t.each(`SELECT "table", rowid FROM pragma_foreign_key_check`, nil, func(row func(...any) error) error {
		var table string
		var id any
		err := row(&table, &id)
		r.problem(rule, table, "row %v refers to nothing", id)
		return err
	})
}

func checkZero(t Tx, r *Report) error {
	const rule = "postings sum to zero per currency"
	count := 0
	err := t.each(`SELECT currency, sum(amount) FROM postings GROUP BY currency`, nil, func(row func(...any) error) error {
		var currency string
		var sum int64
		if err := row(&currency, &sum); err != nil {
			return err
		}
		count++
		if sum != 0 {
			r.problem(rule, currency, "the sum is %d", sum)
		}
		return nil
	})
	r.checked(rule, count)
	return err
}

func checkTransfers(t Tx, r *Report) error {
	const rule = "each transfer has two sides of one currency that sum to zero"
	count := 0
	err := t.each(`SELECT t.seq, count(p.amount), coalesce(sum(p.amount), 0), count(DISTINCT p.currency)
		FROM transfers t LEFT JOIN postings p ON p.transfer_seq = t.seq GROUP BY t.seq`, nil, func(row func(...any) error) error {
		var seq, sides, sum, currencies int64
		if err := row(&seq, &sides, &sum, &currencies); err != nil {
			return err
		}
		count++
		if sides != 2 || sum != 0 || currencies != 1 {
			r.problem(rule, fmt.Sprintf("transfer %d", seq), "%d sides in %d currencies sum to %d", sides, currencies, sum)
		}
		return nil
	})
	r.checked(rule, count)
	return err
}

// checkHolds compares each pre-authorization's three parts, each counted its
// own way: paid from verdicts, held from postings, released from transfers.
func checkHolds(t Tx, r *Report) error {
	const rule = "limit = paid + held + released"
	all, err := t.holds(`true ORDER BY serial`)
	if err != nil {
		return err
	}
	for _, h := range all {
		b, err := t.books(h)
		if err != nil {
			return err
		}
		held, err := t.held(h)
		if err != nil {
			return err
		}
		released, err := t.released(h)
		if err != nil {
			return err
		}
		subject := "pre-authorization " + h.id.String()
		switch paid := b.Paid(); {
		case paid+held+released != h.limit:
			r.problem(rule, subject, "%d paid, %d held, %d released of %d", paid, held, released, h.limit)
		case held < 0 || paid > h.limit:
			r.problem(rule, subject, "%d paid, %d held of %d", paid, held, h.limit)
		case !h.closed.IsZero() && held != 0:
			r.problem(rule, subject, "%d held after the end", held)
		}
		for _, c := range b.Claims {
			if used := b.GuaranteeUsed(c.Till); used > h.guarantee {
				r.problem(rule, subject, "the issuer pays %d of at most %d for one till", used, h.guarantee)
			}
		}
	}
	r.checked(rule, len(all))
	return nil
}

func (t Tx) released(h hold) (sum int64, err error) {
	_, err = t.one(`SELECT coalesce(sum(p.amount), 0) FROM transfers t JOIN postings p ON p.transfer_seq = t.seq
		WHERE t.preauth_id = ? AND t.reason = ? AND p.kind = ?`, []any{h.id[:], ledger.Release, ledger.Instrument}, &sum)
	return sum, err
}

func checkRequests(t Tx, r *Report) error {
	const rule = "each request is settled at most once, by what its verdict says"
	count := 0
	err := t.each(`SELECT r.hash, coalesce(v.paid + v.guaranteed, 0), coalesce((
			SELECT sum(p.amount) FROM transfers t JOIN postings p ON p.transfer_seq = t.seq
			WHERE t.request_hash = r.hash AND p.kind = 'BUSINESS'), 0), r.total, r.cancelled_ms IS NOT NULL,
			coalesce(v.outcome, '')
		FROM requests r LEFT JOIN verdicts v ON v.seq = r.verdict_seq`, nil, func(row func(...any) error) error {
		var hash []byte
		var said, posted, total int64
		var cancelled bool
		var outcome ledger.Outcome
		if err := row(&hash, &said, &posted, &total, &cancelled, &outcome); err != nil {
			return err
		}
		count++
		subject := "request " + hex.EncodeToString(hash)
		switch {
		case said != posted:
			r.problem(rule, subject, "the verdict says %d, the postings %d", said, posted)
		case posted > total:
			r.problem(rule, subject, "%d paid of %d", posted, total)
		case cancelled != (outcome == ledger.Cancelled):
			r.problem(rule, subject, "Cancel and verdict disagree: %s", outcome)
		}
		return nil
	})
	r.checked(rule, count)
	return err
}

// checkInstruments recomputes each balance from what happened on the
// instrument, without its postings.
func checkInstruments(t Tx, r *Report) error {
	const rule = "each instrument's balance follows from what happened on it"
	count := 0
	err := t.each(`SELECT i.id,
		coalesce((SELECT sum(amount) FROM postings p WHERE p.kind = 'INSTRUMENT' AND p.account_id = i.id AND p.currency = i.currency), 0),
		coalesce((SELECT sum(p.amount) FROM postings p JOIN transfers t ON t.seq = p.transfer_seq
			WHERE p.kind = 'INSTRUMENT' AND p.account_id = i.id AND p.currency = i.currency AND t.reason IN ('FUND', 'RELEASE')), 0)
		- coalesce((SELECT sum(limit_minor) FROM preauths a WHERE a.instrument_id = i.id), 0)
		- coalesce((SELECT sum(v.paid) FROM claims c JOIN requests q ON q.hash = c.request_hash
			JOIN verdicts v ON v.seq = q.verdict_seq WHERE c.instrument_id = i.id), 0)
		FROM instruments i`, nil, func(row func(...any) error) error {
		var id []byte
		var posted, expected int64
		if err := row(&id, &posted, &expected); err != nil {
			return err
		}
		count++
		if posted != expected || posted < 0 {
			r.problem(rule, "instrument "+hex.EncodeToString(id), "the balance is %d, not %d", posted, expected)
		}
		return nil
	})
	r.checked(rule, count)
	return err
}

func checkBusinesses(t Tx, r *Report) error {
	const rule = "each business is owed what its verdicts say"
	count := 0
	err := t.each(`SELECT b.id,
		coalesce((SELECT sum(amount) FROM postings p WHERE p.kind = 'BUSINESS' AND p.account_id = b.id), 0),
		coalesce((SELECT sum(v.paid + v.guaranteed) FROM requests q JOIN verdicts v ON v.seq = q.verdict_seq
			WHERE q.business_id = b.id), 0)
		FROM businesses b`, nil, func(row func(...any) error) error {
		var id []byte
		var posted, said int64
		if err := row(&id, &posted, &said); err != nil {
			return err
		}
		count++
		if posted != said {
			r.problem(rule, "business "+hex.EncodeToString(id), "the balance is %d, the verdicts say %d", posted, said)
		}
		return nil
	})
	r.checked(rule, count)
	return err
}
