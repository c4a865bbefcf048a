package main

import (
	"context"

	"github.com/google/uuid"
	"github.com/spf13/cobra"
	"google.golang.org/grpc"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
)

func (a *app) preauthCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "preauth",
		Short:   "Money set aside to pay with offline",
		Example: `  vipasoctl preauth list`,
	}
	cmd.AddCommand(a.preauthCreateCommand(), a.preauthListCommand(), a.preauthVoidCommand())
	return cmd
}

func (a *app) preauthCreateCommand() *cobra.Command {
	var instrument string
	cmd := &cobra.Command{
		Use:   "create AMOUNT CUR --instrument ID",
		Short: "Set money aside; needs a network",
		Long: `Create lets the issuer set an amount aside on an instrument. When it returns, the
certificate is on disk and the network may go.`,
		Example: `  vipasoctl preauth create 100.00 USD --instrument 0190b2c4-0000-7000-8000-000000000001`,
		Args:    wants("AMOUNT", "CUR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &customerv1.PreAuthorizeInstrumentRequest{
				RequestId: uuid.NewString(), InstrumentId: instrument, Amount: args[0], Currency: args[1],
			}
			c, err := a.dial()
			if err != nil {
				return err
			}
			var resp *customerv1.PreAuthorizeInstrumentResponse
			err = persist(cmd.Context(), c, restartWait, func(ctx context.Context, opts ...grpc.CallOption) (err error) {
				resp, err = c.customer().PreAuthorizeInstrument(ctx, req, opts...)
				return err
			})
			if err != nil {
				return err
			}
			return a.printPreauths([]*customerv1.PreAuthorization{resp.GetAuthorization()})
		},
	}
	cmd.Flags().StringVar(&instrument, "instrument", "", "`id` of the instrument to set aside on")
	required(cmd, "instrument")
	a.completeFlag(cmd, "instrument", a.instrumentIDs)
	return cmd
}

func (a *app) preauthListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List pre-authorizations: limit, spent, held, remaining",
		Example: `  vipasoctl preauth list
  vipasoctl preauth list --json | jq -r '[.status, .remaining, .currency] | @tsv'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.preauths(cmd.Context())
			if err != nil {
				return err
			}
			return a.printPreauths(list)
		},
	}
}

func (a *app) preauthVoidCommand() *cobra.Command {
	return &cobra.Command{
		Use:               "void ID",
		Short:             "Stop spending at once; the rest returns at settle_by",
		Example:           `  vipasoctl preauth void 0190b2c4-0000-7000-8000-000000000002`,
		Args:              wants("ID"),
		ValidArgsFunction: a.completeFirst(a.preauthIDs),
		RunE: func(cmd *cobra.Command, args []string) error {
			req := &customerv1.VoidPreAuthorizationRequest{RequestId: uuid.NewString(), PreAuthorizationId: args[0]}
			c, err := a.dial()
			if err != nil {
				return err
			}
			var resp *customerv1.VoidPreAuthorizationResponse
			err = persist(cmd.Context(), c, restartWait, func(ctx context.Context, opts ...grpc.CallOption) (err error) {
				resp, err = c.customer().VoidPreAuthorization(ctx, req, opts...)
				return err
			})
			if err != nil {
				return err
			}
			return a.printPreauths([]*customerv1.PreAuthorization{resp.GetAuthorization()})
		},
	}
}

// preauths returns every pre-authorization of every instrument.
func (a *app) preauths(ctx context.Context) ([]*customerv1.PreAuthorization, error) {
	instruments, err := a.instruments(ctx)
	var list []*customerv1.PreAuthorization
	for _, i := range instruments {
		list = append(list, i.GetPreAuthorizations()...)
	}
	return list, err
}

func (a *app) printPreauths(list []*customerv1.PreAuthorization) error {
	t := &table{head: []string{"PRE-AUTHORIZATION", "STATUS", "CUR", "LIMIT", "SPENT", "HELD", "REMAINING", "SPEND BY"}}
	for _, p := range list {
		if a.json {
			if err := a.object(p); err != nil {
				return err
			}
			continue
		}
		t.add(p.GetPreAuthorizationId(), word(p.GetStatus()), p.GetCurrency(), p.GetLimit(), p.GetSpent(), p.GetHeld(), p.GetRemaining(), a.at(p.GetSpendBy()))
	}
	if !a.json {
		a.printTable(t, "no pre-authorizations; make one while online: vipasoctl preauth create --help")
	}
	return a.stdout.err
}
