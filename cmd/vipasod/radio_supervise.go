package main

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// killAfter is how long a radio process may outlive its client. It ends by
// itself in less, unless it hangs.
const killAfter = 2 * exitLimit

// superviseRadio serves clients on a socket, one after the other, each with a
// radio process of its own.
func superviseRadio(ctx context.Context, c Config, socket string, stderr io.Writer) error {
	log, err := leveled(stderr, c.Log.Level)
	if err != nil {
		return err
	}
	listener, err := listenForGroup(socket)
	if err != nil {
		return err
	}
	defer context.AfterFunc(ctx, func() { listener.Close() })()
	log.Info("serving the radio", "socket", socket, "adapter", c.Radio.Adapter)
	for {
		conn, err := listener.AcceptUnix()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		if err := radioChild(ctx, c, conn, stderr); err != nil {
			log.Warn("radio process ended", "err", err)
		}
	}
}

// radioChild runs a radio process on a connection until it ends, for a client
// that has not given up while it waited for its turn. One that hangs is killed:
// its client can do no more than hang up.
func radioChild(ctx context.Context, c Config, conn *net.UnixConn, stderr io.Writer) error {
	defer conn.Close()
	gone, err := hangup(conn)
	if err != nil {
		return err
	}
	select {
	case <-gone:
		return nil
	default:
	}
	file, err := conn.File()
	if err != nil {
		return err
	}
	defer file.Close()
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	go func() {
		<-gone
		select {
		case <-time.After(killAfter):
			kill()
		case <-ctx.Done():
		}
	}()
	cmd := exec.CommandContext(ctx, "/proc/self/exe", radioArgs(c)...)
	cmd.Env = append(os.Environ(), "LOGXI=*=OFF")
	cmd.Stderr = stderr
	cmd.ExtraFiles = []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd.Run()
}

// hangup returns a channel that is closed when the other side has closed conn,
// or this one has. Nothing is read. It is closed on return if that is so now.
func hangup(conn *net.UnixConn) (<-chan struct{}, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return nil, err
	}
	gone := make(chan struct{})
	now := false
	if err := raw.Control(func(fd uintptr) { now = hungUp(fd) }); err != nil {
		return nil, err
	}
	if now {
		close(gone)
		return gone, nil
	}
	go func() {
		defer close(gone)
		raw.Read(hungUp)
	}()
	return gone, nil
}

// hungUp reports whether the other side of a stream socket has closed it.
func hungUp(fd uintptr) bool {
	polled := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLRDHUP}}
	for {
		n, err := unix.Poll(polled, 0)
		if !errors.Is(err, unix.EINTR) {
			return err != nil || n > 0
		}
	}
}
