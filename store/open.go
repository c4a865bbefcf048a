package store

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"strings"

	"github.com/mattn/go-sqlite3"
)

const (
	fileName = "store.db"
	// applicationID marks a SQLite file as a store; migration 1 sets it.
	applicationID = 0x76697073
)

// open does what Open says. What it has taken when it fails, release gives
// back.
func (s *Store) open(ctx context.Context) error {
	if err := os.MkdirAll(s.dir, 0o700); err != nil {
		return ofFile(err)
	}
	var err error
	if s.lock, err = lockDir(s.dir); err != nil {
		return err
	}
	if err := s.createIfMissing(ctx); err != nil {
		return err
	}
	if err := inspect(s.path()); err != nil {
		return err
	}
	s.db = connect(s.path(), s.opts.settings)
	if err := verifySettings(ctx, s.db); err != nil {
		return err
	}
	if err := checkFile(ctx, s.db); err != nil {
		return err
	}
	if err := s.migrate(ctx); err != nil {
		return err
	}
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return translate(err)
	}
	if err := s.loadHead(ctx); err != nil {
		return err
	}
	if err := s.checkRows(ctx); err != nil {
		return err
	}
	// SQLite waits for the name of its log, but keeps to itself if that fails.
	if err := syncPath(s.dir); err != nil {
		return err
	}
	return s.openSecond(ctx)
}

// createIfMissing makes an empty store. It is made under another name, so
// that a file with the store's name is complete from the start, and an empty
// one is known to be damaged.
func (s *Store) createIfMissing(ctx context.Context) error {
	switch _, err := os.Stat(s.path()); {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return ofFile(err)
	}
	if _, err := os.Stat(s.path() + "-wal"); err == nil {
		return fmt.Errorf("%s is gone but its log %s-wal is there, put it back beside it: %w", fileName, fileName, ErrCorrupt)
	}
	made := s.path() + ".new"
	for _, leftover := range []string{"", "-wal", "-shm", "-journal"} {
		if err := os.Remove(made + leftover); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return ofFile(err)
		}
	}
	if err := s.create(ctx, made); err != nil {
		return err
	}
	if err := syncPath(made); err != nil {
		return err
	}
	if err := os.Rename(made, s.path()); err != nil {
		return ofFile(err)
	}
	return syncPath(s.dir)
}

// create makes an empty store in a new file.
func (s *Store) create(ctx context.Context, path string) error {
	if err := touch(path); err != nil {
		return err
	}
	db := connect(path, s.opts.settings)
	err := s.fill(ctx, db)
	return errors.Join(err, translate(db.Close()))
}

func (s *Store) fill(ctx context.Context, db *sql.DB) error {
	if err := verifySettings(ctx, db); err != nil {
		return err
	}
	p, err := s.provider(db)
	if err != nil {
		return err
	}
	if _, err := p.Up(ctx); err != nil {
		return translate(err)
	}
	if _, err := db.ExecContext(ctx, `INSERT INTO head (id, role, changes, sequence, skipped, floor_ms, outbox) VALUES (1, ?, 0, 0, 0, 0, 0)`, s.opts.Role); err != nil {
		return translate(err)
	}
	// Closing folds the log into the file too, but does not say if it fails.
	var busy, logged, folded int
	return translate(db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(TRUNCATE)`).Scan(&busy, &logged, &folded))
}

// touch makes an empty file that nobody else may read. It fails if there is
// one.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
	if err != nil {
		return ofFile(err)
	}
	return ofFile(f.Close())
}

// syncPath waits until a file, or the names in a directory, are on disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return ofFile(err)
	}
	return ofFile(errors.Join(f.Sync(), f.Close()))
}

// inspect refuses what SQLite would take for an empty or foreign database,
// before SQLite writes to it, and makes the file private.
func inspect(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return ofFile(err)
	}
	defer f.Close()
	header := make([]byte, 100)
	n, err := io.ReadFull(f, header)
	switch {
	case errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("%s has %d bytes; keep it and restore a backup: %w", path, n, ErrCorrupt)
	case err != nil:
		return ofFile(err)
	case !bytes.HasPrefix(header, []byte("SQLite format 3\x00")) || binary.BigEndian.Uint32(header[68:]) != applicationID:
		return fmt.Errorf("%s is not a store; keep it and restore a backup: %w", path, ErrCorrupt)
	}
	info, err := f.Stat()
	if err != nil {
		return ofFile(err)
	}
	if rest := info.Size() % pageSize(header); rest != 0 && !hasLog(path) {
		// SQLite would read the rest of the last page as zeros.
		return fmt.Errorf("%s ends within a page, after %d bytes; keep it and restore a backup: %w", path, rest, ErrCorrupt)
	}
	if info.Mode().Perm()&0o077 != 0 {
		err = os.Chmod(path, 0o600)
	}
	return ofFile(err)
}

// pageSize returns the size of a page, as a database's header says it: 1
// stands for 65536, which two bytes cannot hold.
func pageSize(header []byte) int64 {
	if n := int64(binary.BigEndian.Uint16(header[16:])); n > 1 {
		return n
	}
	return 1 << 16
}

// hasLog reports whether commits may not have come into the file yet. A crash
// while they were written there can leave part of a page at its end, which
// the log completes.
func hasLog(path string) bool {
	info, err := os.Stat(path + "-wal")
	return err == nil && info.Size() > 0
}

// connector opens SQLite with the settings that the DSN has no words for.
type connector struct{ dsn string }

// Driver implements driver.Connector.
func (c connector) Driver() driver.Driver {
	return &sqlite3.SQLiteDriver{ConnectHook: func(conn *sqlite3.SQLiteConn) error {
		// The log is folded into the file by Commit, which, unlike SQLite's
		// own automatism, hears of a failing disk.
		_, err := conn.Exec(`PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA wal_autocheckpoint = 0`, nil)
		return err
	}}
}

// Connect implements driver.Connector.
func (c connector) Connect(context.Context) (driver.Conn, error) { return c.Driver().Open(c.dsn) }

// connect returns a database of one connection to an existing file. It does
// not open the file yet. The settings other come on top of the store's own.
func connect(path string, other url.Values) *sql.DB {
	settings := url.Values{
		"mode":           {"rw"},
		"_journal_mode":  {"WAL"},
		"_synchronous":   {"EXTRA"},
		"_locking_mode":  {"EXCLUSIVE"},
		"_foreign_keys":  {"ON"},
		"_secure_delete": {"ON"},
		"_txlock":        {"immediate"},
		"_busy_timeout":  {"1000"}, // ms; for somebody who looks with another tool
	}
	maps.Copy(settings, other)
	db := sql.OpenDB(connector{"file:" + (&url.URL{Path: path}).EscapedPath() + "?" + settings.Encode()})
	db.SetMaxOpenConns(1)
	return db
}

// verifySettings reads back what durability and integrity rest on: a driver,
// a file system or a build of SQLite may silently not do what was asked. The
// error wraps ErrDurability.
func verifySettings(ctx context.Context, db *sql.DB) error {
	for _, want := range [][2]string{
		{"journal_mode", "wal"}, {"synchronous", "3"}, {"locking_mode", "exclusive"}, {"foreign_keys", "1"},
		{"secure_delete", "1"}, {"trusted_schema", "0"}, {"cell_size_check", "1"}, {"wal_autocheckpoint", "0"},
	} {
		var got string
		if err := db.QueryRowContext(ctx, "PRAGMA "+want[0]).Scan(&got); err != nil {
			return translate(err)
		}
		if !strings.EqualFold(got, want[1]) {
			return fmt.Errorf("PRAGMA %s is %s instead of %s; use a local disk: %w", want[0], got, want[1], ErrDurability)
		}
	}
	return nil
}

// checkFile refuses a damaged file.
func checkFile(ctx context.Context, db *sql.DB) error {
	var found string
	if err := db.QueryRowContext(ctx, `PRAGMA integrity_check(1)`).Scan(&found); err != nil {
		return translate(err)
	}
	return damaged(found)
}

// checkRows lets nothing be written to rows that contradict each other: SQLite
// has no checksums, and a bit that has changed inside a number leaves the file
// in order. What is in it can still be shown, exported and sealed. A store
// whose migration failed has rows of another form.
func (s *Store) checkRows(ctx context.Context) error {
	if s.reason != "" {
		return nil
	}
	c := &checker{ctx: ctx, s: s}
	if err := errors.Join(c.rows(), c.chain(chainEnd)); err != nil || len(c.found) == 0 {
		return err
	}
	s.reason, s.detail = Inconsistent, c.found[0]
	s.opts.Logger.Error("store contradicts itself, it is read-only", "problems", len(c.found), "first", c.found[0])
	return nil
}

// damaged returns what to say of a file in which something was found, nil if
// that is SQLite's word for nothing.
func damaged(found string) error {
	if found == "ok" {
		return nil
	}
	return fmt.Errorf("%s; keep the file and restore a backup: %w", found, ErrCorrupt)
}
