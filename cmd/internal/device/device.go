// Package device wires one till or customer device from its parts: the store
// and the keys in one directory, the radio, the payment driver and the local
// gRPC API. vipasod runs one; the demo and its tests run several.
package device

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/radio"
	"github.com/vipaso/vipasod/daemon"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// Config is what a device is made of.
type Config struct {
	Role        peerv1.Role
	DisplayName string
	Version     string
	Dir         string // store.db and keys
	// Credentials is systemd's $CREDENTIALS_DIRECTORY; empty without one.
	Credentials string
	// Socket is where the local API is served; Group may use it.
	Socket string
	Group  string
	Roles  map[string][]string // role -> "user:NAME" or "group:NAME"

	Driver    string // "sim" or "hci"
	SimSocket string // with "sim": the socket of the air
	Adapter   string // with "hci"
	// RadioSocket is where the radio unit is reached, with "hci". If it is
	// empty, the running program is started again with RadioArgs.
	RadioSocket string
	RadioArgs   []string
	// Radio replaces the driver, and Air what changes the simulated air, in
	// tests that run in one process.
	Radio link.Radio
	Air   daemon.Air
	// Listener replaces Socket, in tests that run in one process.
	Listener net.Listener

	Limits     preauth.Limits
	ClockSkew  time.Duration
	Wall       func() time.Time // the wall clock; nil means that of the machine
	BackendURL string
	Splay      time.Duration
	RetryMax   time.Duration
	// Offline begins cut off from the backend, until SimService says
	// otherwise.
	Offline bool
	// DialBackend reaches the backend's host:port. Nil means TCP.
	DialBackend func(ctx context.Context, address string) (net.Conn, error)

	LogLevel *slog.LevelVar
	Logger   *slog.Logger
	// Ready is called when the API is served.
	Ready func(*Node)
}

// Node is a device with everything around it.
type Node struct {
	Device *daemon.Device
	Store  *store.Store
	server *grpc.Server
	radio  link.Radio
	client *radio.Client // the radio, if it is in another process
	cfg    Config
}

// Run opens the device in cfg.Dir and serves it until ctx ends. It returns
// nil after a clean stop; any error means that the process should end, and
// that nothing of a payment is lost by it.
func Run(ctx context.Context, cfg Config) error {
	n, err := open(ctx, cfg)
	if err != nil {
		return err
	}
	return errors.Join(n.serve(ctx), n.close())
}

// open builds the node; nothing runs yet.
func open(ctx context.Context, cfg Config) (*Node, error) {
	n := &Node{cfg: cfg}
	role := "customer"
	if cfg.Role == peerv1.Role_ROLE_BUSINESS {
		role = "business"
	}
	var err error
	if n.Store, err = store.Open(ctx, cfg.Dir, store.Options{Role: role, Logger: cfg.Logger}); err != nil {
		return nil, err
	}
	keys, err := n.loadKeys(ctx)
	if err != nil {
		return nil, errors.Join(err, n.Store.Close())
	}
	o := daemon.Options{
		Role: cfg.Role, DisplayName: cfg.DisplayName, Version: cfg.Version, Store: n.Store, Keys: keys, Dir: cfg.Dir,
		Driver: cfg.Driver, Limits: cfg.Limits, ClockSkew: cfg.ClockSkew, Wall: cfg.Wall, BackendURL: cfg.BackendURL, Splay: cfg.Splay, RetryMax: cfg.RetryMax,
		DialBackend: cfg.DialBackend, LogLevel: cfg.LogLevel, Logger: cfg.Logger,
	}
	n.attachRadio(&o)
	if n.Device, err = daemon.New(ctx, o); err != nil {
		return nil, errors.Join(err, n.Store.Close())
	}
	n.Device.SetOffline(cfg.Offline)
	n.server = daemon.NewServer(n.Device, daemon.ServerOptions{Roles: cfg.Roles, Logger: cfg.Logger, Sim: o.Air != nil, Trusted: cfg.Listener != nil})
	return n, nil
}

// loadKeys reads the keys that the store is enrolled with, or makes the first.
func (n *Node) loadKeys(ctx context.Context) (daemon.Keys, error) {
	id, err := n.Store.Identity(ctx)
	if err != nil {
		return daemon.Keys{}, err
	}
	return daemon.KeySource{Dir: n.cfg.Dir, Credentials: n.cfg.Credentials, Enrolled: id.Enrolled()}.Load()
}

// attachRadio chooses the radio. Without one the device starts all the same:
// it shows, synchronizes, and says what is missing.
func (n *Node) attachRadio(o *daemon.Options) {
	switch {
	case n.cfg.Radio != nil:
		n.radio, o.Air = n.cfg.Radio, n.cfg.Air
	case n.cfg.Driver == "sim":
		n.connect(dialSocket(n.cfg.SimSocket))
		o.Air = n.client
	case n.cfg.Adapter == "":
		o.RadioReason = "ADAPTER_NOT_CONFIGURED"
	case n.cfg.RadioSocket != "":
		n.connect(dialSocket(n.cfg.RadioSocket))
	default:
		n.connect(n.radioProcess().Dial)
	}
	o.Radio = n.radio
}

// stopLimit bounds how long open calls may delay a stop.
const stopLimit = 2 * time.Second

// serve runs every task until ctx ends or one of them fails.
func (n *Node) serve(ctx context.Context) error {
	listener := n.cfg.Listener
	if listener == nil {
		var err error
		if listener, err = daemon.Listen(n.cfg.Socket, n.cfg.Group, n.cfg.Logger); err != nil {
			return err
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return n.Device.Run(ctx) })
	if n.client != nil {
		g.Go(func() error { return ignoreEnd(n.client.Run(ctx)) })
	}
	g.Go(func() error {
		err := n.server.Serve(listener)
		if err == nil || ctx.Err() != nil && errors.Is(err, grpc.ErrServerStopped) { // stopped before it began
			return nil
		}
		return fmt.Errorf("serve %s: %w", listener.Addr(), err)
	})
	g.Go(func() error {
		<-ctx.Done()
		n.stopServer()
		return nil
	})
	if n.cfg.Ready != nil {
		n.cfg.Ready(n)
	}
	return g.Wait()
}

// stopServer lets calls end, but not for long: streams last for ever.
func (n *Node) stopServer() {
	done := make(chan struct{})
	go func() {
		n.server.GracefulStop()
		close(done)
	}()
	timer := time.NewTimer(stopLimit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
		n.server.Stop()
		<-done
	}
}

func (n *Node) close() error {
	var err error
	if n.client != nil {
		err = n.client.Close()
	}
	return errors.Join(err, n.Store.Close())
}

func ignoreEnd(err error) error {
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}
