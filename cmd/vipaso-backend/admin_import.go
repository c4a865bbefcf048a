package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	wiring "github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/preauth/seal"
	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
	"github.com/vipaso/vipasod/syncer/backend"
)

// errUnread says that a file of sealed payments cannot be read, or not all of
// it.
var errUnread = errors.New("cannot be read")

func (a *admin) importSealed() *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Short: "Settle payments that a device sealed into a file", Args: exactly(1),
		Long: `Import settles the payments in FILE, which vipasoctl payments evacuate wrote on a
device, as if that device had handed them in. It works beside a running serve. Doing
it again is harmless: each payment settles once.`,
		Example: `  vipaso-backend admin --dir ./backend import /media/usb/till-2.sealed`,
		RunE: func(c *cobra.Command, args []string) error {
			if a.dir == "" {
				return usage(c, errors.New("--dir is needed: the directory given to serve"))
			}
			server, store, err := wiring.OpenServer(c.Context(), a.dir, a.db)
			if err != nil {
				return err
			}
			err = importFile(c.Context(), server, args[0], printer{c.OutOrStdout(), a.json})
			return errors.Join(err, store.Close())
		},
	}
}

// imported is what came of a file, as scripts see it.
type imported struct {
	Items    int              `json:"items"`
	Judged   int              `json:"judged"`
	Totals   []importedTotal  `json:"totals"`
	Unjudged map[string]int   `json:"unjudged,omitempty"` // by reason
	sums     map[[2]string]at // by currency and outcome
}

// importedTotal is one sum of imported.
type importedTotal struct {
	Currency string `json:"currency"`
	Outcome  string `json:"outcome"`
	Count    int    `json:"count"`
	Sum      string `json:"sum"`
	Settled  string `json:"settled"`
}

// at is a sum in minor units.
type at struct {
	count        int
	sum, settled int64
}

// importFile settles every part that can be read. A part that cannot does not
// keep the others back.
func importFile(ctx context.Context, server *backend.Server, path string, p printer) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", errUnread, err)
	}
	defer f.Close()
	parts, damage := seal.ReadFile(f)
	if damage != nil {
		damage = fmt.Errorf("%s: %w: %w", path, errUnread, damage)
	}
	all := imported{Unjudged: map[string]int{}, sums: map[[2]string]at{}}
	for n, part := range parts {
		resp, err := server.Import(ctx, part.Sealed)
		if errors.Is(err, backend.ErrSeal) {
			damage = errors.Join(damage, fmt.Errorf("part %d of %s: %w", n+1, path, err))
			continue
		}
		if err != nil {
			return err
		}
		all.add(resp)
	}
	if len(parts) == 0 && damage != nil {
		return damage
	}
	return errors.Join(all.print(p), damage)
}

func (i *imported) add(resp *backendv1.SubmitResponse) {
	for _, r := range resp.Results {
		i.Items++
		if len(r.Verdict) > 0 {
			i.Judged++
		} else {
			i.Unjudged[r.Error]++
		}
	}
	for _, t := range resp.Totals {
		key := [2]string{t.Currency, strings.TrimPrefix(peerv1.Outcome(t.Outcome).String(), "OUTCOME_")}
		s := i.sums[key]
		i.sums[key] = at{s.count + int(t.Count), s.sum + t.Sum, s.settled + t.Settled}
	}
}

func (i *imported) print(p printer) error {
	i.Totals = []importedTotal{}
	for _, key := range slices.SortedFunc(maps.Keys(i.sums), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		s := i.sums[key]
		i.Totals = append(i.Totals, importedTotal{key[0], key[1], s.count, money.Format(s.sum, key[0]), money.Format(s.settled, key[0])})
	}
	if p.json {
		return p.object(i)
	}
	if _, err := fmt.Fprintf(p.w, "%d items, %d with a verdict\n", i.Items, i.Judged); err != nil {
		return err
	}
	for _, reason := range slices.Sorted(maps.Keys(i.Unjudged)) {
		if _, err := fmt.Fprintf(p.w, "%d without: %s\n", i.Unjudged[reason], reason); err != nil {
			return err
		}
	}
	var rows [][]string
	for _, t := range i.Totals {
		rows = append(rows, []string{t.Outcome, fmt.Sprint(t.Count), t.Sum, t.Settled, t.Currency})
	}
	if len(rows) == 0 {
		return nil
	}
	return p.table([]string{"OUTCOME", "COUNT", "SUM", "PAID", "CUR"}, rows)
}
