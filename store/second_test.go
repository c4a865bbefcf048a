package store

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/vipaso/vipasod/preauth"
)

// TestOlderCopyIsLocked: a store that is behind what was committed once is
// locked when it is opened, and stays so until somebody says otherwise. A
// second head that lags behind, as after a power cut, locks nothing.
func TestOlderCopyIsLocked(t *testing.T) {
	second := func(dir string) string { return filepath.Join(dir, secondName) }
	keep := func(t *testing.T, path string) (put func()) {
		t.Helper()
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.WriteFile(path, b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	// Each case changes the files between two runs; commits were made before
	// (3 changes), after early was called.
	for name, c := range map[string]struct {
		change func(t *testing.T, dir string, early func())
		locked bool
	}{
		"nothing happens":            {func(*testing.T, string, func()) {}, false},
		"an older file is put back":  {func(t *testing.T, dir string, early func()) { early() }, true},
		"the second head is gone":    {func(t *testing.T, dir string, _ func()) { remove(t, second(dir)) }, true},
		"the second head is damaged": {func(t *testing.T, dir string, _ func()) { overwrite(t, second(dir), "0000") }, true},
		"the second head lags":       {func(t *testing.T, dir string, _ func()) { overwrite(t, second(dir), "00000000000000000001\n") }, false},
		"the second head is ahead":   {func(t *testing.T, dir string, _ func()) { overwrite(t, second(dir), "00000000000000000004\n") }, true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			s := openAt(t, dir, Customer)
			commit(t, s, &Change{Identity: &Identity{DeviceCert: []byte{1}, BackendURL: "https://x"}})
			closed(t, s)
			early := keep(t, s.path())
			s = openAt(t, dir, Customer)
			commit(t, s, &Change{})
			commit(t, s, &Change{})
			closed(t, s)
			c.change(t, dir, early)

			s = openAt(t, dir, Customer)
			id, err := s.Identity(t.Context())
			if err != nil || id.Locked != c.locked {
				t.Fatalf("locked is %v, want %v: %v", id.Locked, c.locked, err)
			}
			sound(t, s)
			if seq, err := s.LastSequence(t.Context()); err != nil || (seq > preauth.JournalSkip) != c.locked {
				t.Errorf("events go on after %d: %v", seq, err)
			}
			closed(t, s)
			s = openAt(t, dir, Customer)
			if again, err := s.Identity(t.Context()); err != nil || again.Locked != c.locked {
				t.Errorf("opened again, locked is %v: %v", again.Locked, err)
			}
			id.Locked = false
			commit(t, s, &Change{Identity: &id})
			closed(t, s)
			if again, err := openAt(t, dir, Customer).Identity(t.Context()); err != nil || again.Locked {
				t.Errorf("unlocked, then locked is %v: %v", again.Locked, err)
			}
		})
	}
}

// TestBackupIsLocked: a copy that is opened elsewhere is an older copy.
func TestBackupIsLocked(t *testing.T) {
	s := openAt(t, t.TempDir(), Customer)
	commit(t, s, &Change{Identity: &Identity{DeviceCert: []byte{1}, BackendURL: "https://x"}})
	elsewhere := t.TempDir()
	if err := s.Backup(t.Context(), filepath.Join(elsewhere, fileName)); err != nil {
		t.Fatal(err)
	}
	if id, err := openAt(t, elsewhere, Customer).Identity(t.Context()); err != nil || !id.Locked {
		t.Errorf("the copy is not locked: %v", err)
	}
	if id, err := s.Identity(t.Context()); err != nil || id.Locked {
		t.Errorf("the original is locked: %v", err)
	}
}

func closed(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
