package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	simv1 "github.com/vipaso/vipasod/proto/vipaso/sim/v1"
)

const (
	defaultSocket = "/run/vipasod/vipasod.sock"

	// quickWait bounds a call that reads what the daemon knows already.
	quickWait = 30 * time.Second

	// greetWait is how long a daemon that has taken our connection may take to
	// greet us: a device can be busy for seconds. One that has ended is found
	// out at once.
	greetWait = 20 * time.Second

	// restartWait is how long a call that changes something is repeated
	// while the daemon restarts.
	restartWait = 30 * time.Second

	// pause keeps a daemon that accepts and drops us from being hammered.
	pause = 100 * time.Millisecond

	// largestMessage bounds an answer, in bytes.
	largestMessage = 32 << 20
)

// A conn is the connection to the daemon. It dials again by itself; met and
// refusal say how dialing went.
type conn struct {
	*grpc.ClientConn
	met     atomic.Bool           // the socket was reached at least once
	refusal atomic.Pointer[error] // why the last dial failed; nil if it did not
}

// dial returns the connection to the daemon. It does not wait for it.
func (a *app) dial() (*conn, error) {
	if a.conn != nil {
		return a.conn, nil
	}
	if a.socket == "" {
		a.socket = a.env("VIPASO_SOCKET")
	}
	if a.socket == "" {
		a.socket = defaultSocket
	}
	c := &conn{}
	cc, err := grpc.NewClient("passthrough:///vipasod",
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return c.dialUnix(ctx, a.socket) }),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(largestMessage)),
		grpc.WithConnectParams(grpc.ConnectParams{
			// A restarted daemon is back within a second or two, and a unix
			// socket costs nothing to try.
			Backoff:           backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 500 * time.Millisecond},
			MinConnectTimeout: greetWait,
		}))
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", a.socket, err)
	}
	c.ClientConn = cc
	a.conn = c
	return c, nil
}

func (c *conn) dialUnix(ctx context.Context, path string) (net.Conn, error) {
	var d net.Dialer
	nc, err := d.DialContext(ctx, "unix", path)
	if err != nil {
		c.refusal.Store(&err)
		return nil, err
	}
	c.refusal.Store(nil)
	c.met.Store(true)
	return nc, nil
}

func (c *conn) close() { _ = c.ClientConn.Close() }

func (c *conn) device() devicev1.DeviceServiceClient { return devicev1.NewDeviceServiceClient(c) }

func (c *conn) business() businessv1.BusinessServiceClient {
	return businessv1.NewBusinessServiceClient(c)
}

func (c *conn) customer() customerv1.CustomerServiceClient {
	return customerv1.NewCustomerServiceClient(c)
}

func (c *conn) sim() simv1.SimServiceClient { return simv1.NewSimServiceClient(c) }

// quick returns ctx with the deadline of a quick call.
func quick(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(ctx, quickWait)
}

// persist makes call until it is answered, however often the daemon restarts
// meanwhile, for at most wait. It is only for calls that carry a request_id,
// for which a repeat is the same call. A daemon that was never reached is not
// waited for.
func persist(ctx context.Context, c *conn, wait time.Duration, call func(ctx context.Context, opts ...grpc.CallOption) error) error {
	limit, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	err := call(ctx)
	for interrupted(err) && c.met.Load() && rest(limit) {
		next := call(limit, grpc.WaitForReady(true))
		if limit.Err() != nil {
			// Whether a repeat that ran out of time was answered says less
			// than why it was needed.
			return errors.Join(ctx.Err(), err)
		}
		err = next
	}
	return err
}

// rest waits for a moment and returns whether ctx is still alive.
func rest(ctx context.Context) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(pause):
		return true
	}
}

// An opener opens a stream; cause is why the one before it ended, nil for the
// first.
type opener[M any] func(ctx context.Context, cause error, opts ...grpc.CallOption) (grpc.ServerStreamingClient[M], error)

// follow opens a stream and hands each message to each, until ctx ends or
// each returns an error; errStop ends it without one. When the daemon
// restarts, the stream is opened again, unless once is set and the daemon
// ended it in order.
func follow[M any](ctx context.Context, a *app, once bool, open opener[M], each func(*M) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var opts []grpc.CallOption
	for cause := error(nil); ; {
		stream, err := open(ctx, cause, opts...)
		if err == nil {
			err = drain(stream, each)
		}
		switch {
		case errors.Is(err, errStop), once && errors.Is(err, io.EOF):
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case !resumable(err) || !a.conn.met.Load():
			return err
		}
		a.note("%s", interruption(err))
		if !rest(ctx) {
			return ctx.Err()
		}
		cause, opts = err, []grpc.CallOption{grpc.WaitForReady(true)}
	}
}

// errStop ends follow without an error.
var errStop = errors.New("stop")

// drain hands every message of stream to each. It returns io.EOF when the
// daemon ends the stream in order.
func drain[M any](stream grpc.ServerStreamingClient[M], each func(*M) error) error {
	for {
		m, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := each(m); err != nil {
			return err
		}
	}
}

// all hands every message of stream to each and returns nil at its end.
func all[M any](stream grpc.ServerStreamingClient[M], err error, each func(*M) error) error {
	if err != nil {
		return err
	}
	if err := drain(stream, each); !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}
