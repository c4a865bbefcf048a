package main

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"net/url"
	"path/filepath"
	"strings"
)

// ledger is what the backend's postings say, read from outside: from the
// database file, with sums of its own, and nothing of the backend's code.
type ledger struct {
	sums    map[string]int64            // by currency; zero if double entry holds
	kinds   map[string]map[string]int64 // by currency and kind of account
	credits map[string]credit           // by payment id, UUID
	holds   map[string]reserve          // by pre-authorization id, UUID
	tills   map[string]int64            // by business id, UUID
}

// openBooks opens the database of the backend in dir, to read.
func openBooks(dir string) (*sql.DB, error) {
	file := url.URL{Scheme: "file", Opaque: (&url.URL{Path: filepath.Join(dir, "backend.db")}).EscapedPath(), RawQuery: "_query_only=on&_busy_timeout=5000"}
	return sql.Open("sqlite3", file.String())
}

// credit is what businesses got for a payment.
type credit struct {
	amount   int64
	requests int // that were paid
}

// reserve is what became of funds that were set aside, in minor units.
type reserve struct {
	reserved, settled, released, held int64
}

// readLedger reads the books in dir, beside a running backend.
func readLedger(ctx context.Context, dir string) (l ledger, err error) {
	db, err := openBooks(dir)
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	l = ledger{
		sums: map[string]int64{}, kinds: map[string]map[string]int64{}, credits: map[string]credit{},
		holds: map[string]reserve{}, tills: map[string]int64{},
	}
	return l, errors.Join(l.readSums(ctx, db), l.readCredits(ctx, db), l.readHolds(ctx, db))
}

// each runs a query and calls row for each line of its answer.
func each(ctx context.Context, db *sql.DB, query string, row func(scan func(...any) error) error) (err error) {
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close(), rows.Err()) }()
	for rows.Next() {
		if err := row(rows.Scan); err != nil {
			return err
		}
	}
	return nil
}

func (l *ledger) readSums(ctx context.Context, db *sql.DB) error {
	return each(ctx, db, `SELECT kind, account_id, currency, sum(amount) FROM postings GROUP BY kind, account_id, currency`, func(scan func(...any) error) error {
		var kind, currency string
		var account []byte
		var sum int64
		err := scan(&kind, &account, &currency, &sum)
		if l.kinds[currency] == nil {
			l.kinds[currency] = map[string]int64{}
		}
		l.kinds[currency][kind] += sum
		l.sums[currency] += sum
		if kind == "BUSINESS" {
			l.tills[uuidText(account)] += sum
		}
		return err
	})
}

func (l *ledger) readCredits(ctx context.Context, db *sql.DB) error {
	return each(ctx, db, `SELECT r.payment_id, sum(p.amount) FROM requests r
		JOIN transfers t ON t.request_hash = r.hash JOIN postings p ON p.transfer_seq = t.seq
		WHERE p.kind = 'BUSINESS' GROUP BY r.payment_id, r.hash`, func(scan func(...any) error) error {
		var payment []byte
		var sum int64
		err := scan(&payment, &sum)
		c := l.credits[uuidText(payment)]
		c.amount += sum
		if sum != 0 {
			c.requests++
		}
		l.credits[uuidText(payment)] = c
		return err
	})
}

// readHolds follows the money of each pre-authorization by the other side of
// each posting.
func (l *ledger) readHolds(ctx context.Context, db *sql.DB) error {
	return each(ctx, db, `SELECT h.account_id, o.kind, h.amount FROM postings h
		JOIN postings o ON o.transfer_seq = h.transfer_seq AND o.kind <> 'HELD' WHERE h.kind = 'HELD'`, func(scan func(...any) error) error {
		var account []byte
		var other string
		var amount int64
		err := scan(&account, &other, &amount)
		r := l.holds[uuidText(account)]
		r.held += amount
		switch {
		case other == "INSTRUMENT" && amount > 0:
			r.reserved += amount
		case other == "INSTRUMENT":
			r.released -= amount
		default:
			r.settled -= amount
		}
		l.holds[uuidText(account)] = r
		return err
	})
}

// uuidText writes 16 bytes as ids are written.
func uuidText(b []byte) string {
	if len(b) != 16 {
		return hex.EncodeToString(b)
	}
	h := hex.EncodeToString(b)
	return strings.Join([]string{h[:8], h[8:12], h[12:16], h[16:20], h[20:]}, "-")
}
