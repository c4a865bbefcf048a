package backend

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/mattn/go-sqlite3"
	"github.com/pressly/goose/v3"

	"github.com/vipaso/vipasod/store/secondhead"
)

//go:embed migrations/*.sql
var migrations embed.FS

// Errors of opening the books.
var (
	// ErrDatabase says that a database address cannot be used.
	ErrDatabase = errors.New("unusable database")

	// ErrDurability says that the database would forget what it has
	// confirmed, and is therefore not used.
	ErrDurability = errors.New("database is not durable")
)

// ErrCommit says that a COMMIT failed. It may be on disk or not; only the
// database knows, opened again by a new process. Until then nothing more may
// be written or answered.
var ErrCommit = errors.New("a commit failed, what is stored is unknown until the next start")

// errTransaction says that a transaction did not begin or end as it should.
var errTransaction = errors.New("transaction failed")

// broken reports whether err is about the database, or about a caller that
// does not wait for it, and not about what was to be written: another
// transaction would fail as well. A broken constraint is about what was to be
// written.
func broken(err error) bool {
	if e := (sqlite3.Error{}); errors.As(err, &e) && e.Code != sqlite3.ErrConstraint {
		return true
	}
	for _, target := range []error{
		errTransaction, ErrCommit, sql.ErrConnDone, sql.ErrTxDone, driver.ErrBadConn, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, target) {
			return true
		}
	}
	return false
}

// A Store is the backend's books on SQLite. One connection writes, others
// read, and further processes may do both beside it.
type Store struct {
	writer *sql.DB
	reader *sql.DB
	head   *secondhead.File // remembers how many changes were committed
	older  *olderCopy       // nil unless the books are behind head
	log    *slog.Logger
	turn   chan struct{} // held by whoever writes
	lost   chan struct{} // closed once a commit has failed
}

// pragmas are in the address, so that every pooled connection has them.
// synchronous must be EXTRA: with less, a power cut can take back a verdict
// that a device has already acted on.
const pragmas = "_journal_mode=WAL&_synchronous=EXTRA&_busy_timeout=5000&_foreign_keys=on"

// Open opens the database at address, such as "sqlite:/var/lib/x/backend.db",
// creates it if need be, and brings its schema up to date. Books that are behind
// the file beside them, such as /var/lib/x/backend.head, are opened for reading:
// see Older.
//
// The error wraps ErrDatabase or ErrDurability.
func Open(ctx context.Context, address string) (*Store, error) {
	s, err := connect(ctx, address)
	if err != nil {
		return nil, err
	}
	if err := migrate(ctx, s.writer); err != nil {
		return nil, errors.Join(fmt.Errorf("migrate %s: %w", address, err), s.Close())
	}
	path := strings.TrimPrefix(address, "sqlite:")
	if err := s.openHead(ctx, path); err != nil {
		return nil, errors.Join(fmt.Errorf("%s beside %s: %w: %w", filepath.Base(headOf(path)), address, ErrDatabase, err), s.Close())
	}
	if err := syncNames(filepath.Dir(path)); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w: %w", address, ErrDurability, err), s.Close())
	}
	return s, nil
}

// syncNames waits until the names in a directory are on disk. SQLite does so
// for its log, but keeps to itself if it fails.
func syncNames(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

func connect(ctx context.Context, address string) (*Store, error) {
	path, ok := strings.CutPrefix(address, "sqlite:")
	if strings.HasPrefix(address, "postgres:") {
		return nil, fmt.Errorf("%s: PostgreSQL comes later; use sqlite:PATH: %w", address, ErrDatabase)
	}
	if !ok || path == "" {
		return nil, fmt.Errorf("%q is not of the form sqlite:PATH: %w", address, ErrDatabase)
	}
	file := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String()
	writer, err := sql.Open("sqlite3", file+"?"+pragmas+"&_txlock=immediate")
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", address, ErrDatabase, err)
	}
	writer.SetMaxOpenConns(1)
	reader, err := sql.Open("sqlite3", file+"?"+pragmas+"&_txlock=deferred&_query_only=on")
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w: %w", address, ErrDatabase, err), writer.Close())
	}
	reader.SetMaxOpenConns(4)
	s := &Store{writer: writer, reader: reader, log: slog.New(slog.DiscardHandler), turn: make(chan struct{}, 1), lost: make(chan struct{})}
	for _, db := range []*sql.DB{writer, reader} {
		if err := checkPragmas(ctx, db); err != nil {
			return nil, errors.Join(fmt.Errorf("%s: %w", address, err), s.Close())
		}
	}
	return s, nil
}

// checkPragmas reads back what the driver was asked for: it reports some
// settings as taken that it did not take.
func checkPragmas(ctx context.Context, db *sql.DB) error {
	for _, p := range []struct{ name, want string }{
		{"journal_mode", "wal"}, {"synchronous", "3"}, {"foreign_keys", "1"}, {"busy_timeout", "5000"},
	} {
		var got string
		if err := db.QueryRowContext(ctx, "PRAGMA "+p.name).Scan(&got); err != nil {
			return fmt.Errorf("read %s: %w: %w", p.name, ErrDatabase, err)
		}
		if got != p.want {
			return fmt.Errorf("%s is %s, not %s: %w", p.name, got, p.want, ErrDurability)
		}
	}
	return nil
}

func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return err
	}
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	_, err = p.Up(ctx)
	return err
}

// Close closes the database. After a failed commit it leaves it alone: closing
// writes, and that is for the process that opens it next.
func (s *Store) Close() error {
	if s.isLost() {
		return nil
	}
	err := errors.Join(s.writer.Close(), s.reader.Close())
	if s.head != nil {
		err = errors.Join(err, s.head.Close())
	}
	return err
}

// Lost is closed once a commit has failed. The process must then exit.
func (s *Store) Lost() <-chan struct{} { return s.lost }

func (s *Store) isLost() bool {
	select {
	case <-s.lost:
		return true
	default:
		return false
	}
}

// Write runs f in a transaction that no other writer overlaps. When it
// returns nil, all that f wrote is on disk; otherwise none of it counts,
// unless the error wraps ErrCommit: then nobody knows, and every later Write
// fails the same way. It wraps ErrOlderCopy if Older says so.
func (s *Store) Write(ctx context.Context, f func(Tx) error) error {
	if err := s.Older(); err != nil {
		return err
	}
	return s.write(ctx, f)
}

// write is Write whatever Older says.
func (s *Store) write(ctx context.Context, f func(Tx) error) error {
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-ctx.Done():
		return fmt.Errorf("begin: %w: %w", errTransaction, ctx.Err())
	}
	if s.isLost() {
		return ErrCommit
	}
	var changes int64 // there are now, zero if nothing was written
	err := run(ctx, s.writer, counted(f, &changes), func(t *sql.Tx) error { return committed(t.Commit()) })
	if errors.Is(err, ErrCommit) {
		close(s.lost)
	}
	if err == nil {
		s.saveHead(ctx, changes)
	}
	return err
}

// Read runs f over one consistent state of the books.
func (s *Store) Read(ctx context.Context, f func(Tx) error) error {
	return run(ctx, s.reader, f, func(t *sql.Tx) error {
		if err := t.Rollback(); err != nil {
			return fmt.Errorf("end: %w: %w", errTransaction, err)
		}
		return nil
	})
}

func run(ctx context.Context, db *sql.DB, f func(Tx) error, end func(*sql.Tx) error) error {
	t, err := db.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("begin: %w: %w", errTransaction, err)
	}
	defer t.Rollback() // if f panics: else it has ended by then
	if err := f(Tx{ctx: ctx, sql: t}); err != nil {
		if undo := t.Rollback(); undo != nil {
			return fmt.Errorf("%w: %w: %w", err, errTransaction, undo)
		}
		return err
	}
	return end(t)
}

// committed returns what the error of a COMMIT means. A broken constraint, a
// busy file and a caller that left are found before anything is written.
func committed(err error) error {
	var e sqlite3.Error
	switch known := errors.As(err, &e); {
	case err == nil:
		return nil
	case known && e.Code == sqlite3.ErrConstraint:
		return fmt.Errorf("commit: %w", err)
	case known && e.Code == sqlite3.ErrBusy,
		errors.Is(err, sql.ErrTxDone), errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("commit: %w: %w", errTransaction, err)
	}
	return fmt.Errorf("commit: %w: %w", ErrCommit, err)
}

// Tx is one transaction on the books. Its methods are the whole of the SQL.
type Tx struct {
	ctx context.Context
	sql querier
}

// A querier is what Tx needs of a *sql.Tx.
type querier interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func (t Tx) exec(query string, args ...any) error {
	_, err := t.sql.ExecContext(t.ctx, query, args...)
	return err
}

// insert runs an INSERT and returns the row's number.
func (t Tx) insert(query string, args ...any) (int64, error) {
	r, err := t.sql.ExecContext(t.ctx, query, args...)
	if err != nil {
		return 0, err
	}
	return r.LastInsertId()
}

// one scans the only row of a query. It reports false if there is none.
func (t Tx) one(query string, args []any, dest ...any) (bool, error) {
	err := t.sql.QueryRowContext(t.ctx, query, args...).Scan(dest...)
	if errors.Is(err, sql.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// each runs scan for every row of a query.
func (t Tx) each(query string, args []any, scan func(row func(dest ...any) error) error) error {
	rows, err := t.sql.QueryContext(t.ctx, query, args...)
	if err != nil {
		return err
	}
	for rows.Next() {
		if err := scan(rows.Scan); err != nil {
			return errors.Join(err, rows.Close())
		}
	}
	return errors.Join(rows.Err(), rows.Close())
}
