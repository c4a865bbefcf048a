package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	wiring "github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/cmd/internal/proof"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/backend"
)

func (a *admin) evidenceList() *cobra.Command {
	return &cobra.Command{
		Use: "list", Short: "List proven double spends, oldest first", Args: noArguments,
		Example: `  vipaso-backend admin --dir ./backend evidence list`,
		RunE: a.with(func(c *cobra.Command, _ []string, b backend.Admin, p printer) error {
			all, err := b.Evidence(c.Context())
			if err != nil {
				return err
			}
			var rows [][]string
			for _, e := range all {
				if p.json {
					if err := p.object(evidenceObject(e)); err != nil {
						return err
					}
					continue
				}
				rows = append(rows, []string{strconv.FormatInt(e.ID, 10), e.Kind, e.Device.String(), e.Preauth.String(), when(e.At)})
			}
			if p.json {
				return nil
			}
			return p.table([]string{"ID", "KIND", "DEVICE", "PRE-AUTHORIZATION", "PROVEN"}, rows)
		}),
	}
}

// evidenceJSON is evidence as scripts see it.
type evidenceJSON struct {
	ID      string `json:"evidence_id"`
	Kind    string `json:"kind"`
	Device  string `json:"device_id"`
	Preauth string `json:"pre_authorization_id"`
	Counter uint32 `json:"counter,omitempty"`
	Proven  string `json:"proven_at"`
}

func evidenceObject(e backend.Proven) evidenceJSON {
	return evidenceJSON{
		ID: strconv.FormatInt(e.ID, 10), Kind: e.Kind, Device: e.Device.String(), Preauth: e.Preauth.String(), Counter: e.Counter, Proven: when(e.At),
	}
}

func (a *admin) evidenceExport() *cobra.Command {
	var file string
	c := &cobra.Command{
		Use: "export ID|DEVICE -o FILE", Short: "Write evidence to a file that anyone can verify", Args: wants("ID|DEVICE"),
		Long: `Export writes the signed objects that prove a double spend to FILE, one JSON object.
Whoever knows the root key of this backend verifies it with nothing else (vipasoctl
evidence verify FILE --root KEY). DEVICE stands for its only evidence.`,
		Example: `  vipaso-backend admin --dir ./backend evidence export 1 -o accused.evidence.json`,
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case a.dir == "":
				return usage(c, errors.New("--dir is needed: the directory given to serve"))
			case file == "":
				return usage(c, errors.New("-o FILE is needed"))
			}
			server, store, err := wiring.OpenServer(c.Context(), a.dir, a.db)
			if err != nil {
				return err
			}
			err = exportEvidence(c.Context(), server, backend.Admin{Store: store}, args[0], file, printer{c.OutOrStdout(), a.json})
			return errors.Join(err, store.Close())
		},
	}
	c.Flags().StringVarP(&file, "output", "o", "", "`file` to write; one that exists is not replaced")
	return c
}

// errFile says that a file of a person's cannot be used.
var errFile = errors.New("unusable file")

func exportEvidence(ctx context.Context, server *backend.Server, books backend.Admin, which, file string, p printer) error {
	e, err := evidenceNamed(ctx, books, which)
	if err != nil {
		return err
	}
	signed, err := server.ExportEvidence(ctx, e.ID)
	if err != nil {
		return err
	}
	text, err := proof.EvidenceFile(signed)
	if err != nil {
		return err
	}
	if err := writeNew(file, text); err != nil {
		return err
	}
	if p.json {
		return p.object(map[string]string{"evidence_id": strconv.FormatInt(e.ID, 10), "file": file})
	}
	_, err = fmt.Fprintf(p.w, "%s\nverify it with: vipasoctl evidence verify %s --root KEY\n", file, file)
	return err
}

// evidenceNamed finds evidence by its number, or by the device it accuses.
func evidenceNamed(ctx context.Context, books backend.Admin, which string) (backend.Proven, error) {
	all, err := books.Evidence(ctx)
	if err != nil {
		return backend.Proven{}, err
	}
	if n, err := strconv.ParseInt(which, 10, 64); err == nil {
		for _, e := range all {
			if e.ID == n {
				return e, nil
			}
		}
		return backend.Proven{}, fmt.Errorf("evidence %d: %w", n, errNoEvidence)
	}
	device, err := preauth.ParseID(which)
	if err != nil {
		return backend.Proven{}, err
	}
	var found []backend.Proven
	var numbers []string
	for _, e := range all {
		if e.Device == device {
			found, numbers = append(found, e), append(numbers, strconv.FormatInt(e.ID, 10))
		}
	}
	switch len(found) {
	case 0:
		return backend.Proven{}, fmt.Errorf("evidence against device %s: %w", device, errNoEvidence)
	case 1:
		return found[0], nil
	}
	return backend.Proven{}, fmt.Errorf("device %s has evidence %s: name one: %w", device, strings.Join(numbers, ", "), backend.ErrInvalid)
}

// writeNew makes a file appear whole, or not at all. One that exists stays.
func writeNew(path string, b []byte) error {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".evidence-*")
	if err != nil {
		return fmt.Errorf("%w: %w", errFile, err)
	}
	defer os.Remove(tmp.Name())
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err == nil {
		err = os.Link(tmp.Name(), path)
	}
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w: %s exists", errFile, path)
	}
	if err != nil {
		return fmt.Errorf("%w: %w", errFile, err)
	}
	return nil
}
