package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"log/slog"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/ble/hci"
	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/radio"
)

const (
	// downFor is how long a radio process whose adapter cannot be used says
	// why, before it ends and is started again. presentEvery is how often it
	// looks whether a missing adapter is back, which ends it sooner.
	downFor      = 6 * time.Second
	presentEvery = 250 * time.Millisecond
	// recycleAge and recycleIdle say when a radio process that works ends all
	// the same: what its library has leaked goes with it.
	recycleAge   = 6 * time.Hour
	recycleIdle  = time.Minute
	recycleEvery = 10 * time.Second
	// openPatience is how long the client waits for the first word while the
	// adapter is opened, which may take seconds.
	openPatience = time.Second
	// exitLimit is how long the end of a radio process may take; its library
	// may hang.
	exitLimit = 2 * time.Second
)

// newRadioCommand is the process that owns the Bluetooth adapter, the only one
// that needs CAP_NET_ADMIN. It has no store and no keys.
func newRadioCommand(env []string) *cobra.Command {
	var flags configFlags
	var socket string
	cmd := &cobra.Command{
		Use:    "radio",
		Short:  "Own the Bluetooth adapter; started by vipasod or by vipasod-radio.service",
		Args:   cobra.NoArgs,
		Hidden: true,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _, err := flags.load(cmd.Flags(), env)
			if err != nil {
				return err
			}
			if socket != "" {
				return superviseRadio(cmd.Context(), c, socket, cmd.ErrOrStderr())
			}
			return runRadio(cmd.Context(), c, cmd.ErrOrStderr())
		},
	}
	flags.register(cmd.Flags())
	cmd.Flags().StringVar(&socket, "socket", "", "serve on this unix `SOCKET`, instead of the inherited connection")
	return cmd
}

// radioArgs starts this program as the radio process of a configuration.
func radioArgs(c Config) []string {
	args := []string{"radio", "--config", os.DevNull}
	for _, set := range []string{
		"role=" + c.Role, "radio.adapter=" + c.Radio.Adapter, "log.level=" + c.Log.Level,
		"radio.service_uuid=" + c.Radio.ServiceUUID, "radio.status_uuid=" + c.Radio.StatusUUID,
		"radio.write_uuid=" + c.Radio.WriteUUID, "radio.read_uuid=" + c.Radio.ReadUUID,
	} {
		args = append(args, "--set", set)
	}
	return args
}

// runRadio serves the adapter on the inherited connection. Whenever it
// returns, the process ends, and with it whatever still hangs.
func runRadio(ctx context.Context, c Config, stderr io.Writer) error {
	log, err := leveled(stderr, c.Log.Level)
	if err != nil {
		return err
	}
	stdlog.SetOutput(io.Discard) // the library writes a line for much that strangers send
	conn, err := radio.Inherited()
	if err != nil {
		return usageError{err}
	}
	ctx, end := context.WithCancel(ctx)
	defer end()
	context.AfterFunc(ctx, func() {
		time.AfterFunc(exitLimit, func() { os.Exit(exitFailed) })
	})
	late := hci.NewLate(c.Radio.Adapter)
	opened := make(chan struct{})
	go func() {
		openRadio(ctx, c, late, log, opened)
		end()
	}()
	select { // mostly the client need not see that it took a moment
	case <-opened:
	case <-time.After(openPatience):
	}
	served := radio.Serve(ctx, conn, late, nil)
	end()
	return errors.Join(served, late.Close())
}

// openRadio opens the adapter and returns when the process should end.
func openRadio(ctx context.Context, c Config, late *hci.Late, log *slog.Logger, opened chan<- struct{}) {
	r, err := hci.Open(ctx, hci.Options{
		Adapter: c.Radio.Adapter, Service: c.Radio.ServiceUUID, Status: c.Radio.StatusUUID,
		Write: c.Radio.WriteUUID, Read: c.Radio.ReadUUID, Logger: log,
	})
	if err != nil {
		log.Warn("adapter cannot be used", "adapter", c.Radio.Adapter, "err", err)
		down := hci.Down{Adapter: c.Radio.Adapter, Err: err}
		late.Become(ctx, down)
		close(opened)
		awaitChange(ctx, down)
		return
	}
	log.Info("adapter in use", "adapter", r.Status().Adapter, "address", r.Status().Address)
	late.Become(ctx, r)
	close(opened)
	awaitEnd(ctx, r, log)
}

// inUse is what can be seen of a radio from outside.
type inUse interface {
	Done() <-chan struct{}
	Status() link.Status
}

// awaitEnd returns when the radio has failed, or is old and nobody needs it.
func awaitEnd(ctx context.Context, r inUse, log *slog.Logger) {
	begin := time.Now()
	tick := time.NewTicker(recycleEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.Done():
			return
		case <-tick.C:
		}
		if s := r.Status(); time.Since(begin) > recycleAge && s.Links == 0 && time.Since(s.LastPeer) > recycleIdle {
			log.Info("radio process ends because of its age", "started", begin)
			return
		}
	}
}

// awaitChange returns when it is worth another attempt to open the adapter.
func awaitChange(ctx context.Context, down hci.Down) {
	ctx, cancel := context.WithTimeout(ctx, downFor)
	defer cancel()
	tick := time.NewTicker(presentEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if down.Missing() && hci.Present(down.Adapter) {
			return
		}
	}
}

// leveled is the logger of a process whose level does not change.
func leveled(stderr io.Writer, text string) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(text)); err != nil {
		return nil, fmt.Errorf("log level: %w", err)
	}
	return logger(stderr, level)
}
