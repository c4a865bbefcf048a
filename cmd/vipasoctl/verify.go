package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/cmd/internal/proof"
	"github.com/vipaso/vipasod/preauth"
)

// rootHint says where the root key for --root comes from.
const rootHint = "vipasoctl trust -o FILE, on a device of that backend, writes the root key"

// rootFlag adds --root to a command that verifies something.
func rootFlag(cmd *cobra.Command, root *string) {
	cmd.Flags().StringVar(root, "root", "", "root key of the backend, or a `file` with it (default: the daemon's)")
}

// rootKey returns the key to verify by. It is named on the command line, or
// is the one that the daemon trusts.
func (a *app) rootKey(ctx context.Context, named string) (preauth.PublicKey, error) {
	if named == "" {
		got, err := a.trust(ctx)
		if err != nil {
			return preauth.PublicKey{}, err
		}
		return preauth.PublicKeyFrom(got.GetRootKey())
	}
	if key, err := proof.ParseRoot(named); err == nil {
		return key, nil
	}
	text, err := readAtMost(named, 4096, rootHint)
	if err != nil {
		return preauth.PublicKey{}, err
	}
	key, err := proof.ParseRoot(string(text))
	if err != nil {
		return preauth.PublicKey{}, &fileError{path: named, err: err, hint: rootHint}
	}
	return key, nil
}

// readAtMost reads a whole file of at most that many bytes. Its error is a
// fileError with that hint.
func readAtMost(path string, most int64, hint string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, &fileError{path: path, err: err, hint: hint}
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, most+1))
	if err == nil && int64(len(b)) > most {
		err = fmt.Errorf("it has more than %d bytes", most)
	}
	if err != nil {
		return nil, &fileError{path: path, err: err, hint: hint}
	}
	return b, nil
}

// unproven is what a verification says that failed.
type unproven struct {
	Proven bool   `json:"proven"`
	Error  string `json:"error"`
}

// judge prints what was proven, or why nothing was; the exit code says which.
func (a *app) judge(found any, wrong error, human func()) error {
	if wrong == nil {
		return a.plain(found, human)
	}
	said := a.plain(unproven{Error: wrong.Error()}, func() {
		a.printf("%s  %s\n", a.stdout.bad(a, "not proven"), clean(oneLine(wrong.Error())))
		if errors.Is(wrong, proof.ErrOtherRoot) {
			a.note("with a root key that was written before it was replaced: --root OLD")
		}
	})
	if said != nil {
		return said
	}
	return outcome(exitFailed)
}

// row prints a label and a text, if there is one.
func (a *app) row(label, text string) {
	if text != "" && text != "-" {
		a.printf("%s%s\n", a.stdout.bold(a, pad(label, 12)), text)
	}
}
