package main

import (
	"context"
	"net"
	"time"

	"google.golang.org/grpc"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/sim"
)

// A host runs the daemons of a world: each as a process of its own, or, in
// tests, all of them in one process under a virtual clock. Everything else
// about a world goes through the daemons' APIs and is the same on both.
type host interface {
	// startBackend serves the backend and returns when it answers. Its clock
	// is ahead of everybody else's by what has been forwarded.
	startBackend(ctx context.Context, o backendSpec) error
	stopBackend() error
	// books is the directory of the backend, url where devices find it.
	books() string
	url() string
	// reach connects to it, as a device does.
	reach(ctx context.Context) (net.Conn, error)

	// start runs a device on what it has stored, and returns when its API
	// answers; call connects to that.
	start(ctx context.Context, d deviceSpec) error
	call(name string) (*grpc.ClientConn, error)
	// stop ends a device in good order.
	stop(name string) error
	// kill ends a device in the middle of whatever it does: it neither says
	// nor writes another word.
	kill(name string) error

	air() *sim.Air
	// slow is how long a message takes in slow air: while one is on its way,
	// the host has time to see what happens and to do something.
	slow() time.Duration
	// forward lets a long time pass while nothing runs.
	forward(d time.Duration)
	// where tells people what a party is and where, for the interactive demo.
	where(name string) place
	close() error
}

// backendSpec is what a backend is started with.
type backendSpec struct {
	preauthLife time.Duration // zero means the backend's default
}

// deviceSpec is what a device is started with.
type deviceSpec struct {
	name    string
	role    peerv1.Role
	offline bool // it begins without a network
	// ahead is how far its own clock is ahead of everybody else's.
	ahead time.Duration
}

// place is where a party can be found.
type place struct {
	Socket, Dir, Log string
	PID              int
}
