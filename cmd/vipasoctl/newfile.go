package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// A newFile is a file on its way to disk, under another name.
type newFile struct {
	*os.File
	app  *app
	path string // the name it will have
	size uint64 // bytes written
	told uint64 // bytes at the last progress message
}

// add appends a piece.
func (f *newFile) add(piece []byte) error {
	n, err := f.Write(piece)
	f.size += uint64(n)
	if f.size-f.told >= 8e6 {
		f.told = f.size
		f.app.progress("%s", size(f.size))
	}
	return f.trouble(err)
}

// trouble says that it is about the file; a nil err stays nil.
func (f *newFile) trouble(err error) error {
	if err == nil {
		return nil
	}
	return &fileError{path: f.path, err: err}
}

// A saved is what a command says about the file that it wrote.
type saved struct {
	File  string `json:"file"`
	Bytes string `json:"bytes"`
}

// save writes the file path with fill and says so, as write does.
func (a *app) save(path string, force bool, fill func(*newFile) error) error {
	n, err := a.write(path, force, fill)
	if err != nil {
		return err
	}
	return a.plain(saved{File: path, Bytes: fmt.Sprint(n)}, func() { a.printf("%s  %s\n", path, size(n)) })
}

// write writes the file path with fill and returns its size. Path appears
// whole, synced and with mode 0600, or not at all; one that exists is replaced
// only by force, else the error wraps fs.ErrExist.
func (a *app) write(path string, force bool, fill func(*newFile) error) (uint64, error) {
	switch info, err := os.Lstat(path); {
	case err == nil && info.IsDir():
		return 0, &fileError{path: path, err: unix.EISDIR}
	case err == nil && !force:
		return 0, &fileError{path: path, err: fs.ErrExist}
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "."+filepath.Base(path)+".*")
	if err != nil {
		return 0, &fileError{path: path, err: err}
	}
	f := &newFile{File: temp, app: a, path: path}
	defer os.Remove(temp.Name()) // it is gone already if all went well
	if err := f.finish(fill(f)); err != nil {
		return 0, err
	}
	if err := place(temp.Name(), path, force); err != nil {
		return 0, &fileError{path: path, err: err}
	}
	return f.size, nil
}

// finish makes what was written durable, unless filled says that it is not
// whole.
func (f *newFile) finish(filled error) error {
	if filled == nil && f.size == 0 {
		filled = errors.New("vipasod sent nothing")
	}
	if filled == nil {
		filled = f.trouble(f.Sync())
	}
	return errors.Join(filled, f.trouble(f.Close()))
}

// place renames temp to path and makes that durable.
func place(temp, path string, force bool) error {
	flags := uint(unix.RENAME_NOREPLACE)
	if force {
		flags = 0
	}
	err := unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, path, flags)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) {
		// A file system that cannot promise it; path was looked for before.
		err = os.Rename(temp, path)
	}
	if err != nil {
		return err
	}
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
