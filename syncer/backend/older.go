package backend

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"syscall"

	"github.com/vipaso/vipasod/store/secondhead"
)

// ErrOlderCopy says that the books are behind what they have been: they were
// put back from an older copy, or the disk has forgotten the end of their log.
var ErrOlderCopy = errors.New("the books are an older copy")

// headOf is the file beside a database that remembers how many changes it has
// taken. Its name does not begin as SQLite's own files there do, with the whole
// name of the database: who copies those together leaves it behind.
func headOf(path string) string { return strings.TrimSuffix(path, ".db") + ".head" }

// openHead opens the second head and finds out whether the books are behind it.
// If not, it is on disk, but for its name, before anything is committed: an
// empty one would have the books be taken for an older copy.
func (s *Store) openHead(ctx context.Context, path string) error {
	head, err := secondhead.Open(headOf(path))
	if err != nil {
		return err
	}
	s.head = head
	if err := giveAlong(headOf(path), path); err != nil {
		return err
	}
	changes, seen, err := s.heads(ctx)
	if err == nil && secondhead.Behind(changes, seen) {
		// Another process may just be writing it, and half of it was read.
		changes, seen, err = s.heads(ctx)
	}
	switch {
	case err != nil:
		return err
	case secondhead.Behind(changes, seen):
		s.older = &olderCopy{changes, seen}
		return nil
	}
	return s.syncHead(changes, seen)
}

// giveAlong has a file belong to whom another one does, if this is root, as
// SQLite does with its own: who looks at the books as root may be the first to
// open them, and the backend, which is not root, must be able to write it.
func giveAlong(file, like string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	owner := info.Sys().(*syscall.Stat_t)
	return os.Chown(file, int(owner.Uid), int(owner.Gid))
}

// syncHead has the second head, which says seen, say changes, and waits until
// that is on disk. It waits even if the head says so already: whoever wrote that
// may not have waited.
func (s *Store) syncHead(changes, seen int64) error {
	if changes != seen {
		if err := s.head.Save(changes); err != nil {
			return err
		}
	}
	return s.head.Sync()
}

// heads returns how many changes the books have taken, and how many the second
// head says. That is read first: another process may commit meanwhile.
func (s *Store) heads(ctx context.Context) (changes, seen int64, err error) {
	if seen, err = s.head.Seen(); err != nil {
		return 0, 0, err
	}
	err = s.Read(ctx, func(t Tx) error {
		changes, err = t.changes()
		return err
	})
	return changes, seen, err
}

// An olderCopy is how far books are that are behind their second head.
type olderCopy struct{ changes, seen int64 }

// missing is how many changes the books lack at least, zero if nobody knows:
// there was no second head.
func (o *olderCopy) missing() int64 { return max(0, o.seen-o.changes) }

func (o *olderCopy) err() error {
	what := "how many changes are missing is not known, for they came without their .head file"
	if n := o.missing(); n > 0 {
		what = fmt.Sprintf("%d of their changes are missing", n)
		if n == 1 {
			what = "one of their changes is missing"
		}
	}
	return fmt.Errorf("%w: %s; devices may hold receipts for payments that these books do not know, and to serve from them would let that money be spent again", ErrOlderCopy, what)
}

// Older returns nil, or why the books are to be read only: the error wraps
// ErrOlderCopy. Admin.AcceptCopy changes that for whoever opens them next.
func (s *Store) Older() error {
	if s.older == nil {
		return nil
	}
	return s.older.err()
}

// LogTo has the store say there what is no error to its callers. It is called
// before the first Write.
func (s *Store) LogTo(l *slog.Logger) { s.log = l }

// counted runs f and, if that has written anything, counts it. The count goes
// to n. What writes nothing stays a transaction that waits for no disk.
func counted(f func(Tx) error, n *int64) func(Tx) error {
	return func(t Tx) error {
		var before int64
		if _, err := t.one(`SELECT total_changes()`, nil, &before); err != nil {
			return err
		}
		if err := f(t); err != nil {
			return err
		}
		_, err := t.one(`UPDATE head SET changes = changes + 1 WHERE id = 1 AND total_changes() <> ? RETURNING changes`, []any{before}, n)
		return err
	}
}

// saveHead notes what has been committed. Of two processes that commit at the
// same time the earlier one may come last: then it lags, until the next.
func (s *Store) saveHead(ctx context.Context, changes int64) {
	if changes == 0 {
		return
	}
	if err := s.head.Save(changes); err != nil {
		s.log.WarnContext(ctx, "second head not written: an older copy of the books may go unnoticed", "error", err)
	}
}

func (t Tx) changes() (n int64, err error) {
	_, err = t.one(`SELECT changes FROM head WHERE id = 1`, nil, &n)
	return n, err
}
