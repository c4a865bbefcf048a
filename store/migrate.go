package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/pressly/goose/v3"
)

// Why a store takes no writes, as Stats says it.
const (
	// MigrationFailed: it could not be brought to this version.
	MigrationFailed = "MIGRATION_FAILED"
	// Inconsistent: its rows contradict each other.
	Inconsistent = "STORE_INCONSISTENT"
)

//go:embed migrations/*.sql
var embedded embed.FS

// ownMigrations are the migrations of this program, one file for each
// version, each its own transaction.
func ownMigrations() fs.FS {
	sub, err := fs.Sub(embedded, "migrations")
	if err != nil {
		panic(err) // the name is a constant
	}
	return sub
}

func (s *Store) provider(db *sql.DB) (*goose.Provider, error) {
	return goose.NewProvider(goose.DialectSQLite3, db, s.opts.migrations, goose.WithDisableGlobalRegistry(true))
}

// migrate brings an existing store to this program's version. If that fails
// the store stays readable as it was.
func (s *Store) migrate(ctx context.Context) error {
	p, err := s.provider(s.db)
	if err != nil {
		return err
	}
	have, want, err := p.GetVersions(ctx)
	if err != nil {
		return translate(err)
	}
	s.version = int(have)
	if have > want {
		return fmt.Errorf("schema %d, this program knows %d; install the newer version again: %w", have, want, ErrNewer)
	}
	if have == want {
		return nil
	}
	if err := s.copyBefore(ctx, want); err != nil {
		return fmt.Errorf("copy before migration: %w", err)
	}
	_, failed := p.Up(ctx)
	if have, err = p.GetDBVersion(ctx); err != nil {
		return translate(err)
	}
	s.version = int(have)
	if failed != nil {
		s.reason = MigrationFailed
		s.opts.Logger.Error("store migration failed, the store is read-only", "from", have, "to", want, "error", failed)
		return nil
	}
	s.opts.Logger.Info("store migrated", "version", want)
	return nil
}

// copyBefore copies the store to store.db.before-vN. A copy of an earlier try
// is replaced only once the new one is complete.
func (s *Store) copyBefore(ctx context.Context, version int64) error {
	path := s.file(fmt.Sprintf(".before-v%d", version))
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return ofFile(err)
	}
	if err := vacuumInto(ctx, s.db, fresh); err != nil {
		return err
	}
	if err := os.Rename(fresh, path); err != nil {
		return ofFile(err)
	}
	return syncPath(s.dir)
}

// execer is a database or a connection.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// vacuumInto writes a copy of the database to a new file with mode 0600 and
// waits until it is on disk.
func vacuumInto(ctx context.Context, db execer, path string) error {
	if err := touch(path); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, `VACUUM INTO ?`, path); err != nil {
		return errors.Join(translate(err), os.Remove(path))
	}
	return syncPath(path)
}
