package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/cmd/internal/proof"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/backend"
)

func (a *admin) journalList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List how far devices have told of their event logs", Args: noArguments,
		Long: `List shows what devices have signed of their event logs: of each the NEWEST end; the
last that was told on each day (EARLIER); the last before the device found that its
store was an older copy (RESTORED); an end before one that was told earlier (LOWER);
and another end at the same event (FORK), which no honest device signs. journal verify
says more, with an export of the device.`,
		Example: `  vipaso-backend admin --dir ./backend journal list`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			all, err := b.JournalHeads(c.Context(), preauth.ID{})
			if err != nil {
				return err
			}
			var rows [][]string
			for _, h := range all {
				j := headObject(h)
				if p.json {
					if err := p.object(j); err != nil {
						return err
					}
					continue
				}
				rows = append(rows, []string{j.Device, j.Kind, j.Sequence, j.Signed, j.Told})
			}
			if p.json {
				return nil
			}
			return p.table([]string{"DEVICE", "KIND", "EVENT", "SIGNED", "TOLD"}, rows)
		}),
	}
}

// headJSON is the end of an event log as scripts see it.
type headJSON struct {
	Device   string `json:"device_id"`
	Kind     string `json:"kind"`
	Sequence string `json:"sequence"`
	Hash     string `json:"hash"`
	Signed   string `json:"signed_at"`
	Told     string `json:"told_at"`
}

func headObject(h backend.JournalHead) headJSON {
	return headJSON{
		Device: h.Device.String(), Kind: h.Kind, Sequence: strconv.FormatUint(h.Sequence, 10), Hash: h.Hash.String(), Signed: when(h.Signed), Told: when(h.At),
	}
}

func (a *admin) journalVerify() *cobra.Command {
	return &cobra.Command{
		Use: "verify FILE", Short: "Compare a device's exported journal with what it has told before", Args: wants("FILE"),
		Long: `Verify checks the journal that vipasoctl journal export FILE wrote on a device, and
holds it against the ends of it that the device has signed and journal list shows. The
exit code is 0 only if the journal is whole and contradicts none of them. What the
device forgot when its store was put back from an older copy, and says so itself, and
what it has signed since the export, is no contradiction; it is told.`,
		Example: `  vipaso-backend admin --dir ./backend journal verify till-2.journal`,
		RunE: a.with(func(c *cobra.Command, args []string, b backend.Admin, p printer) error {
			found, err := compareJournal(c.Context(), b, args[0])
			if err != nil {
				return err
			}
			return found.print(p)
		}),
	}
}

// compared is what came of comparing a journal, as scripts see it.
type compared struct {
	Device   string   `json:"device_id"`
	Entries  string   `json:"entries"`
	Sequence string   `json:"sequence"`
	Agreed   string   `json:"agreed"` // with so many ends that were told
	Notes    []string `json:"notes"`
	Problems []string `json:"problems"`
}

// errNoJournal says that a file is none, as far as can be read.
var errNoJournal = errors.New("no journal can be read")

// compareJournal verifies a journal and compares it with the ends that its
// device has signed.
func compareJournal(ctx context.Context, books backend.Admin, path string) (*compared, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errNoJournal, err)
	}
	defer f.Close()
	root, err := books.OldestRoot(ctx)
	if err != nil {
		return nil, err
	}
	told, err := books.JournalHeads(ctx, preauth.ID{})
	if err != nil {
		return nil, err
	}
	hashes := map[uint64]preauth.Hash{}
	for _, h := range told {
		hashes[h.Sequence] = preauth.Hash{}
	}
	j, err := proof.VerifyJournal(f, root, func(e preauth.JournalEntry) {
		if _, ok := hashes[e.Sequence]; ok {
			hashes[e.Sequence] = e.Hash
		}
	})
	if errors.As(err, new(*fs.PathError)) {
		return nil, fmt.Errorf("%w: %w", errNoJournal, err)
	}
	if errors.Is(err, proof.ErrFile) && j.Entries == 0 {
		return nil, fmt.Errorf("%s: %w: its first line is not of one", path, errNoJournal)
	}
	if err != nil {
		return &compared{Entries: fmt.Sprint(j.Entries), Agreed: "0", Notes: []string{}, Problems: []string{err.Error()}}, nil
	}
	c := &compared{
		Device: preauth.ID(j.Device.Body.DeviceId).String(), Entries: fmt.Sprint(j.Entries), Sequence: fmt.Sprint(j.Head.Body.Sequence),
		Notes: []string{}, Problems: []string{},
	}
	agreed := 0
	for _, h := range told {
		if h.Device.String() == c.Device && c.compare(h, hashes[h.Sequence], j) {
			agreed++
		}
	}
	c.Agreed = strconv.Itoa(agreed)
	return c, nil
}

// compare reports whether a journal that has that hash at an end that was
// told agrees with it, and notes what else there is to say.
func (c *compared) compare(told backend.JournalHead, hash preauth.Hash, j proof.Journal) bool {
	end := fmt.Sprintf("the device signed event %d with hash %.16s on %s", told.Sequence, told.Hash, told.Signed.UTC().Format(time.RFC3339))
	since := func(n uint64) bool { return n > told.Sequence }
	switch {
	case hash == told.Hash:
		return true
	case !hash.Zero():
		c.Problems = append(c.Problems, fmt.Sprintf("%s, the journal has %.16s there: it is another journal", end, hash))
	case told.Sequence > j.Head.Body.Sequence && told.Signed.After(time.UnixMilli(j.Head.Body.TimeMs)):
		c.Notes = append(c.Notes, end+", after this export: ask for a fresh one")
	case told.Sequence < j.Head.Body.Sequence && slices.ContainsFunc(j.Restored, since):
		c.Notes = append(c.Notes, end+", and has forgotten it: its store was put back from an older copy, as the journal says")
	default:
		c.Problems = append(c.Problems, end+", the journal has no such event")
	}
	return false
}

func (c *compared) print(p printer) error {
	if p.json {
		if err := p.object(c); err != nil {
			return err
		}
	} else {
		all := []field{{"device", c.Device}, {"events", c.Entries}, {"agrees with", c.Agreed + " ends that were told"}}
		for _, note := range c.Notes {
			all = append(all, field{"note", note})
		}
		for _, problem := range c.Problems {
			all = append(all, field{"problem", problem})
		}
		if err := p.fields(all...); err != nil {
			return err
		}
	}
	if len(c.Problems) > 0 {
		return errJournal
	}
	return nil
}
