package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// stopLimit is how long a child may take to end in good order.
const stopLimit = 30 * time.Second

// child is a process of this demo's own program.
type child struct {
	cmd   *exec.Cmd
	spec  deviceSpec  // of a device
	cut   atomic.Bool // whether the device has no network, as far as it has said
	log   string      // path of its standard error
	ready chan string
	done  chan struct{}
	err   error // valid once done is closed
}

// spawner starts children that the kernel kills when this process ends. The
// kernel watches the thread that started them, so that is always the same
// one, and it lasts as long as the process.
type spawner struct{ jobs chan func() }

func newSpawner() *spawner {
	s := &spawner{jobs: make(chan func())}
	go func() {
		runtime.LockOSThread()
		for job := range s.jobs {
			job()
		}
	}()
	return s
}

func (s *spawner) start(cmd *exec.Cmd) error {
	failed := make(chan error)
	s.jobs <- func() { failed <- cmd.Start() }
	return <-failed
}

// spawn starts this program with the given arguments in a process group of
// its own and waits until it has printed the line that says it is ready.
func (s *spawner) spawn(ctx context.Context, log string, args ...string) (*child, string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, "", err
	}
	stderr, err := os.OpenFile(log, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, "", err
	}
	defer stderr.Close()
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), childMark+"=1")
	cmd.Stderr = stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, "", err
	}
	if err := s.start(cmd); err != nil {
		return nil, "", err
	}
	c := &child{cmd: cmd, log: log, ready: make(chan string, 1), done: make(chan struct{})}
	go c.watch(stdout)
	select {
	case line := <-c.ready:
		return c, line, nil
	case <-c.done:
		return nil, "", fmt.Errorf("%s: %w\n%s", strings.Join(args[:2], " "), c.err, tail(log))
	case <-ctx.Done():
		return nil, "", errors.Join(ctx.Err(), c.kill())
	}
}

// watch passes the first line on and waits for the end.
func (c *child) watch(stdout io.Reader) {
	defer close(c.done)
	lines := bufio.NewScanner(stdout)
	if lines.Scan() {
		c.ready <- lines.Text()
	}
	for lines.Scan() { // nothing else is expected, and nothing may block
	}
	if c.err = c.cmd.Wait(); c.err == nil {
		c.err = errors.New("ended")
	}
}

// kill ends the child and all it has started, now.
func (c *child) kill() error {
	err := syscall.Kill(-c.cmd.Process.Pid, syscall.SIGKILL)
	<-c.done
	if errors.Is(err, syscall.ESRCH) {
		return nil
	}
	return err
}

// stop asks the child to end, and kills it if it does not.
func (c *child) stop() error {
	if err := c.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	select {
	case <-c.done:
	case <-time.After(stopLimit):
		return errors.Join(fmt.Errorf("process %d did not end in %s", c.cmd.Process.Pid, stopLimit), c.kill())
	}
	if code := c.cmd.ProcessState.ExitCode(); code != 0 {
		return fmt.Errorf("process %d: %w\n%s", c.cmd.Process.Pid, c.err, tail(c.log))
	}
	return nil
}

// tail is the end of a log.
func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
