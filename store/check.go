package store

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// Check reads the whole store and returns what is wrong with it, one sentence
// each: damage to the file, and counters, holds, sequence numbers or marks
// that differ from what they are made of. It takes long on a large store, and
// everything else waits.
func (s *Store) Check(ctx context.Context) ([]string, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	c := &checker{ctx: ctx, s: s}
	if err := errors.Join(c.file(), c.rows(), c.chain(wholeChain)); err != nil {
		return nil, fmt.Errorf("check: %w", err)
	}
	return c.found, nil
}

type checker struct {
	ctx   context.Context
	s     *Store
	found []string
}

func (c *checker) report(format string, args ...any) {
	c.found = append(c.found, fmt.Sprintf(format, args...))
}

// rows checks that the rows do not contradict each other.
func (c *checker) rows() error {
	for _, check := range []func() error{c.references, c.counters, c.log, c.latest} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *checker) file() error {
	return c.s.each(c.ctx, `PRAGMA integrity_check`, nil, func(r row) error {
		var line string
		err := r.Scan(&line)
		if err == nil && line != "ok" {
			c.report("file: %s", line)
		}
		return err
	})
}

func (c *checker) references() error {
	return c.s.each(c.ctx, `SELECT "table", rowid, parent FROM pragma_foreign_key_check`, nil, func(r row) error {
		var table, parent string
		var rowid int64
		err := r.Scan(&table, &rowid, &parent)
		if err == nil {
			c.report("row %d of %s has no %s", rowid, table, parent)
		}
		return err
	})
}

// counters adds up every payment again and compares the sums with those that
// commits have maintained.
func (c *checker) counters() error {
	holds := map[preauth.ID]books{}
	counters := map[preauth.ID]int64{}
	unsettled := map[string]Unsettled{}
	add := func(b books) {
		h := holds[b.preauth]
		h.held += b.held
		h.spent += b.spent
		holds[b.preauth] = h
		if u := b.unsettled; u.Count > 0 {
			sum := unsettled[u.Currency]
			unsettled[u.Currency] = Unsettled{
				Currency: u.Currency, Count: sum.Count + u.Count, Total: sum.Total + u.Total, Guaranteed: sum.Guaranteed + u.Guaranteed,
			}
		}
	}
	err := c.s.each(c.ctx, `SELECT state, voucher, preauth, amount, tip, guaranteed, currency, counter FROM attempts`, nil, func(r row) error {
		var state payment.State
		var voucher preauth.Hash
		var on preauth.ID
		var amount, tip, guaranteed, counter int64
		var currency string
		err := r.Scan(&state, into{voucher[:]}, into{on[:]}, &amount, &tip, &guaranteed, &currency, &counter)
		add(attemptBooks(state, voucher, on, amount, tip, guaranteed, currency))
		if !voucher.Zero() {
			counters[on] = max(counters[on], counter)
		}
		return err
	})
	if err != nil {
		return err
	}
	err = c.s.each(c.ctx, `SELECT state, amount, tip, guaranteed, currency FROM sales`, nil, func(r row) error {
		var state payment.State
		var amount, tip, guaranteed int64
		var currency string
		err := r.Scan(&state, &amount, &tip, &guaranteed, &currency)
		add(saleBooks(state, amount, tip, guaranteed, currency))
		return err
	})
	if err != nil {
		return err
	}
	if err := c.compareHolds(holds, counters); err != nil {
		return err
	}
	return c.compareUnsettled(unsettled)
}

func (c *checker) compareHolds(holds map[preauth.ID]books, counters map[preauth.ID]int64) error {
	return c.s.each(c.ctx, `SELECT id, held, spent, counter FROM authorizations`, nil, func(r row) error {
		var id preauth.ID
		var held, spent, counter int64
		err := r.Scan(into{id[:]}, &held, &spent, &counter)
		if want := holds[id]; held != want.held || spent != want.spent {
			c.report("pre-authorization %s holds %d and has spent %d, its vouchers say %d and %d", id, held, spent, want.held, want.spent)
		}
		if counter < counters[id] {
			c.report("pre-authorization %s is at voucher %d, there is one with %d", id, counter, counters[id])
		}
		return err
	})
}

func (c *checker) compareUnsettled(want map[string]Unsettled) error {
	err := c.s.each(c.ctx, `SELECT currency, count, total, guaranteed FROM unsettled`, nil, func(r row) error {
		var got Unsettled
		err := r.Scan(&got.Currency, &got.Count, &got.Total, &got.Guaranteed)
		w := want[got.Currency]
		w.Currency = got.Currency
		if got != w {
			c.report("unsettled %s: counted %d of %d, guaranteed %d; the payments say %d of %d, guaranteed %d",
				got.Currency, got.Count, got.Total, got.Guaranteed, w.Count, w.Total, w.Guaranteed)
		}
		delete(want, got.Currency)
		return err
	})
	for _, currency := range slices.Sorted(maps.Keys(want)) {
		c.report("unsettled %s: not counted", currency)
	}
	return err
}

// log checks that events have every number up to the head's but those that
// were skipped, and that the outbox is as long as the head says.
func (c *checker) log() error {
	return c.s.each(c.ctx, `SELECT head.sequence, head.skipped + (SELECT count(*) FROM events), (SELECT coalesce(max(seq), 0) FROM events),
			head.outbox, (SELECT count(*) FROM outbox) FROM head`, nil, func(r row) error {
		var sequence, events, last, outbox, items int64
		err := r.Scan(&sequence, &events, &last, &outbox, &items)
		if sequence != events || sequence != last {
			c.report("event log is at %d, it has %d events, the last is %d", sequence, events, last)
		}
		if outbox != items {
			c.report("outbox counts %d items and has %d", outbox, items)
		}
		return err
	})
}

// latest checks that of each till's payment the newest attempt, and no other,
// is marked.
func (c *checker) latest() error {
	return c.s.each(c.ctx, `SELECT request FROM attempts AS a
		WHERE latest <> (n = (SELECT max(n) FROM attempts AS b WHERE b.payment = a.payment AND b.business = a.business))`, nil,
		func(r row) error {
			var request preauth.Hash
			err := r.Scan(into{request[:]})
			c.report("attempt %s is marked wrongly as the latest or not", request)
			return err
		})
}
