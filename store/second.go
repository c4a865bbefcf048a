package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth"
)

// secondName is the file beside the store that remembers how many changes the
// store has taken. It is written after each commit and not waited for, so
// after a power cut it may lag behind the store, and never be ahead of it: a
// store that is behind its second head was put back from an older copy.
const secondName = "store.head"

// secondLen is the length of what the file holds, a decimal number and a line
// end: it is overwritten in place and never changes its size.
const secondLen = 21

// openSecond opens the second head, and locks a store that is behind it or
// that came without one. A locked store is a device that signs nothing new
// until it has asked the backend what it may have forgotten (protocol,
// States).
func (s *Store) openSecond(ctx context.Context) error {
	f, err := os.OpenFile(filepath.Join(s.dir, secondName), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return ofFile(err)
	}
	s.second = f
	seen, err := readSecond(f)
	if err != nil {
		return ofFile(err)
	}
	if seen == s.head.changes || s.reason != "" {
		return nil
	}
	if seen > s.head.changes || seen < 0 && s.head.changes > 0 {
		s.opts.Logger.Warn("the store is an older copy: locked until it has synchronized", "changes", s.head.changes, "seen", seen)
		if err := s.write(ctx, (*tx).lock); err != nil {
			return fmt.Errorf("lock a restored store: %w", err)
		}
	}
	s.saveSecond()
	if err := f.Sync(); err != nil {
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

// readSecond returns what the file holds, -1 if it is new or was not written
// by saveSecond.
func readSecond(f *os.File) (int64, error) {
	text := make([]byte, secondLen)
	n, err := f.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	seen, err := strconv.ParseInt(strings.TrimSuffix(string(text[:n]), "\n"), 10, 64)
	if n != secondLen || err != nil || seen < 0 {
		return -1, nil
	}
	return seen, nil
}

// saveSecond notes what has been committed. A failure costs no more than a
// restored copy that is not noticed.
func (s *Store) saveSecond() {
	if s.second == nil {
		return // still opening
	}
	if _, err := s.second.WriteAt(fmt.Appendf(nil, "%020d\n", s.head.changes), 0); err != nil {
		s.opts.Logger.Warn("second head not written", "error", err)
	}
}
