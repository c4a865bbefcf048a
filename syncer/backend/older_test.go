package backend

import (
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/vipaso/vipasod/store/secondhead"
)

// A cupboard holds books, whose files are changed while nobody has them open.
type cupboard struct {
	t    *testing.T
	path string
}

func (c cupboard) open() Admin {
	c.t.Helper()
	s, err := Open(c.t.Context(), "sqlite:"+c.path)
	must(c.t, err)
	return Admin{Store: s, By: "ann", Now: func() time.Time { return start }}
}

// add opens the books, makes so many changes and returns the whole of the file.
func (c cupboard) add(changes int) []byte {
	c.t.Helper()
	a := c.open()
	for i := range changes {
		_, err := a.CreateCustomer(c.t.Context(), fmt.Sprint("customer ", i))
		must(c.t, err)
	}
	must(c.t, a.Store.Close())
	b, err := os.ReadFile(c.path)
	must(c.t, err)
	return b
}

func (c cupboard) head() string {
	c.t.Helper()
	b, err := os.ReadFile(headOf(c.path))
	must(c.t, err)
	return string(b)
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	must(t, os.WriteFile(path, []byte(text), 0o600))
}

// TestOlderBooksAreReadOnly: books that are behind what was committed once can
// be read, and nothing is written to them until somebody accepts them. A second
// head that lags behind, as after a power cut, is nothing.
func TestOlderBooksAreReadOnly(t *testing.T) {
	// Each case changes the files of books with 5 changes; early are those with
	// 2 of them.
	for name, c := range map[string]struct {
		change func(c cupboard, early []byte)
		says   string // empty: they are no older copy
	}{
		"nothing happens":            {func(cupboard, []byte) {}, ""},
		"an older file is put back":  {func(c cupboard, early []byte) { overwrite(c.t, c.path, string(early)) }, "3 of their changes are missing"},
		"the database is gone":       {func(c cupboard, _ []byte) { must(c.t, os.Remove(c.path)) }, "5 of their changes are missing"},
		"the second head is gone":    {func(c cupboard, _ []byte) { must(c.t, os.Remove(headOf(c.path))) }, "is not known"},
		"the second head is damaged": {func(c cupboard, _ []byte) { overwrite(c.t, headOf(c.path), "0000") }, "is not known"},
		"the second head is ahead":   {func(c cupboard, _ []byte) { overwrite(c.t, headOf(c.path), fmt.Sprintf("%020d\n", 6)) }, "one of their changes is missing"},
		"the second head lags":       {func(c cupboard, _ []byte) { overwrite(c.t, headOf(c.path), fmt.Sprintf("%020d\n", 1)) }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			books := cupboard{t, filepath.Join(t.TempDir(), "books.db")}
			early := books.add(2)
			books.add(3)
			c.change(books, early)
			before := books.headIfAny()
			for range 2 { // looking changes nothing
				a := books.open()
				err := a.Store.Older()
				if c.says == "" {
					must(t, err)
				} else if !errors.Is(err, ErrOlderCopy) || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("it says %v, not %s", err, c.says)
				}
				if _, err := a.Devices(t.Context()); err != nil {
					t.Errorf("reading: %v", err)
				}
				if _, err := a.CreateCustomer(t.Context(), "Eve"); errors.Is(err, ErrOlderCopy) != (c.says != "") || c.says == "" && err != nil {
					t.Errorf("writing: %v", err)
				}
				must(t, a.Store.Close())
			}
			if c.says != "" && books.headIfAny() != before {
				t.Errorf("the second head was %q and is %q", before, books.headIfAny())
			}
			books.accept(c.says != "")
			books.add(1)
			a := books.open()
			must(t, a.Store.Older())
			must(t, a.Store.Close())
		})
	}
}

// headIfAny is the second head, empty if there is none or nothing in it.
func (c cupboard) headIfAny() string {
	b, err := os.ReadFile(headOf(c.path))
	if err != nil && !os.IsNotExist(err) {
		c.t.Fatal(err)
	}
	return string(b)
}

// accept accepts the books, and again, which changes nothing.
func (c cupboard) accept(older bool) {
	c.t.Helper()
	for _, first := range []bool{true, false} {
		a := c.open()
		if _, _, err := a.AcceptCopy(c.t.Context(), ""); !errors.Is(err, ErrInvalid) {
			c.t.Errorf("without a reason: %v", err)
		}
		before, err := a.AcceptedCopies(c.t.Context())
		must(c.t, err)
		got, accepted, err := a.AcceptCopy(c.t.Context(), "disk died")
		must(c.t, err)
		if accepted != (older && first) || accepted && (got.By != "ann" || got.Reason != "disk died" || !got.At.Equal(start)) {
			c.t.Errorf("accepted is %t, for the first time %t: %+v", accepted, first, got)
		}
		all, err := a.AcceptedCopies(c.t.Context())
		must(c.t, err)
		if (len(all) == len(before)+1) != accepted || (len(all) > 0) != older || older && (all[0].By != "ann" || all[0].Reason != "disk died" || all[0].Changes+all[0].Missing == 0) {
			c.t.Errorf("%+v are kept", all)
		}
		must(c.t, a.Store.Close())
	}
}

// TestTwoAcceptOneCopy: of two who have both seen that the books are an older
// copy one accepts it.
func TestTwoAcceptOneCopy(t *testing.T) {
	books := cupboard{t, filepath.Join(t.TempDir(), "books.db")}
	early := books.add(2)
	books.add(3)
	overwrite(t, books.path, string(early))
	one, two := books.open(), books.open()
	for n, a := range []Admin{one, two} {
		got, accepted, err := a.AcceptCopy(t.Context(), "disk died")
		must(t, err)
		if accepted != (n == 0) || accepted && (got.Changes != 2 || got.Missing != 3) {
			t.Errorf("%d accepts: %t, %+v", n, accepted, got)
		}
		must(t, a.Store.Close())
	}
	if got := books.head(); got != fmt.Sprintf("%020d\n", 6) {
		t.Errorf("the second head is %q", got)
	}
	overwrite(t, books.path, string(early))
	a := books.open()
	if err := a.Store.Older(); !errors.Is(err, ErrOlderCopy) {
		t.Errorf("put back again: %v", err)
	}
	must(t, a.Store.Close())
}

// TestAcceptingWaitsForTheSecondHead: where the second head cannot be waited for,
// nobody is told that the copy is accepted.
func TestAcceptingWaitsForTheSecondHead(t *testing.T) {
	books := cupboard{t, filepath.Join(t.TempDir(), "books.db")}
	books.add(2)
	must(t, os.Remove(headOf(books.path)))
	a := books.open()
	must(t, a.Store.head.Close())
	var err error
	a.Store.head, err = secondhead.Open(os.DevNull) // takes everything, but no fsync
	must(t, err)
	if _, accepted, err := a.AcceptCopy(t.Context(), "disk died"); accepted || !errors.Is(err, ErrDurability) {
		t.Errorf("accepted is %t: %v", accepted, err)
	}
	must(t, a.Store.Close())
}

// TestBooksFromBeforeTheSecondHead: books that never had one are taken as they
// are, and their second head is there before they change. If those are put back
// later they are an older copy.
func TestBooksFromBeforeTheSecondHead(t *testing.T) {
	books := cupboard{t, filepath.Join(t.TempDir(), "books")}
	db, err := sql.Open("sqlite3", "file:"+books.path)
	must(t, err)
	files, err := fs.Sub(migrations, "migrations")
	must(t, err)
	p, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	must(t, err)
	_, err = p.UpTo(t.Context(), 8)
	must(t, err)
	_, err = db.Exec(`INSERT INTO customers (id, name, created_ms) VALUES (zeroblob(16), 'Ann', 0)`)
	must(t, err)
	must(t, db.Close())
	early, err := os.ReadFile(books.path)
	must(t, err)

	a := books.open()
	must(t, a.Store.Older())
	if got := books.head(); got != fmt.Sprintf("%020d\n", 0) {
		t.Errorf("the second head is %q", got)
	}
	must(t, a.Store.Close())
	books.add(1)
	overwrite(t, books.path, string(early))
	a = books.open()
	if err := a.Store.Older(); !errors.Is(err, ErrOlderCopy) {
		t.Errorf("put back: %v", err)
	}
	must(t, a.Store.Close())
}

// TestWhatChangesNothingIsNotCounted: neither a transaction that writes nothing
// nor one that failed, and each of two processes counts the other's.
func TestWhatChangesNothingIsNotCounted(t *testing.T) {
	books := cupboard{t, filepath.Join(t.TempDir(), "books.db")}
	books.add(2)
	a, beside := books.open(), books.open()
	is := func(want int64) {
		t.Helper()
		changes, seen, err := a.Store.heads(t.Context())
		must(t, err)
		if changes != want || seen != want {
			t.Errorf("%d changes, the second head says %d, want %d", changes, seen, want)
		}
	}
	is(2)
	must(t, a.Store.Write(t.Context(), func(Tx) error { return nil }))
	must(t, a.Store.Write(t.Context(), func(t Tx) error { return t.exec(`DELETE FROM quotas`) }))
	failed := errors.New("failed")
	if err := a.Store.Write(t.Context(), func(t Tx) error { return errors.Join(t.nextEpoch(), failed) }); !errors.Is(err, failed) {
		t.Errorf("the error is %v", err)
	}
	is(2)
	for n := range int64(3) {
		must(t, beside.Store.Write(t.Context(), Tx.nextEpoch))
		is(3 + 2*n)
		must(t, a.Store.Write(t.Context(), func(t Tx) error { return errors.Join(t.nextEpoch(), t.nextEpoch()) }))
		is(4 + 2*n)
	}
	must(t, a.Store.Close())
	must(t, beside.Store.Close())
}

// The second head belongs to whom the books belong, whoever opens them first.
func TestTheSecondHeadBelongsToWhomTheBooksDo(t *testing.T) {
	c := cupboard{t, filepath.Join(t.TempDir(), "backend.db")}
	c.add(1)
	owner := os.Geteuid()
	if owner == 0 {
		owner = 65534 // root's neighbour, whose service it is
		must(t, os.Chown(c.path, owner, owner))
	}
	must(t, os.Remove(headOf(c.path)))
	must(t, c.open().Store.Close())
	info, err := os.Stat(headOf(c.path))
	must(t, err)
	if got := int(info.Sys().(*syscall.Stat_t).Uid); got != owner {
		t.Errorf("the head belongs to %d, the books to %d", got, owner)
	}
}
