package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/sim"
	"github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/cmd/internal/device"
)

// pipe is how much a connection in memory holds: enough that nobody waits for
// a reader while holding a lock.
const pipe = 1 << 20

// bubble is a host that runs every daemon in this process, over connections
// in memory and files on disk. In a synctest bubble its time is virtual:
// nothing sleeps, and what happens at the same moment happens in an order
// that does not depend on the machine.
type bubble struct {
	root     string
	log      *slog.Logger
	airwaves *sim.Air

	port     atomic.Pointer[bufconn.Listener] // of the backend, nil while it is away
	end      context.CancelFunc
	ended    chan error
	devices  map[string]*inside
	killed   []*inside
	previous map[string]string // directories of devices that are not running
}

// inside is a device that runs in this process.
type inside struct {
	dir   string
	local *bufconn.Listener
	radio link.Radio
	cable *cable // all its connections, to the backend and of its API
	end   context.CancelFunc
	ended chan error
}

func newBubble(t *testing.T) *bubble {
	log := slog.New(slog.DiscardHandler)
	if os.Getenv("VIPASO_TEST_LOG") != "" {
		log = slog.New(slog.NewTextHandler(os.Stderr, nil))
	}
	return &bubble{
		root: t.TempDir(), log: log, airwaves: sim.NewAir(1, sim.Conditions{Interval: interval}),
		devices: map[string]*inside{}, previous: map[string]string{},
	}
}

func (b *bubble) books() string { return filepath.Join(b.root, "backend") }
func (b *bubble) url() string   { return "https://localhost:443" }
func (b *bubble) air() *sim.Air { return b.airwaves }

func (b *bubble) where(name string) place {
	if n := b.devices[name]; n != nil {
		return place{Dir: n.dir}
	}
	return place{Dir: b.previous[name]}
}

func (b *bubble) reach(ctx context.Context) (net.Conn, error) { return b.port.Load().DialContext(ctx) }

func (b *bubble) slow() time.Duration { return 150 * time.Millisecond }

// forward waits: the time is virtual.
func (b *bubble) forward(d time.Duration) { <-time.NewTimer(d).C }

func (b *bubble) startBackend(_ context.Context, o backendSpec) error {
	ctx, cancel := context.WithCancel(context.Background())
	port := bufconn.Listen(pipe)
	b.port.Store(port)
	b.end, b.ended = cancel, make(chan error, 1)
	ready := make(chan net.Addr, 1)
	go func() {
		b.ended <- backend.Serve(ctx, backend.Options{
			Dir: b.books(), PreauthLife: o.preauthLife, Listener: port, Logger: b.log.With("at", "backend"),
			Ready: func(a net.Addr) { ready <- a },
		})
	}()
	select {
	case <-ready:
		return nil
	case err := <-b.ended:
		return err
	}
}

func (b *bubble) stopBackend() error {
	b.port.Store(nil)
	b.end()
	return <-b.ended
}

func (b *bubble) start(_ context.Context, d deviceSpec) error {
	ctx, cancel := context.WithCancel(context.Background())
	dir := b.previous[d.name]
	if dir == "" {
		dir = filepath.Join(b.root, d.name)
	}
	n := &inside{
		dir: dir, local: bufconn.Listen(pipe), radio: b.airwaves.Join(d.name),
		cable: &cable{}, end: cancel, ended: make(chan error, 1),
	}
	ready := make(chan struct{})
	go func() {
		n.ended <- device.Run(ctx, device.Config{
			Role: d.role, DisplayName: d.name, Dir: n.dir, Offline: d.offline, Driver: "sim", Listener: n.local,
			Radio: n.radio, Air: insideAir{airControl{air: b.airwaves, radio: n.radio}},
			DialBackend: func(ctx context.Context, _ string) (net.Conn, error) { return n.cable.dial(ctx, b.port.Load()) },
			Wall:        func() time.Time { return time.Now().Add(d.ahead) },
			Splay:       demoSplay, RetryMax: demoRetryMax, LogLevel: new(slog.LevelVar), Logger: b.log.With("at", d.name),
			Ready: func(*device.Node) { close(ready) },
		})
	}()
	select {
	case <-ready:
		b.devices[d.name] = n
		return nil
	case err := <-n.ended:
		return errors.Join(fmt.Errorf("%s ended", d.name), err)
	}
}

func (b *bubble) call(name string) (*grpc.ClientConn, error) {
	n := b.devices[name]
	return grpc.NewClient("passthrough:///"+name, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return n.cable.dial(ctx, n.local) }))
}

func (b *bubble) take(name string) *inside {
	n := b.devices[name]
	delete(b.devices, name)
	b.previous[name] = n.dir
	return n
}

func (b *bubble) stop(name string) error {
	n := b.take(name)
	n.end()
	return errors.Join(<-n.ended, n.radio.Close())
}

// kill takes what is on disk at this moment, when nothing is being written,
// as all that is left of the device. What the daemon still does in its last
// moments it does to files that nobody reads again, and tells nobody.
func (b *bubble) kill(name string) error {
	synctest.Wait()
	n := b.take(name)
	b.killed = append(b.killed, n)
	left := filepath.Join(b.root, fmt.Sprintf("%s-after-%d", name, len(b.killed)))
	if err := copyFiles(n.dir, left); err != nil {
		return err
	}
	b.previous[name] = left
	n.cable.cut()
	err := n.radio.Close()
	n.end()
	return err
}

func (b *bubble) close() error {
	var errs []error
	for name := range b.devices {
		errs = append(errs, b.stop(name))
	}
	for _, n := range b.killed {
		<-n.ended // with an error or without: it did not exist any more
	}
	if b.port.Load() != nil {
		errs = append(errs, b.stopBackend())
	}
	return errors.Join(append(errs, b.airwaves.Close())...)
}

// copyFiles copies the files of a directory.
func copyFiles(from, to string) error {
	if err := os.Mkdir(to, 0o700); err != nil {
		return err
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := copyFile(filepath.Join(from, e.Name()), filepath.Join(to, e.Name())); err != nil {
			return err
		}
	}
	return nil
}

func copyFile(from, to string) error {
	src, err := os.Open(from)
	if err != nil {
		return err
	}
	defer src.Close()
	info, err := src.Stat()
	if err != nil {
		return err
	}
	dst, err := os.OpenFile(to, os.O_WRONLY|os.O_CREATE|os.O_EXCL, info.Mode())
	if err != nil {
		return err
	}
	_, err = io.Copy(dst, src)
	return errors.Join(err, dst.Close())
}

// cable is what connects a device; once cut, nothing reaches it or leaves it.
type cable struct {
	mu    sync.Mutex
	gone  bool
	conns []net.Conn
}

var errNobody = errors.New("nobody listens")

func (c *cable) dial(ctx context.Context, port *bufconn.Listener) (net.Conn, error) {
	if port == nil {
		return nil, errNobody
	}
	conn, err := port.DialContext(ctx)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil && c.gone {
		conn.Close()
		return nil, errNobody
	}
	c.conns = append(c.conns, conn)
	return conn, err
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = true
	for _, conn := range c.conns {
		conn.Close()
	}
}

// insideAir lets SimService change an air of this process.
type insideAir struct{ airControl }

func (a insideAir) Peers(context.Context) (*radiov1.SimReport, error) {
	return a.Control(&radiov1.SimControl{}), nil
}

func (a insideAir) SetConditions(_ context.Context, loss *uint32, latency *time.Duration) (*radiov1.SimReport, error) {
	c := &radiov1.SimControl{LossPerMille: loss}
	if latency != nil {
		ms := uint32(latency.Milliseconds())
		c.LatencyMs = &ms
	}
	return a.Control(c), nil
}

func (a insideAir) DropLinks(context.Context) (*radiov1.SimReport, error) {
	return a.Control(&radiov1.SimControl{DropLinks: true}), nil
}
