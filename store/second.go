package store

import (
	"context"
	"fmt"
	"path/filepath"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store/secondhead"
)

// secondName is the file beside the store that remembers how many changes the
// store has taken.
const secondName = "store.head"

// openSecond opens the second head, and locks a store that is behind it or
// that came without one. A locked store is a device that signs nothing new
// until it has asked the backend what it may have forgotten (protocol,
// States).
func (s *Store) openSecond(ctx context.Context) error {
	var err error
	if s.second, err = secondhead.Open(filepath.Join(s.dir, secondName)); err != nil {
		return ofFile(err)
	}
	seen, err := s.second.Seen()
	if err != nil {
		return ofFile(err)
	}
	if seen == s.head.changes || s.reason != "" {
		return nil
	}
	if secondhead.Behind(s.head.changes, seen) {
		s.opts.Logger.Warn("the store is an older copy: locked until it has synchronized", "changes", s.head.changes, "seen", seen)
		if err := s.write(ctx, (*tx).lock); err != nil {
			return fmt.Errorf("lock a restored store: %w", err)
		}
	}
	s.saveSecond()
	if err := s.second.Sync(); err != nil {
		return ofFile(err)
	}
	return syncPath(s.dir)
}

// lock locks the store and says so in the log. Numbers of events are left out,
// so that who asks for those after the last one it saw misses none; the chain
// goes on from the older copy.
func (t *tx) lock() error {
	t.head.sequence += preauth.JournalSkip
	t.head.skipped += preauth.JournalSkip
	if err := t.appendEvent(&paymentv1.Event{Event: &paymentv1.Event_DeviceChanged{DeviceChanged: &paymentv1.DeviceChanged{
		What: "LOCKED", Detail: "the store is an older copy",
	}}}); err != nil {
		return err
	}
	return t.exec(`UPDATE identity SET locked = 1`)
}

// saveSecond notes what has been committed. A failure costs no more than a
// restored copy that is not noticed.
func (s *Store) saveSecond() {
	if s.second == nil {
		return // still opening
	}
	if err := s.second.Save(s.head.changes); err != nil {
		s.opts.Logger.Warn("second head not written", "error", err)
	}
}
