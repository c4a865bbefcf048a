// Package secondhead is a small file beside a database that remembers how many
// changes the database has taken. It is written after each commit and not
// waited for, so after a power cut it may lag behind the database, and never be
// ahead of it: a database that is behind its second head was put back from an
// older copy, or has lost the end of its log.
package secondhead

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// size is the length of what the file holds, a decimal number and a line end:
// it is overwritten in place and never changes its size.
const size = 21

// None is what is seen in a file that is new, or was not written by Save.
const None = -1

// Behind reports whether a database with so many changes is an older copy: one
// that is behind its second head, or that has changes and came without one.
func Behind(changes, seen int64) bool { return changes < seen || changes > 0 && seen == None }

// A File is an open second head.
type File struct{ f *os.File }

// Open opens the second head at path, and makes it if there is none. Close must
// be called.
func Open(path string) (*File, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	return &File{f}, nil
}

// Seen returns what was saved last, or None.
func (h *File) Seen() (int64, error) {
	text := make([]byte, size)
	n, err := h.f.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, err
	}
	seen, err := strconv.ParseInt(strings.TrimSuffix(string(text[:n]), "\n"), 10, 64)
	if n != size || err != nil || seen < 0 {
		return None, nil
	}
	return seen, nil
}

// Save notes how many changes have been committed. A failure costs no more
// than an older copy that is not noticed.
func (h *File) Save(changes int64) error {
	_, err := h.f.WriteAt(fmt.Appendf(nil, "%020d\n", changes), 0)
	return err
}

// Sync waits until what was saved is on disk, but not the file's name.
func (h *File) Sync() error { return h.f.Sync() }

// Close ends the use of the file.
func (h *File) Close() error { return h.f.Close() }
