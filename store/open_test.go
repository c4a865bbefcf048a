package store

import (
	"bytes"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// filled makes a store of 40 payments in dir and returns its bytes.
func filled(t *testing.T, dir string) []byte {
	t.Helper()
	s := openAt(t, dir, Business)
	for i := range 40 {
		commit(t, s, crashChange(i))
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(filepath.Join(dir, fileName))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestDamagedFile: a file that is not a whole store is refused, named, and
// left as it is.
func TestDamagedFile(t *testing.T) {
	good := filled(t, t.TempDir())
	flip := func(at, n int) []byte {
		b := bytes.Clone(good)
		for i := range n {
			b[at+i] ^= 0x5a
		}
		return b
	}
	foreign := bytes.Clone(good)
	copy(foreign[68:72], "some")
	tests := []struct {
		name string
		file []byte
	}{
		{"empty", nil},
		{"one byte", good[:1]},
		{"half a header", good[:50]},
		{"a header", good[:100]},
		{"one page", good[:4096]},
		{"half", good[:len(good)/2/4096*4096]},
		{"half and a bit", good[:len(good)/2+1]},
		{"a page less", good[:len(good)-4096]},
		{"a byte less", good[:len(good)-1]},
		{"garbage", bytes.Repeat([]byte("garbage "), 4096)},
		{"text", []byte("this is not a store, but it is longer than a header of a database is, and so it is read as one, perhaps\n")},
		{"another program's database", foreign},
		{"a header with another page size", flip(16, 2)},
		{"a damaged schema", flip(100, 40)},
		{"a damaged table", flip(len(good)/2/4096*4096, 64)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path := filepath.Join(dir, fileName)
			if err := os.WriteFile(path, tt.file, 0o600); err != nil {
				t.Fatal(err)
			}
			for range 2 {
				s, err := Open(t.Context(), dir, Options{Role: Business})
				if err == nil {
					s.Close()
					t.Fatal("opened")
				}
				if !errors.Is(err, ErrCorrupt) || !strings.Contains(err.Error(), dir) {
					t.Errorf("error %v", err)
				}
				if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, tt.file) {
					t.Errorf("the file was changed: %d bytes, before %d: %v", len(now), len(tt.file), err)
				}
			}
		})
	}
}

// TestDamagedPage: damage to any page at all is found when the store is
// opened, not when somebody needs the page.
func TestDamagedPage(t *testing.T) {
	good := filled(t, t.TempDir())
	dir := t.TempDir()
	for at := 4096; at < len(good); at += 4096 {
		bad := bytes.Clone(good)
		for i := range 8 {
			bad[at+i] ^= 0x5a
		}
		if err := os.WriteFile(filepath.Join(dir, fileName), bad, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err := Open(t.Context(), dir, Options{Role: Business})
		if err == nil {
			s.Close()
		}
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("page %d of %d: %v", at/4096+1, len(good)/4096, err)
		}
	}
}

// TestDamagedLog: the store without its file, or with a log that was cut
// off, loses nothing that it could keep.
func TestDamagedLog(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir)
	path := filepath.Join(dir, fileName)
	if err := os.WriteFile(path+"-wal", []byte("not a log"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := openAt(t, dir, Business)
	if last, err := s.LastSequence(t.Context()); err != nil || last != 40 {
		t.Errorf("with a log of garbage: %d events, want 40: %v", last, err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Rename(path, path+".gone"), os.WriteFile(path+"-wal", []byte("a log"), 0o600)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), dir, Options{Role: Business}); !errors.Is(err, ErrCorrupt) {
		t.Errorf("a log without its file: %v", err)
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a new file beside an old log: %v", err)
	}
}

// TestOpenPrivately: nobody else can read a store, wherever it lies and
// however it was copied there.
func TestOpenPrivately(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a?b#c%20d e", "store")
	s := openAt(t, dir, Business)
	commit(t, s, crashChange(1))
	mode := func(path string) fs.FileMode {
		t.Helper()
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		return info.Mode().Perm()
	}
	if got := mode(dir); got != 0o700 {
		t.Errorf("directory is %o", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) == 0 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		if got := mode(filepath.Join(dir, e.Name())); got != 0o600 {
			t.Errorf("%s is %o", e.Name(), got)
		}
	}
	if err := errors.Join(s.Close(), os.Chmod(filepath.Join(dir, fileName), 0o644)); err != nil {
		t.Fatal(err)
	}
	openAt(t, dir, Business)
	if got := mode(filepath.Join(dir, fileName)); got != 0o600 {
		t.Errorf("a copied store is %o", got)
	}
}

// TestUnfinishedStore: what a crash left while the store was made is made
// anew.
func TestUnfinishedStore(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"store.db.new", "store.db.new-wal", "store.db.new-journal"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("half of it"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s := openAt(t, dir, Business)
	commit(t, s, crashChange(1))
	sound(t, s)
	if left, err := filepath.Glob(filepath.Join(dir, "*.new*")); err != nil || len(left) > 0 {
		t.Errorf("left over: %q %v", left, err)
	}
}

// TestDurabilityIsDemanded: with any other setting the store is neither made
// nor opened.
func TestDurabilityIsDemanded(t *testing.T) {
	made := t.TempDir()
	filled(t, made)
	for key, value := range map[string]string{
		"_synchronous": "FULL", "_journal_mode": "DELETE", "_locking_mode": "NORMAL", "_foreign_keys": "OFF", "_secure_delete": "OFF",
	} {
		t.Run(key, func(t *testing.T) {
			for _, dir := range []string{t.TempDir(), made} {
				_, err := Open(t.Context(), dir, Options{Role: Business, settings: url.Values{key: {value}}})
				if !errors.Is(err, ErrDurability) {
					t.Errorf("%s = %s: %v", key, value, err)
				}
			}
		})
	}
	verifyAll(t, made, 40)
}

// verifyAll checks that a store of childCommit's payments has n events.
func verifyAll(t *testing.T, dir string, n uint64) {
	t.Helper()
	s := openAt(t, dir, Business)
	if last, err := s.LastSequence(t.Context()); err != nil || last != n {
		t.Errorf("%d events, want %d: %v", last, n, err)
	}
	sound(t, s)
}

// TestRole: a till's store is no wallet.
func TestRole(t *testing.T) {
	dir := t.TempDir()
	filled(t, dir)
	if _, err := Open(t.Context(), dir, Options{Role: Customer}); !errors.Is(err, ErrRole) {
		t.Errorf("a till's store opened as a customer's: %v", err)
	}
	if _, err := Open(t.Context(), t.TempDir(), Options{}); err == nil {
		t.Error("a store of no role")
	}
	verifyAll(t, dir, 40)
}

// TestClose: what is closed answers nothing, and closing twice is no harm.
func TestClose(t *testing.T) {
	s := openAt(t, t.TempDir(), Business)
	if err := errors.Join(s.Close(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if err := s.Commit(t.Context(), crashChange(1)); !errors.Is(err, errClosed) {
		t.Errorf("commit: %v", err)
	}
	if _, err := s.Sale(t.Context(), idOf("x")); !errors.Is(err, errClosed) {
		t.Errorf("read: %v", err)
	}
}
