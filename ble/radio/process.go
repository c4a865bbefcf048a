package radio

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"sync"

	"golang.org/x/sys/unix"
)

// inheritedFD is where a spawned radio process finds its connection; never
// stdout, where libraries may write.
const inheritedFD = 3

// Process spawns the radio process. Its Dial is for Options: each connection
// is a new process, which lives as long as the connection, so that a Client
// that drops one because of a missed pong kills what hangs.
type Process struct {
	// Command returns a new command that calls Inherited and serves it. Its
	// ExtraFiles are set by Dial.
	Command func() *exec.Cmd

	// Logger may be nil.
	Logger *slog.Logger
}

// Dial starts the process and returns the connection to it. Closing the
// connection kills the process, and does not wait for its end: that takes as
// long as the kernel takes to give the adapter back. A Client waits for it
// before it dials again.
func (p *Process) Dial(context.Context) (net.Conn, error) {
	ours, theirs, err := socketpair()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := p.Command()
	cmd.ExtraFiles = []*os.File{theirs}
	if err := cmd.Start(); err != nil {
		ours.Close()
		return nil, fmt.Errorf("start radio process: %w", err)
	}
	log := p.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	log.Info("radio process started", "pid", cmd.Process.Pid)
	return &childConn{Conn: ours, cmd: cmd, log: log, ended: make(chan struct{})}, nil
}

// Inherited returns the connection of a radio process that Process started.
func Inherited() (net.Conn, error) {
	f := os.NewFile(inheritedFD, "radio")
	if f == nil {
		return nil, fmt.Errorf("no connection inherited: %w", os.ErrInvalid)
	}
	defer f.Close() // FileConn has a copy
	conn, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("inherited connection: %w", err)
	}
	return conn, nil
}

// socketpair returns two connected stream sockets, which a program that is
// executed meanwhile does not inherit.
func socketpair() (ours net.Conn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	f := os.NewFile(uintptr(fds[0]), "radio")
	defer f.Close()
	theirs = os.NewFile(uintptr(fds[1]), "radio")
	if ours, err = net.FileConn(f); err != nil {
		theirs.Close()
		return nil, nil, fmt.Errorf("socketpair: %w", err)
	}
	return ours, theirs, nil
}

// childConn is a connection that ends its process.
type childConn struct {
	net.Conn
	cmd   *exec.Cmd
	log   *slog.Logger
	once  sync.Once
	ended chan struct{} // closed when the process has ended, after Close
}

// Close implements net.Conn.
func (c *childConn) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() {
		c.cmd.Process.Kill() // it may have ended already
		go func() {
			defer close(c.ended)
			state := c.cmd.Wait()
			c.log.Info("radio process ended", "pid", c.cmd.Process.Pid, "state", state)
		}()
	})
	return err
}

// reap waits for the end of the process, if any, behind a connection that is
// closed.
func reap(conn net.Conn) {
	if c, ok := conn.(*childConn); ok {
		<-c.ended
	}
}
