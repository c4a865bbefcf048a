package main

import (
	"context"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

func (a *app) statusCommand() *cobra.Command {
	var watch bool
	cmd := &cobra.Command{
		Use:   "status [--watch]",
		Short: "Show one screen: radio, backend, store, money not settled yet",
		Long: `Status shows one screen and ends with the next step, which is often nothing:
being offline is normal. It exits 0 also for a device that is not enrolled.`,
		Example: `  vipasoctl status
  vipasoctl status --json | jq -r .next_step
  vipasoctl status --watch`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if watch {
				return a.watchStatus(cmd.Context())
			}
			st, err := a.getStatus(cmd.Context())
			if err != nil {
				return err
			}
			return a.emit(st, func() { a.printf("%s", a.screen(st)) })
		},
	}
	cmd.Flags().BoolVar(&watch, "watch", false, "show it again at each change, until ^C")
	return cmd
}

// watchStatus shows the status and each change of it until ctx ends.
func (a *app) watchStatus(ctx context.Context) error {
	c, err := a.dial()
	if err != nil {
		return err
	}
	open := func(ctx context.Context, _ error, opts ...grpc.CallOption) (grpc.ServerStreamingClient[devicev1.WatchStatusResponse], error) {
		return c.device().WatchStatus(ctx, &devicev1.WatchStatusRequest{}, opts...)
	}
	err = follow(ctx, a, false, open, func(r *devicev1.WatchStatusResponse) error {
		return a.emit(r.GetStatus(), func() {
			if a.stdout.terminal() {
				a.printf("\x1b[H\x1b[2J%s", a.screen(r.GetStatus()))
				return
			}
			a.printf("%s\n", a.screen(r.GetStatus()))
		})
	})
	return untilStopped(ctx, err)
}

// untilStopped makes ^C the normal end of a command that runs until then.
func untilStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil && cancelled(err) {
		return nil
	}
	return err
}

// screen is the status for people.
func (a *app) screen(st *devicev1.Status) string {
	var b strings.Builder
	line := func(label string, parts ...string) {
		parts = keep(parts)
		if len(parts) > 0 {
			b.WriteString(a.stdout.bold(a, pad(label, 9)) + strings.Join(parts, "  ") + "\n")
		}
	}
	line("vipasod", a.about(st)...)
	line("device", a.identity(st.GetIdentity())...)
	line("radio", a.radioParts(st.GetRadio())...)
	line("backend", a.backendParts(st, a.verbose)...)
	line("store", a.storeParts(st.GetStore())...)
	for _, u := range st.GetUnsynced() {
		line("unsynced", a.unsyncedParts(st, u)...)
	}
	if len(st.GetUnsynced()) == 0 {
		line("unsynced", "nothing", a.outboxPart(st))
	}
	for _, l := range limitsInUse(st) {
		line("limits", limitParts(st, l)...)
	}
	if t := st.GetOfflineUntil(); t != nil {
		line("offline", "payments without the backend until "+a.clock(t))
	}
	for _, one := range st.GetAllowances() {
		line("allowed", a.stdout.bad(a, a.allowance(one)))
	}
	if id := st.GetOpenPaymentId(); id != "" {
		line("open", "payment "+clean(id))
	}
	next := clean(st.GetNextStep())
	if next == "" {
		next = "nothing to do."
	}
	b.WriteString(a.stdout.bold(a, "next step: ") + next + "\n")
	return b.String()
}

// limitParts is what bounds one currency.
func limitParts(st *devicev1.Status, l *devicev1.Limit) []string {
	parts := []string{
		"offline at most " + sum(l.GetPaymentMax(), l.GetCurrency()) + " a payment",
		sum(l.GetTotalMax(), l.GetCurrency()) + " in all",
	}
	if most := l.GetCounterpartyMax(); most != "" && most != l.GetTotalMax() {
		who := "from one customer"
		if st.GetRole() == paymentv1.Role_ROLE_CUSTOMER {
			who = "at one till"
		}
		parts = append(parts, sum(most, l.GetCurrency())+" "+who)
	}
	if n := st.GetCountMax(); n > 0 {
		parts = append(parts, plural(n, "payment"))
	}
	return parts
}

// limitsInUse returns the limits of the currencies in which money of a till
// waits, or all of them if none does. A customer may have set funds aside in
// any.
func limitsInUse(st *devicev1.Status) []*devicev1.Limit {
	var used []*devicev1.Limit
	for _, l := range st.GetLimits() {
		if slices.ContainsFunc(st.GetUnsynced(), func(u *devicev1.Unsynced) bool { return u.GetCurrency() == l.GetCurrency() }) {
			used = append(used, l)
		}
	}
	if len(used) == 0 || st.GetRole() == paymentv1.Role_ROLE_CUSTOMER {
		return st.GetLimits()
	}
	return used
}

// keep drops what is empty.
func keep(parts []string) []string {
	var kept []string
	for _, p := range parts {
		if p != "" {
			kept = append(kept, p)
		}
	}
	return kept
}

// pad fills s with spaces up to width.
func pad(s string, width int) string {
	return s + strings.Repeat(" ", max(0, width-len([]rune(s))))
}
