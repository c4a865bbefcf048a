package store

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"strings"

	"github.com/vipaso/vipasod/preauth"
)

// pageDefault is how long a page is if Filter.Limit is 0.
const pageDefault = 50

// listing is a table that Filter pages through: newest first, by time of
// creation and, among those of one millisecond, by key.
type listing struct {
	columns, table, key string
	where               string // rows that are listed at all
	unsynced            string // the keys of those the backend has not judged
}

var (
	listSales = listing{
		columns: saleColumns, table: "sales", key: "id", where: "1",
		// Of Cancels only one of what was paid counts: others move nothing.
		unsynced: `SELECT payment FROM outbox WHERE kind = 'CLAIM'
			UNION ALL SELECT s.id FROM outbox o JOIN sales s ON s.id = o.payment WHERE o.kind = 'CANCEL' AND s.winner = o.request
			UNION ALL SELECT id FROM sales WHERE state = 'AWAITING' AND state IN ('OPEN', 'AWAITING', 'PROVISIONAL')`,
	}
	listAttempts = listing{
		columns: attemptColumns, table: "attempts", key: "request", where: "latest = 1",
		unsynced: `SELECT request FROM outbox WHERE kind = 'CLAIM'
			UNION ALL SELECT request FROM attempts WHERE state IN ('REQUESTED', 'AUTHORIZED', 'PROVISIONAL') AND created_at >= 0 AND state <> 'REQUESTED'`,
	}
)

// Sales returns a page of the business's payments, newest first, each with
// its Asks, and the token of the next page, empty after the last. The error
// wraps ErrToken.
func (s *Store) Sales(ctx context.Context, f Filter) ([]Sale, string, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()
	page, next, err := pageOf(ctx, s, listSales, f, scanSale, func(v Sale) (int64, []byte) { return ms(v.CreatedAt), v.ID[:] })
	for i := range page {
		if page[i].Asks, err = s.asksIn(ctx, page[i].ID); err != nil {
			return nil, "", err
		}
	}
	return page, next, err
}

// Attempts returns a page of the customer's payments, newest first, of each
// the latest attempt, and the token of the next page, empty after the last.
// The error wraps ErrToken.
func (s *Store) Attempts(ctx context.Context, f Filter) ([]Attempt, string, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return nil, "", err
	}
	defer s.mu.Unlock()
	return pageOf(ctx, s, listAttempts, f, scanAttempt, func(a Attempt) (int64, []byte) { return ms(a.CreatedAt), a.Request[:] })
}

// pageOf returns one page and the token of the next. s.mu is held.
func pageOf[T any](ctx context.Context, s *Store, l listing, f Filter, scan func(row) (T, error), place func(T) (int64, []byte)) ([]T, string, error) {
	if f.Limit <= 0 {
		f.Limit = pageDefault
	}
	query, args, err := l.query(f)
	if err != nil {
		return nil, "", err
	}
	// One more than asked for says whether there is a next page.
	page, err := list(ctx, s, scan, query, args...)
	if err != nil || len(page) <= f.Limit {
		return page, "", err
	}
	page = page[:f.Limit]
	at, key := place(page[f.Limit-1])
	return page, token(at, key), nil
}

// query returns the statement for one page.
func (l listing) query(f Filter) (string, []any, error) {
	created, key := "created_at", l.key
	if f.Unsynced {
		// Those few are looked up one by one and sorted; without the signs
		// SQLite would walk the whole history in order to find them.
		created, key = "+created_at", "+"+l.key
	}
	where := []string{l.where, "created_at >= ?"}
	args := []any{ms(f.From)}
	bound, place, err := l.bound(f)
	if err != nil {
		return "", nil, err
	}
	where, args = append(where, bound...), append(args, place...)
	if len(f.States) > 0 {
		where = append(where, "state IN ("+marks(len(f.States))+")")
		for _, state := range f.States {
			args = append(args, string(state))
		}
	}
	if f.Unsynced {
		where = append(where, l.key+" IN ("+l.unsynced+")")
	}
	query := `SELECT ` + l.columns + ` FROM ` + l.table + ` WHERE ` + strings.Join(where, " AND ") +
		` ORDER BY ` + created + ` DESC, ` + key + ` DESC LIMIT ?`
	return query, append(args, f.Limit+1), nil
}

// bound returns the condition for rows to come later in the list than the
// page before, and before To. The nearer of the two says it all, and one alone
// is what SQLite finds the place with.
func (l listing) bound(f Filter) (where []string, args []any, err error) {
	if f.After != "" {
		at, last, err := parseToken(f.After)
		if err != nil {
			return nil, nil, err
		}
		if f.To.IsZero() || at < ms(f.To) {
			return []string{"(created_at, " + l.key + ") < (?, ?)"}, []any{at, last}, nil
		}
	}
	if f.To.IsZero() {
		return nil, nil, nil
	}
	return []string{"created_at < ?"}, []any{ms(f.To)}, nil
}

// token names the last row of a page: its time of creation and its key.
func token(createdMS int64, key []byte) string {
	return base64.RawURLEncoding.EncodeToString(append(binary.BigEndian.AppendUint64(nil, uint64(createdMS)), key...))
}

// parseToken is the inverse of token. Line breaks, which base64 passes over, are
// none of ours.
func parseToken(s string) (createdMS int64, key []byte, err error) {
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") || len(b) != 8+len(preauth.ID{}) && len(b) != 8+len(preauth.Hash{}) {
		return 0, nil, fmt.Errorf("%.60q: %w", s, ErrToken)
	}
	return int64(binary.BigEndian.Uint64(b)), b[8:], nil
}
