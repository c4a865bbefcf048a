package store

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"testing/fstest"

	"github.com/vipaso/vipasod/daemon/payment"
)

// withMigration returns the program's migrations and one more.
func withMigration(t *testing.T, up string) fs.FS {
	t.Helper()
	all := fstest.MapFS{}
	names, err := fs.Glob(ownMigrations(), "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := fs.ReadFile(ownMigrations(), name)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = &fstest.MapFile{Data: data}
	}
	all["90000_next.sql"] = &fstest.MapFile{Data: []byte("-- +goose Up\n" + up)}
	return all
}

// TestFailedMigration: the store stays as it was and can be read, a copy
// stands beside it, and nothing is written any more; the program that knows
// better carries on with it.
func TestFailedMigration(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir)
	ours := openAt(t, dir, Business)
	before := dump(t, ours)
	if err := ours.Close(); err != nil {
		t.Fatal(err)
	}
	broken := withMigration(t, "ALTER TABLE sales ADD COLUMN colour TEXT;\nDELETE FROM sales;\nSELECT nonsense FROM nowhere;")
	for range 2 {
		s, err := Open(t.Context(), dir, Options{Role: Business, migrations: broken})
		if err != nil {
			t.Fatal(err)
		}
		readOnly(t, s)
		if after := dump(t, s); after != before {
			t.Errorf("the store has changed:\n%s\n%s", before, after)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	copied := filepath.Join(dir, "store.db.before-v90000")
	if info, err := os.Stat(copied); err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("copy: %v %v", info, err)
	}
	sameAs(t, copied, before)

	repaired := withMigration(t, "ALTER TABLE sales ADD COLUMN colour TEXT NOT NULL DEFAULT 'blue';")
	s, err := Open(t.Context(), dir, Options{Role: Business, migrations: repaired})
	if err != nil {
		t.Fatal(err)
	}
	if st, err := s.Stats(t.Context()); err != nil || !st.Writable || st.SchemaVersion != 90000 || st.Reason != "" {
		t.Errorf("after a good migration: %+v %v", st, err)
	}
	commit(t, s, crashChange(100))
	sound(t, s)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	// And the program without it refuses what it does not know.
	if _, err := Open(t.Context(), dir, Options{Role: Business}); !errors.Is(err, ErrNewer) {
		t.Errorf("a newer store: %v", err)
	}
	sameAs(t, copied, before)
}

// readOnly checks what a store whose migration failed answers.
func readOnly(t *testing.T, s *Store) {
	t.Helper()
	st, err := s.Stats(t.Context())
	if err != nil || st.Writable || st.Reason != MigrationFailed || st.SchemaVersion != 3 {
		t.Errorf("stats: %+v %v", st, err)
	}
	page, _, err := s.Sales(t.Context(), Filter{})
	if err != nil || len(page) != 40 || page[0].State != payment.Provisional {
		t.Errorf("%d sales: %v", len(page), err)
	}
	if _, _, err := s.Attempts(t.Context(), Filter{}); err != nil {
		t.Errorf("attempts: %v", err)
	}
	if events, err := s.Events(t.Context(), 0, 100); err != nil || len(events) != 40 {
		t.Errorf("%d events: %v", len(events), err)
	}
	backup := filepath.Join(t.TempDir(), "backup.db")
	if err := s.Backup(t.Context(), backup); err != nil {
		t.Errorf("backup: %v", err)
	}
	for name, write := range map[string]error{
		"commit":  s.Commit(t.Context(), crashChange(100)),
		"retry":   s.Retry(t.Context(), []Item{{}}),
		"due all": s.DueAll(t.Context()),
	} {
		if !errors.Is(write, ErrReadOnly) {
			t.Errorf("%s: %v", name, write)
		}
	}
	sound(t, s)
}

// sameAs checks that a copy, opened as a store, has these rows.
func sameAs(t *testing.T, path, want string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, fileName), data, 0o600); err != nil {
		t.Fatal(err)
	}
	overwrite(t, filepath.Join(dir, secondName), "00000000000000000000\n") // or opening it would lock it
	s := openAt(t, dir, Business)
	if got := dump(t, s); got != want {
		t.Errorf("copy has other rows:\n%s\n%s", got, want)
	}
	sound(t, s)
}

// TestBackup: a copy of a running store is a store, private, and never takes
// another file's place.
func TestBackup(t *testing.T) {
	s := openAt(t, t.TempDir(), Business)
	for i := range 10 {
		commit(t, s, crashChange(i))
	}
	path := filepath.Join(t.TempDir(), "backup.db")
	if err := s.Backup(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("backup: %v %v", info, err)
	}
	sameAs(t, path, dump(t, s))
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	commit(t, s, crashChange(11))
	if err := s.Backup(t.Context(), path); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v", err)
	}
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the file was changed: %v", err)
	}
	if err := s.Backup(t.Context(), filepath.Join(path, "below a file")); err == nil {
		t.Error("below a file")
	}
	if st, err := s.Stats(t.Context()); err != nil || !st.Writable || st.SchemaVersion != 3 || st.Bytes < 4096 {
		t.Errorf("stats: %+v %v", st, err)
	}
}
