package radio

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/sim"
)

// childEnv makes the test binary play the radio process.
const childEnv = "RADIO_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	conn, err := Inherited()
	if err != nil {
		os.Exit(3)
	}
	fmt.Fprintln(os.Stderr, "a radio process")
	if err := Serve(context.Background(), conn, sim.NewAir(1, sim.Conditions{}).Join("child"), nil); err != nil {
		os.Exit(4)
	}
}

// TestProcess kills a real radio process: the client gets a new one. It stops
// that one, and closes the client: none is left.
func TestProcess(t *testing.T) {
	var started []*exec.Cmd
	pids := make(chan int, 10)
	p := &Process{Command: func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"=1")
		started = append(started, cmd)
		return cmd
	}}
	c := NewClient(Options{Dial: func(ctx context.Context) (conn net.Conn, err error) {
		conn, err = p.Dial(ctx)
		if err == nil {
			pids <- started[len(started)-1].Process.Pid
		}
		return conn, err
	}})
	done := make(chan error, 1)
	go func() { done <- c.Run(context.Background()) }()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	up := func(restarts uint32) int {
		t.Helper()
		pid := <-pids
		if err := c.AwaitUp(ctx); err != nil {
			t.Fatal(err)
		}
		if got := c.Status().Restarts; got != restarts {
			t.Errorf("%d restarts, want %d", got, restarts)
		}
		return pid
	}
	if err := syscall.Kill(up(0), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	last := up(1)
	if err := syscall.Kill(last, syscall.SIGSTOP); err != nil { // it hangs
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	for _, cmd := range started {
		if cmd.ProcessState == nil {
			t.Errorf("process %d was not waited for", cmd.Process.Pid)
		}
	}
	if err := syscall.Kill(last, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d is left: %v", last, err)
	}
}

// stuck is a log that does not take what a process says until it is released.
type stuck struct{ asked, release chan struct{} }

// Write implements io.Writer.
func (s stuck) Write(p []byte) (int, error) {
	s.asked <- struct{}{}
	<-s.release
	return len(p), nil
}

// TestProcessEndsLate closes the connection to a process whose end takes long,
// as where the kernel does not get the adapter back: whoever closes it, or
// fails to write to it, need not wait for that. The client does.
func TestProcessEndsLate(t *testing.T) {
	log := stuck{asked: make(chan struct{}), release: make(chan struct{})}
	p := &Process{Command: func() *exec.Cmd {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), childEnv+"=1")
		cmd.Stderr = log
		return cmd
	}}
	conn, err := p.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	<-log.asked
	closed, reaped := make(chan error), make(chan struct{})
	go func() {
		closed <- conn.Close()
		reap(conn)
		close(reaped)
	}()
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(patience):
		t.Error("closing waits for the end of the process")
		close(log.release)
		<-closed
		return
	}
	select {
	case <-reaped:
		t.Error("the process has ended already")
	default:
	}
	close(log.release)
	<-reaped
	if conn.(*childConn).cmd.ProcessState == nil {
		t.Error("the process was not waited for")
	}
}

func TestProcessMissing(t *testing.T) {
	p := &Process{Command: func() *exec.Cmd { return exec.Command("/nonexistent/radio") }}
	if conn, err := p.Dial(t.Context()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, %v", conn, err)
	}
}
