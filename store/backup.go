package store

import (
	"context"
	"os"
	"path/filepath"
)

// Backup writes a copy of the store to a new file, readable by its owner only.
// When it returns nil the copy is on disk. It works on a store that takes no
// writes. The error wraps fs.ErrExist if there is such a file.
func (s *Store) Backup(ctx context.Context, path string) error {
	ctx, err := s.enter(ctx)
	if err != nil {
		return err
	}
	defer s.mu.Unlock()
	if path, err = filepath.Abs(path); err != nil {
		return err
	}
	if err := vacuumInto(ctx, s.conn, path); err != nil {
		return err
	}
	return syncPath(filepath.Dir(path))
}

// Stats says how the store is.
type Stats struct {
	Bytes         uint64 // on disk, with the log
	SchemaVersion int
	Writable      bool
	Reason        string // why not, a reason of the error catalogue
	Detail        string // which contradiction was found first, if that is why
}

// Stats returns how the store is.
func (s *Store) Stats(ctx context.Context) (Stats, error) {
	if _, err := s.enter(ctx); err != nil {
		return Stats{}, err
	}
	defer s.mu.Unlock()
	st := Stats{SchemaVersion: s.version, Writable: s.reason == "", Reason: s.reason, Detail: s.detail}
	for _, suffix := range []string{"", "-wal"} {
		info, err := os.Stat(s.file(suffix))
		if err != nil && suffix == "" {
			return Stats{}, ofFile(err)
		}
		if err == nil {
			st.Bytes += uint64(info.Size())
		}
	}
	return st, nil
}
