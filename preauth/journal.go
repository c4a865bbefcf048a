package preauth

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// ErrJournal: an event log that is not, event by event, what the device wrote.
var ErrJournal = errors.New("journal does not fit")

// JournalSkip is how many numbers a device leaves out when its store turns out
// to be an older copy: more than it can have forgotten, so that none is used
// twice.
const JournalSkip = 1_000_000

// JournalEntry is one event of a device as it is stored.
type JournalEntry struct {
	Sequence uint64 // number of the event, from 1
	TimeMs   int64  // when it was stored, since 1970 UTC
	Payment  ID     // that it is about, zero if none
	Body     []byte // the encoded event
	Hash     Hash   // the chain with it; zero for events older than the chain
}

// Chain returns the chain with the entry after an entry whose chain is prev;
// zero is before the first.
func (e JournalEntry) Chain(prev Hash) Hash {
	h := sha256.New()
	h.Write([]byte("vipaso/journal/v1\x00"))
	h.Write(prev[:])
	h.Write(binary.BigEndian.AppendUint64(nil, e.Sequence))
	h.Write(binary.BigEndian.AppendUint64(nil, uint64(e.TimeMs)))
	h.Write(e.Payment[:])
	h.Write(e.Body)
	return Hash(h.Sum(nil))
}

// Journal reads a device's event log from its first entry on and says whether
// it is whole. The zero value has read nothing.
type Journal struct {
	// Entries is how many fitted so far, Chained how many of them have a hash.
	// The others are as good as whoever tells them: they are older than the
	// chain.
	Entries, Chained uint64
	// Restored are the entries at which the device found that its store was
	// an older copy. What it did between that copy and there is not in the
	// log.
	Restored []uint64

	sequence uint64
	hash     Hash
}

// Add reads the next entry. The error wraps ErrJournal if it does not follow
// the one before; nothing after it proves anything then.
func (j *Journal) Add(e JournalEntry) error {
	switch e.Sequence {
	case j.sequence + 1:
	case j.sequence + 1 + JournalSkip:
		j.Restored = append(j.Restored, e.Sequence)
	default:
		return fmt.Errorf("event %d comes after %d: %w", e.Sequence, j.sequence, ErrJournal)
	}
	if !e.Hash.Zero() || j.Chained > 0 {
		if e.Hash != e.Chain(j.hash) {
			return fmt.Errorf("event %d was changed, or one before it: %w", e.Sequence, ErrJournal)
		}
		j.Chained++
	}
	j.Entries++
	j.sequence, j.hash = e.Sequence, e.Hash
	return nil
}

// Close checks that the device of that certificate vouches for what was read,
// up to the last entry. The error wraps ErrDecode, ErrSignature or ErrJournal.
func (j *Journal) Close(head []byte, device DeviceCert) (JournalHead, error) {
	h, err := Open[*peerv1.JournalHead](head)
	if err != nil {
		return JournalHead{}, err
	}
	if err := h.VerifiedBy(PublicKey(device.Body.SigningKey)); err != nil {
		return JournalHead{}, err
	}
	switch {
	case ID(h.Body.DeviceId) != ID(device.Body.DeviceId):
		return JournalHead{}, fmt.Errorf("head of device %s, certificate of %s: %w", ID(h.Body.DeviceId), ID(device.Body.DeviceId), ErrJournal)
	case h.Body.Sequence != j.sequence:
		return JournalHead{}, fmt.Errorf("the device signed up to event %d, the last here is %d: %w", h.Body.Sequence, j.sequence, ErrJournal)
	case Hash(h.Body.Hash) != j.hash:
		return JournalHead{}, fmt.Errorf("the device signed another event %d: %w", j.sequence, ErrJournal)
	}
	return h, nil
}
