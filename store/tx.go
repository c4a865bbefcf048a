package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/mattn/go-sqlite3"

	"github.com/vipaso/vipasod/preauth"
)

const (
	// roomMin is how many bytes must be free before anything is written, so
	// that a disk that fills up is an answer and not a failed commit. A
	// commit takes some 100 KB at most.
	roomMin = 8 << 20
	// foldEvery is after how many commits the log is folded into the file.
	foldEvery = 64
)

// head is the one row that every commit moves on. The store owns the file
// alone, so what it has committed is what the file says.
type head struct {
	role     string
	changes  int64 // commits of Change
	sequence int64 // of the newest event
	skipped  int64 // of the sequence: numbers that no event has
	floor    time.Time
	heard    time.Time    // when the backend last answered
	outbox   int64        // items
	verdicts int64        // how far the backend's list of changed verdicts was read
	journal  preauth.Hash // the chain with the newest event, zero before the first
}

// loadHead reads the head of the opened file.
func (s *Store) loadHead(ctx context.Context) error {
	h, err := one(ctx, s, func(r row) (h head, err error) {
		return h, r.Scan(&h.role, &h.changes, &h.sequence, &h.skipped, clock{&h.floor}, &h.outbox, &h.verdicts, into{h.journal[:]}, clock{&h.heard})
	}, `SELECT role, changes, sequence, skipped, floor_ms, outbox, `+s.since2(`verdicts_to, journal, heard_ms`, `0, NULL, 0`)+` FROM head WHERE id = 1`)
	switch {
	case errors.Is(err, ErrNotFound):
		return fmt.Errorf("%s was never finished; keep it and restore a backup: %w", fileName, ErrCorrupt)
	case err != nil:
		return err
	case h.role != s.opts.Role:
		return otherRole(h, s.opts.Role)
	}
	s.head = h
	return nil
}

// since2 returns the columns that version 2 brought, or what stands for them
// in a store that could not be brought there and is only read.
func (s *Store) since2(columns, instead string) string {
	if s.version < 2 {
		return instead
	}
	return columns
}

// otherRole is why a store is not opened as another role's. Changing sides
// would leave behind what the backend does not have.
func otherRole(h head, role string) error {
	next := "use another directory"
	if h.outbox > 0 {
		next = fmt.Sprintf("it holds %d items that the backend does not have: set the role back to %s until they are handed in", h.outbox, h.role)
	}
	return fmt.Errorf("%s of a %s opened as %s; %s: %w", fileName, h.role, role, next, ErrRole)
}

// tx is a transaction under way: what it will make of the head, and what it
// does to the counters.
type tx struct {
	ctx       context.Context
	s         *Store
	head      head
	unsettled map[string]Unsettled // changes, by currency
}

// write runs do in a transaction and commits it. Unless it returns nil
// nothing is stored, or, with ErrPoisoned, nobody knows.
func (s *Store) write(ctx context.Context, do func(*tx) error) error {
	ctx, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if err := s.takesWrites(); err != nil {
		return err
	}
	t := &tx{ctx: ctx, s: s, head: s.head, unsettled: map[string]Unsettled{}}
	if err := t.exec(`BEGIN IMMEDIATE`); err != nil {
		return err
	}
	done := false
	defer func() {
		if !done { // it failed, or panicked
			s.rollback(ctx)
		}
	}()
	if err := t.run(do); err != nil {
		return err
	}
	done = true
	if err := t.exec(`COMMIT`); err != nil {
		s.poison(err)
		return fmt.Errorf("%w: %v", ErrPoisoned, err)
	}
	s.head = t.head
	s.saveSecond()
	s.commits.Add(1)
	s.fold(ctx)
	return nil
}

// takesWrites says why no write may begin.
func (s *Store) takesWrites() error {
	switch s.reason {
	case "":
	case Inconsistent:
		return fmt.Errorf("%w: %s: %w", ErrReadOnly, s.detail, ErrInconsistent)
	default:
		return fmt.Errorf("%w: %w", ErrReadOnly, ErrMigration)
	}
	free, err := s.opts.free(s.dir)
	if err != nil {
		return err
	}
	if free < roomMin {
		return fmt.Errorf("%d bytes left in %s, %d needed: %w", free, s.dir, roomMin, ErrFull)
	}
	return nil
}

// rollback ends a transaction that was not committed. SQLite has done so
// itself after some errors.
func (s *Store) rollback(ctx context.Context) {
	st, err := s.stmt(ctx, `ROLLBACK`)
	if err == nil {
		_, err = st.ExecContext(ctx)
	}
	if err != nil && !s.idle() {
		s.poison(err)
	}
}

// idle reports whether no transaction is open.
func (s *Store) idle() bool {
	idle := false
	err := s.conn.Raw(func(c any) error {
		idle = c.(*sqlite3.SQLiteConn).AutoCommit()
		return nil
	})
	return err == nil && idle
}

// poison makes every later call fail: only a reopened store knows what is on
// disk.
func (s *Store) poison(err error) {
	s.poisoned = err
	s.opts.Logger.Error("store is unusable until it is opened again", "error", err)
}

// fold writes the log into the file now and then. What was committed is safe
// without it; but after a failed fsync the system may have forgotten pages
// that it will never write, so no later fold may be trusted.
func (s *Store) fold(ctx context.Context) {
	if s.since++; s.since < foldEvery {
		return
	}
	s.since = 0
	_, err := one(ctx, s, func(r row) (busy int, err error) {
		var logged, done int
		return busy, r.Scan(&busy, &logged, &done)
	}, `PRAGMA wal_checkpoint(PASSIVE)`)
	if err != nil {
		s.poison(err)
	}
}

// exec runs a statement.
func (t *tx) exec(query string, args ...any) error {
	_, err := t.affect(query, args...)
	return err
}

// affect runs a statement and returns how many rows it changed.
func (t *tx) affect(query string, args ...any) (int64, error) {
	st, err := t.s.stmt(t.ctx, query)
	if err != nil {
		return 0, err
	}
	res, err := st.ExecContext(t.ctx, args...)
	if err != nil {
		return 0, translate(err)
	}
	return affected(res)
}

func affected(res sql.Result) (int64, error) {
	n, err := res.RowsAffected()
	return n, translate(err)
}

// swap runs a statement that must change exactly one row, the one the caller
// has seen. The error wraps ErrConflict.
func (t *tx) swap(query string, args ...any) error {
	n, err := t.affect(query, args...)
	if err == nil && n != 1 {
		err = ErrConflict
	}
	return err
}

// saveHead stores what the transaction has made of the head and of the
// counters.
func (t *tx) saveHead() error {
	for _, currency := range slices.Sorted(maps.Keys(t.unsettled)) {
		if err := t.saveUnsettled(currency, t.unsettled[currency]); err != nil {
			return fmt.Errorf("unsettled %s: %w", currency, err)
		}
	}
	if t.head == t.s.head {
		return nil
	}
	err := t.swap(`UPDATE head SET changes = ?, sequence = ?, skipped = ?, floor_ms = ?, outbox = ?, verdicts_to = ?, journal = ?, heard_ms = ?
		WHERE id = 1 AND sequence = ? AND changes = ?`,
		t.head.changes, t.head.sequence, t.head.skipped, ms(t.head.floor), t.head.outbox, t.head.verdicts, optional(t.head.journal),
		ms(t.head.heard), t.s.head.sequence, t.s.head.changes)
	if err != nil {
		return fmt.Errorf("head: %w", err)
	}
	return nil
}

// run does what the transaction is for.
func (t *tx) run(do func(*tx) error) error {
	if err := do(t); err != nil {
		return err
	}
	return t.saveHead()
}
