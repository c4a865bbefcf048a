package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vipaso/vipasod/cmd/internal/proof"
	"github.com/vipaso/vipasod/preauth"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

const journalHint = "vipasoctl journal export FILE, on the device whose journal it is, makes one"

func (a *app) journalCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "journal",
		Short:   "Export and verify the log of everything that happened on a device",
		Example: `  vipasoctl journal export till-2.journal && vipasoctl journal verify till-2.journal`,
	}
	cmd.AddCommand(a.journalExportCommand(), a.journalVerifyCommand())
	return cmd
}

func (a *app) journalExportCommand() *cobra.Command {
	var force bool
	cmd := &cobra.Command{
		Use:   "export FILE [--force]",
		Short: "Write the event log with its chain of hashes to a file",
		Long: `Export writes every event, oldest first, one JSON object a line, and at the end the
device's signed word on the last of them with what that is verified by. Each event's
hash covers the one before, so that nothing can be changed or taken out later without
the device's key.`,
		Example: `  vipasoctl journal export /backup/till-2.journal`,
		Args:    wants("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := a.dial()
			if err != nil {
				return err
			}
			return a.save(args[0], force, func(f *newFile) error {
				stream, err := c.device().ExportJournal(cmd.Context(), &devicev1.ExportJournalRequest{})
				return all(stream, err, func(m *devicev1.ExportJournalResponse) error {
					line, err := proof.JournalLine(m)
					if err != nil {
						return err
					}
					return f.add(line)
				})
			})
		},
	}
	cmd.Flags().BoolVar(&force, "force", false, "replace FILE if it exists")
	return cmd
}

func (a *app) journalVerifyCommand() *cobra.Command {
	var root string
	cmd := &cobra.Command{
		Use:   "verify FILE [--root KEY|FILE]",
		Short: "Verify an exported journal, with no network; exit 0 only if it is whole",
		Long: `Verify reads a journal, names the first event that is not what the device wrote, and
checks who vouches for it. With --root neither a daemon nor a network is needed.

A journal proves that nothing before its end was changed since the device signed it.
Whoever has the device's key can write another one: vipaso-backend admin journal
verify compares it with what the device told the backend.`,
		Example: `  vipasoctl journal verify till-2.journal --root root.key
  vipasoctl journal verify till-2.journal --json | jq .entries`,
		Args: wants("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.verifyJournal(cmd.Context(), args[0], root) },
	}
	rootFlag(cmd, &root)
	return cmd
}

// provenJournal is what a journal proves, for programs.
type provenJournal struct {
	Proven   bool     `json:"proven"`
	Device   string   `json:"device_id"`
	Business string   `json:"business_name"`
	Sequence string   `json:"sequence"`
	Entries  string   `json:"entries"`
	Chained  string   `json:"chained"`
	Restored []string `json:"restored"`
	SignedAt string   `json:"signed_at"`
}

func (a *app) verifyJournal(ctx context.Context, path, root string) error {
	f, err := os.Open(path)
	if err != nil {
		return &fileError{path: path, err: err, hint: journalHint}
	}
	defer f.Close()
	key, err := a.rootKey(ctx, root)
	if err != nil {
		return err
	}
	j, err := proof.VerifyJournal(f, key, nil)
	if err != nil {
		return a.brokenJournal(path, j.Entries, err)
	}
	found := journalFound(j)
	return a.judge(found, nil, func() { a.printJournal(found, j) })
}

// brokenJournal says what is wrong with a journal of which so many events fit,
// what follows from that, and what to do.
func (a *app) brokenJournal(path string, fit uint64, err error) error {
	if errors.As(err, new(*fs.PathError)) {
		return &fileError{path: path, err: err, hint: journalHint}
	}
	said := a.judge(nil, fmt.Errorf("%s: %w; the events before that fit: %d", path, err, fit), nil)
	if !a.json {
		a.advise(journalAdvice(fit, err))
	}
	return said
}

// journalAdvice is why a journal proves nothing, and what to do.
func journalAdvice(fit uint64, err error) explanation {
	switch {
	case errors.Is(err, proof.ErrOtherRoot):
		return explanation{} // judge has said it
	case errors.Is(err, proof.ErrFile) && fit == 0:
		return explanation{why: "Something else wrote this file, or its beginning is lost.", next: journalHint}
	case errors.Is(err, proof.ErrFile):
		return explanation{
			why:  "It was cut or damaged after it was written. The device has signed the end of the journal, so that no part of it proves anything alone.",
			next: "copy it again from where it was written, or, on the device, vipasoctl journal export FILE",
		}
	case errors.Is(err, preauth.ErrJournal):
		return explanation{
			why:  "Something was changed, added or taken out after the device had signed it: what is there, and all that follows, is not proven.",
			next: "on the device, vipasoctl journal export FILE; what the device told its backend is compared by vipaso-backend admin --dir DIR journal verify FILE",
		}
	case errors.Is(err, proof.ErrUnvouched):
		return explanation{why: "Its events follow each other, but anybody can write such a file.", next: "enroll the device, and export the journal again: vipasoctl enroll --help"}
	}
	return explanation{
		why:  "The events follow each other, but the last line, which says what device has signed them, is not genuine.",
		next: "on the device, vipasoctl journal export FILE",
	}
}

func journalFound(j proof.Journal) provenJournal {
	found := provenJournal{
		Proven: true, Device: preauth.ID(j.Device.Body.DeviceId).String(), Business: j.Device.Body.DisplayName,
		Sequence: fmt.Sprint(j.Head.Body.Sequence), Entries: fmt.Sprint(j.Entries), Chained: fmt.Sprint(j.Chained), Restored: []string{},
		SignedAt: time.UnixMilli(j.Head.Body.TimeMs).UTC().Format(time.RFC3339Nano),
	}
	for _, n := range j.Restored {
		found.Restored = append(found.Restored, fmt.Sprint(n))
	}
	return found
}

func (a *app) printJournal(found provenJournal, j proof.Journal) {
	a.printf("%s  the journal is as the device wrote it\n", a.stdout.good(a, "proven"))
	a.row("device", found.Device)
	a.row("business", clean(found.Business))
	a.row("events", fmt.Sprintf("%s, the last is %s", found.Entries, found.Sequence))
	a.row("signed", a.at(timestamppb.New(time.UnixMilli(j.Head.Body.TimeMs)))+", by the device's clock")
	if older := j.Entries - j.Chained; older > 0 {
		a.note("the first %d events are older than the chain: nothing proves them", older)
	}
	for _, n := range found.Restored {
		a.note("at event %s the device noticed that its store was an older copy: what it did since that copy is not here", n)
	}
}
