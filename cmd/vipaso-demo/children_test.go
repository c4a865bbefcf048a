package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// process is a child of this one.
type process struct {
	pid  int
	args []string
}

// children lists the children of this process.
func children(t *testing.T) []process {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	var all []process
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := strings.Cut(string(stat), ") ") // state, parent
		fields := strings.Fields(rest)
		if len(fields) < 2 || fields[1] != strconv.Itoa(os.Getpid()) {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(path)))
		if err != nil {
			t.Fatal(err)
		}
		cmdline, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "cmdline"))
		all = append(all, process{pid, strings.Split(strings.TrimRight(string(cmdline), "\x00"), "\x00")})
	}
	return all
}

// childNamed is the child with an argument.
func childNamed(t *testing.T, arg string) process {
	t.Helper()
	all := children(t)
	at := slices.IndexFunc(all, func(c process) bool { return c.named(arg) })
	if at < 0 {
		t.Fatalf("no %s among %v", arg, all)
	}
	return all[at]
}

func killChild(t *testing.T, arg string) {
	t.Helper()
	if err := syscall.Kill(childNamed(t, arg).pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}

// shortDir is a temporary directory whose name leaves room for sockets.
func shortDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "vd-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

// lines passes on what is written, line by line, until the end.
func lines(r io.Reader) <-chan string {
	all := make(chan string, 1000)
	go func() {
		defer close(all)
		for s := bufio.NewScanner(r); s.Scan(); {
			all <- s.Text()
		}
	}()
	return all
}

// await reads lines until one holds want, and returns them all.
func await(t *testing.T, all <-chan string, want string) string {
	t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	var seen strings.Builder
	for {
		select {
		case line, ok := <-all:
			fmt.Fprintln(&seen, line)
			if strings.Contains(line, want) {
				return seen.String()
			}
			if !ok {
				t.Fatalf("%q never came:\n%s", want, &seen)
			}
		case <-late.C:
			t.Fatalf("%q did not come in %s:\n%s", want, patience, &seen)
		}
	}
}

// TestChildrenDieWithTheDemo kills a demo that stays up, and sees that none
// of its daemons is left.
func TestChildrenDieWithTheDemo(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(shortDir(t), "d")
	demo := exec.CommandContext(context.Background(), self, "--dir", dir)
	demo.Env = append(os.Environ(), childMark+"=1")
	out, err := demo.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := demo.Start(); err != nil {
		t.Fatal(err)
	}
	await(t, lines(out), "^C ends everything.")
	var conns []net.Conn // a process that ends closes its end
	for _, name := range []string{"till", "ann", "bea", "carl"} {
		conn, err := net.Dial("unix", filepath.Join(dir, name+".sock"))
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		conns = append(conns, conn)
	}
	if err := demo.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = demo.Wait() // it was killed
	for i, conn := range conns {
		if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, conn); err != nil && strings.Contains(err.Error(), "timeout") {
			t.Errorf("device %d is still there", i)
		}
	}
}

// TestNothingIsLeftBehind ends a demo as ^C in "make demo | tee x" does:
// whoever read its output is gone already.
func TestNothingIsLeftBehind(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		end  syscall.Signal
	}{{"interrupted", syscall.SIGINT}, {"terminal closed", syscall.SIGHUP}} {
		t.Run(tt.name, func(t *testing.T) {
			tmp := shortDir(t)
			demo := exec.CommandContext(context.Background(), self)
			demo.Env = append(os.Environ(), childMark+"=1", "TMPDIR="+tmp)
			read, write, err := os.Pipe()
			if err != nil {
				t.Fatal(err)
			}
			demo.Stdout, demo.Stderr = write, write
			if err := demo.Start(); err != nil {
				t.Fatal(err)
			}
			write.Close()
			await(t, lines(read), "^C ends everything.")
			read.Close()
			if err := demo.Process.Signal(tt.end); err != nil {
				t.Fatal(err)
			}
			if err := demo.Wait(); err != nil {
				t.Error(err)
			}
			left, err := os.ReadDir(tmp)
			if err != nil || len(left) != 0 {
				t.Errorf("left behind: %v, %v", left, err)
			}
		})
	}
}

// named reports whether an argument of the process is as given.
func (p process) named(arg string) bool { return slices.Contains(p.args, arg) }
