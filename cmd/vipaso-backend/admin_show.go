package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/syncer/backend"
)

func (a *admin) deviceList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List enrolled devices, oldest first", Args: noArguments,
		Example: `  vipaso-backend admin --dir ./backend device list`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			all, err := b.Devices(c.Context())
			if err != nil {
				return err
			}
			var rows [][]string
			for _, d := range all {
				if p.json {
					if err := p.object(deviceObject(d)); err != nil {
						return err
					}
					continue
				}
				rows = append(rows, []string{d.ID.String(), role(d), owner(d).String(), when(d.Created), when(d.Revoked), d.Reason})
			}
			if p.json {
				return nil
			}
			return p.table([]string{"DEVICE", "ROLE", "OWNER", "ENROLLED", "REVOKED", "WHY"}, rows)
		}),
	}
}

// deviceJSON is a device as scripts see it.
type deviceJSON struct {
	Device   string `json:"device_id"`
	Role     string `json:"role"`
	Business string `json:"business_id,omitempty"`
	Customer string `json:"customer_id,omitempty"`
	Enrolled string `json:"enrolled_at"`
	Revoked  string `json:"revoked_at,omitempty"`
	Reason   string `json:"revoked_reason,omitempty"`
}

func deviceObject(d backend.Device) deviceJSON {
	j := deviceJSON{Device: d.ID.String(), Role: role(d), Enrolled: when(d.Created), Revoked: when(d.Revoked), Reason: d.Reason}
	if d.Party.Customer.Zero() {
		j.Business = d.Party.Business.String()
	} else {
		j.Customer = d.Party.Customer.String()
	}
	return j
}

func role(d backend.Device) string {
	return strings.ToLower(strings.TrimPrefix(d.Role().String(), "ROLE_"))
}

func owner(d backend.Device) preauth.ID {
	if d.Party.Customer.Zero() {
		return d.Party.Business
	}
	return d.Party.Customer
}

// requestJSON is one Request of a payment as scripts see it.
type requestJSON struct {
	Hash     string `json:"request_hash"`
	State    string `json:"state"`
	Reason   string `json:"reason,omitempty"`
	Total    string `json:"total"`
	Paid     string `json:"paid"`
	Currency string `json:"currency"`
	Business string `json:"business"`
	Till     string `json:"till"`
	Decided  string `json:"decided_at,omitempty"`
}

func (a *admin) paymentShow() *cobra.Command {
	return &cobra.Command{
		Use: "show ID", Short: "Show each request of a payment and what became of it", Args: wants("ID"),
		Example: `  vipaso-backend admin --dir ./backend payment show ID`,
		RunE: a.with(func(c *cobra.Command, args []string, b backend.Admin, p printer) error {
			id, err := preauth.ParseID(args[0])
			if err != nil {
				return err
			}
			payment, err := b.Payment(c.Context(), id)
			if errors.Is(err, backend.ErrNotFound) {
				return fmt.Errorf("payment %s: %w", id, errNoPayment)
			}
			if err != nil {
				return err
			}
			if p.json {
				return p.object(paymentObject(payment))
			}
			return printPayment(p, payment)
		}),
	}
}

// paymentJSON is a payment as scripts see it.
type paymentJSON struct {
	Payment  string        `json:"payment_id"`
	Requests []requestJSON `json:"requests"`
}

func paymentObject(p backend.Payment) paymentJSON {
	j := paymentJSON{Payment: p.ID.String(), Requests: []requestJSON{}}
	for _, r := range p.Requests {
		j.Requests = append(j.Requests, requestJSON{
			Hash: r.Hash.String(), State: r.State, Reason: r.Reason,
			Total: money.Format(r.Total, r.Currency), Paid: money.Format(r.Paid, r.Currency), Currency: r.Currency,
			Business: r.Business, Till: r.Till.String(), Decided: when(r.Decided),
		})
	}
	return j
}

func printPayment(p printer, payment backend.Payment) error {
	if err := p.fields(field{"payment", payment.ID.String()}); err != nil {
		return err
	}
	if len(payment.Requests) == 0 {
		_, err := fmt.Fprintln(p.w, "registered by a till, nothing handed in yet")
		return err
	}
	var rows [][]string
	for _, r := range payment.Requests {
		rows = append(rows, []string{
			r.Hash.String()[:12], r.State, money.Format(r.Total, r.Currency), money.Format(r.Paid, r.Currency), r.Currency,
			r.Business, when(r.Decided), r.Reason,
		})
	}
	return p.table([]string{"REQUEST", "STATE", "TOTAL", "PAID", "CUR", "BUSINESS", "DECIDED", "WHY"}, rows)
}

func (a *admin) ledgerCheck() *cobra.Command {
	return &cobra.Command{
		Use: "check", Short: "Hold the ledger against its invariants", Args: noArguments,
		Long:    "Hold the ledger against its invariants. The exit code is 0 only if every one of them holds.",
		Example: `  vipaso-backend admin --dir ./backend ledger check`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			r, err := b.Check(c.Context())
			if err != nil {
				return err
			}
			return report(p, r)
		}),
	}
}

func (a *admin) reconcile() *cobra.Command {
	return &cobra.Command{
		Use: "reconcile", Short: "Recompute every outcome from the signed objects and compare", Args: noArguments,
		Long: `Recompute every outcome from the signed objects that were handed in, without
looking at the ledger, and compare it with the verdicts and the postings. The
exit code is 0 only if all agree.`,
		Example: `  vipaso-backend admin --dir ./backend reconcile`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			r, err := b.Reconcile(c.Context())
			if err != nil {
				return err
			}
			return report(p, r)
		}),
	}
}

// checkedJSON is one rule and what broke it, as scripts see it.
type checkedJSON struct {
	Rule     string   `json:"rule"`
	Checked  string   `json:"checked"`
	OK       bool     `json:"ok"`
	Problems []string `json:"problems"`
}

// report prints one line per rule and one per problem.
func report(p printer, r backend.Report) error {
	broken := map[string][]string{}
	for _, b := range r.Problems {
		broken[b.Rule] = append(broken[b.Rule], b.Subject+": "+b.Detail)
	}
	for _, c := range r.Checked {
		problems := broken[c.Rule]
		if p.json {
			if problems == nil {
				problems = []string{}
			}
			err := p.object(checkedJSON{Rule: c.Rule, Checked: strconv.Itoa(c.Count), OK: len(problems) == 0, Problems: problems})
			if err != nil {
				return err
			}
			continue
		}
		word := "ok   "
		if len(problems) > 0 {
			word = "WRONG"
		}
		if _, err := fmt.Fprintf(p.w, "%s  %s (%d checked)\n", word, c.Rule, c.Count); err != nil {
			return err
		}
		for _, text := range problems {
			if _, err := fmt.Fprintf(p.w, "       %s\n", text); err != nil {
				return err
			}
		}
	}
	if !r.OK() {
		return fmt.Errorf("%d problems: %w", len(r.Problems), errUnsound)
	}
	return nil
}
