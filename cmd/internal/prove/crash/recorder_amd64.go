package crash

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// errUnknown says that a program did what a Log has no word for.
var errUnknown = errors.New("cannot be recorded")

// A recorder makes a Log out of system calls.
type recorder struct {
	dir   string
	fault *Fault
	log   *Log
	files map[string]int // by name, as the program sees them
	count int            // of files that there ever were
	fds   map[uint64]int // what each descriptor is open on
}

func newRecorder(c Command) (*recorder, error) {
	before, err := readDir(c.Dir)
	if err != nil {
		return nil, err
	}
	r := &recorder{dir: c.Dir, fault: c.Fault, log: &Log{Before: before}, files: map[string]int{}, fds: map[uint64]int{}}
	for _, name := range slices.Sorted(maps.Keys(before)) {
		r.files[name] = r.count
		r.count++
	}
	return r, nil
}

// begins notes what a call is about, and whether it shall fail.
func (r *recorder) begins(tid int, c *entered) error {
	op, err := r.read(tid, c)
	if err != nil || op.Kind == 0 {
		return err
	}
	c.what = op
	if op.Kind == Mark {
		r.log.Ops = append(r.log.Ops, op)
		return nil
	}
	if r.fault == nil || r.fault.Kind != op.Kind {
		return nil
	}
	if r.log.Faulty++; r.fault.hits(r.log.Faulty) {
		c.fails = *r.fault
	}
	return nil
}

// read returns what a call will do; the zero Op is nothing to the recorder.
func (r *recorder) read(tid int, c *entered) (Op, error) {
	a := c.args
	file, watched := r.fds[a[0]]
	switch c.number {
	case unix.SYS_WRITE:
		if a[0] == 1 {
			b, err := memory(tid, a[1], a[2])
			return Op{Kind: Mark, Text: string(b)}, err
		}
	case unix.SYS_PWRITE64:
		if !watched {
			return Op{}, nil
		}
		b, err := memory(tid, a[1], a[2])
		return Op{Kind: Write, File: file, Off: int64(a[3]), Data: b}, err
	case unix.SYS_FTRUNCATE:
		if !watched {
			return Op{}, nil
		}
		return Op{Kind: Truncate, File: file, Size: int64(a[1])}, nil
	case unix.SYS_FSYNC, unix.SYS_FDATASYNC:
		switch {
		case !watched:
			return Op{}, nil
		case file == names:
			return Op{Kind: SyncDir, File: names, Covers: len(r.log.Ops)}, nil
		}
		return Op{Kind: Sync, File: file, Covers: len(r.log.Ops)}, nil
	case unix.SYS_CLOSE:
		delete(r.fds, a[0]) // now, for another thread may get the number before this call ends
		return Op{}, nil
	case unix.SYS_OPENAT, unix.SYS_OPEN, unix.SYS_UNLINK, unix.SYS_UNLINKAT, unix.SYS_RENAME, unix.SYS_RENAMEAT, unix.SYS_RENAMEAT2:
		return r.readName(tid, c)
	}
	return Op{}, r.known(c, watched)
}

// readName returns what a call will do to a name.
func (r *recorder) readName(tid int, c *entered) (Op, error) {
	a := c.args
	switch c.number {
	case unix.SYS_OPENAT:
		return r.opens(tid, a[0], a[1], a[2])
	case unix.SYS_OPEN:
		return r.opens(tid, here, a[0], a[1])
	case unix.SYS_UNLINK:
		name, err := r.name(tid, here, a[0])
		return r.about(Op{Kind: Unlink, Name: name}, err)
	case unix.SYS_UNLINKAT:
		name, err := r.name(tid, a[0], a[1])
		return r.about(Op{Kind: Unlink, Name: name}, err)
	case unix.SYS_RENAME:
		return r.renames(tid, here, a[0], here, a[1])
	}
	return r.renames(tid, a[0], a[1], a[2], a[3])
}

// here is the descriptor of the program's own directory, AT_FDCWD.
const here = ^uint64(99)

// about returns op unless it is about a name elsewhere.
func (r *recorder) about(op Op, err error) (Op, error) {
	if op.Name == "" || err != nil {
		return Op{}, err
	}
	return op, nil
}

// opens is a Create, or a Mark without text for what is only looked at; the
// end of the call makes more of it.
func (r *recorder) opens(tid int, at, path, flags uint64) (Op, error) {
	name, err := r.name(tid, at, path)
	op, err := r.about(Op{Kind: opening, Name: name, Size: int64(flags)}, err)
	if op.Kind != 0 && int32(flags)&syscall.O_CREAT != 0 {
		if _, there := r.files[name]; !there {
			op.Kind, op.File = Create, -1
		}
	}
	return op, err
}

// opening is an Op that is not one: a file is opened that is there.
const opening Kind = 100

func (r *recorder) renames(tid int, fromAt, from, toAt, to uint64) (Op, error) {
	a, err := r.name(tid, fromAt, from)
	if err != nil {
		return Op{}, err
	}
	b, err := r.name(tid, toAt, to)
	switch {
	case err != nil || a == b: // both elsewhere, or nothing is done
		return Op{}, err
	case a == "" || b == "" || a == "." || b == ".":
		return Op{}, fmt.Errorf("rename into or out of the directory, %q %q: %w", a, b, errUnknown)
	}
	return Op{Kind: Rename, Name: a, To: b}, nil
}

// name returns what a path is in the directory: "." for itself, empty for
// what is elsewhere.
func (r *recorder) name(tid int, at, path uint64) (string, error) {
	text, err := memoryString(tid, path)
	if err != nil {
		return "", err
	}
	if !filepath.IsAbs(text) {
		switch file, watched := r.fds[at]; {
		case int32(at) == unix.AT_FDCWD:
			text = "/" + text // where Record starts programs
		case watched && file == names:
			text = filepath.Join(r.dir, text)
		default:
			return "", nil
		}
	}
	name, err := filepath.Rel(r.dir, text)
	if err != nil || name == ".." || strings.HasPrefix(name, "../") {
		return "", err
	}
	if strings.Contains(name, "/") {
		return "", fmt.Errorf("%s is in a directory below: %w", name, errUnknown)
	}
	return name, nil
}

// known fails for a call that changes a file in a way that has no Op.
func (r *recorder) known(c *entered, watched bool) error {
	switch c.number {
	case unix.SYS_WRITE, unix.SYS_WRITEV, unix.SYS_PWRITEV, unix.SYS_PWRITEV2, unix.SYS_FALLOCATE, unix.SYS_SENDFILE,
		unix.SYS_DUP, unix.SYS_DUP2, unix.SYS_DUP3:
	case unix.SYS_FCNTL:
		watched = watched && (c.args[1] == syscall.F_DUPFD || c.args[1] == syscall.F_DUPFD_CLOEXEC)
	case unix.SYS_COPY_FILE_RANGE, unix.SYS_SPLICE:
		_, watched = r.fds[c.args[2]]
	case unix.SYS_MMAP:
		file, open := r.fds[c.args[4]]
		// SQLite shares an index of its log that way, which no power cut
		// leaves anything of: the first to open the file makes it anew.
		watched = open && c.args[3]&syscall.MAP_SHARED != 0 && c.args[2]&syscall.PROT_WRITE != 0 && !strings.HasSuffix(r.nameOf(file), "-shm")
	default:
		watched = false
	}
	if watched {
		return fmt.Errorf("system call %d with %v: %w", c.number, c.args, errUnknown)
	}
	return nil
}

func (r *recorder) nameOf(file int) string {
	for name, f := range r.files {
		if f == file {
			return name
		}
	}
	return ""
}

// ended notes what a call has done.
func (r *recorder) ended(c *entered, result int64) error {
	op := c.what
	if (op.Kind == Sync || op.Kind == SyncDir) && c.fails.Errno != 0 {
		op.Kind, result = Failed, 0 // with Done as well: nobody may rely on it
	}
	if op.Kind == 0 || op.Kind == Mark || result < 0 {
		return nil
	}
	switch op.Kind {
	case Write:
		op.Data = op.Data[:result]
	case opening:
		return r.opened(op, uint64(result))
	case Create:
		op.File = r.count
		r.files[op.Name] = op.File
		r.count++
		if c.fails.Errno == 0 {
			r.fds[uint64(result)] = op.File
		}
	case Unlink:
		delete(r.files, op.Name)
	case Rename:
		r.files[op.To] = r.files[op.Name]
		delete(r.files, op.Name)
	}
	r.log.Ops = append(r.log.Ops, op)
	return nil
}

// opened notes what a descriptor is open on.
func (r *recorder) opened(op Op, fd uint64) error {
	file, there := r.files[op.Name]
	switch {
	case op.Name == ".":
		r.fds[fd] = names
		return nil
	case !there:
		return fmt.Errorf("%s came from elsewhere: %w", op.Name, errUnknown)
	}
	r.fds[fd] = file
	if int32(op.Size)&syscall.O_TRUNC != 0 {
		r.log.Ops = append(r.log.Ops, Op{Kind: Truncate, File: file})
	}
	return nil
}

// memory reads bytes of a traced process.
func memory(tid int, at, n uint64) ([]byte, error) {
	b := make([]byte, n)
	if n == 0 {
		return b, nil
	}
	local := []unix.Iovec{{Base: &b[0], Len: n}}
	got, err := unix.ProcessVMReadv(tid, local, []unix.RemoteIovec{{Base: uintptr(at), Len: int(n)}}, 0)
	if err == nil && uint64(got) != n {
		err = fmt.Errorf("%d of %d bytes", got, n)
	}
	if err != nil {
		return nil, fmt.Errorf("memory of the process: %w", err)
	}
	return b, nil
}

// memoryString reads a path of a traced process, page by page: the next one
// may not be there.
func memoryString(tid int, at uint64) (string, error) {
	const page = 4096
	var text []byte
	for len(text) < unix.PathMax {
		b, err := memory(tid, at, page-at%page)
		if err != nil {
			return "", err
		}
		if end := bytes.IndexByte(b, 0); end >= 0 {
			return string(append(text, b[:end]...)), nil
		}
		text, at = append(text, b...), at+uint64(len(b))
	}
	return "", fmt.Errorf("a path without end: %w", errUnknown)
}
