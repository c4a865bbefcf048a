package store

import (
	"context"

	"github.com/vipaso/vipasod/preauth"
)

// journalColumns are what scanEntry reads.
const journalColumns = `seq, time, payment, body, hash`

func scanEntry(r row) (e preauth.JournalEntry, err error) {
	return e, r.Scan(&e.Sequence, &e.TimeMs, into{e.Payment[:]}, &e.Body, into{e.Hash[:]})
}

// Journal returns at most limit events after that sequence number, oldest
// first, as they are stored, with the chain of hashes.
func (s *Store) Journal(ctx context.Context, after uint64, limit int) ([]preauth.JournalEntry, error) {
	ctx, err := s.enter(ctx)
	if err != nil {
		return nil, err
	}
	defer s.mu.Unlock()
	if after > uint64(1<<63-1) {
		return nil, nil
	}
	return list(ctx, s, scanEntry, `SELECT `+s.since2(journalColumns, `seq, time, payment, body, NULL`)+`
		FROM events WHERE seq > ? ORDER BY seq LIMIT ?`, int64(after), limit)
}

// JournalHead returns the number of the newest event and the chain with it.
// The chain is zero as long as there is none: no event, or only those that are
// older than the chain.
func (s *Store) JournalHead(ctx context.Context) (sequence uint64, chain preauth.Hash, err error) {
	if _, err := s.enter(ctx); err != nil {
		return 0, preauth.Hash{}, err
	}
	defer s.mu.Unlock()
	return uint64(s.head.sequence), s.head.journal, nil
}

// How much of the chain is checked, in events. A store is opened before a
// till can sell, so that it looks at the newest alone, which a crash or a
// hand can have touched last.
const (
	wholeChain = -1
	chainEnd   = 100
)

// chain checks that the hash of each of the newest events covers the one
// before, and that the head has the last one's.
func (c *checker) chain(events int) error {
	if c.s.version < 2 {
		return nil
	}
	var last preauth.Hash
	first := true
	err := c.s.each(c.ctx, `SELECT `+journalColumns+` FROM (SELECT * FROM events ORDER BY seq DESC LIMIT ?) ORDER BY seq`, []any{events}, func(r row) error {
		e, err := scanEntry(r)
		// The event before the first of some is not known. Once there is a
		// chain it goes on.
		given := first && events != wholeChain && e.Sequence > 1
		if begun := !last.Zero() || !e.Hash.Zero(); begun && !given && e.Hash != e.Chain(last) {
			c.report("event %d or the one before it is not what was stored", e.Sequence)
		}
		first, last = false, e.Hash
		return err
	})
	if err != nil {
		return err
	}
	return c.s.each(c.ctx, `SELECT journal FROM head`, nil, func(r row) error {
		var head preauth.Hash
		err := r.Scan(into{head[:]})
		if head != last {
			c.report("the last event is not the one that was stored last")
		}
		return err
	})
}
