// Package store is the memory of one device: payments, pre-authorizations,
// the event log, the outbox and who the device is, in one SQLite file.
//
// A Change is stored by Commit in one transaction: when Commit has returned
// nil, all of it is on disk, and a power loss takes nothing of it away. The
// settings that make this true are read back when the store is opened, and
// the store refuses to open without them. One process uses a store at a time.
//
// Nothing that was stored is ever dropped: a damaged file is left as it is, a
// file of a newer version is not opened, and before a migration the file is
// copied. If a migration fails, or what is stored contradicts itself, the
// store can still be read.
//
// All methods may be called from several goroutines. Reads take part of a
// millisecond, except Check and Backup, which read everything while all
// others wait.
package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vipaso/vipasod/store/secondhead"
)

// The roles of Options.
const (
	Business = "business"
	Customer = "customer"
)

// Options configures Open.
type Options struct {
	// Role is Business or Customer. It is fixed when the store is made.
	Role string
	// Logger hears of migrations and of what makes the store unusable. Nil
	// discards.
	Logger *slog.Logger
	// Now gives the time of events. Nil means time.Now.
	Now func() time.Time

	migrations fs.FS                            // nil: the program's own
	free       func(dir string) (uint64, error) // nil: what the file system says
	settings   url.Values                       // of SQLite, over the store's own
}

// Store is an open store.
type Store struct {
	dir  string
	opts Options
	lock *os.File // of the directory

	mu       sync.Mutex // one statement at a time: there is one connection
	db       *sql.DB
	conn     *sql.Conn
	stmts    map[string]*sql.Stmt
	head     head
	second   *secondhead.File // remembers head.changes, see openSecond
	version  int
	reason   string // why no writes are taken, empty if they are
	detail   string // of reason
	poisoned error
	closed   bool
	since    int // commits since the log was folded into the file
	commits  atomic.Int64
}

// Open opens the store in dir and makes dir and the store if there is none.
// Close must be called.
//
// The error wraps ErrLocked, ErrCorrupt, ErrNewer, ErrRole, ErrReadOnly,
// ErrFull, ErrIO or ErrDurability; none of them has changed the file. If a
// migration fails, or rows contradict each other, there is no error: the store
// is open for reading, and Stats says MIGRATION_FAILED or STORE_INCONSISTENT.
func Open(ctx context.Context, dir string, o Options) (*Store, error) {
	if o.Role != Business && o.Role != Customer {
		return nil, fmt.Errorf("role %q of a store: want %q or %q", o.Role, Business, Customer)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("store in %s: %w", dir, err)
	}
	s := &Store{dir: dir, opts: o.withDefaults(), stmts: map[string]*sql.Stmt{}}
	if err := s.open(ctx); err != nil {
		s.release()
		return nil, fmt.Errorf("store in %s: %w", dir, err)
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.migrations == nil {
		o.migrations = ownMigrations()
	}
	if o.free == nil {
		o.free = freeBytes
	}
	return o
}

// path is the file of the store.
func (s *Store) path() string { return s.file("") }

// file is a file beside the store that belongs to it.
func (s *Store) file(suffix string) string { return filepath.Join(s.dir, fileName+suffix) }

// Close ends the use of the store. Calls after it fail.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil
	}
	s.closed = true
	return s.release()
}

func (s *Store) release() error {
	var errs []error
	for _, st := range s.stmts {
		errs = append(errs, st.Close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.second != nil {
		errs = append(errs, s.second.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return translate(errors.Join(errs...))
}

// Commits returns how many transactions this store has committed since it was
// opened.
func (s *Store) Commits() int64 { return s.commits.Load() }

// enter takes the connection, or says why not. The context that it returns
// has no end: a statement that has begun runs to its end, so that a caller
// who goes away cannot interrupt somebody else's.
func (s *Store) enter(ctx context.Context) (context.Context, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	s.mu.Lock()
	switch {
	case s.closed:
		s.mu.Unlock()
		return nil, errClosed
	case s.poisoned != nil:
		s.mu.Unlock()
		return nil, fmt.Errorf("%w: %v", ErrPoisoned, s.poisoned)
	}
	return context.WithoutCancel(ctx), nil
}

// stmt returns the prepared statement of query. s.mu is held.
func (s *Store) stmt(ctx context.Context, query string) (*sql.Stmt, error) {
	if st := s.stmts[query]; st != nil {
		return st, nil
	}
	st, err := s.conn.PrepareContext(ctx, query)
	if err != nil {
		return nil, translate(err)
	}
	s.stmts[query] = st
	return st, nil
}

// row is what one row of an answer scans itself from.
type row interface{ Scan(dst ...any) error }

// each calls scan for every row that query answers. s.mu is held.
func (s *Store) each(ctx context.Context, query string, args []any, scan func(row) error) error {
	st, err := s.stmt(ctx, query)
	if err != nil {
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return translate(err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); err != nil {
			return translate(err)
		}
	}
	return translate(rows.Err())
}

// list returns what scan makes of every row that query answers.
func list[T any](ctx context.Context, s *Store, scan func(row) (T, error), query string, args ...any) ([]T, error) {
	var all []T
	err := s.each(ctx, query, args, func(r row) error {
		v, err := scan(r)
		all = append(all, v)
		return err
	})
	return all, err
}

// one returns what scan makes of the only row that query answers. The error
// wraps ErrNotFound if there is none.
func one[T any](ctx context.Context, s *Store, scan func(row) (T, error), query string, args ...any) (T, error) {
	all, err := list(ctx, s, scan, query, args...)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		var none T
		return none, err
	}
	return all[0], nil
}
