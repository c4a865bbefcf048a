package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/durationpb"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

func (a *app) radioCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "radio", Short: "The Bluetooth adapter and who is near", Example: "  vipasoctl radio status"}
	cmd.AddCommand(&cobra.Command{
		Use:     "status",
		Short:   "Show the adapter, whether it can be used, and what strangers were refused",
		Example: `  vipasoctl radio status --json | jq -r .reason`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := a.getStatus(cmd.Context())
			if err != nil {
				return err
			}
			r := st.GetRadio()
			return a.emit(r, func() { a.printf("%s\n", strings.Join(keep(append(a.radioParts(r), refused(r)...)), "  ")) })
		},
	}, a.radioScanCommand())
	return cmd
}

// refused says how often what strangers have sent was refused, by what was wrong.
func refused(r *devicev1.RadioStatus) (parts []string) {
	for _, what := range slices.Sorted(maps.Keys(r.GetRefused())) {
		parts = append(parts, fmt.Sprintf("refused %d × %s", r.GetRefused()[what], clean(what)))
	}
	return parts
}

func (a *app) radioScanCommand() *cobra.Command {
	var period time.Duration
	cmd := &cobra.Command{
		Use:     "scan [--for 5s]",
		Short:   "Listen for other devices and print each as it is heard",
		Example: `  vipasoctl radio scan --for 10s`,
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			a.progress("scanning for %s…", span(period))
			stream, err := c.device().ScanRadio(cmd.Context(), &devicev1.ScanRadioRequest{For: durationpb.New(period)})
			heard := false
			err = all(stream, err, func(r *devicev1.ScanRadioResponse) error {
				heard = true
				return a.emit(r, func() {
					a.printf("%s  %4d dBm  protocol %d%s\n", pad(clean(r.GetAddress()), 17), r.GetRssi(), r.GetVersion(),
						either(r.GetResume(), "  has an unfinished payment", ""))
				})
			})
			if err == nil && !heard {
				a.note("nobody was heard; a customer device is heard while it listens: vipasoctl pay receive")
			}
			return untilStopped(cmd.Context(), err)
		},
	}
	cmd.Flags().DurationVar(&period, "for", 5*time.Second, "how long, 1s to 60s")
	return cmd
}
