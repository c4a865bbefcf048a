package crash

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// A Command is a program to record.
type Command struct {
	Path string
	Args []string // after the name
	Env  []string
	Dir  string // what is recorded: files directly in this directory
	// Stderr takes what the program writes there. What it writes to standard
	// output becomes marks, at the time at which it begins to write.
	Stderr *os.File
	// Fault is what goes wrong. Nil is nothing.
	Fault *Fault
}

// A Fault makes calls of one kind fail.
type Fault struct {
	Kind Kind // Write, Truncate, Sync, Create, Rename, Unlink or SyncDir
	// From is the first of those calls to fail, counted from 1; Times is how
	// many fail, 0 for all that follow.
	From, Times int
	Errno       syscall.Errno
	// Done makes the call do its work all the same, and then report failure.
	Done bool
}

// hits reports whether the nth call fails.
func (f *Fault) hits(n int) bool {
	return n >= f.From && (f.Times == 0 || n < f.From+f.Times)
}

// Record runs a program to its end and returns what it did. The error says
// that it could not be run or that it did what Record does not understand;
// how it ended is in the Log.
func Record(c Command) (*Log, error) {
	type result struct {
		log *Log
		err error
	}
	done := make(chan result)
	go func() {
		// A process is traced by one thread, which ends with this goroutine.
		runtime.LockOSThread()
		log, err := record(c)
		done <- result{log, err}
	}()
	r := <-done
	return r.log, r.err
}

func record(c Command) (*Log, error) {
	rec, err := newRecorder(c)
	if err != nil {
		return nil, err
	}
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer null.Close()
	stderr := null
	if c.Stderr != nil {
		stderr = c.Stderr
	}
	pid, err := syscall.ForkExec(c.Path, append([]string{c.Path}, c.Args...), &syscall.ProcAttr{
		Dir: "/", Env: c.Env, Files: []uintptr{null.Fd(), null.Fd(), stderr.Fd()},
		Sys: &syscall.SysProcAttr{Ptrace: true},
	})
	if err != nil {
		return nil, fmt.Errorf("run %s: %w", c.Path, err)
	}
	t := &tracer{pid: pid, rec: rec, threads: map[int]*entered{}}
	if err := t.run(); err != nil {
		_ = syscall.Kill(pid, syscall.SIGKILL) // it may have ended just now
		return nil, fmt.Errorf("trace %s: %w", c.Path, err)
	}
	return rec.log, nil
}

// A tracer follows all threads of a process from call to call.
type tracer struct {
	pid     int
	rec     *recorder
	threads map[int]*entered // the call that each thread is in, nil if none
}

// stopped is what a stop for a system call looks like, with TRACESYSGOOD.
const stopped = syscall.SIGTRAP | 0x80

func (t *tracer) run() error {
	var ws syscall.WaitStatus
	if _, err := syscall.Wait4(t.pid, &ws, 0, nil); err != nil {
		return err
	}
	const options = unix.PTRACE_O_TRACESYSGOOD | unix.PTRACE_O_TRACECLONE | unix.PTRACE_O_EXITKILL
	if err := syscall.PtraceSetOptions(t.pid, options); err != nil {
		return err
	}
	t.threads[t.pid] = nil
	if err := syscall.PtraceSyscall(t.pid, 0); err != nil {
		return err
	}
	for {
		tid, err := syscall.Wait4(-1, &ws, unix.WALL|unix.WNOTHREAD, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
			continue
		case err != nil:
			return err
		case tid == t.pid && ws.Exited():
			t.rec.log.Exit = ws.ExitStatus()
			return nil
		case tid == t.pid && ws.Signaled():
			t.rec.log.Exit = -1
			return nil
		case !ws.Stopped():
			delete(t.threads, tid)
			continue
		}
		if err := t.stop(tid, ws); err != nil && !errors.Is(err, syscall.ESRCH) { // it was killed meanwhile
			return err
		}
	}
}

// stop handles the stop of a thread and lets it go on.
func (t *tracer) stop(tid int, ws syscall.WaitStatus) error {
	signal := ws.StopSignal()
	_, known := t.threads[tid]
	switch {
	case signal == stopped:
		if err := t.call(tid); err != nil {
			return err
		}
		signal = 0
	case signal == syscall.SIGTRAP, !known && signal == syscall.SIGSTOP:
		signal = 0 // tracing itself made it
	}
	if !known {
		t.threads[tid] = nil
	}
	return syscall.PtraceSyscall(tid, int(signal))
}

// An entered is a system call that a thread is in.
type entered struct {
	number uint64
	args   [6]uint64
	what   Op    // what it will have done, if it succeeds
	fails  Fault // with Errno 0 it does not
}

// info is the kernel's struct ptrace_syscall_info.
type info struct {
	op     uint8
	_      [3]byte
	_      uint32
	_, _   uint64
	number uint64 // or the result, at the end of a call
	args   [6]uint64
	_      uint64
}

// call handles the beginning or end of a system call.
func (t *tracer) call(tid int) error {
	var i info
	_, _, no := syscall.Syscall6(syscall.SYS_PTRACE, unix.PTRACE_GET_SYSCALL_INFO, uintptr(tid), unsafe.Sizeof(i), uintptr(unsafe.Pointer(&i)), 0, 0)
	if no != 0 {
		return no
	}
	switch i.op {
	case unix.PTRACE_SYSCALL_INFO_ENTRY:
		c := &entered{number: i.number, args: i.args}
		t.threads[tid] = c
		if err := t.rec.begins(tid, c); err != nil {
			return err
		}
		if c.fails.Errno != 0 && !c.fails.Done {
			return replaceCall(tid)
		}
	case unix.PTRACE_SYSCALL_INFO_EXIT:
		c := t.threads[tid]
		if c == nil {
			return nil // it began before it was traced
		}
		t.threads[tid] = nil
		if err := t.rec.ended(c, int64(i.number)); err != nil {
			return err
		}
		if c.fails.Errno != 0 {
			return replaceResult(tid, c.fails.Errno)
		}
	}
	return nil
}
