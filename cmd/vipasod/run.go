package main

import (
	"context"
	"io"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	slogjournal "github.com/systemd/slog-journal"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/cmd/internal/build"
	"github.com/vipaso/vipasod/cmd/internal/device"
)

// socketGroup may use the local API by default.
const socketGroup = "vipaso"

// newRunCommand is the daemon itself.
func newRunCommand(env []string) *cobra.Command {
	var flags configFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon (the default command)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := flags.load(cmd.Flags(), env)
			if err != nil {
				return err
			}
			return runDaemon(cmd.Context(), c, cmd.ErrOrStderr())
		},
	}
	flags.register(cmd.Flags())
	return cmd
}

// runDaemon serves the configured device until ctx ends.
func runDaemon(ctx context.Context, c Config, stderr io.Writer) error {
	level := new(slog.LevelVar)
	if err := level.UnmarshalText([]byte(c.Log.Level)); err != nil {
		return err
	}
	log, err := logger(stderr, level)
	if err != nil {
		return err
	}
	limits, err := c.Limits.limits()
	if err != nil {
		return err
	}
	dc := device.Config{
		Role: peerv1.Role_ROLE_CUSTOMER, DisplayName: c.DisplayName, Version: build.This().Version,
		Dir: c.Store.Dir, Credentials: os.Getenv("CREDENTIALS_DIRECTORY"), Socket: c.GRPC.Socket, Group: socketGroup, Roles: c.GRPC.Roles.byRole(),
		Driver: c.Radio.Driver, SimSocket: c.Radio.SimSocket, Adapter: c.Radio.Adapter,
		RadioSocket: c.Radio.Socket, RadioArgs: radioArgs(c),
		Limits: limits, ClockSkew: time.Duration(c.Limits.ClockSkew), BackendURL: c.Backend.URL,
		Splay: time.Duration(c.Backend.Splay), RetryMax: time.Duration(c.Backend.RetryMax),
		LogLevel: level, Logger: log,
	}
	if c.Role == roleBusiness {
		dc.Role = peerv1.Role_ROLE_BUSINESS
	}
	if c.Backend.Uplink != "" {
		dc.DialBackend = throughUplink(c.Backend.Uplink)
	}
	supervised := make(chan struct{})
	ready := false
	dc.Ready = func(n *device.Node) {
		ready = true
		log.Info("serving", "socket", c.GRPC.Socket, "role", c.Role, "store", c.Store.Dir)
		go func() {
			defer close(supervised)
			n.Supervise(ctx, log)
		}()
	}
	err = device.Run(ctx, dc)
	if ready && ctx.Err() != nil {
		<-supervised
	}
	return explained(err)
}

// logger writes to the journal if systemd connected stderr to it, to a
// terminal as text, and as JSON otherwise.
func logger(stderr io.Writer, level slog.Leveler) (*slog.Logger, error) {
	if os.Getenv("JOURNAL_STREAM") != "" {
		h, err := slogjournal.NewHandler(&slogjournal.Options{Level: level, ReplaceAttr: journalField})
		if err != nil {
			return nil, err
		}
		return slog.New(h), nil
	}
	o := &slog.HandlerOptions{Level: level}
	if f, ok := stderr.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode()&os.ModeCharDevice != 0 {
			return slog.New(slog.NewTextHandler(stderr, o)), nil
		}
	}
	return slog.New(slog.NewJSONHandler(stderr, o)), nil
}

// byRole lists who has which role, by the role's name.
func (r Roles) byRole() map[string][]string {
	return map[string][]string{"observer": r.Observer, "cashier": r.Cashier, "manager": r.Manager, "admin": r.Admin}
}

// journalField names an attribute as the journal wants it: VIPASO_PAYMENT,
// VIPASO_STATE and so on.
func journalField(_ []string, a slog.Attr) slog.Attr {
	a.Key = "VIPASO_" + strings.ToUpper(strings.ReplaceAll(a.Key, "-", "_"))
	return a
}
