package main_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience bounds every wait for something that should happen at once, on a
// machine that is busy with other tests.
const patience = time.Minute

// A build is a directory with the four programs. Whoever holds stays open
// keeps it from being removed.
type build struct {
	dir   string
	stays io.WriteCloser
}

// programs builds the four programs once. Their directory goes away when this
// process has ended, however it ends: a shell waits for that.
var programs = sync.OnceValues(func() (b build, err error) {
	if b.dir = os.Getenv("VIPASO_PROGRAMS"); b.dir != "" { // built already, where there is no compiler
		return b, nil
	}
	if b.dir, err = os.MkdirTemp("", "vipaso-programs-"); err != nil {
		return b, err
	}
	remover := exec.Command("sh", "-c", `cat >/dev/null; rm -rf -- "$1"`, "sh", b.dir)
	if b.stays, err = remover.StdinPipe(); err != nil {
		return b, err
	}
	if err := remover.Start(); err != nil {
		return b, err
	}
	cmd := exec.Command("go", "build", "-o", b.dir+"/", "./cmd/vipasod", "./cmd/vipasoctl", "./cmd/vipaso-backend", "./cmd/vipaso-demo")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		return b, fmt.Errorf("go build: %w\n%s", err, out)
	}
	return b, nil
})

// program returns the path of one of the four programs.
func program(t *testing.T, name string) string {
	t.Helper()
	b, err := programs()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Join(b.dir, name)
}

// A line is one line that a process wrote, and when it was seen here.
type line struct {
	at   time.Time
	text string
}

// A record keeps what a process writes, line by line.
type record struct {
	mu    sync.Mutex
	whole []line
	part  []byte
	grown chan struct{}
}

// Write implements io.Writer.
func (r *record) Write(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Now()
	r.part = append(r.part, p...)
	for {
		text, rest, ok := bytes.Cut(r.part, []byte("\n"))
		if !ok {
			break
		}
		r.whole = append(r.whole, line{now, string(text)})
		r.part = rest
	}
	if r.grown != nil {
		close(r.grown)
		r.grown = nil
	}
	return len(p), nil
}

// lines returns what there is, and a channel that is closed when there is
// more.
func (r *record) lines() ([]line, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.grown == nil {
		r.grown = make(chan struct{})
	}
	return r.whole, r.grown
}

// text returns everything as it was written.
func (r *record) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, l := range r.whole {
		b.WriteString(l.text + "\n")
	}
	b.Write(r.part)
	return b.String()
}

// A process is a running program.
type process struct {
	name     string
	cmd      *exec.Cmd
	out, err record
	ended    chan struct{}
}

// start runs a program. It dies with the test process.
func start(t *testing.T, name string, env []string, path string, args ...string) *process {
	t.Helper()
	cmd := exec.Command(path, args...)
	cmd.Env = append(os.Environ(), env...)
	return spawn(t, name, cmd)
}

// spawn starts a command, which dies with the test process.
func spawn(t *testing.T, name string, cmd *exec.Cmd) *process {
	t.Helper()
	p := &process{name: name, cmd: cmd, ended: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = &p.out, &p.err
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", name, err)
	}
	go func() {
		defer close(p.ended)
		var exit *exec.ExitError
		if err := p.cmd.Wait(); err != nil && !errors.As(err, &exit) {
			fmt.Fprintf(&p.err, "wait: %v\n", err)
		}
	}()
	return p
}

// running reports whether the process has not ended.
func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends the process with no chance to do anything, as a power cut does.
func (p *process) kill() {
	if p.running() {
		_ = p.cmd.Process.Kill() // it may have ended just now
	}
	<-p.ended
}

// signal sends sig to the process.
func (p *process) signal(t *testing.T, sig os.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatalf("%s to %s: %v", sig, p.name, err)
	}
}

// stop asks the process to end, as systemd or ^C does, and returns its exit
// code.
func (p *process) stop(t *testing.T) int {
	t.Helper()
	p.signal(t, os.Interrupt)
	return p.exit(t)
}

// exit waits for the end of the process and returns its exit code.
func (p *process) exit(t *testing.T) int {
	t.Helper()
	select {
	case <-p.ended:
		return p.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("%s does not end", p.name)
		return -1
	}
}

// await waits for a line on stdout that match finds, and returns it.
func (p *process) await(t *testing.T, what string, match func(string) bool) line {
	t.Helper()
	return p.find(t, &p.out, what, match)
}

// awaitLog waits for a line on stderr.
func (p *process) awaitLog(t *testing.T, what string, match func(string) bool) line {
	t.Helper()
	return p.find(t, &p.err, what, match)
}

func (p *process) find(t *testing.T, r *record, what string, match func(string) bool) line {
	t.Helper()
	late := time.After(patience)
	for seen, over := 0, false; ; {
		over = !p.running() // asked first: what was written before is in the record
		all, grown := r.lines()
		for _, l := range all[seen:] {
			if match(l.text) {
				return l
			}
		}
		if seen = len(all); over {
			t.Fatalf("%s ended without %s", p.name, what)
		}
		select {
		case <-grown:
		case <-p.ended:
		case <-late:
			t.Fatalf("%s: no %s in %s", p.name, what, patience)
		}
	}
}

// eventually looks again and again until ok, and fails with the last state. It
// looks less and less often: most looks start a program.
func eventually(t *testing.T, limit time.Duration, what string, look func() (ok bool, state string)) {
	t.Helper()
	late := time.After(limit)
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 500*time.Millisecond) {
		ok, state := look()
		if ok {
			return
		}
		select {
		case <-time.After(pause):
		case <-late:
			t.Fatalf("not in %s: %s; last: %s", limit, what, state)
		}
	}
}
