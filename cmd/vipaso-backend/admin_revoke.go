package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/syncer/backend"
)

func (a *admin) deviceRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke ID", Short: "End a device; what it has signed is still settled", Args: wants("ID"),
		Long: `Revoke ends a lost device: it gets no certificates any more, and tills refuse it as
soon as they have the next trust bundle. What it signed before is settled, whoever
hands it in, so that its pre-authorizations stay held until they settle. Revoke prints
them, and says until when something may arrive. Repeated, it shows what is left.`,
		Example: `  vipaso-backend admin --dir ./backend device revoke ID`,
		RunE: a.with(func(c *cobra.Command, args []string, b backend.Admin, p printer) error {
			id, err := preauth.ParseID(args[0])
			if err != nil {
				return err
			}
			if err := b.RevokeDevice(c.Context(), id); err != nil {
				return err
			}
			o, err := b.Outstanding(c.Context(), id)
			if err != nil {
				return err
			}
			if p.json {
				return p.object(revokedObject(o))
			}
			return printRevoked(p, o)
		}),
	}
}

// revokedJSON is a revoked device, and what may still arrive, as scripts see
// it.
type revokedJSON struct {
	Device string     `json:"device_id"`
	State  string     `json:"state"`
	Until  string     `json:"arrives_until,omitempty"`
	Open   []openJSON `json:"open"`
}

// openJSON is an open pre-authorization.
type openJSON struct {
	ID       string `json:"pre_authorization_id"`
	Held     string `json:"held"`
	Limit    string `json:"limit"`
	Currency string `json:"currency"`
	SettleBy string `json:"settle_by"`
}

func revokedObject(o backend.Outstanding) revokedJSON {
	j := revokedJSON{Device: o.Device.ID.String(), State: "REVOKED", Until: when(o.Until), Open: []openJSON{}}
	for _, h := range o.Holds {
		j.Open = append(j.Open, openJSON{
			h.ID.String(), money.Format(h.Held, h.Currency), money.Format(h.Limit, h.Currency), h.Currency, when(h.SettleBy),
		})
	}
	return j
}

func printRevoked(p printer, o backend.Outstanding) error {
	if _, err := fmt.Fprintf(p.w, "device %s is revoked; tills learn it with the next trust bundle\n", o.Device.ID); err != nil {
		return err
	}
	what := "nothing that it signed can be settled any more"
	switch {
	case len(o.Holds) > 0:
		what = "vouchers that it signed before may arrive until the dates below, whoever hands them in; the rest returns then"
	case !o.Until.IsZero():
		what = fmt.Sprintf("payments that it took offline may arrive until %s, by itself, by who paid, or with `vipaso-backend admin --dir DIR import FILE`", when(o.Until))
	}
	if _, err := fmt.Fprintln(p.w, what); err != nil || len(o.Holds) == 0 {
		return err
	}
	var rows [][]string
	for _, h := range revokedObject(o).Open {
		rows = append(rows, []string{h.ID, h.Held, h.Limit, h.Currency, h.SettleBy})
	}
	return p.table([]string{"PRE-AUTHORIZATION", "HELD", "LIMIT", "CUR", "SETTLES BY"}, rows)
}
