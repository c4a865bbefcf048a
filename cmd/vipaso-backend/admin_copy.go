package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/syncer/backend"
)

func (a *admin) copyAccept() *cobra.Command {
	var reason string
	c := &cobra.Command{
		Use: "accept --reason TEXT", Short: "Go on with books that are an older copy", Args: noArguments,
		Long: `Go on with books that are an older copy of themselves. serve refuses such books,
and nothing can be written to them: devices were told that payments are settled
which they do not know. Do this only if the newer database is lost for good. Copy
the directory before. Who accepted it, when and why is kept: see "copy list".
Without an older copy this command changes nothing.

Then bring in what devices still have:

  1. Revoke and withdraw again what was revoked and withdrawn since the copy: these
     books do not know of it.
  2. Start serve. Devices hand in by themselves what has no verdict yet.
  3. On a device that may be long away, "vipasoctl payments evacuate FILE" writes
     what it thinks the backend lacks, and no more; "admin import FILE" takes it
     here, and "vipasoctl payments carry FILE" on any device with a network.
     Nothing settles twice.
  4. Compare with "ledger check" and "reconcile".

What the copy does not know at all, no file brings back: devices that enrolled
since must enroll again, what was promised on a pre-authorization of theirs, or
on one that was issued since, gets no verdict, and new balances are gone.

What had a verdict in the lost books is not handed in again. What such a payment
held goes back to the customer at its settle_by; if that has passed, as soon as
these books are served, before anything can be imported. A claim in the copy that
was reversed later stays settled here until it is put right by hand. "payment show
ID" says what the books have of a payment, "vipasoctl payments receipt" on either
device proves it.

Keys that were rotated since the copy are unknown to it. What was certified under
such an issuer key is refused, and gets no verdict: devices that stay refused must
enroll again. After a lost root rotation devices refuse every trust bundle.`,
		Example: `  vipaso-backend admin --dir ./backend copy accept --reason "disk died, backup of Sunday"`,
		RunE: a.quietly(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			if reason == "" {
				return usage(c, errors.New("--reason is needed: it is kept with the books"))
			}
			done, accepted, err := b.AcceptCopy(c.Context(), reason)
			if err != nil {
				return err
			}
			return p.accepted(done, accepted)
		}),
	}
	c.Flags().StringVar(&reason, "reason", "", "why, for the record")
	return c
}

// copyJSON is an older copy that was accepted, as scripts see it.
type copyJSON struct {
	At      string `json:"accepted_at"`
	By      string `json:"accepted_by"`
	Reason  string `json:"reason"`
	Changes string `json:"changes"`           // that it had
	Missing string `json:"missing,omitempty"` // at least; none if nobody knows
}

func copyObject(c backend.AcceptedCopy) copyJSON {
	return copyJSON{when(c.At), c.By, c.Reason, strconv.FormatInt(c.Changes, 10), missing(c)}
}

// missing is how many changes a copy lacked, or nothing.
func missing(c backend.AcceptedCopy) string {
	if c.Missing == 0 {
		return ""
	}
	return strconv.FormatInt(c.Missing, 10)
}

// accepted prints whether the books were an older copy, and are accepted now.
func (p printer) accepted(c backend.AcceptedCopy, done bool) error {
	switch {
	case p.json && done:
		return p.object(struct {
			Accepted bool `json:"accepted"`
			copyJSON
		}{true, copyObject(c)})
	case p.json:
		return p.object(map[string]bool{"accepted": false})
	case !done:
		_, err := fmt.Fprintln(p.w, "the books are no older copy; nothing was changed")
		return err
	}
	what := "an unknown number of changes"
	if c.Missing > 0 {
		what = missing(c) + " changes"
	}
	_, err := fmt.Fprintf(p.w, "accepted by %s: %s\n%s are lost. Start serve; --help says how to bring in what devices have.\n", c.By, c.Reason, what)
	return err
}

func (a *admin) copyList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List the older copies that were accepted, newest first", Args: noArguments,
		Example: `  vipaso-backend admin --dir ./backend copy list`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			all, err := b.AcceptedCopies(c.Context())
			if err != nil {
				return err
			}
			var rows [][]string
			for _, one := range all {
				if p.json {
					if err := p.object(copyObject(one)); err != nil {
						return err
					}
					continue
				}
				rows = append(rows, []string{when(one.At), strconv.FormatInt(one.Changes, 10), missing(one), one.By, one.Reason})
			}
			if p.json {
				return nil
			}
			return p.table([]string{"ACCEPTED", "CHANGES", "MISSING", "WHO", "WHY"}, rows)
		}),
	}
}
