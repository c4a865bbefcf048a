package main

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"path/filepath"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/vipaso/vipasod/ble/sim"
)

// processes is the host of the demo: every daemon is a process of its own, so
// that a crash is a real kill -9. The air is in this one.
type processes struct {
	root     string
	spawner  *spawner
	airwaves *sim.Air
	airEnds  func() error

	backend *child
	address string // of the backend, kept over restarts
	ahead   time.Duration
	devices map[string]*child
}

// newProcesses returns a host whose files are below root, with its air up.
func newProcesses(root string, spawner *spawner, interval time.Duration) (*processes, error) {
	p := &processes{
		root: root, spawner: spawner, address: "127.0.0.1:0", devices: map[string]*child{},
		airwaves: sim.NewAir(1, sim.Conditions{Interval: interval}),
	}
	l, err := listenUnix(context.Background(), p.airSocket())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- serveAir(ctx, l, p.airwaves, slog.New(slog.DiscardHandler)) }()
	p.airEnds = func() error {
		cancel()
		return errors.Join(<-served, p.airwaves.Close())
	}
	return p, nil
}

func (p *processes) airSocket() string { return filepath.Join(p.root, "air.sock") }
func (p *processes) air() *sim.Air     { return p.airwaves }
func (p *processes) books() string     { return filepath.Join(p.root, "backend") }
func (p *processes) url() string       { return "https://" + p.address }

func (p *processes) reach(ctx context.Context) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", p.address)
}

func (p *processes) where(name string) place {
	w := place{
		Dir: filepath.Join(p.root, name), Socket: p.socket(name),
		Log: filepath.Join(p.root, name+".log"),
	}
	if c := p.devices[name]; c != nil {
		w.PID = c.cmd.Process.Pid
	}
	if name == "backend" && p.backend != nil {
		w.PID = p.backend.cmd.Process.Pid
	}
	return w
}

func (p *processes) startBackend(ctx context.Context, o backendSpec) error {
	c, line, err := p.spawner.spawn(ctx, p.where("backend").Log, "child", "backend",
		"--dir", p.books(), "--listen", p.address,
		"--preauth-life", o.preauthLife.String(), "--ahead", p.ahead.String())
	if err != nil {
		return err
	}
	p.backend, p.address = c, line
	return nil
}

func (p *processes) stopBackend() error {
	c := p.backend
	p.backend = nil
	return c.stop()
}

func (p *processes) start(ctx context.Context, d deviceSpec) error {
	w := p.where(d.name)
	c, _, err := p.spawner.spawn(ctx, w.Log, "child", "device",
		"--dir", w.Dir, "--socket", w.Socket, "--air", p.airSocket(),
		"--name", d.name, "--role", d.role.String(), "--offline="+strconv.FormatBool(d.offline), "--ahead", d.ahead.String())
	if err != nil {
		return err
	}
	c.spec = d
	c.cut.Store(d.offline)
	p.devices[d.name] = c
	return nil
}

func (p *processes) socket(name string) string { return filepath.Join(p.root, name+".sock") }

// call may be used while devices come and go.
func (p *processes) call(name string) (*grpc.ClientConn, error) {
	return grpc.NewClient("unix:"+p.socket(name), grpc.WithTransportCredentials(insecure.NewCredentials()))
}

func (p *processes) stop(name string) error { return p.take(name).stop() }
func (p *processes) kill(name string) error { return p.take(name).kill() }

func (p *processes) take(name string) *child {
	c := p.devices[name]
	delete(p.devices, name)
	return c
}

// slow is long even for a machine that is busy with something else.
func (p *processes) slow() time.Duration { return 2 * time.Second }

// forward sets the backend's clock ahead from its next start on: nobody wants
// to sit through it.
func (p *processes) forward(d time.Duration) { p.ahead += d }

// close ends all that runs.
func (p *processes) close() error {
	var errs []error
	for name := range p.devices {
		errs = append(errs, p.stop(name))
	}
	if p.backend != nil {
		errs = append(errs, p.stopBackend())
	}
	return errors.Join(append(errs, p.airEnds())...)
}
