package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/mattn/go-sqlite3"
)

// TestTranslate: errors are told apart by code.
func TestTranslate(t *testing.T) {
	tests := []struct {
		err  error
		want error // nil: as it is
	}{
		{sqlite3.Error{Code: sqlite3.ErrFull}, ErrFull},
		{sqlite3.Error{Code: sqlite3.ErrIoErr, SystemErrno: syscall.ENOSPC}, ErrFull},
		{sqlite3.Error{Code: sqlite3.ErrIoErr, SystemErrno: syscall.EDQUOT}, ErrFull},
		{sqlite3.Error{Code: sqlite3.ErrIoErr, SystemErrno: syscall.EIO}, ErrIO},
		{sqlite3.Error{Code: sqlite3.ErrIoErr, ExtendedCode: sqlite3.ErrIoErrFsync}, ErrIO},
		{sqlite3.Error{Code: sqlite3.ErrCantOpen, SystemErrno: syscall.EACCES}, ErrReadOnly},
		{sqlite3.Error{Code: sqlite3.ErrCantOpen, SystemErrno: syscall.ENOENT}, ErrIO},
		{sqlite3.Error{Code: sqlite3.ErrReadonly}, ErrReadOnly},
		{sqlite3.Error{Code: sqlite3.ErrPerm}, ErrReadOnly},
		{sqlite3.Error{Code: sqlite3.ErrCorrupt}, ErrCorrupt},
		{sqlite3.Error{Code: sqlite3.ErrNotADB}, ErrCorrupt},
		{sqlite3.Error{Code: sqlite3.ErrBusy}, ErrLocked},
		{sqlite3.Error{Code: sqlite3.ErrConstraint, ExtendedCode: sqlite3.ErrConstraintUnique}, ErrConflict},
		{sqlite3.Error{Code: sqlite3.ErrConstraint, ExtendedCode: sqlite3.ErrConstraintPrimaryKey}, ErrConflict},
		{sqlite3.Error{Code: sqlite3.ErrConstraint, ExtendedCode: sqlite3.ErrConstraintCheck}, nil},
		{sqlite3.Error{Code: sqlite3.ErrMisuse}, nil},
		{errors.New("disk is full"), nil},
	}
	all := []error{ErrNotFound, ErrExists, ErrConflict, ErrReadOnly, ErrFull, ErrIO, ErrCorrupt, ErrNewer, ErrLocked, ErrDurability, ErrPoisoned}
	for _, tt := range tests {
		got := translate(fmt.Errorf("wrapped: %w", tt.err))
		if !errors.Is(got, tt.err) {
			t.Errorf("%#v: lost in %v", tt.err, got)
		}
		for _, s := range all {
			if errors.Is(got, s) != (s == tt.want) {
				t.Errorf("%#v: %v, want %v", tt.err, got, tt.want)
			}
		}
	}
	for no, want := range map[syscall.Errno]error{syscall.EROFS: ErrReadOnly, syscall.ENOSPC: ErrFull, syscall.EIO: ErrIO} {
		if err := ofFile(&os.PathError{Op: "open", Path: "x", Err: no}); !errors.Is(err, want) || !errors.Is(err, no) {
			t.Errorf("%v: %v", no, err)
		}
	}
	if err := errors.Join(translate(nil), ofFile(nil)); err != nil {
		t.Errorf("no error became %v", err)
	}
}

// TestFailedCommit: after a COMMIT that failed every call is refused, and the
// reopened store tells what happened.
func TestFailedCommit(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Business)
	commit(t, s, crashChange(1))
	hook(t, s, func() int { return 1 })
	if err := s.Commit(t.Context(), crashChange(2)); !errors.Is(err, ErrPoisoned) || errors.Is(err, ErrConflict) || errors.Is(err, ErrFull) {
		t.Errorf("commit: %v", err)
	}
	hook(t, s, nil)
	for name, call := range map[string]func() error{
		"commit": func() error { return s.Commit(t.Context(), crashChange(2)) },
		"retry":  func() error { return s.Retry(t.Context(), nil) },
		"sale":   func() error { _, err := s.Sale(t.Context(), idOf("payment", 1)); return err },
		"events": func() error { _, err := s.Events(t.Context(), 0, 1); return err },
		"size":   func() error { _, err := s.OutboxSize(t.Context()); return err },
		"check":  func() error { _, err := s.Check(t.Context()); return err },
		"stats":  func() error { _, err := s.Stats(t.Context()); return err },
		"backup": func() error { return s.Backup(t.Context(), filepath.Join(t.TempDir(), "b")) },
	} {
		if err := call(); !errors.Is(err, ErrPoisoned) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if s.Commits() != 1 {
		t.Errorf("%d commits", s.Commits())
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	verifyCrash(t, dir, 1)
}

// hook sets what SQLite asks before it commits: anything but 0 fails.
func hook(t *testing.T, s *Store, ask func() int) {
	t.Helper()
	err := s.conn.Raw(func(c any) error {
		c.(*sqlite3.SQLiteConn).RegisterCommitHook(ask)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestFullDisk: too little room is an answer; nothing has changed, and when
// there is room again the store goes on.
func TestFullDisk(t *testing.T) {
	left, broken := uint64(roomMin), error(nil)
	s, err := Open(t.Context(), t.TempDir(), Options{Role: Business, free: func(string) (uint64, error) { return left, broken }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	commit(t, s, crashChange(1))
	before := dump(t, s)
	left = roomMin - 1
	if err := s.Commit(t.Context(), crashChange(2)); !errors.Is(err, ErrFull) {
		t.Errorf("commit: %v", err)
	}
	left, broken = roomMin, errors.New("no answer")
	if err := s.Commit(t.Context(), crashChange(2)); !errors.Is(err, broken) {
		t.Errorf("commit: %v", err)
	}
	broken = nil
	// SQLite's own bound shows itself inside a statement, before COMMIT.
	var pages int
	if err := s.conn.QueryRowContext(t.Context(), `PRAGMA max_page_count = 1`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	fat := crashChange(2)
	fat.Asks[0].RequestBytes = make([]byte, 1<<20)
	if err := s.Commit(t.Context(), fat); !errors.Is(err, ErrFull) || errors.Is(err, ErrPoisoned) {
		t.Errorf("commit: %v", err)
	}
	if after := dump(t, s); after != before {
		t.Errorf("the store has changed:\n%s\n%s", before, after)
	}
	if err := s.conn.QueryRowContext(t.Context(), `PRAGMA max_page_count = 1073741823`).Scan(&pages); err != nil {
		t.Fatal(err)
	}
	commit(t, s, crashChange(2))
	sound(t, s)
	if free, err := freeBytes(t.TempDir()); err != nil || free == 0 {
		t.Errorf("free: %d %v", free, err)
	}
	if _, err := freeBytes(filepath.Join(t.TempDir(), "none")); !errors.Is(err, ErrIO) {
		t.Errorf("free of nothing: %v", err)
	}
}

// TestContext: who has gone away before changes nothing and is told so.
func TestContext(t *testing.T) {
	s := openAt(t, t.TempDir(), Business)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := s.Commit(ctx, crashChange(1)); !errors.Is(err, context.Canceled) {
		t.Errorf("commit: %v", err)
	}
	if _, err := s.Sale(ctx, idOf("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("sale: %v", err)
	}
	commit(t, s, crashChange(1))
	sound(t, s)
}

// TestFolding: the log does not grow without end, and a store works on while
// it is folded into the file.
func TestFolding(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Business)
	size := func() int64 {
		info, err := os.Stat(filepath.Join(dir, fileName+"-wal"))
		if err != nil {
			t.Fatal(err)
		}
		return info.Size()
	}
	for i := 1; i <= 2*foldEvery; i++ {
		commit(t, s, crashChange(i))
	}
	twice := size()
	for i := 2*foldEvery + 1; i <= 5*foldEvery; i++ {
		commit(t, s, crashChange(i))
	}
	if now := size(); now > twice*3/2 {
		t.Errorf("log of %d bytes after %d commits, %d after %d", twice, 2*foldEvery, now, 5*foldEvery)
	}
	verifyLive(t, s, 5*foldEvery)
}

func verifyLive(t *testing.T, s *Store, n uint64) {
	t.Helper()
	if last, err := s.LastSequence(t.Context()); err != nil || last != n {
		t.Errorf("%d events, want %d: %v", last, n, err)
	}
	sound(t, s)
}

// TestPanic: what a transaction did before it panicked is not there for those
// who come after it.
func TestPanic(t *testing.T) {
	s := openAt(t, t.TempDir(), Customer)
	change := &Change{Call: &Call{RequestID: idOf("half"), Method: "m", Content: hashOf("c")}}
	func() {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
		}()
		_ = s.write(t.Context(), func(tx *tx) error {
			if err := tx.commit(change); err != nil {
				t.Error(err)
			}
			panic("halfway")
		})
	}()
	if _, ok, err := s.Call(t.Context(), idOf("half")); ok || err != nil {
		t.Errorf("half a change can be read: %v, %v", ok, err)
	}
	commit(t, s, change)
	sound(t, s)
}
