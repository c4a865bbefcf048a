package main

import (
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

func (a *app) logCommand() *cobra.Command {
	levels := []string{"debug", "info", "warn", "error"}
	var period time.Duration
	level := &cobra.Command{
		Use:   "level LEVEL [--for 10m]",
		Short: "Log more or less: debug, info, warn, error",
		Example: `  vipasoctl log level debug --for 10m
  vipasoctl log level info`,
		Args:      wants("LEVEL"),
		ValidArgs: levels,
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &devicev1.SetLogLevelRequest{RequestId: uuid.NewString(), Level: strings.ToLower(args[0])}
			if !slices.Contains(levels, req.GetLevel()) {
				return usagef("level %s: want %s", args[0], strings.Join(levels, ", "))
			}
			if cmd.Flags().Changed("for") {
				req.For = durationpb.New(period)
			}
			c, err := a.dial()
			if err != nil {
				return err
			}
			ctx, cancel := quick(cmd.Context())
			defer cancel()
			resp, err := c.device().SetLogLevel(ctx, req)
			if err != nil {
				return err
			}
			return a.emit(resp, func() {
				a.printf("%s%s\n", clean(resp.GetLevel()), either(req.GetFor() != nil, " for "+span(period), ""))
			})
		},
	}
	level.Flags().DurationVar(&period, "for", 0, "then back to the configured level")
	cmd := &cobra.Command{Use: "log", Short: "How much the daemon logs", Example: "  vipasoctl log level debug --for 10m"}
	cmd.AddCommand(level)
	return cmd
}
