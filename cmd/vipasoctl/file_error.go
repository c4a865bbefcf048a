package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"golang.org/x/sys/unix"

	"github.com/vipaso/vipasod/cmd/internal/proof"
	"github.com/vipaso/vipasod/preauth/seal"
)

// A fileError is a file named on the command line that cannot be used.
type fileError struct {
	path string
	err  error
	hint string // where the file comes from, if it is missing
	keep bool   // no flag replaces it

	empty bool // nothing in a damaged file could be read
}

// Error says which file and what is wrong with it, without the names of
// temporary files and system calls.
func (f *fileError) Error() string {
	cause := f.err
	var path *fs.PathError
	if errors.As(cause, &path) {
		cause = path.Err
	}
	return fmt.Sprintf("%s: %v", cmp.Or(f.path, `""`), cause)
}

// Unwrap returns what the system said.
func (f *fileError) Unwrap() error { return f.err }

// explanation is what people can do about it.
func (f *fileError) explanation() explanation {
	e := explanation{head: f.Error()}
	dir := filepath.Dir(f.path)
	switch {
	case f.path == "":
		e.why, e.next = "The name of the file is empty.", cmp.Or(f.hint, "name a FILE")
	case errors.Is(f.err, errNotCA):
		e.why, e.next = "A device trusts only the backend whose ca.pem it was given; `vipaso-backend serve` makes that file and prints its path when it starts.",
			f.hint+", then vipasoctl enroll --backend URL --ca ca.pem --code CODE"
	case errors.Is(f.err, seal.ErrDamaged):
		e.why, e.next = "It was cut short or changed on its way. "+either(f.empty, "Nothing in it could be read.", "What could be read was handed in."), "copy it again from where it was written, and repeat: nothing settles twice"
	case errors.Is(f.err, seal.ErrFormat):
		e.why, e.next = "Something else wrote it, or its beginning is lost.", f.hint
	case errors.Is(f.err, proof.ErrRoot):
		e.next = f.hint
	case errors.Is(f.err, fs.ErrExist) && f.keep:
		e.why, e.next = "It may hold payments that are nowhere else, so nothing replaces it.", "choose another name"
	case errors.Is(f.err, fs.ErrExist):
		e.why, e.next = "A file is not replaced by accident.", "choose another name, or repeat with --force"
	case errors.Is(f.err, fs.ErrNotExist) && f.hint != "":
		e.why, e.next = "There is no such file.", f.hint
	case errors.Is(f.err, unix.ENOTDIR):
		e.why, e.next = dir+" is no directory.", "choose another FILE"
	case errors.Is(f.err, fs.ErrNotExist):
		e.why, e.next = "The directory "+dir+" does not exist.", "mkdir -p "+dir+", or choose another FILE"
	case errors.Is(f.err, fs.ErrPermission):
		e.why, e.next = "This user may not use that place.", "choose a FILE in a directory of yours, or see who may: ls -ld "+dir
	case errors.Is(f.err, unix.ENOSPC), errors.Is(f.err, unix.EDQUOT):
		e.why, e.next = "The disk is full.", "free space (df -h "+dir+"), or choose a FILE on another disk"
	case errors.Is(f.err, unix.EROFS):
		e.why, e.next = "The disk takes no writes.", "choose a FILE on another disk"
	case errors.Is(f.err, unix.EISDIR):
		e.why, e.next = "It is a directory.", "name a file in it"
	default:
		e.next = "ls -ld " + dir
	}
	return e
}
