package store

import (
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth"
)

// chained reads the journal of a store page by page, as somebody else would
// who does not trust it, and compares its end with the head.
func chained(t *testing.T, s *Store) (j preauth.Journal) {
	t.Helper()
	var last preauth.JournalEntry
	for {
		page, err := s.Journal(t.Context(), last.Sequence, 3)
		if err != nil {
			t.Fatal(err)
		}
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			if err := j.Add(e); err != nil {
				t.Fatal(err)
			}
			last = e
		}
	}
	if seq, chain, err := s.JournalHead(t.Context()); err != nil || seq != last.Sequence || chain != last.Hash {
		t.Errorf("the head is at %d with %s, the journal at %d with %s: %v", seq, chain, last.Sequence, last.Hash, err)
	}
	return j
}

// TestJournal: the chain covers every event, goes on when the store is opened
// again, takes nothing of a commit that was refused, and goes on from an older
// copy.
func TestJournal(t *testing.T) {
	dir := t.TempDir()
	s := openAt(t, dir, Business)
	if j := chained(t, s); j.Entries != 0 {
		t.Errorf("a new store has %d events", j.Entries)
	}
	commit(t, s, &Change{Events: []*paymentv1.Event{opened(idOf("payment", 1)), opened(idOf("payment", 2))}})
	if err := s.Commit(t.Context(), &Change{Events: []*paymentv1.Event{opened(idOf("payment", 3)), {}}}); err == nil {
		t.Error("an empty event was stored")
	}
	commit(t, s, &Change{})
	closed(t, s)
	older, err := os.ReadFile(s.path())
	if err != nil {
		t.Fatal(err)
	}
	s = openAt(t, dir, Business)
	commit(t, s, &Change{Events: []*paymentv1.Event{opened(idOf("payment", 4))}})
	if j := chained(t, s); j.Entries != 3 || j.Chained != 3 || len(j.Restored) != 0 {
		t.Errorf("%+v", j)
	}
	before, err := s.Journal(t.Context(), 0, 9)
	if err != nil || before[0].Payment != idOf("payment", 1) || before[0].TimeMs != start.UnixMilli() {
		t.Errorf("%+v: %v", before, err)
	}
	if none, err := s.Journal(t.Context(), math.MaxUint64, 9); err != nil || len(none) != 0 {
		t.Errorf("after what can never be: %v %v", none, err)
	}
	closed(t, s)

	overwrite(t, s.path(), string(older))
	s = openAt(t, dir, Business)
	commit(t, s, &Change{Events: []*paymentv1.Event{opened(idOf("payment", 5))}})
	j := chained(t, s)
	if j.Entries != 4 || j.Chained != 4 || len(j.Restored) != 1 || j.Restored[0] != 3+preauth.JournalSkip {
		t.Errorf("put back: %+v", j)
	}
	after, err := s.Journal(t.Context(), 0, 9)
	if err != nil || after[1].Hash != before[1].Hash || after[2].Hash == before[2].Hash {
		t.Errorf("put back, the chain goes on otherwise: %v", err)
	}
	sound(t, s)
}

// TestOpenChecksTheNewestEvents: what is not read when a store is opened,
// Check finds.
func TestOpenChecksTheNewestEvents(t *testing.T) {
	s := openAt(t, t.TempDir(), Business)
	for i := range chainEnd + 5 {
		commit(t, s, &Change{Events: []*paymentv1.Event{opened(idOf("payment", i))}})
	}
	damage := func(change string) {
		t.Helper()
		if _, err := s.conn.ExecContext(t.Context(), change); err != nil {
			t.Fatal(err)
		}
	}
	damage(`UPDATE events SET body = zeroblob(length(body)) WHERE seq = 3`)
	closed(t, s)
	s = openAt(t, s.dir, Business)
	found, err := s.Check(t.Context())
	if err != nil || len(found) != 1 || !strings.Contains(found[0], "event 3 or the one before it") {
		t.Errorf("found %q: %v", found, err)
	}
	damage(`UPDATE events SET body = zeroblob(length(body)) WHERE seq = 7`)
	closed(t, s)
	s = openAt(t, s.dir, Business)
	if st, err := s.Stats(t.Context()); err != nil || st.Reason != Inconsistent {
		t.Errorf("opened: %+v %v", st, err)
	}
}

// TestFailedMigrationOfVersion1: a store that could not be brought to the
// version with the chain can be read.
func TestFailedMigrationOfVersion1(t *testing.T) {
	first, err := fs.ReadFile(ownMigrations(), "00001_device.sql")
	if err != nil {
		t.Fatal(err)
	}
	broken := fstest.MapFS{
		"00001_device.sql": &fstest.MapFile{Data: first},
		"00002_trust.sql":  &fstest.MapFile{Data: []byte("-- +goose Up\nSELECT nonsense FROM nowhere;")},
	}
	dir := t.TempDir()
	loadFixture(t, fixture(Business), filepath.Join(dir, fileName))
	s, err := Open(t.Context(), dir, Options{Role: Business, migrations: broken})
	if err != nil {
		t.Fatal(err)
	}
	defer closed(t, s)
	if st, err := s.Stats(t.Context()); err != nil || st.Reason != MigrationFailed {
		t.Errorf("stats: %+v %v", st, err)
	}
	if j := chained(t, s); j.Entries != 3 || j.Chained != 0 {
		t.Errorf("%+v", j)
	}
	sound(t, s)
}
