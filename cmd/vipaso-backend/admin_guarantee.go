package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/preauth/money"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
	"github.com/vipaso/vipasod/syncer/backend"
)

func (a *admin) guaranteeSet() *cobra.Command {
	return &cobra.Command{
		Use: "set AMOUNT CUR", Short: "Set it per till, for pre-authorizations issued from now on", Args: wants("AMOUNT", "CUR"),
		Example: `  vipaso-backend admin --dir ./backend guarantee set 20.00 USD`,
		RunE: a.with(func(c *cobra.Command, args []string, b backend.Admin, p printer) error {
			amount, err := money.Parse(args[0], args[1])
			if err != nil {
				return err
			}
			if err := b.SetGuarantee(c.Context(), peerv1.Assurance_ASSURANCE_SOFTWARE, amount); err != nil {
				return err
			}
			if p.json {
				return p.object(guaranteeOf(amount))
			}
			_, err = fmt.Fprintf(p.w, "guarantee for SOFTWARE devices: %s per till\n", amount)
			return err
		}),
	}
}

func (a *admin) guaranteeShow() *cobra.Command {
	return &cobra.Command{
		Use: "show", Short: "Show it, by currency", Args: noArguments,
		Long: `Show what the issuer pays per till if a pre-authorization is exhausted, by
currency, for pre-authorizations issued from now on. It is never more than was
set aside.`,
		Example: `  vipaso-backend admin --dir ./backend guarantee show`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			all, err := b.Guarantees(c.Context(), peerv1.Assurance_ASSURANCE_SOFTWARE)
			if err != nil {
				return err
			}
			var rows [][]string
			for _, one := range all {
				j := guaranteeOf(one)
				if p.json {
					if err := p.object(j); err != nil {
						return err
					}
					continue
				}
				rows = append(rows, []string{j.Currency, j.Assurance, j.Guarantee})
			}
			if p.json {
				return nil
			}
			return p.table([]string{"CUR", "DEVICES", "PER TILL"}, rows)
		}),
	}
}

// guaranteeJSON is a guarantee as scripts see it.
type guaranteeJSON struct {
	Assurance string `json:"assurance"`
	Currency  string `json:"currency"`
	Guarantee string `json:"guarantee"`
}

func guaranteeOf(a money.Amount) guaranteeJSON {
	return guaranteeJSON{"SOFTWARE", a.Currency, money.Format(a.Minor, a.Currency)}
}
