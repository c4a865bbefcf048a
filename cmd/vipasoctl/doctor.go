package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

func (a *app) doctorCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "doctor",
		Short: "Examine the daemon, with a next step for each finding",
		Long: `Doctor lets the daemon examine itself. It exits 0 if everything works, warnings
included, and 1 if something does not.`,
		Example: `  vipasoctl doctor
  vipasoctl doctor --json | jq '.checks[] | select(.result != "CHECK_RESULT_OK")'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			resp, err := c.device().Diagnose(cmd.Context(), &devicev1.DiagnoseRequest{})
			if err != nil {
				return err
			}
			if err := a.emit(resp, func() { a.printChecks(resp.GetChecks()) }); err != nil {
				return err
			}
			return failedUnless(fine(resp.GetChecks()))
		},
	}
}

// fine is whether every check says that what it looked at works.
func fine(checks []*devicev1.Check) bool {
	for _, c := range checks {
		switch c.GetResult() {
		case devicev1.CheckResult_CHECK_RESULT_OK, devicev1.CheckResult_CHECK_RESULT_WARNING:
		default:
			return false
		}
	}
	return true
}

func (a *app) printChecks(checks []*devicev1.Check) {
	for _, c := range checks {
		result := pad(strings.ToLower(word(c.GetResult())), 9)
		switch c.GetResult() {
		case devicev1.CheckResult_CHECK_RESULT_OK:
			result = a.stdout.good(a, result)
		case devicev1.CheckResult_CHECK_RESULT_FAILED:
			result = a.stdout.bad(a, result)
		}
		a.printf("%s%s  %s\n", result, pad(clean(c.GetName()), 14), strings.Join(keep([]string{clean(c.GetReason()), clean(c.GetDetail())}), "  "))
		if next := c.GetNextStep(); next != "" && c.GetResult() != devicev1.CheckResult_CHECK_RESULT_OK {
			a.printf("%snext: %s\n", pad("", 9), clean(next))
		}
	}
}

func (a *app) readyCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "ready [AMOUNT CUR]",
		Short: "Say whether a payment could be made with no network",
		Long: `Ready says whether this device could take or make a payment (of this amount)
with no network now. It exits 0 if so and 1 if not, and then says why.`,
		Example: `  vipasoctl ready
  vipasoctl ready 20.00 USD && echo open the shop`,
		Args: noneOr("AMOUNT", "CUR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &paymentv1.CheckReadinessRequest{}
			if len(args) == 2 {
				req.Amount, req.Currency = args[0], args[1]
			}
			h, err := a.history(cmd.Context())
			if err != nil {
				return err
			}
			ctx, cancel := quick(cmd.Context())
			defer cancel()
			resp, err := h.CheckReadiness(ctx, req)
			if err != nil {
				return err
			}
			if err := a.emit(resp, func() { a.printReadiness(resp) }); err != nil {
				return err
			}
			return failedUnless(resp.GetReady())
		},
	}
}

// printReadiness prints each problem once, and a step that several problems
// share after the last of them.
func (a *app) printReadiness(resp *paymentv1.CheckReadinessResponse) {
	a.printf("%s\n", either(resp.GetReady(), a.stdout.good(a, "ready"), "not ready"))
	said := make(map[string]bool)
	problems := resp.GetProblems()
	for i, p := range problems {
		if line := clean(p.GetReason()) + "  " + clean(p.GetDetail()); !said[line] {
			said[line] = true
			a.printf("%s\n", line)
		}
		next := p.GetNextStep()
		again := func(q *paymentv1.ReadinessProblem) bool { return q.GetNextStep() == next }
		if next != "" && !slices.ContainsFunc(problems[i+1:], again) {
			a.printf("  next: %s\n", clean(next))
		}
	}
}
