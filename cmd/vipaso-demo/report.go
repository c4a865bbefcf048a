package main

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/vipaso/vipasod/preauth/money"
)

// printLine writes one line about a scenario, and one for each thing wrong.
func printLine(w io.Writer, o outcome) error {
	word := "ok"
	if !o.whole() {
		word = "WRONG"
	}
	if _, err := fmt.Fprintf(w, "%-5s  %-24s %6s  %s\n", word, o.scenario.name, o.took.Round(100*time.Millisecond), o.scenario.about); err != nil {
		return err
	}
	if o.err != nil {
		_, err := fmt.Fprintf(w, "       %v\n", o.err)
		return err
	}
	for _, p := range o.audit.problems {
		if _, err := fmt.Fprintf(w, "       %s\n", p); err != nil {
			return err
		}
	}
	return nil
}

// printOutcomes writes the final table: what every party believes of each
// payment and each pre-authorization, and whether the money adds up.
func printOutcomes(w io.Writer, all []outcome) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\nSCENARIO\tPAYMENT\tASKED\tTILL\tANN\tBEA\tCARL\tBACKEND\tTILL GOT")
	for _, o := range all {
		if o.audit == nil {
			continue
		}
		for _, b := range o.audit.beliefs {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", o.scenario.name, b.sale.label, asked(b), show(b.till),
				show(b.payers["ann"]), show(b.payers["bea"]), show(b.payers["carl"]), b.backend,
				money.Format(b.credit.amount, b.till.GetCurrency()))
		}
	}
	fmt.Fprintln(t, "\nSCENARIO\tSET ASIDE\tLIMIT\tSPENT\tHELD\tREMAINING\tSETTLED\tRELEASED\tSTILL HELD\tADDS UP")
	for _, o := range all {
		if o.audit == nil {
			fmt.Fprintf(t, "%s\t\t\t\t\t\t\t\t\tNO\n", o.scenario.name)
			continue
		}
		o.audit.printAccounts(t, o)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(w, "\nLIMIT to REMAINING is the customer's device, SETTLED to STILL HELD the backend's ledger.")
	return err
}

// printAccounts writes the pre-authorizations that something happened to; if
// nothing did, the first.
func (a *audit) printAccounts(w io.Writer, o outcome) {
	verdict := "yes"
	if !o.whole() {
		verdict = "NO"
	}
	shown := 0
	for n, c := range a.accounts {
		if c.spent+c.held+c.settled+c.released == 0 && (shown > 0 || n < len(a.accounts)-1) {
			continue
		}
		shown++
		f := func(minor int64) string { return money.Format(minor, c.currency) }
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", o.scenario.name, c.label, f(c.limit)+" "+c.currency,
			f(c.spent), f(c.held), f(c.free), f(c.settled), f(c.released), f(c.reserve.held), verdict)
	}
}
