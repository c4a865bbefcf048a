//go:build amd64

package crash

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// limited is the level at which no file may grow beyond the flow's fileMax.
const limited = "limited"

// limit makes files of this process stop growing.
func limit(bytes int) error {
	signal.Ignore(syscall.SIGXFSZ)
	return syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(bytes), Max: uint64(bytes)})
}

// fillDisk lets a flow come to the end of its disk: of a small file system
// where one may be mounted, and of the bytes that a file may have.
func fillDisk(t *testing.T, f flow, tb *table) {
	at := func(dir, level, what string) {
		r := trialOf(f, recordedIn(t, dir, f, level, &Fault{}))
		marks := len(r.marks())
		if r.log.Exit == 0 || marks == 0 {
			t.Errorf("%s: exit %d after %d promises", what, r.log.Exit, marks)
		}
		r.cutAfter(t)
		if r.first != nil {
			t.Errorf("%s: %v", what, r.first)
		}
		tb.row(what, f.name, fmt.Sprintf("the process ended after %d promises; %d power cuts after it: nothing lost", marks, r.tally.images))
	}
	at(scratch(t), limited, "files cannot grow")

	dir := t.TempDir()
	err := unix.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d", f.diskMax))
	if err != nil {
		tb.row("a small file system is full", f.name, fmt.Sprintf("none may be mounted here: %v", err))
		return
	}
	defer func() {
		if err := unix.Unmount(dir, unix.MNT_DETACH); err != nil {
			t.Error(err)
		}
	}()
	at(dir, safe, "a small file system is full")
	// With room again it goes on.
	err = unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=32m")
	if err := errors.Join(err, f.sound(dir)); err != nil {
		t.Errorf("with room again: %v", err)
	}
}

// denyWrites opens a flow's files where nothing may be written. Root may
// write everywhere, so nobody does it.
func denyWrites(t *testing.T, f flow, tb *table) {
	dir := scratch(t)
	recordedIn(t, dir, f, safe, nil)
	var nobody *syscall.Credential
	for path, mode := range map[string]os.FileMode{filepath.Join(dir, f.file): 0o400, dir: 0o500} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if os.Getuid() == 0 {
			nobody = &syscall.Credential{Uid: 65534, Gid: 65534}
			if err := os.Chown(path, 65534, 65534); err != nil {
				t.Fatal(err)
			}
		}
	}
	before, err := readDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", dir, reopen)
	cmd.Env = append(os.Environ(), childEnv+"="+f.name)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: nobody}
	said, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err == nil || !errors.As(err, &exit) {
		t.Errorf("it opens: %v %s", err, said)
	}
	after, err := readDir(dir)
	if err != nil || !sameFiles(before, after) {
		t.Errorf("files have changed: %v", err)
	}
	tb.row("nothing may be written", f.name, "refused, nothing changed")
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Error(err)
	}
}
