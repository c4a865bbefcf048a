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
	req := &customerv1.PreAuthorizeInstrumentRequest{}
	cmd := &cobra.Command{
		Use:   "create AMOUNT CUR --instrument ID",
		Short: "Set money aside; needs a network",
		Long: `Create lets the issuer set an amount aside on an instrument. When it returns, the
certificate is on disk and the network may go. If nobody knows how it ended, such as
when the network went meanwhile, --request-id makes a later run the same call:
nothing is set aside twice.`,
		Example: `  vipasoctl preauth create 100.00 USD --instrument 0190b2c4-0000-7000-8000-000000000001`,
		Args:    wants("AMOUNT", "CUR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			req.Amount, req.Currency = args[0], args[1]
			var err error
			if req.RequestId, err = callID(cmd, req.RequestId); err != nil {
				return err
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
			if c.met.Load() && undecided(err) {
				a.note("it may have been set aside all the same; the same call again: --request-id %s", req.RequestId)
			}
			if err != nil {
				return err
			}
			return a.printPreauth(cmd.Context(), resp.GetAuthorization())
		},
	}
	cmd.Flags().StringVar(&req.InstrumentId, "instrument", "", "`id` of the instrument to set aside on")
	cmd.Flags().StringVar(&req.RequestId, "request-id", "", "`uuid` of this call; a repeat is the same call")
	required(cmd, "instrument")
	a.completeFlag(cmd, "instrument", a.instrumentIDs)
	return cmd
}

func (a *app) preauthListCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List pre-authorizations: limit, spent, held, remaining",
		Long: `List shows each pre-authorization. Held is what payments that are not settled yet
take. It can pay before SPEND BY; what is left returns to the instrument after
SETTLE BY, also of a voided one. One of which nothing remains is ALL HELD until
its payments are settled, then USED UP. With --json it is one object a line.`,
		Example: `  vipasoctl preauth list
  vipasoctl preauth list --json | jq -r '[.status, .remaining, .currency] | @tsv'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			instruments, err := a.instruments(cmd.Context())
			if err != nil {
				return err
			}
			return a.printPreauths(preauths(instruments), instruments)
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
			p := resp.GetAuthorization()
			if err := a.printPreauth(cmd.Context(), p); err != nil || a.json {
				return err
			}
			a.printf("nothing more can be paid with it; the %s left of it return after %s\n",
				sum(p.GetRemaining(), p.GetCurrency()), a.minute(p.GetSettleBy()))
			return nil
		},
	}
}

// preauths returns every pre-authorization of every instrument.
func preauths(instruments []*customerv1.Instrument) []*customerv1.PreAuthorization {
	var list []*customerv1.PreAuthorization
	for _, i := range instruments {
		list = append(list, i.GetPreAuthorizations()...)
	}
	return list
}

// printPreauth prints the one that a call has made or changed.
func (a *app) printPreauth(ctx context.Context, p *customerv1.PreAuthorization) error {
	if a.json {
		return a.object(p)
	}
	instruments, err := a.instruments(ctx)
	if err != nil {
		instruments = nil // the call itself was answered; only the label is missing
	}
	return a.printPreauths([]*customerv1.PreAuthorization{p}, instruments)
}

// printPreauths prints a list of pre-authorizations of those instruments.
func (a *app) printPreauths(list []*customerv1.PreAuthorization, instruments []*customerv1.Instrument) error {
	if a.json {
		for _, p := range list {
			if err := a.object(p); err != nil {
				return err
			}
		}
		return a.stdout.err
	}
	t := &table{head: []string{"PRE-AUTHORIZATION", "INSTRUMENT", "STATUS", "CUR", "LIMIT", "SPENT", "HELD", "REMAINING", "SPEND BY", "SETTLE BY"}}
	for _, p := range list {
		t.add(p.GetPreAuthorizationId(), labelOf(p.GetInstrumentId(), instruments), usability(p), p.GetCurrency(), p.GetLimit(), p.GetSpent(), p.GetHeld(), p.GetRemaining(),
			a.minute(p.GetSpendBy()), a.minute(p.GetSettleBy()))
	}
	a.printTable(t, "no pre-authorizations; make one while online: vipasoctl preauth create --help")
	return a.stdout.err
}

// labelOf is an instrument's label, or its id if there is none.
func labelOf(id string, instruments []*customerv1.Instrument) string {
	for _, i := range instruments {
		if i.GetInstrumentId() == id && i.GetLabel() != "" {
			return i.GetLabel()
		}
	}
	return id
}

// usability is the status of p; one that is available in name only, since
// nothing is left of it, says so.
func usability(p *customerv1.PreAuthorization) string {
	if p.GetStatus() == customerv1.VipasoPreAuthorizationStatus_VIPASO_PRE_AUTHORIZATION_STATUS_AVAILABLE && zero(p.GetRemaining()) {
		return either(zero(p.GetHeld()), "USED UP", "ALL HELD")
	}
	return word(p.GetStatus())
}
