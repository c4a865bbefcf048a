package crash

import (
	"fmt"
	"os"
	"path/filepath"
)

// Kind says what an Op does.
type Kind int

// The kinds of an Op.
const (
	Write    Kind = iota + 1 // Data at Off of File
	Truncate                 // File to Size
	Sync                     // waits for File
	Create                   // Name is File, which is new and empty
	Rename                   // Name becomes To
	Unlink                   // Name goes
	SyncDir                  // waits for the names
	Mark                     // Text was told to the world
	Failed                   // a Sync or SyncDir that reported failure: what it should have waited for may never come
)

// names is the file number of the directory itself, which a Failed has.
const names = -1

// String names the kind.
func (k Kind) String() string {
	names := [...]string{"", "write", "truncate", "sync", "create", "rename", "unlink", "sync names", "mark", "failed sync"}
	return names[k]
}

// An Op is one thing that a program has done in the recorded directory.
type Op struct {
	Kind     Kind
	File     int    // its number, which stays when it is renamed
	Name, To string // below the directory
	Off      int64
	Data     []byte
	Size     int64
	// Covers is how many ops had been done when a Sync or SyncDir began: it
	// has waited for those.
	Covers int
	Text   string
}

// String says what was done.
func (o Op) String() string {
	switch o.Kind {
	case Write:
		return fmt.Sprintf("write file %d, %d bytes at %d", o.File, len(o.Data), o.Off)
	case Truncate:
		return fmt.Sprintf("truncate file %d to %d", o.File, o.Size)
	case Sync:
		return fmt.Sprintf("sync file %d", o.File)
	case Create:
		return fmt.Sprintf("create %s, file %d", o.Name, o.File)
	case Rename:
		return fmt.Sprintf("rename %s to %s", o.Name, o.To)
	case Unlink:
		return "unlink " + o.Name
	case Mark:
		return fmt.Sprintf("mark %q", o.Text)
	}
	return o.Kind.String()
}

// A Log is what a program did in a directory.
type Log struct {
	// Before is what was there, on disk. The nth name in alphabetical order
	// is file n, counted from zero.
	Before map[string][]byte
	Ops    []Op
	// Exit is the exit code of the program.
	Exit int
	// Faulty is how many calls there were that the Fault is for, those that
	// it let pass included.
	Faulty int
}

// readDir reads all files of a directory.
func readDir(dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if all[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// WriteDir makes dir hold these files and nothing else.
func WriteDir(dir string, files map[string][]byte) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if _, stays := files[e.Name()]; stays {
			continue
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	for name, b := range files {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			return err
		}
	}
	return nil
}
