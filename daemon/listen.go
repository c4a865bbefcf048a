package daemon

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"syscall"
	"time"
)

// ErrSocketInUse: somebody answers on the socket, or the path is something
// else than a socket.
var ErrSocketInUse = errors.New("socket is in use")

const (
	socketMode  = 0o660
	socketProbe = time.Second // how long another daemon has to answer
	socketPath  = 107         // bytes of a path that fit a unix address
)

// Listen opens the local API's socket at path, for the daemon's user and the
// named group. A socket that nobody answers on is replaced. A group that does
// not exist is logged and no more: the daemon's own user can still call.
//
// The error wraps ErrSocketInUse if another daemon answers there.
func Listen(path, group string, log *slog.Logger) (net.Listener, error) {
	if len(path) > socketPath {
		return nil, fmt.Errorf("socket path of %d bytes, at most %d: %s", len(path), socketPath, path)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	if err := clearSocket(path); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, socketMode); err != nil {
		return nil, errors.Join(err, l.Close())
	}
	if err := giveToGroup(path, group); err != nil && log != nil {
		log.Warn("socket is for the daemon's user only", "socket", path, "group", group, "error", err)
	}
	return l, nil
}

// clearSocket removes a socket that a dead daemon left.
func clearSocket(path string) error {
	info, err := os.Lstat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().Type() != fs.ModeSocket:
		return fmt.Errorf("%s is not a socket: %w", path, ErrSocketInUse)
	}
	conn, err := net.DialTimeout("unix", path, socketProbe)
	if err == nil {
		return errors.Join(fmt.Errorf("%s: %w", path, ErrSocketInUse), conn.Close())
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return fmt.Errorf("%s: %w: %w", path, ErrSocketInUse, err)
	}
	return os.Remove(path)
}

// giveToGroup lets a group use the socket. An empty group is nobody's.
func giveToGroup(path, group string) error {
	if group == "" {
		return nil
	}
	g, err := user.LookupGroup(group)
	if err != nil {
		return err
	}
	gid, err := strconv.Atoi(g.Gid)
	if err != nil {
		return err
	}
	return os.Chown(path, -1, gid)
}
