package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	"github.com/vipaso/vipasod/daemon/catalogue"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

func (a *app) listenCommand() *cobra.Command {
	var after uint64
	var types []string
	cmd := &cobra.Command{
		Use:   "listen [--after N] [--types a,b]",
		Short: "Print every event of the device, until ^C",
		Long: `Listen prints every event that the device keeps, then each new one as it happens,
one a line. Each has a number; --after goes on after one of them. When the daemon
restarts, it goes on by itself and misses nothing.`,
		Example: `  vipasoctl listen
  vipasoctl listen --after 120 --types payment_settled,payment_rejected --json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			for i, t := range types {
				types[i] = snake(t)
				if !slices.Contains(eventNames(), types[i]) {
					return usagef("--types %s: want some of %s", t, strings.Join(eventNames(), ", "))
				}
			}
			return untilStopped(cmd.Context(), a.listen(cmd.Context(), after, types))
		},
	}
	cmd.Flags().Uint64Var(&after, "after", 0, "only events after this `number`; 0 is all that are kept")
	cmd.Flags().StringSliceVar(&types, "types", nil, "only these, such as payment_successful,payment_settled")
	completeWords(cmd, "types", eventNames()...)
	return cmd
}

// listen prints the events after a number, of some types or, with none, all.
func (a *app) listen(ctx context.Context, after uint64, types []string) error {
	c, err := a.dial()
	if err != nil {
		return err
	}
	if err := a.checkResume(ctx, after); err != nil {
		return err
	}
	open := func(ctx context.Context, cause error, opts ...grpc.CallOption) (grpc.ServerStreamingClient[devicev1.WatchEventsResponse], error) {
		if reasonOf(cause) == catalogue.WatchExpired {
			after = 0
		}
		return c.device().WatchEvents(ctx, &devicev1.WatchEventsRequest{AfterSequence: after}, opts...)
	}
	return follow(ctx, a, false, open, func(r *devicev1.WatchEventsResponse) error {
		e := r.GetEvent()
		after = max(after, e.GetSequence())
		if len(types) > 0 && !slices.Contains(types, eventName(e)) {
			return nil
		}
		return a.emit(e, func() { a.printf("%s\n", a.eventLine(e)) })
	})
}

// checkResume refuses to go on after an event that the device has not had: who
// asks for that counts on something that is not there.
func (a *app) checkResume(ctx context.Context, after uint64) error {
	st, err := a.getStatus(ctx)
	if err != nil {
		return err
	}
	if last := st.GetStore().GetLastSequence(); after > last {
		return outOfRange(catalogue.WatchExpired, fmt.Sprintf("event %d, the last one is %d", after, last))
	}
	return nil
}

// snake turns PaymentSuccessful or payment-successful into
// payment_successful.
func snake(s string) string {
	var b strings.Builder
	for i, r := range strings.ReplaceAll(s, "-", "_") {
		if i > 0 && r >= 'A' && r <= 'Z' {
			b.WriteByte('_')
		}
		b.WriteString(strings.ToLower(string(r)))
	}
	return b.String()
}
