package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/dynamicpb"
)

// localAttacks are made by another user of the same machine.
var localAttacks = []attack{{
	name: "local-user", threat: "T13, T14", play: localUser, kernel: true,
	must: "another user of the machine can neither call the till nor read its files",
}}

// nobody is the user and group that own nothing.
const nobody = 65534

func localUser(s *stage) string {
	w := s.host.where(s.till.key)
	world, err := os.Open(filepath.Dir(w.Socket))
	s.check(err, "open the world")
	defer world.Close()
	for path, most := range map[string]os.FileMode{
		w.Socket: 0o660, w.Dir: 0o700, w.Dir + "/store.db": 0o600, w.Dir + "/signing.key": 0o400, w.Dir + "/noise.key": 0o400,
	} {
		info, err := os.Stat(path)
		s.check(err, "look at %s", path)
		if got := info.Mode().Perm(); got&^most != 0 {
			s.fail("%s has mode %o, more than %o", path, got, most)
		}
	}
	if os.Geteuid() != 0 {
		return "socket 0660, directory 0700, keys 0400: by the kernel's rules nobody else gets in (only root can try it as another user)"
	}
	// Whatever is above the world's directory, this way leads into it.
	s.check(world.Chmod(0o711), "let everybody in")
	inside := fmt.Sprintf("/proc/thread-self/fd/%d/", world.Fd())
	socket := inside + filepath.Base(w.Socket)
	_, err = as(nobody, nobody, func() (net.Conn, error) { return net.Dial("unix", socket) })
	if !errors.Is(err, os.ErrPermission) {
		s.fail("a user without rights connects: %v", err)
	}
	_, err = as(nobody, nobody, func() (net.Conn, error) {
		f, err := os.Open(inside + filepath.Base(w.Dir) + "/signing.key")
		return nil, errors.Join(err, f.Close())
	})
	if !errors.Is(err, os.ErrPermission) {
		s.fail("a user without rights reads the key: %v", err)
	}
	// With a group that may use the socket, and no role.
	refused, other := s.tryEverything(func() (net.Conn, error) {
		return as(nobody, 0, func() (net.Conn, error) { return net.Dial("unix", socket) })
	})
	if len(other) > 0 || refused < 20 {
		s.fail("a user without a role: %d calls refused, and %d not, such as %s", refused, len(other), other[:min(1, len(other))])
	}
	return fmt.Sprintf("no rights: EACCES on socket and key; in the socket's group without a role: %d of %d calls NOT_PERMITTED", refused, refused)
}

// as does something with the user and group of somebody else.
func as(uid, gid int, do func() (net.Conn, error)) (conn net.Conn, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with this
		// The package's own calls would change every thread.
		if _, _, no := unix.RawSyscall(unix.SYS_SETGROUPS, 0, 0, 0); no != 0 {
			err = no
			return
		}
		if _, _, no := unix.RawSyscall(unix.SYS_SETRESGID, uintptr(gid), uintptr(gid), uintptr(gid)); no != 0 {
			err = no
			return
		}
		if _, _, no := unix.RawSyscall(unix.SYS_SETRESUID, uintptr(uid), uintptr(uid), uintptr(uid)); no != 0 {
			err = no
			return
		}
		conn, err = do()
	}()
	<-done
	return conn, err
}

// tryEverything calls every method of the local API, and returns how many
// were refused as NOT_PERMITTED, and which were not.
func (s *stage) tryEverything(dial func() (net.Conn, error)) (refused int, other []string) {
	conn, err := grpc.NewClient("passthrough:///till", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(context.Context, string) (net.Conn, error) { return dial() }))
	s.check(err, "call the till")
	defer conn.Close()
	for _, name := range []protoreflect.FullName{
		"vipaso.business.v1.BusinessService", "vipaso.customer.v1.CustomerService", "vipaso.device.v1.DeviceService", "vipaso.sim.v1.SimService",
	} {
		d, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
		s.check(err, "find %s", name)
		methods := d.(protoreflect.ServiceDescriptor).Methods()
		for i := range methods.Len() {
			m := methods.Get(i)
			if err := s.try(conn, m); reasonOf(err) == "NOT_PERMITTED" {
				refused++
			} else {
				other = append(other, fmt.Sprintf("%s: %v", m.FullName(), err))
			}
		}
	}
	return refused, other
}

// try makes one call with an empty request.
func (s *stage) try(conn *grpc.ClientConn, m protoreflect.MethodDescriptor) error {
	ctx, cancel := s.limit()
	defer cancel()
	path := fmt.Sprintf("/%s/%s", m.Parent().FullName(), m.Name())
	in, out := dynamicpb.NewMessage(m.Input()), dynamicpb.NewMessage(m.Output())
	if !m.IsStreamingServer() {
		return conn.Invoke(ctx, path, in, out)
	}
	stream, err := conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, path)
	if err != nil {
		return err
	}
	if err := errors.Join(stream.SendMsg(in), stream.CloseSend()); err != nil {
		return err
	}
	return stream.RecvMsg(out)
}
