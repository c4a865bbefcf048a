package main

import (
	"context"

	"github.com/spf13/cobra"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
)

func (a *app) instrumentsCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "instruments",
		Short:   "Funding sources of the customer",
		Example: `  vipasoctl instruments list`,
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "list",
		Short: "List instruments with what may be spent offline",
		Example: `  vipasoctl instruments list
  vipasoctl instruments list --json | jq -r .instrument_id`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			list, err := a.instruments(cmd.Context())
			if err != nil {
				return err
			}
			return a.printInstruments(list)
		},
	})
	return cmd
}

// instruments returns the customer's instruments, by label.
func (a *app) instruments(ctx context.Context) ([]*customerv1.Instrument, error) {
	c, err := a.dial()
	if err != nil {
		return nil, err
	}
	ctx, cancel := quick(ctx)
	defer cancel()
	resp, err := c.customer().ListInstruments(ctx, &customerv1.ListInstrumentsRequest{})
	return resp.GetInstruments(), err
}

func (a *app) printInstruments(list []*customerv1.Instrument) error {
	t := &table{head: []string{"INSTRUMENT", "TYPE", "LABEL", "BALANCE", "OFFLINE", "LARGEST PAYMENT", ""}}
	for _, i := range list {
		if a.json {
			if err := a.object(i); err != nil {
				return err
			}
			continue
		}
		note := either(i.GetIsDelegated(), "delegated", "")
		if !i.GetPreAuthCapable() {
			note = "online only"
		}
		t.add(i.GetInstrumentId(), word(i.GetType()), i.GetLabel(), sum(i.GetBalance(), i.GetCurrency()),
			sum(i.GetPreAuthorizedAmount(), i.GetCurrency()), sum(i.GetLargestPayment(), i.GetCurrency()), note)
	}
	if !a.json {
		a.printTable(t, "no instruments; they come with enroll: vipasoctl enroll --help")
	}
	return a.stdout.err
}
