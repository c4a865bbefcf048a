package daemon

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc/credentials"
)

// peerUser is the unix user at the other end of a connection, as the kernel
// says, and what that user may do.
type peerUser struct {
	credentials.CommonAuthInfo
	uid  uint32
	role callerRole
}

// AuthType names the way of authentication.
func (peerUser) AuthType() string { return "unix-peer" }

// peerCredentials learns from the kernel who connects. Nothing crosses the
// wire for it, so any client that speaks gRPC without TLS will do.
type peerCredentials struct {
	roles   roles
	trusted bool // connections that are not unix sockets are the daemon's own user
}

var errPeer = errors.New("not a unix socket")

// ServerHandshake asks the kernel for the peer's user. What that user may do
// is decided now and holds as long as the connection.
func (c peerCredentials) ServerHandshake(conn net.Conn) (net.Conn, credentials.AuthInfo, error) {
	uid, gid, err := c.peer(conn)
	if err != nil {
		return nil, nil, err
	}
	return conn, peerUser{
		CommonAuthInfo: credentials.CommonAuthInfo{SecurityLevel: credentials.PrivacyAndIntegrity},
		uid:            uid, role: c.roles.of(uid, gid),
	}, nil
}

func (c peerCredentials) peer(conn net.Conn) (uid, gid uint32, err error) {
	u, ok := conn.(*net.UnixConn)
	if !ok {
		if c.trusted {
			return uint32(os.Geteuid()), uint32(os.Getegid()), nil
		}
		return 0, 0, fmt.Errorf("%s: %w", conn.RemoteAddr().Network(), errPeer)
	}
	raw, err := u.SyscallConn()
	if err != nil {
		return 0, 0, err
	}
	var cred *unix.Ucred
	var sysErr error
	if err := raw.Control(func(fd uintptr) {
		cred, sysErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return 0, 0, err
	}
	if sysErr != nil {
		return 0, 0, os.NewSyscallError("SO_PEERCRED", sysErr)
	}
	return cred.Uid, cred.Gid, nil
}

// ClientHandshake refuses: these credentials are a server's.
func (peerCredentials) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, fmt.Errorf("client: %w", errPeer)
}

// Info describes the credentials.
func (peerCredentials) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "unix-peer"}
}

// Clone returns the credentials, which never change.
func (c peerCredentials) Clone() credentials.TransportCredentials { return c }

// OverrideServerName does nothing: nobody is named.
func (peerCredentials) OverrideServerName(string) error { return nil }
