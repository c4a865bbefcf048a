//go:build amd64

package crash

import (
	"bytes"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// What may come of damage.
const (
	refused  = "refused at the start"
	shown    = "opened for reading only"
	reported = "found by the check of the books"
	locked   = "locked"
	same     = "harmless"
	wrong    = "wrong money"
)

// A harm is a way to damage files, which the dice choose.
type harm struct {
	name  string
	times int
	do    func(dice *rand.Rand, files map[string][]byte)
	bits  bool // it flips one
	// to are the files as they are before.
	to map[string][]byte
}

// damage harms the files of a flow in many ways.
func damage(t *testing.T, f flow, tb *table) {
	r := newTrial(t, f, safe)
	closed := r.cutAt(len(r.log.Ops), Everything).files
	want, err := moneyIn(t, r, closed)
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range r.harms(closed) {
		left := want
		if h.to == nil {
			h.to = closed
		} else if left, err = moneyIn(t, r, h.to); err != nil {
			t.Fatal(err)
		}
		counts := r.harm(t, h, left)
		var outcome []string
		for _, what := range slices.Sorted(maps.Keys(counts)) {
			outcome = append(outcome, fmt.Sprintf("%d %s", counts[what], what))
			// A device looks for itself before it starts; a backend when asked.
			if what == wrong || what == reported && f.name != books.name {
				t.Errorf("%s: %d of %d %s", h.name, counts[what], h.times, what)
			}
		}
		if h.bits {
			tb.result.Flips += h.times
			tb.result.Wrong += counts[wrong]
			tb.result.Harmless += counts[same]
			tb.result.Found += h.times - counts[wrong] - counts[same]
		}
		tb.row(h.name, f.name, strings.Join(outcome, ", "))
	}
}

// harms are what is done to a flow's files: closed, and as the process leaves
// them when it is killed while it has a log.
func (r *trial) harms(closed map[string][]byte) []harm {
	f := r.flow
	open := r.cutAt(r.lastLog(), Everything).files
	wal := f.file + "-wal"
	flip := func(name string) func(*rand.Rand, map[string][]byte) {
		return func(dice *rand.Rand, files map[string][]byte) {
			b := bytes.Clone(files[name])
			at := dice.IntN(len(b) * 8)
			b[at/8] ^= 1 << (at % 8)
			files[name] = b
		}
	}
	cutOff := func(name string) func(*rand.Rand, map[string][]byte) {
		return func(dice *rand.Rand, files map[string][]byte) {
			files[name] = files[name][:dice.IntN(len(files[name]))]
		}
	}
	marks := r.marks()
	return []harm{
		{name: "a bit of the file flips", bits: true, times: *flips, do: flip(f.file)},
		{name: "a bit of the log flips", bits: true, times: *flips, do: flip(wal), to: open},
		{name: "the file is cut off", times: *flips / 4, do: cutOff(f.file)},
		{name: "the log is cut off", times: *flips / 4, do: cutOff(wal), to: open},
		{name: "a bit of the second head flips", bits: true, times: *flips / 4, do: flip(f.head)},
		{name: "the second head is gone", times: 1, do: func(_ *rand.Rand, files map[string][]byte) { delete(files, f.head) }},
		{name: "an older copy is put back", times: *flips / 4, do: func(dice *rand.Rand, files map[string][]byte) {
			copied := r.cutAt(marks[dice.IntN(len(marks)-1)], Everything).files
			delete(copied, f.head)
			delete(files, f.file)
			maps.Copy(files, copied)
		}},
	}
}

// marks are the numbers of ops after which something had been promised.
func (r *trial) marks() (all []int) {
	for i, o := range r.log.Ops {
		if o.Kind == Mark {
			all = append(all, i+1)
		}
	}
	return all
}

// lastLog is the last mark at which SQLite's log held what was promised.
func (r *trial) lastLog() int {
	for _, done := range slices.Backward(r.marks()) {
		if len(r.cutAt(done, Everything).files[r.flow.file+"-wal"]) > 0 {
			return done
		}
	}
	return 0
}

// harm does h again and again and counts what comes of it.
func (r *trial) harm(t *testing.T, h harm, want string) map[string]int {
	t.Helper()
	var mu sync.Mutex
	counts := map[string]int{}
	seeds := make(chan int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		dir := scratch(t)
		workers.Go(func() {
			for seed := range seeds {
				files := maps.Clone(h.to)
				h.do(rand.New(rand.NewPCG(uint64(seed), 0)), files)
				what, said := r.outcome(dir, files, want)
				if what == wrong {
					t.Logf("%s, seed %d: %s", h.name, seed, said)
				}
				mu.Lock()
				counts[what]++
				mu.Unlock()
			}
		})
	}
	for seed := range h.times {
		seeds <- seed
	}
	close(seeds)
	workers.Wait()
	return counts
}

// outcome opens damaged files and says what came of it.
func (r *trial) outcome(dir string, files map[string][]byte, want string) (what, said string) {
	if err := WriteDir(dir, files); err != nil {
		return wrong, err.Error()
	}
	switch err := r.flow.sound(dir); {
	case errors.Is(err, errShown):
		return shown, err.Error()
	case errors.Is(err, errReported):
		return reported, err.Error()
	case err != nil:
		return refused, err.Error()
	}
	path := filepath.Join(dir, r.flow.file)
	if r.flow.locked(path) {
		return locked, ""
	}
	got, err := r.flow.money(path)
	switch {
	case err != nil:
		return wrong, err.Error()
	case got != want:
		return wrong, got
	}
	return same, ""
}

// errReported says that a store opens, and says of itself that it is damaged.
var errReported = errors.New("reported")

// errShown says that a store opens so that it can be exported, and takes no
// writes.
var errShown = errors.New("contradicts itself")

// moneyIn is the money of undamaged files.
func moneyIn(t *testing.T, r *trial, files map[string][]byte) (string, error) {
	t.Helper()
	dir := scratch(t)
	if err := errors.Join(WriteDir(dir, files), r.flow.sound(dir)); err != nil {
		return "", err
	}
	return r.flow.money(filepath.Join(dir, r.flow.file))
}

// money is what a party takes for its balance, as text.
func (f flow) money(path string) (string, error) {
	db, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?immutable=1")
	if err != nil {
		return "", err
	}
	var all []string
	for _, query := range f.balances {
		part, failed := rows(db, query)
		err, all = errors.Join(err, failed), append(all, part...)
	}
	return strings.Join(all, "\n"), errors.Join(err, db.Close())
}

// locked reports whether a device's store is locked.
func (f flow) locked(path string) bool {
	db, err := sql.Open("sqlite3", "file:"+(&url.URL{Path: path}).EscapedPath()+"?immutable=1")
	if err != nil {
		return false
	}
	defer db.Close()
	var is bool
	return db.QueryRow(`SELECT locked FROM identity`).Scan(&is) == nil && is
}
