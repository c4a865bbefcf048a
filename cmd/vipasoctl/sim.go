package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	simv1 "github.com/vipaso/vipasod/proto/vipaso/sim/v1"
)

func (a *app) simCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Change the simulated air (driver sim only)",
		Long: `Sim changes the simulated air; the daemon serves it only with driver = "sim" in
[radio]. Conditions and drop-link act on everyone on the air, offline on this daemon.`,
		Example: `  vipasoctl sim set --loss 10% --latency 50ms`,
	}
	cmd.AddCommand(a.simPeersCommand(), a.simSetCommand(), a.simDropCommand(), a.simOfflineCommand())
	return cmd
}

func (a *app) simPeersCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "peers",
		Short:   "List the radios on the air",
		Example: `  vipasoctl sim peers`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			ctx, cancel := quick(cmd.Context())
			defer cancel()
			resp, err := c.sim().ListPeers(ctx, &simv1.ListPeersRequest{})
			if err != nil {
				return err
			}
			return a.printPeers(resp.GetPeers())
		},
	}
}

func (a *app) printPeers(peers []*simv1.Peer) error {
	t := &table{head: []string{"NAME", "ADDRESS", "DBM", "LINKS", "DOES"}}
	for _, p := range peers {
		if a.json {
			if err := a.object(p); err != nil {
				return err
			}
			continue
		}
		does := keep([]string{either(p.GetAdvertising(), "advertises", ""), either(p.GetScanning(), "scans", "")})
		t.add(p.GetName(), p.GetAddress(), fmt.Sprint(p.GetRssi()), fmt.Sprint(p.GetLinks()), strings.Join(does, ", "))
	}
	if !a.json {
		a.printTable(t, "nobody is on the air")
	}
	return a.stdout.err
}

func (a *app) simSetCommand() *cobra.Command {
	var loss string
	var latency time.Duration
	cmd := &cobra.Command{
		Use:   "set [--loss 10%] [--latency 50ms]",
		Short: "Set loss and latency of the whole air",
		Example: `  vipasoctl sim set --loss 10% --latency 50ms
  vipasoctl sim set --loss 0%`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			req := &simv1.SetConditionsRequest{RequestId: uuid.NewString()}
			if firstChanged(cmd, "loss", "latency") == "" {
				return usagef("set wants --loss, --latency or both")
			}
			if cmd.Flags().Changed("loss") {
				n, err := perMille(loss)
				if err != nil {
					return err
				}
				req.LossPerMille = &n
			}
			if cmd.Flags().Changed("latency") {
				req.Latency = durationpb.New(latency)
			}
			c, err := a.dial()
			if err != nil {
				return err
			}
			ctx, cancel := quick(cmd.Context())
			defer cancel()
			resp, err := c.sim().SetConditions(ctx, req)
			if err != nil {
				return err
			}
			return a.emit(resp, func() {
				a.printf("loss %d.%d%%  latency %s\n", resp.GetLossPerMille()/10, resp.GetLossPerMille()%10, resp.GetLatency().AsDuration())
			})
		},
	}
	cmd.Flags().StringVar(&loss, "loss", "", "share of lost values, such as `10%` or 0.5%")
	cmd.Flags().DurationVar(&latency, "latency", 0, "added to each value's way")
	return cmd
}

// perMille reads a percentage of at most one decimal.
func perMille(s string) (uint32, error) {
	whole, tenth, _ := strings.Cut(strings.TrimSuffix(s, "%"), ".")
	if whole == "" {
		return 0, usagef("--loss %q: want a percentage such as 10%%", s)
	}
	if tenth == "" {
		tenth = "0"
	}
	n, err := strconv.ParseUint(whole+tenth, 10, 16)
	if err != nil || len(tenth) != 1 || n > 1000 {
		return 0, usagef("--loss %s: want 0%% to 100%% with at most one decimal", s)
	}
	return uint32(n), nil
}

func (a *app) simDropCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "drop-link",
		Short:   "End every link of the air now",
		Example: `  vipasoctl sim drop-link`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			ctx, cancel := quick(cmd.Context())
			defer cancel()
			resp, err := c.sim().DropLink(ctx, &simv1.DropLinkRequest{RequestId: uuid.NewString()})
			if err != nil {
				return err
			}
			return a.emit(resp, func() { a.printf("every link was dropped\n") })
		},
	}
}

func (a *app) simOfflineCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "offline on|off",
		Short: "Cut or restore this daemon's way to the backend",
		Example: `  vipasoctl sim offline on
  vipasoctl sim offline off`,
		Args:      wants("on|off"),
		ValidArgs: []string{"on", "off"},
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] != "on" && args[0] != "off" {
				return usagef("offline %s: want on or off", args[0])
			}
			c, err := a.dial()
			if err != nil {
				return err
			}
			ctx, cancel := quick(cmd.Context())
			defer cancel()
			resp, err := c.sim().SetOffline(ctx, &simv1.SetOfflineRequest{RequestId: uuid.NewString(), Offline: args[0] == "on"})
			if err != nil {
				return err
			}
			return a.emit(resp, func() {
				a.printf("%s\n", either(resp.GetOffline(), "offline: the backend is cut off", "online: the backend can be reached"))
			})
		},
	}
}
