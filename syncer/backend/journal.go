package backend

import (
	"context"
	"fmt"
	"math"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// Kinds of journal heads that the backend keeps.
const (
	headNewest   = "NEWEST"
	headEarlier  = "EARLIER"
	headRestored = "RESTORED"
	headLower    = "LOWER"
	headFork     = "FORK"
)

// headsMax bounds how many odd heads of one device are kept: a few prove as
// much as many.
const headsMax = 100

// headsEvery is the time of which the last head is kept. A device can write
// its log anew and go on from there: only what it signed before shows that.
const headsEvery = 24 * time.Hour

// leap is more events than a device stores between two answers of the backend,
// and fewer than it leaves out beyond those that it can have forgotten: a longer
// step says that its store was put back.
const leap = preauth.JournalSkip / 2

// A JournalHead is what a device once said of its event log.
type JournalHead struct {
	Device   preauth.ID
	Sequence uint64 // of the newest event then
	Hash     preauth.Hash
	// Kind is NEWEST, or why it was kept: EARLIER is the last that arrived on
	// a day, by UTC, RESTORED the last before the device found that its store
	// was an older copy, LOWER ends before one that was told earlier, FORK is a
	// second end at the same number, which no honest device signs.
	Kind   string
	Bytes  []byte // Signed JournalHead
	Signed time.Time
	At     time.Time // when it arrived
}

// keepHead keeps what a device says of its event log, if it is news. A head
// that the device did not sign says nothing.
func (s *Server) keepHead(ctx context.Context, c caller, signed []byte, now time.Time) error {
	if len(signed) == 0 {
		return nil
	}
	h, err := preauth.Open[*peerv1.JournalHead](signed)
	if err == nil {
		err = h.VerifiedBy(c.key.signing)
	}
	if err == nil && (preauth.ID(h.Body.DeviceId) != c.device.ID || h.Body.Sequence > math.MaxInt64) {
		err = fmt.Errorf("event %d of device %s: %w", h.Body.Sequence, preauth.ID(h.Body.DeviceId), ErrInvalid)
	}
	if err != nil {
		s.log.WarnContext(ctx, "journal head not kept", "device", c.device.ID, "error", err)
		return nil
	}
	told := JournalHead{
		Device: c.device.ID, Sequence: h.Body.Sequence, Hash: preauth.Hash(h.Body.Hash), Bytes: h.Bytes,
		Signed: time.UnixMilli(h.Body.TimeMs), At: now,
	}
	var news bool
	if err := s.store.Read(ctx, func(t Tx) error {
		newest, ok, err := t.newestHead(told.Device)
		news = !ok || newest.Sequence != told.Sequence || newest.Hash != told.Hash
		return err
	}); err != nil || !news {
		return err
	}
	return s.store.Write(ctx, func(t Tx) error { return s.compareHead(t, told) })
}

// compareHead stores a head by what it says beside the newest one.
func (s *Server) compareHead(t Tx, told JournalHead) error {
	newest, ok, err := t.newestHead(told.Device)
	if err != nil {
		return err
	}
	full, err := t.headsFull(told.Device)
	switch {
	case err != nil:
		return err
	case ok && told.Sequence > newest.Sequence+leap && !full:
		if err := t.setHeadKind(newest, headRestored); err != nil {
			return err
		}
	case ok && told.Sequence > newest.Sequence && told.At.Truncate(headsEvery).After(newest.At.Truncate(headsEvery)):
		if err := t.setHeadKind(newest, headEarlier); err != nil {
			return err
		}
	case ok && told.Sequence > newest.Sequence:
		if err := t.dropHead(newest); err != nil {
			return err
		}
	case ok && (full || told.Hash == newest.Hash):
		return nil
	case ok && told.Sequence < newest.Sequence:
		return s.remarkHead(t, told, headLower)
	case ok:
		return s.remarkHead(t, told, headFork)
	}
	told.Kind = headNewest
	return t.putHead(told)
}

// remarkHead keeps a head that an honest device does not sign, or not after
// the newest one.
func (s *Server) remarkHead(t Tx, told JournalHead, kind string) error {
	s.log.WarnContext(t.ctx, "journal head contradicts an earlier one", "device", told.Device, "kind", kind, "sequence", told.Sequence)
	told.Kind = kind
	return t.putHead(told)
}

// JournalHeads returns what is kept of a device's event log, by number; a zero
// id means all devices.
func (a Admin) JournalHeads(ctx context.Context, device preauth.ID) (all []JournalHead, err error) {
	err = a.Store.Read(ctx, func(t Tx) error {
		all, err = t.heads(device)
		return err
	})
	return all, err
}

// OldestRoot returns the oldest root key from which bundles lead to the present
// one. The error wraps ErrNotFound.
func (a Admin) OldestRoot(ctx context.Context) (root preauth.PublicKey, err error) {
	err = a.Store.Read(ctx, func(t Tx) error {
		roots, err := t.roots()
		if err == nil && len(roots) == 0 {
			err = fmt.Errorf("root key: %w", ErrNotFound)
		}
		if err != nil {
			return err
		}
		root = roots[max(0, len(roots)-1-preauth.HandoversMax)].public
		return nil
	})
	return root, err
}

const headColumns = `device_id, sequence, hash, kind, bytes, signed_ms, at_ms`

func scanHead(row func(...any) error) (h JournalHead, err error) {
	return h, row(fixed(h.Device[:]), &h.Sequence, fixed(h.Hash[:]), &h.Kind, &h.Bytes, moment{&h.Signed}, moment{&h.At})
}

func (t Tx) newestHead(device preauth.ID) (h JournalHead, ok bool, err error) {
	err = t.each(`SELECT `+headColumns+` FROM journal_heads WHERE device_id = ? AND kind = 'NEWEST'`, []any{device[:]}, func(row func(...any) error) error {
		h, err = scanHead(row)
		ok = err == nil
		return err
	})
	return h, ok, err
}

func (t Tx) heads(device preauth.ID) (all []JournalHead, err error) {
	err = t.each(`SELECT `+headColumns+` FROM journal_heads WHERE ? OR device_id = ? ORDER BY device_id, sequence, hash`,
		[]any{device.Zero(), device[:]}, func(row func(...any) error) error {
			h, err := scanHead(row)
			all = append(all, h)
			return err
		})
	return all, err
}

// headsFull reports whether no more odd heads of a device are kept.
func (t Tx) headsFull(device preauth.ID) (bool, error) {
	var n int
	_, err := t.one(`SELECT count(*) FROM journal_heads WHERE device_id = ? AND kind <> 'EARLIER'`, []any{device[:]}, &n)
	return n >= headsMax, err
}

// putHead stores a head; one that is known stays as it is, unless nothing was
// odd about it.
func (t Tx) putHead(h JournalHead) error {
	return t.exec(`INSERT INTO journal_heads (`+headColumns+`) VALUES (?, ?, ?, ?, ?, ?, ?)
		ON CONFLICT (device_id, sequence, hash) DO UPDATE SET kind = excluded.kind WHERE kind = 'EARLIER'`,
		h.Device[:], h.Sequence, h.Hash[:], h.Kind, h.Bytes, h.Signed.UnixMilli(), h.At.UnixMilli())
}

func (t Tx) setHeadKind(h JournalHead, kind string) error {
	return t.exec(`UPDATE journal_heads SET kind = ? WHERE device_id = ? AND sequence = ? AND hash = ?`, kind, h.Device[:], h.Sequence, h.Hash[:])
}

func (t Tx) dropHead(h JournalHead) error {
	return t.exec(`DELETE FROM journal_heads WHERE device_id = ? AND sequence = ? AND hash = ?`, h.Device[:], h.Sequence, h.Hash[:])
}
