//go:build amd64

package crash

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	_ "github.com/mattn/go-sqlite3" // looks into files that nobody has open

	"github.com/vipaso/vipasod/preauth"
)

// A flow is a story of payments as one party stores it.
type flow struct {
	name string
	// prepare makes what is there before. Nil is nothing.
	prepare func(dir string) error
	// run is done by another process and recorded. It calls told each time
	// that it has been promised that something is stored. weaken is nil, or
	// takes the safety away from each store that it has opened.
	run func(dir string, told func(), weaken func(store any) error) error
	// sound opens what is there as a starting process does, looks at all of
	// it, and closes it.
	sound func(dir string) error
	file  string // of SQLite
	head  string // the file beside it
	// sizes are at how many bytes of a file, and of all, the disk is full.
	fileMax, diskMax int
	// balances are the queries that answer what the party takes for money.
	balances []string
	// returns says that what was stored once may be stored again later.
	returns bool
}

var flows = []flow{till, wallet, restored, books, accepted, begun}

// childEnv makes the test binary run the flow of that name, in the directory
// of its first argument and at the level of its second.
const childEnv = "VIPASO_CRASH_FLOW"

func TestMain(m *testing.M) {
	name, ok := os.LookupEnv(childEnv)
	if !ok {
		os.Exit(m.Run())
	}
	if err := child(name, os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func child(name, dir, level string) error {
	i := slices.IndexFunc(flows, func(f flow) bool { return f.name == name })
	if level == reopen {
		return flows[i].sound(dir)
	}
	n := 0
	told := func() {
		n++
		fmt.Printf("%d\n", n)
	}
	var weaken func(any) error
	switch level {
	case safe:
	case limited:
		if err := limit(flows[i].fileMax); err != nil {
			return err
		}
	default:
		weaken = func(store any) error { return unsafely(store, level) }
	}
	return flows[i].run(dir, told, weaken)
}

// The level at which a store works, and the one that only opens it again.
const (
	safe   = "EXTRA"
	reopen = "reopen"
)

// unsafely makes an open store wait less for the disk. A store offers no way
// to do that, and refuses to be opened so: this reaches inside.
func unsafely(store any, level string) error {
	query := "PRAGMA synchronous = " + level
	inside := reflect.ValueOf(store).Elem()
	if f := inside.FieldByName("conn"); f.IsValid() { // of a device
		_, err := (*sql.Conn)(unsafe.Pointer(f.Pointer())).ExecContext(context.Background(), query)
		return err
	}
	_, err := (*sql.DB)(unsafe.Pointer(inside.FieldByName("writer").Pointer())).Exec(query)
	return err
}

// recorded runs a flow in a new directory and returns what it did.
func recorded(t *testing.T, f flow, level string, fault *Fault) *Log {
	t.Helper()
	dir := scratch(t)
	if f.prepare != nil {
		if err := f.prepare(dir); err != nil {
			t.Fatal(err)
		}
	}
	log := recordedIn(t, dir, f, level, fault)
	after, err := readDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	d := NewDisk(log)
	for d.Next() {
	}
	if image := d.Image(Everything); !sameFiles(image, after) {
		t.Fatalf("%s: what was recorded is not what was done: %d files and %d", f.name, len(image), len(after))
	}
	return log
}

// sameFiles compares all files but SQLite's shared memory, which is written
// to without system calls, and made anew by whoever comes first.
func sameFiles(a, b map[string][]byte) bool {
	a, b = maps.Clone(a), maps.Clone(b)
	for _, all := range []map[string][]byte{a, b} {
		maps.DeleteFunc(all, func(name string, _ []byte) bool { return strings.HasSuffix(name, "-shm") })
	}
	return maps.EqualFunc(a, b, bytes.Equal)
}

// recordedIn runs a flow in a directory.
func recordedIn(t *testing.T, dir string, f flow, level string, fault *Fault) *Log {
	t.Helper()
	said, err := os.CreateTemp(t.TempDir(), "said")
	if err != nil {
		t.Fatal(err)
	}
	defer said.Close()
	log, err := Record(Command{
		Path: "/proc/self/exe", Args: []string{dir, level}, Env: append(os.Environ(), childEnv+"="+f.name),
		Dir: dir, Stderr: said, Fault: fault,
	})
	if err != nil {
		t.Fatal(err)
	}
	if log.Exit != 0 && fault == nil {
		text, err := os.ReadFile(said.Name())
		t.Fatalf("%s ends with %d: %s %v", f.name, log.Exit, text, err)
	}
	return log
}

// scratch is a directory in memory, if there is such a place: what is done
// there is done thousands of times.
func scratch(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "crash-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// state returns what is stored, as one hash: every row of every table but the
// times at which migrations ran. Nobody has the file open.
func state(path string) (preauth.Hash, error) {
	db, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?immutable=1")
	if err != nil {
		return preauth.Hash{}, err
	}
	h := sha256.New()
	tables, err := rows(db, `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'goose_%' ORDER BY name`)
	for _, table := range tables {
		all, failed := rows(db, `SELECT * FROM `+table)
		err = errors.Join(err, failed)
		fmt.Fprintln(h, table, all)
	}
	return preauth.Hash(h.Sum(nil)), errors.Join(err, db.Close())
}

// rows returns every row that a query answers, each as text.
func rows(db *sql.DB, query string) ([]string, error) {
	r, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	columns, err := r.Columns()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	var all []string
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	for r.Next() {
		if err := r.Scan(into...); err != nil {
			return nil, errors.Join(err, r.Close())
		}
		all = append(all, fmt.Sprint(values...))
	}
	return all, errors.Join(r.Err(), r.Close())
}
