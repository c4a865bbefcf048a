package store

import (
	"context"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// The money not settled yet is bounded, a counterparty's history is not: a
// till's sum goes through the former. AWAITING payments count in it, as they
// do in Unsettled.
const (
	queryOutFrom = `SELECT coalesce(sum(asks.total), 0) FROM sales CROSS JOIN asks
		WHERE sales.state IN ('OPEN', 'AWAITING', 'PROVISIONAL') AND sales.state <> 'OPEN'
		AND asks.request = sales.winner AND asks.customer = ? AND asks.currency = ?`
	queryOutTo = `SELECT coalesce(sum(amount + tip), 0) FROM attempts
		WHERE business = ? AND currency = ? AND state IN ('AUTHORIZED', 'PROVISIONAL')`
	// A time that is still to come is one of a clock that was set back since.
	queryCountFrom = `SELECT count(*) FROM asks CROSS JOIN sales
		WHERE asks.customer = ? AND asks.stored_at > ? AND asks.voucher IS NOT NULL AND asks.preauth IS NOT NULL
		AND sales.id = asks.payment AND sales.policy <> 'REQUIRE_ONLINE'
		AND (asks.stored_at <= ? OR sales.verdict_bytes IS NULL)`
	queryCountTo = `SELECT count(*) FROM attempts
		WHERE business = ? AND created_at > ? AND latest = 1 AND voucher IS NOT NULL AND charge = 0
		AND (created_at <= ? OR verdict_bytes IS NULL)`
)

// OutWith returns what is not settled yet with one device of the other side,
// in minor units of a currency.
func (s *Store) OutWith(ctx context.Context, device preauth.ID, currency string) (int64, error) {
	query := queryOutTo
	if s.opts.Role == Business {
		query = queryOutFrom
	}
	return s.number(ctx, query, fixed(device), currency)
}

// CountWith returns how many offline payments with one device of the other
// side there were after a time and up to now, whatever has become of them: for
// a till by when it stored the voucher, for a customer by when it was asked.
//
// One of a time after now counts as one of now, or whoever sets a clock forward
// and back would begin anew. It does until the backend has decided it, or until
// that time has come: a clock that was wrong blocks nobody for longer.
func (s *Store) CountWith(ctx context.Context, device preauth.ID, after, now time.Time) (int64, error) {
	query := queryCountTo
	if s.opts.Role == Business {
		query = queryCountFrom
	}
	return s.number(ctx, query, fixed(device), ms(after), ms(now))
}

// number returns what a query of one number answers.
func (s *Store) number(ctx context.Context, query string, args ...any) (int64, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return one(ctx, s, func(r row) (n int64, err error) { return n, r.Scan(&n) }, query, args...)
}
