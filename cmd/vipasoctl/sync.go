package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

func (a *app) syncCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "sync",
		Short:   "Hand payments in, or see how that stands",
		Example: `  vipasoctl sync status`,
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "now",
		Short: "Hand everything in now; the daemon also does it by itself",
		Long: `Now hands everything in and prints the backend's verdicts. With nothing to do it
exits 0, and says so if the backend did not answer. With --json it prints one object: summary and verdicts.`,
		Example: `  vipasoctl sync now
  vipasoctl sync now --json | jq .summary.remaining`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.syncNow(cmd.Context()) },
	}, &cobra.Command{
		Use:   "status",
		Short: "Show the backend, what waits, and the next try",
		Long:  `Status shows what of the device's status is about synchronizing. With --json it is the whole status object.`,
		Example: `  vipasoctl sync status
  vipasoctl sync status --json | jq .outbox`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			st, err := a.getStatus(cmd.Context())
			if err != nil {
				return err
			}
			return a.emit(st, func() { a.printSyncStatus(st) })
		},
	})
	return cmd
}

// syncNow hands everything in and shows each verdict as it comes.
func (a *app) syncNow(ctx context.Context) error {
	h, err := a.history(ctx)
	if err != nil {
		return err
	}
	result := &devicev1.SyncNowResponse{Summary: &paymentv1.SyncSummary{}}
	stream, err := h.SyncPayments(ctx, &paymentv1.SyncPaymentsRequest{})
	err = all(stream, err, func(step *paymentv1.SyncPaymentsResponse) error {
		if s := step.GetSummary(); s != nil {
			result.Summary = s
		}
		if v := step.GetVerdict(); v != nil {
			result.Verdicts = append(result.Verdicts, v)
			if !a.json {
				a.printVerdict(v)
			}
			a.progress("%s", plural(uint32(len(result.GetVerdicts())), "verdict"))
		}
		return a.stdout.err
	})
	if err != nil {
		return err
	}
	return a.emit(result, func() { a.printSummary(result.GetSummary(), a.unheardBackend(ctx)) })
}

func (a *app) printVerdict(v *paymentv1.SyncVerdict) {
	a.printf("%s  %s  %s\n", pad(word(v.GetState()), 12), clean(v.GetPaymentId()),
		strings.Join(keep([]string{sum(v.GetTotal(), v.GetCurrency()), "paid out " + sum(v.GetSettledAmount(), v.GetCurrency()), clean(v.GetReason())}), "  "))
}

// unheardBackend says how old what the backend has said is, if it does not
// answer now, else "". Without a status there is less to tell, and no error.
func (a *app) unheardBackend(ctx context.Context) string {
	st, err := a.getStatus(ctx)
	if err != nil || st.GetBackend().GetOnline() {
		return ""
	}
	if t := st.GetBackend().GetBundleTime(); t != nil {
		return "nothing waits, but the backend did not answer: limits and trust are of " + a.clock(t)
	}
	return "nothing waits, but the backend did not answer"
}

// printSummary prints count and sum; silent is what to say of a backend that
// did not answer, to which nothing was to be handed in.
func (a *app) printSummary(s *paymentv1.SyncSummary, silent string) {
	for _, t := range s.GetTotals() {
		a.printf("%s  %s  %s, paid out %s\n", pad(clean(t.GetVerdict()), 12), plural(t.GetCount(), "payment"),
			sum(t.GetSum(), t.GetCurrency()), sum(t.GetSettledSum(), t.GetCurrency()))
	}
	switch {
	case s.GetRemaining() > 0:
		a.printf("%s handed in, %d still waiting\n", plural(s.GetSynced(), "item"), s.GetRemaining())
	case s.GetSynced() == 0 && silent != "":
		a.printf("%s\n", silent)
	case s.GetSynced() == 0:
		a.printf("nothing to do; everything is handed in\n")
	default:
		a.printf("%s handed in, nothing waits\n", plural(s.GetSynced(), "item"))
	}
}

func (a *app) printSyncStatus(st *devicev1.Status) {
	b := st.GetBackend()
	a.printf("backend  %s\n", strings.Join(keep(a.backendParts(st, true)), "  "))
	if b.GetLastAnswer() != nil {
		a.printf("answered %s ago\n", a.ago(b.GetLastAnswer()))
	}
	if b.GetBundleTime() != nil {
		a.printf("trust    epoch %d, signed %s ago\n", b.GetBundleEpoch(), a.ago(b.GetBundleTime()))
	}
	for _, u := range st.GetUnsynced() {
		a.printf("unsynced %s\n", strings.Join(keep(a.unsyncedParts(st, u)), "  "))
	}
	if len(st.GetUnsynced()) == 0 {
		a.printf("unsynced %s\n", strings.Join(keep([]string{"nothing", a.outboxPart(st)}), "  "))
	}
}
