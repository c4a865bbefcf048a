package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	wiring "github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/preauth/seal"
	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	"github.com/vipaso/vipasod/syncer/backend"
)

var (
	// errNoSealed says that a file is not one of sealed payments.
	errNoSealed = errors.New("no sealed payments can be read")
	// errUnread says that a file of sealed payments cannot be read, or not
	// all of it.
	errUnread = errors.New("cannot be read")
	// errPartly says that an import ended before its last part.
	errPartly = errors.New("import ended early")
)

func (a *admin) importSealed() *cobra.Command {
	return &cobra.Command{
		Use: "import FILE", Short: "Settle payments that a device sealed into a file", Args: wants("FILE"),
		Long: `Import settles the payments in FILE, which vipasoctl payments evacuate wrote on a
device, as if that device had handed them in. It works beside a running serve, and says
of each payment what came of it. Doing it again is harmless: each payment settles once.

If it fails on the way, what was reached is printed all the same: UNKNOWN is what was
being settled when it failed. The exit code is not 0 then; import the file again.`,
		Example: `  vipaso-backend admin --dir ./backend import /media/usb/till-2.sealed`,
		RunE: func(c *cobra.Command, args []string) error {
			if a.dir == "" {
				return usage(c, errors.New("--dir is needed: the directory given to serve"))
			}
			server, store, err := wiring.OpenServer(c.Context(), a.dir, a.db)
			if err != nil {
				return err
			}
			err = importFile(c.Context(), server, server.Submit, args[0], printer{c.OutOrStdout(), a.json})
			return errors.Join(err, store.Close())
		},
	}
}

// submit hands items in.
type submit func(context.Context, *backendv1.SubmitRequest) (*backendv1.SubmitResponse, error)

// importFile settles every part that can be read, and prints what came of
// them. A part that cannot be read does not keep the others back; one that
// cannot be settled ends it, with an error that wraps errPartly.
func importFile(ctx context.Context, server *backend.Server, settle submit, path string, p printer) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("%w: %w", errNoSealed, err)
	}
	defer f.Close()
	parts, damage := seal.ReadFile(f)
	if errors.Is(damage, seal.ErrFormat) {
		return fmt.Errorf("%s: %w: %w", path, errNoSealed, damage)
	}
	if damage != nil {
		damage = fmt.Errorf("%s: %w: %w", path, errUnread, damage)
	}
	all := newImported()
	for n, part := range parts {
		req, err := server.Unseal(part.Sealed)
		if err != nil {
			damage = errors.Join(damage, fmt.Errorf("part %d of %s: %w", n+1, path, err))
			continue
		}
		resp, err := settle(ctx, req)
		all.add(req, resp)
		if err != nil {
			err = fmt.Errorf("part %d of %d of %s: %w: %d with a verdict: %w", n+1, len(parts), path, errPartly, all.Judged, err)
			return errors.Join(err, all.print(p), damage)
		}
	}
	return errors.Join(all.print(p), damage)
}
