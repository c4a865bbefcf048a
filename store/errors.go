package store

import (
	"errors"
	"fmt"
	"syscall"

	"github.com/mattn/go-sqlite3"
)

// What callers of a store can tell apart. Of a Commit, only ErrConflict,
// ErrExists, ErrReadOnly, ErrFull and an error of the context say that nothing
// was changed; after any other the process must exit and learn from the
// reopened store.
var (
	// ErrNotFound: there is no such row.
	ErrNotFound = errors.New("not in the store")
	// ErrExists: the request id was used before.
	ErrExists = errors.New("request id used before")
	// ErrConflict: somebody else changed it first, or there is already one
	// where only one may be; read again.
	ErrConflict = errors.New("changed meanwhile")
	// ErrToken: not a page token of this store.
	ErrToken = errors.New("not a page token")
	// ErrReadOnly: the directory takes no writes, a migration failed, or what
	// is stored contradicts itself.
	ErrReadOnly = errors.New("store takes no writes")
	// ErrMigration: the store could not be brought to this version. It can be
	// read, and its ErrReadOnly wraps this.
	ErrMigration = errors.New("migration failed")
	// ErrInconsistent: counters or holds are not what their payments add up
	// to. The store can be read, and its ErrReadOnly wraps this.
	ErrInconsistent = errors.New("the store contradicts itself")
	// ErrFull: there is no room on the disk.
	ErrFull = errors.New("disk is full")
	// ErrIO: the disk failed.
	ErrIO = errors.New("disk failed")
	// ErrCorrupt: the file is damaged or not a store. It is left as it is.
	ErrCorrupt = errors.New("store is damaged")
	// ErrNewer: a newer version of the program wrote it.
	ErrNewer = errors.New("store is of a newer version")
	// ErrLocked: another process uses it.
	ErrLocked = errors.New("store is in use")
	// ErrRole: it belongs to a device of the other role.
	ErrRole = errors.New("store of the other role")
	// ErrDurability: the settings without which a commit could be lost are
	// not in force.
	ErrDurability = errors.New("durable writes are not to be had")
	// ErrPoisoned: a commit failed, so nobody knows what is on disk until the
	// store is opened again by a new process.
	ErrPoisoned = errors.New("a commit failed, the process must be restarted")
)

// errClosed: used after Close.
var errClosed = errors.New("store is closed")

// translate returns err with the sentinel that its SQLite result code stands
// for. What has none is returned as it is.
func translate(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	if s := sentinelOf(e); s != nil {
		return fmt.Errorf("%w: %w", s, err)
	}
	return err
}

func sentinelOf(e sqlite3.Error) error {
	switch e.Code {
	case sqlite3.ErrFull:
		return ErrFull
	case sqlite3.ErrReadonly, sqlite3.ErrPerm, sqlite3.ErrAuth:
		return ErrReadOnly
	case sqlite3.ErrCorrupt, sqlite3.ErrNotADB, sqlite3.ErrFormat:
		return ErrCorrupt
	case sqlite3.ErrBusy, sqlite3.ErrLocked, sqlite3.ErrProtocol:
		return ErrLocked
	case sqlite3.ErrIoErr, sqlite3.ErrCantOpen:
		return sentinelOfErrno(e.SystemErrno)
	case sqlite3.ErrConstraint:
		switch e.ExtendedCode {
		case sqlite3.ErrConstraintUnique, sqlite3.ErrConstraintPrimaryKey:
			return ErrConflict
		}
	}
	return nil
}

// sentinelOfErrno judges what the operating system said about a file.
func sentinelOfErrno(no syscall.Errno) error {
	switch no {
	case syscall.ENOSPC, syscall.EDQUOT:
		return ErrFull
	case syscall.EACCES, syscall.EPERM, syscall.EROFS:
		return ErrReadOnly
	}
	return ErrIO
}

// ofFile returns err, of an operation on files, with its sentinel.
func ofFile(err error) error {
	var no syscall.Errno
	if !errors.As(err, &no) {
		return err
	}
	return fmt.Errorf("%w: %w", sentinelOfErrno(no), err)
}
