package store

import (
	"context"
	"fmt"
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
)

const itemColumns = `kind, request, payment, deadline, total, currency, created_at, stored, tries, next_try, error`

func scanItem(r row) (Item, error) {
	var i Item
	err := r.Scan(&i.Kind, into{i.Request[:]}, into{i.Payment[:]}, clock{&i.Deadline}, &i.Total, &i.Currency,
		clock{&i.CreatedAt}, &i.Stored, &i.Tries, clock{&i.NextTry}, &i.Error)
	return i, err
}

// handIn puts an item into the outbox, or makes it due again if it is there.
func (t *tx) handIn(i *Item) error {
	n, err := t.affect(`UPDATE outbox SET payment = ?, deadline = ?, total = ?, currency = ?, tries = 0, next_try = 0, error = ''
		WHERE kind = ? AND request = ?`,
		fixed(i.Payment), ms(i.Deadline), i.Total, i.Currency, string(i.Kind), fixed(i.Request))
	if err != nil || n == 1 {
		return err
	}
	t.head.outbox++
	return t.exec(`INSERT INTO outbox (`+itemColumns+`) VALUES (`+marks(count(itemColumns))+`)`,
		string(i.Kind), fixed(i.Request), fixed(i.Payment), ms(i.Deadline), i.Total, i.Currency, ms(i.CreatedAt), t.head.changes, 0, 0, "")
}

// finish takes an item out of the outbox. With a Cancel the backend has
// acknowledged it.
func (t *tx) finish(k ItemKey) error {
	n, err := t.affect(`DELETE FROM outbox WHERE kind = ? AND request = ?`, string(k.Kind), fixed(k.Request))
	if err != nil {
		return err
	}
	t.head.outbox -= n
	if k.Kind != payment.ItemCancel {
		return nil
	}
	return t.exec(`UPDATE attempts SET cancel_acked = 1 WHERE request = ?`, fixed(k.Request))
}

const (
	// The bound on deadline holds for all; with it the index gives the order.
	queryDue  = `SELECT ` + itemColumns + ` FROM outbox WHERE deadline >= 0 AND next_try <= ? ORDER BY deadline, stored, total DESC LIMIT ?`
	execRetry = `UPDATE outbox SET tries = ?, next_try = ?, error = ? WHERE kind = ? AND request = ?`
)

// DueItems returns at most limit items that may be tried at now, the earliest
// deadline first, of equal ones the one that was stored first, and of those of
// one change the largest total.
func (s *Store) DueItems(ctx context.Context, now time.Time, limit int) ([]Item, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	return list(ctx, s, scanItem, queryDue, ms(now), limit)
}

// OutboxSize returns how many items there are, due or not.
func (s *Store) OutboxSize(ctx context.Context) (int, error) {
	if _, err := s.enter(ctx); err != nil {
		return 0, err
	}
	defer s.mu.Unlock()
	return int(s.head.outbox), nil
}

// Retry stores Tries, NextTry and Error of items after a try, in one
// transaction. Items that are gone are left gone.
func (s *Store) Retry(ctx context.Context, items []Item) error {
	err := s.write(ctx, func(t *tx) error {
		for _, i := range items {
			if err := t.exec(execRetry, i.Tries, ms(i.NextTry), i.Error, string(i.Kind), fixed(i.Request)); err != nil {
				return fmt.Errorf("item %s %s: %w", i.Kind, i.Request, err)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("retry: %w", err)
	}
	return nil
}

// DueAll makes every item due now.
func (s *Store) DueAll(ctx context.Context) error {
	err := s.write(ctx, func(t *tx) error {
		return t.exec(`UPDATE outbox SET next_try = 0 WHERE next_try > 0`)
	})
	if err != nil {
		return fmt.Errorf("make the outbox due: %w", err)
	}
	return nil
}
