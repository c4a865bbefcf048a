package main

import (
	"fmt"
	"log/slog"
	"net"
	"time"

	"github.com/spf13/cobra"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/cmd/internal/device"
)

// childMark is set in the environment of children.
const childMark = "VIPASO_DEMO_CHILD"

// How eagerly the demo's devices call the backend: nobody wants to wait for a
// demonstration.
const (
	demoSplay    = 100 * time.Millisecond
	demoRetryMax = 2 * time.Second
)

// newChildCommand has what the demo starts itself as: one daemon, with the
// wiring of the real binary.
func newChildCommand() *cobra.Command {
	c := &cobra.Command{Use: "child", Short: "One daemon of the demo", Hidden: true}
	c.AddCommand(childBackend(), childDevice())
	return c
}

func childBackend() *cobra.Command {
	var o backend.Options
	var ahead time.Duration
	c := &cobra.Command{
		Use: "backend", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			o.Logger = slog.New(slog.NewTextHandler(c.ErrOrStderr(), nil))
			o.Now = func() time.Time { return time.Now().Add(ahead) }
			o.Ready = func(a net.Addr) { fmt.Fprintln(c.OutOrStdout(), a) }
			return backend.Serve(c.Context(), o)
		},
	}
	f := c.Flags()
	f.StringVar(&o.Dir, "dir", "", "directory for keys and database")
	f.StringVar(&o.Listen, "listen", "127.0.0.1:0", "host:port")
	f.DurationVar(&o.PreauthLife, "preauth-life", 0, "how long a pre-authorization can be spent")
	f.DurationVar(&ahead, "ahead", 0, "how far the clock is ahead")
	return c
}

func childDevice() *cobra.Command {
	var cfg device.Config
	var role string
	var ahead time.Duration
	c := &cobra.Command{
		Use: "device", Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			cfg.Role = peerv1.Role(peerv1.Role_value[role])
			cfg.Wall = func() time.Time { return time.Now().Add(ahead) }
			cfg.Driver, cfg.Splay, cfg.RetryMax = "sim", demoSplay, demoRetryMax
			cfg.LogLevel = new(slog.LevelVar)
			cfg.Logger = slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: cfg.LogLevel}))
			cfg.Ready = func(*device.Node) { fmt.Fprintln(c.OutOrStdout(), "ready") }
			return device.Run(c.Context(), cfg)
		},
	}
	f := c.Flags()
	f.StringVar(&cfg.Dir, "dir", "", "directory for store and keys")
	f.StringVar(&cfg.Socket, "socket", "", "socket of the local API")
	f.StringVar(&cfg.SimSocket, "air", "", "socket of the air")
	f.StringVar(&cfg.DisplayName, "name", "", "name on the air")
	f.BoolVar(&cfg.Offline, "offline", false, "begin without a network")
	f.DurationVar(&ahead, "ahead", 0, "how far the clock is ahead")
	f.StringVar(&role, "role", "", "ROLE_BUSINESS or ROLE_CUSTOMER")
	return c
}
