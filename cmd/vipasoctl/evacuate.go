package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/preauth/seal"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

// carryHint says where a file for carry comes from.
const carryHint = "vipasoctl payments evacuate FILE, on the device whose payments they are, makes one"

func (a *app) evacuateCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "evacuate FILE",
		Short: "Write what is not synchronized to a file that others can hand in",
		Long: `Evacuate seals what the backend does not have yet for the backend alone, into FILE.
It needs no network and changes nothing: it also works while the device is locked,
revoked, or its store takes no writes. Any online device of the same backend hands
FILE in (vipasoctl payments carry FILE), or the backend's operator does. FILE can be
handed in several times, by several people; each payment settles once, to the till
that took it. With nothing to hand in, no file is written.`,
		Example: `  vipasoctl payments evacuate /media/usb/till-2.sealed`,
		Args:    wants("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			parts, err := a.sealedParts(cmd.Context())
			if err != nil {
				return err
			}
			if len(parts) == 0 {
				a.note("nothing to hand in: the backend has everything")
				return nil
			}
			return a.evacuate(args[0], parts)
		},
	}
}

func (a *app) sealedParts(ctx context.Context) ([]seal.Part, error) {
	c, err := a.dial()
	if err != nil {
		return nil, err
	}
	var parts []seal.Part
	stream, err := c.device().SealPayments(ctx, &devicev1.SealPaymentsRequest{})
	err = all(stream, err, func(m *devicev1.SealPaymentsResponse) error {
		parts = append(parts, seal.Part{Items: m.GetItems(), Sealed: m.GetSealed()})
		a.progress("%s", plural(uint32(len(parts)), "part"))
		return nil
	})
	return parts, err
}

// evacuated is what evacuate says about its file.
type evacuated struct {
	saved
	Items uint32 `json:"items"`
}

func (a *app) evacuate(path string, parts []seal.Part) error {
	size, err := a.write(path, false, func(f *newFile) error { return seal.WriteFile(appender{f}, parts) })
	var file *fileError
	if errors.As(err, &file) {
		file.keep = true
	}
	if err != nil {
		return err
	}
	e := evacuated{saved: saved{File: path, Bytes: fmt.Sprint(size)}}
	for _, p := range parts {
		e.Items += p.Items
	}
	return a.plain(e, func() {
		a.printf("%s  %s in %s\n", path, plural(e.Items, "item"), plural(uint32(len(parts)), "part"))
		a.printf("next  on an online device of the same backend: vipasoctl payments carry %s\n", path)
		a.printf("      or at the backend: vipaso-backend admin --dir DIR import %s\n", path)
		a.printf("      this device keeps everything, and learns the verdicts when it synchronizes\n")
	})
}

// appender writes to a newFile.
type appender struct{ f *newFile }

// Write implements io.Writer.
func (w appender) Write(b []byte) (int, error) { return len(b), w.f.add(b) }

func (a *app) carryCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "carry FILE",
		Short: "Hand in what another device sealed into a file",
		Long: `Carry hands in the payments in FILE, which vipasoctl payments evacuate wrote on
another device of the same backend, a till's or a customer's. This device learns how
many there are and how many have a verdict, and nothing else of them. Doing it again
is harmless.`,
		Example: `  vipasoctl payments carry /media/usb/till-2.sealed
  vipasoctl payments carry till-2.sealed --json | jq .judged`,
		Args: wants("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.carry(cmd.Context(), args[0]) },
	}
}

// carry hands in every part that can be read. A part that the backend refuses
// does not keep the others back.
func (a *app) carry(ctx context.Context, path string) error {
	parts, damage, err := readSealed(path)
	if err != nil {
		return err
	}
	c, err := a.dial()
	if err != nil {
		return err
	}
	sum := &devicev1.CarrySealedResponse{}
	for i, p := range parts {
		resp, err := c.device().CarrySealed(ctx, &devicev1.CarrySealedRequest{Sealed: p.Sealed})
		if reasonOf(err) == catalogue.SealInvalid {
			if damage == nil { // what the first one says holds for the others
				damage = err
			}
			continue
		}
		if err != nil {
			return err
		}
		sum.Items, sum.Judged = sum.Items+resp.GetItems(), sum.Judged+resp.GetJudged()
		a.progress("part %d of %d", i+1, len(parts))
	}
	if err := a.emit(sum, func() { a.printCarried(sum) }); err != nil {
		return err
	}
	return damage
}

func (a *app) printCarried(sum *devicev1.CarrySealedResponse) {
	a.printf("handed in %s, %d with a verdict\n", plural(sum.GetItems(), "item"), sum.GetJudged())
	if sum.GetJudged() < sum.GetItems() {
		a.printf("the others stay with the device that sealed them, which says why when it synchronizes\n")
	}
}

// readSealed returns the parts of a file that can be read, and what is wrong
// with the others. Both errors are fileErrors.
func readSealed(path string) (parts []seal.Part, damage, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, &fileError{path: path, err: err, hint: carryHint}
	}
	defer f.Close()
	parts, err = seal.ReadFile(f)
	switch {
	case errors.Is(err, seal.ErrDamaged):
		return parts, &fileError{path: path, err: err, empty: len(parts) == 0}, nil
	case err != nil:
		return nil, nil, &fileError{path: path, err: err, hint: carryHint}
	}
	return parts, nil, nil
}
