package store

import (
	"bufio"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// lockDir makes this process the only one that uses the directory, until the
// file that it returns is closed. SQLite locks the file as well, but this
// lock also covers its making, and says at once who has it. The error wraps
// ErrLocked.
func lockDir(dir string) (*os.File, error) {
	f, err := os.Open(dir)
	if err != nil {
		return nil, ofFile(err)
	}
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return f, nil
	}
	defer f.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, fmt.Errorf("%s has it; stop that one or use another directory: %w", holder(f), ErrLocked)
	}
	return nil, ofFile(err)
}

// holder names the process that has locked f, as well as the system tells.
func holder(f *os.File) string {
	const unknown = "another process"
	var st syscall.Stat_t
	if err := syscall.Fstat(int(f.Fd()), &st); err != nil {
		return unknown
	}
	locks, err := os.Open("/proc/locks")
	if err != nil {
		return unknown
	}
	defer locks.Close()
	inode := ":" + strconv.FormatUint(st.Ino, 10)
	for sc := bufio.NewScanner(locks); sc.Scan(); {
		// 1: FLOCK  ADVISORY  WRITE 1234 fe:00:5678 0 EOF
		col := strings.Fields(sc.Text())
		if len(col) < 6 || col[1] != "FLOCK" || !strings.HasSuffix(col[5], inode) {
			continue
		}
		name, err := os.ReadFile("/proc/" + col[4] + "/comm")
		if err != nil {
			return "process " + col[4]
		}
		return fmt.Sprintf("process %s (%s)", col[4], strings.TrimSpace(string(name)))
	}
	return unknown
}

// freeBytes returns how much more the file system of dir takes from this
// user.
func freeBytes(dir string) (uint64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, ofFile(err)
	}
	return st.Bavail * uint64(st.Bsize), nil
}
