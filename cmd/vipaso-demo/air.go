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
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/radio"
	"github.com/vipaso/vipasod/ble/sim"
	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

// airOptions are the flags of vipaso-demo air.
type airOptions struct {
	listen   string
	seed     uint64
	interval time.Duration
	loss     string
}

func newAirCommand() *cobra.Command {
	var o airOptions
	cmd := &cobra.Command{
		Use:   "air --listen PATH",
		Short: "Serve the simulated radio to separate vipasod processes",
		Long: `Serve a simulated air on a unix socket. Every vipasod whose configuration says
driver = "sim" and names that socket in sim_socket joins it as one radio.`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) > 0:
				return usageError{fmt.Errorf("unknown argument %q", args[0])}
			case o.listen == "":
				return usageError{errors.New("--listen PATH is needed: the socket that vipasod names in sim_socket")}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error {
			log := slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
			return runAir(cmd.Context(), o, cmd.OutOrStdout(), log)
		},
	}
	cmd.Flags().StringVar(&o.listen, "listen", "", "path of the unix `socket`; a stale one is replaced")
	cmd.Flags().Uint64Var(&o.seed, "seed", 1, "seed of addresses, losses and signal strengths")
	cmd.Flags().DurationVar(&o.interval, "interval", 15*time.Millisecond, "connection interval; 0s delivers at once")
	cmd.Flags().StringVar(&o.loss, "loss", "0%", "share of values that have to be sent again, such as 2.5%")
	return cmd
}

// runAir serves an air until ctx ends. It prints one line when it is ready.
func runAir(ctx context.Context, o airOptions, out io.Writer, log *slog.Logger) error {
	loss, err := parsePerMille(o.loss)
	if err != nil {
		return usageError{fmt.Errorf("--loss: %w", err)}
	}
	if o.interval < 0 || o.interval > 4*time.Second {
		return usageError{fmt.Errorf("--interval: %s is not between 0s and 4s", o.interval)}
	}
	l, err := listenUnix(ctx, o.listen)
	if err != nil {
		return fmt.Errorf("%w\nnext: name another path, in a directory that you may write, as in `vipaso-demo air --listen $HOME/air.sock`", err)
	}
	air := sim.NewAir(o.seed, sim.Conditions{Interval: o.interval, LossPerMille: loss})
	defer air.Close()
	fmt.Fprintf(out, "simulated air on %s: seed %d, interval %s, loss %s\n", o.listen, o.seed, o.interval, o.loss)
	return serveAir(ctx, l, air, log)
}

// serveAir lets everybody who connects join the air, and returns when ctx has
// ended and all connections with it.
func serveAir(ctx context.Context, l net.Listener, air *sim.Air, log *slog.Logger) error {
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	var conns sync.WaitGroup
	defer conns.Wait()
	for {
		conn, err := l.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept: %w", err)
		}
		conns.Go(func() {
			if err := radio.ServeNamed(ctx, conn, joinAir(air)); err != nil {
				log.Warn("radio connection ended", "err", err)
			}
		})
	}
}

// joinAir gives each client a radio of its own on the air.
func joinAir(air *sim.Air) radio.Join {
	return func(name string) (link.Radio, radio.Controller, error) {
		r := air.Join(name)
		return r, airControl{air: air, radio: r}, nil
	}
}

// airControl changes the air at the wish of one of its radios.
type airControl struct {
	air   *sim.Air
	radio link.Radio
}

// Control implements radio.Controller.
func (a airControl) Control(c *radiov1.SimControl) *radiov1.SimReport {
	if c.LossPerMille != nil || c.LatencyMs != nil {
		cond := a.air.Conditions()
		if c.LossPerMille != nil {
			cond.LossPerMille = int(min(c.GetLossPerMille(), 1000))
		}
		if c.LatencyMs != nil {
			cond.Latency = time.Duration(c.GetLatencyMs()) * time.Millisecond
		}
		a.air.SetConditions(cond)
	}
	if c.GetDropLinks() {
		a.air.DropLinks()
	}
	cond := a.air.Conditions()
	report := &radiov1.SimReport{LossPerMille: uint32(cond.LossPerMille), LatencyMs: uint32(cond.Latency.Milliseconds())}
	for _, p := range a.air.PeersOf(a.radio) {
		report.Peers = append(report.Peers, &radiov1.SimPeer{
			Name: p.Name, Address: p.Address, Advertising: p.Advertising, Scanning: p.Scanning,
			Links: uint32(p.Links), Rssi: int32(p.RSSI),
		})
	}
	return report
}

// listenUnix listens on a unix socket. What a process that was killed has left
// behind is replaced; a socket that answers, or a file of another kind, is not.
// A directory that is missing is made.
func listenUnix(ctx context.Context, path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, err
	}
	l, err := net.Listen("unix", path)
	if !errors.Is(err, syscall.EADDRINUSE) {
		return l, err
	}
	var d net.Dialer
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, dialErr := d.DialContext(ctx, "unix", path)
	if dialErr == nil {
		conn.Close()
		return nil, fmt.Errorf("%s is in use by another process: %w", path, err)
	}
	info, statErr := os.Lstat(path)
	if !errors.Is(dialErr, syscall.ECONNREFUSED) || statErr != nil || info.Mode().Type() != os.ModeSocket {
		return nil, fmt.Errorf("%s is not a stale socket: %w", path, err)
	}
	if err := os.Remove(path); err != nil {
		return nil, err
	}
	return net.Listen("unix", path)
}

// parsePerMille reads a share such as "10%" or "2.5%" as per mille.
func parsePerMille(s string) (int, error) {
	digits, ok := strings.CutSuffix(s, "%")
	if !ok {
		return 0, fmt.Errorf("%q does not end in %%", s)
	}
	whole, tenth, _ := strings.Cut(digits, ".")
	if len(tenth) > 1 {
		return 0, fmt.Errorf("%q is finer than 0.1%%", s)
	}
	n, err := strconv.ParseUint(whole+(tenth + "0")[:1], 10, 16)
	if err != nil || whole == "" || n > 1000 {
		return 0, fmt.Errorf("%q is not a share from 0%% to 100%%", s)
	}
	return int(n), nil
}
