package main

import (
	"github.com/spf13/cobra"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

func (a *app) storeCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "store",
		Short:   "Check, copy or export what is on disk",
		Example: `  vipasoctl store check`,
	}
	cmd.AddCommand(a.storeCheckCommand(), a.storeBackupCommand(), a.storeExportCommand())
	return cmd
}

func (a *app) storeCheckCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "check",
		Short: "Verify integrity and sums; exit 0 only if everything agrees",
		Example: `  vipasoctl store check
  vipasoctl store check --json | jq -r '.problems[]'`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			resp, err := c.device().CheckStore(cmd.Context(), &devicev1.CheckStoreRequest{})
			if err != nil {
				return err
			}
			err = a.emit(resp, func() {
				a.printf("%s\n", either(resp.GetOk(), a.stdout.good(a, "ok"), a.stdout.bad(a, "not ok")))
				for _, p := range resp.GetProblems() {
					a.printf("  %s\n", clean(p))
				}
			})
			if err != nil {
				return err
			}
			return failedUnless(resp.GetOk())
		},
	}
}

func (a *app) storeBackupCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "backup FILE [--force]",
		Short: "Copy the store while the daemon runs; no private keys in it",
		Long: `Backup writes a consistent copy of the store, an SQLite file without private keys.
FILE appears whole or not at all, readable by its owner only.`,
		Example: `  vipasoctl store backup /backup/till-2.db
  vipasoctl store backup till-2.db --force`,
		Args: wants("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			return a.save(args[0], force, func(f *newFile) error {
				stream, err := c.device().BackupStore(cmd.Context(), &devicev1.BackupStoreRequest{})
				return all(stream, err, func(m *devicev1.BackupStoreResponse) error { return f.add(m.GetChunk()) })
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace FILE if it exists")
	return cmd
}

func (a *app) storeExportCommand() *cobra.Command {
	var format string
	var unsynced bool
	cmd := &cobra.Command{
		Use:   "export [--format jsonl|csv] [--unsynced]",
		Short: "Print every payment with its signed objects, oldest first",
		Long: `Export prints every payment, oldest first: jsonl is one object a line, csv has a
heading. In csv a text that a spreadsheet would take for a formula gets a leading
apostrophe. It also works while the store is read-only.`,
		Example: `  vipasoctl store export > payments.jsonl
  vipasoctl store export --format csv --unsynced > open.csv`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			format, err := a.format(cmd, format, "jsonl", "jsonl", "csv")
			if err != nil {
				return err
			}
			c, err := a.dial()
			if err != nil {
				return err
			}
			write, flush := a.exporter(format)
			stream, err := c.device().ExportPayments(cmd.Context(), &devicev1.ExportPaymentsRequest{UnsyncedOnly: unsynced})
			count := uint32(0)
			err = all(stream, err, func(m *devicev1.ExportPaymentsResponse) error {
				count++
				return write(m.GetPayment())
			})
			if err != nil {
				return err
			}
			a.progress("%s", plural(count, "payment"))
			return flush()
		},
	}
	cmd.Flags().StringVar(&format, "format", "jsonl", "jsonl or csv")
	cmd.Flags().BoolVar(&unsynced, "unsynced", false, "only what is not synchronized")
	completeWords(cmd, "format", "jsonl", "csv")
	return cmd
}

// exporter returns how to write one payment in a format, and what to do after
// the last.
func (a *app) exporter(format string) (write func(*paymentv1.Payment) error, flush func() error) {
	if format == "csv" {
		sheet := newSheet(a.stdout)
		return sheet.add, sheet.flush
	}
	return func(p *paymentv1.Payment) error { return a.object(p) }, func() error { return nil }
}
