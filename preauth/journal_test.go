package preauth

import (
	"errors"
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// journal is a log of n events. The chain begins with event first.
func journal(n, first uint64) (all []JournalEntry) {
	var last Hash
	for i := range n {
		e := JournalEntry{Sequence: i + 1, TimeMs: noon.UnixMilli() + int64(i), Body: []byte{byte(i), 7}}
		if i%2 == 0 {
			e.Payment = testID("payment")
		}
		if e.Sequence >= first {
			e.Hash = e.Chain(last)
			last = e.Hash
		}
		all = append(all, e)
	}
	return all
}

// read gives a journal to a verifier, which has to stop at the first entry
// that does not fit.
func read(all []JournalEntry) (j Journal, at uint64, err error) {
	for _, e := range all {
		if err := j.Add(e); err != nil {
			return j, e.Sequence, err
		}
	}
	return j, 0, nil
}

// The hash of the documented input, computed by hand: an implementation in
// another language must come to the same.
func TestAChainIsWhatTheAPISays(t *testing.T) {
	e := JournalEntry{Sequence: 1, TimeMs: 2, Payment: ID{3}, Body: []byte("body")}
	if got, want := e.Chain(Hash{4}).String(), "a5e670ea452a138814b0f18cdee9935aeebcbd1d9aba0fe67a7bdd8ef6c4d831"; got != want {
		t.Errorf("chain %s, want %s", got, want)
	}
}

// tampered are journals that were changed, and one that was not.
var tampered = []struct {
	name  string
	spoil func([]JournalEntry) []JournalEntry
	at    uint64 // 0 if all is well
}{
	{"all is well", func(all []JournalEntry) []JournalEntry { return all }, 0},
	{"a body is changed", func(all []JournalEntry) []JournalEntry { all[3].Body[0] ^= 1; return all }, 4},
	{"a body ends earlier", func(all []JournalEntry) []JournalEntry { all[3].Body = all[3].Body[:1]; return all }, 4},
	{"a time is changed", func(all []JournalEntry) []JournalEntry { all[3].TimeMs++; return all }, 4},
	{"a payment is changed", func(all []JournalEntry) []JournalEntry { all[3].Payment = testID("other"); return all }, 4},
	{"a hash is changed", func(all []JournalEntry) []JournalEntry { all[3].Hash[0]++; return all }, 4},
	{"an event is changed with its hash", func(all []JournalEntry) []JournalEntry {
		all[3].Body = nil
		all[3].Hash = all[3].Chain(all[2].Hash)
		return all
	}, 5},
	{"a hash is left out", func(all []JournalEntry) []JournalEntry { all[3].Hash = Hash{}; return all }, 4},
	{"an event is left out", func(all []JournalEntry) []JournalEntry { return append(all[:3:3], all[4:]...) }, 5},
	{"an event is left out, and the others count on", func(all []JournalEntry) []JournalEntry {
		all = append(all[:3:3], all[4:]...)
		all[3].Sequence = 4
		return all
	}, 4},
	{"an event comes twice", func(all []JournalEntry) []JournalEntry { return append(all[:4:4], all[3:]...) }, 4},
	{"two events change places", func(all []JournalEntry) []JournalEntry {
		all[3], all[4] = all[4], all[3]
		return all
	}, 5},
	{"the first event is left out", func(all []JournalEntry) []JournalEntry { return all[1:] }, 2},
	{"numbers jump too far", func(all []JournalEntry) []JournalEntry {
		return append(all, restored(all, JournalSkip+2))
	}, 6 + JournalSkip + 2},
	{"a restored copy forgets the chain", func(all []JournalEntry) []JournalEntry {
		e := restored(all, JournalSkip+1)
		e.Hash = e.Chain(Hash{})
		return append(all, e)
	}, 6 + JournalSkip + 1},
}

func TestTheFirstEntryThatDoesNotFitIsNamed(t *testing.T) {
	for _, tt := range tampered {
		t.Run(tt.name, func(t *testing.T) {
			_, at, err := read(tt.spoil(journal(6, 1)))
			if at != tt.at || (err != nil) != (at != 0) || err != nil && !errors.Is(err, ErrJournal) {
				t.Errorf("stopped at %d with %v, want %d", at, err, tt.at)
			}
		})
	}
}

// restored is an event that comes a number of events after a log.
func restored(all []JournalEntry, after uint64) JournalEntry {
	last := all[len(all)-1]
	e := JournalEntry{Sequence: last.Sequence + after, TimeMs: last.TimeMs}
	e.Hash = e.Chain(last.Hash)
	return e
}

// A log that is older than the chain counts as far as it goes, and a store
// that was put back from an older copy is told.
func TestAJournalTellsHowFarItReaches(t *testing.T) {
	all := journal(6, 4)
	all = append(all, restored(all, JournalSkip+1))
	j, at, err := read(all)
	if err != nil || j.Entries != 7 || j.Chained != 4 || len(j.Restored) != 1 || j.Restored[0] != 7+JournalSkip {
		t.Errorf("%d entries, %d in the chain, restored at %v; stopped at %d: %v", j.Entries, j.Chained, j.Restored, at, err)
	}
	all[2].Hash = Hash{1}
	if _, at, err := read(all); at != 3 || !errors.Is(err, ErrJournal) {
		t.Errorf("a hash before the chain: stopped at %d: %v", at, err)
	}
}

// heads are what is shown as the word of a device on a journal of 6 events.
var heads = []struct {
	name string
	key  string
	bend func(*peerv1.JournalHead)
	want error
}{
	{"as it is", "till", func(*peerv1.JournalHead) {}, nil},
	{"signed by another", "stranger", func(*peerv1.JournalHead) {}, ErrSignature},
	{"of another device", "till", func(h *peerv1.JournalHead) { h.DeviceId = testBytes("phone", 16) }, ErrJournal},
	{"with more events", "till", func(h *peerv1.JournalHead) { h.Sequence = 7 }, ErrJournal},
	{"with fewer events", "till", func(h *peerv1.JournalHead) { h.Sequence = 5 }, ErrJournal},
	{"with another last event", "till", func(h *peerv1.JournalHead) { h.Hash = testBytes("other", 32) }, ErrJournal},
	{"malformed", "till", func(h *peerv1.JournalHead) { h.Hash = nil }, ErrDecode},
}

func TestADeviceVouchesForItsJournal(t *testing.T) {
	all := journal(6, 1)
	last := all[5].Hash
	till := newDeal().signTill(t)
	good := func() *peerv1.JournalHead {
		return &peerv1.JournalHead{DeviceId: testBytes("till", 16), Sequence: 6, Hash: last[:], TimeMs: noon.UnixMilli()}
	}
	for _, tt := range heads {
		t.Run(tt.name, func(t *testing.T) {
			j, _, err := read(all)
			if err != nil {
				t.Fatal(err)
			}
			h := good()
			tt.bend(h)
			got, err := j.Close(forge(t, tt.key, h), till)
			if !errors.Is(err, tt.want) || (err == nil) != (tt.want == nil) || got.Zero() != (err != nil) {
				t.Errorf("%v; want %v", err, tt.want)
			}
		})
	}
}
