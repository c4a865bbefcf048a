package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	wiring "github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/syncer/backend"
)

// Exit codes, as promised to scripts.
const (
	exitOK       = 0
	exitFailed   = 1
	exitUsage    = 2
	exitConflict = 5
	exitConfig   = 78
)

// errUsage marks a command line that cannot be understood.
var errUsage = errors.New("usage")

// errUnsound says that a check of the books found something.
var errUnsound = errors.New("the books do not agree")

// usageError is a wrong command line with the command it was for.
type usageError struct {
	command string
	err     error
}

func (e usageError) Error() string { return e.err.Error() }
func (e usageError) Unwrap() []error {
	return []error{errUsage, e.err}
}

func usage(c *cobra.Command, err error) error { return usageError{c.CommandPath(), err} }

// errJournal says that a journal is not what its device has told.
var errJournal = errors.New("the journal does not agree with what the device has told")

// errNoPayment says that nobody has told this backend of a payment.
var errNoPayment = errors.New("not found: no device has told this backend of it")

// errNoEvidence says that nothing like it was proven.
var errNoEvidence = errors.New("not found: no such double spend was proven")

// nextOlder is what to do with books that are an older copy.
const nextOlder = "put the newer database back if there is one; if it is lost, read what follows from that with `vipaso-backend admin copy accept --help`, and decide with `vipaso-backend admin --dir DIR copy accept --reason TEXT`"

// exits maps errors to exit codes and to what to do next. The first that
// matches counts.
var exits = []struct {
	err  error
	code int
	next string
}{
	{errUsage, exitUsage, ""},
	{money.ErrSyntax, exitUsage, "AMOUNT_SYNTAX: write digits with a decimal point, such as 500.00"},
	{money.ErrPrecision, exitUsage, "AMOUNT_PRECISION: leave the extra decimals out"},
	{money.ErrRange, exitUsage, "AMOUNT_RANGE: use a smaller amount"},
	{money.ErrCurrency, exitUsage, "CURRENCY_UNKNOWN: use an ISO 4217 code such as USD"},
	{preauth.ErrID, exitUsage, "ids look like 0192f0c4-7f3a-7c11-b0a5-3d2f0c9e5a10; the create commands print them, and `vipasoctl payments list` those of payments"},
	{backend.ErrOlderCopy, exitConfig, nextOlder},
	{backend.ErrInvalid, exitUsage, "see what the command takes, with an example, by adding --help to it"},
	{backend.ErrInstrument, exitConflict, "create one with `vipaso-backend admin --dir DIR instrument create`; --help says how"},
	{errNoPayment, exitConflict, "find the id with `vipasoctl payments list` on the till or the customer's device, and hand in what waits there with `vipasoctl sync now`"},
	{errNoEvidence, exitConflict, "`vipaso-backend admin --dir DIR evidence list` shows what there is"},
	{backend.ErrNotFound, exitConflict, "check the id; the create commands print it, and `device list` lists devices, `issuer list` keys"},
	{backend.ErrIssuersFull, exitConflict, "wait until the first of them ends; `vipaso-backend admin --dir DIR issuer list` shows them"},
	{wiring.ErrListen, exitConfig, "`ss -ltnp` shows who has which port; choose an address of this host and a free port with --listen HOST:PORT"},
	{wiring.ErrServed, exitConfig, "stop that one, or give this one a directory of its own with --dir"},
	{wiring.ErrNotStarted, exitConfig, "start the backend there once with: vipaso-backend serve --dir DIR"},
	{wiring.ErrKey, exitConfig, "put the file back from your backup of the directory, or take another with --dir; an issuer key that is lost can be replaced with `vipaso-backend admin --dir DIR issuer withdraw KEY --reason TEXT`, a root key cannot"},
	{errNoJournal, exitUsage, "name the file that `vipasoctl journal export FILE` wrote on the device"},
	{errNoSealed, exitUsage, "name the file that `vipasoctl payments evacuate FILE` wrote"},
	{errPartly, exitFailed, "import the file again when the cause is gone: what has a verdict keeps it, and nothing settles twice"},
	{errUnread, exitFailed, "copy the file again from where `vipasoctl payments evacuate FILE` wrote it, and repeat: nothing settles twice"},
	{fs.ErrPermission, exitConfig, "run it as the user that `ls -ld DIR` shows, or take another directory with --dir"},
	{wiring.ErrDir, exitConfig, "make the directory with `mkdir -p DIR`, or take another with --dir"},
	{backend.ErrDatabase, exitConfig, "use --db sqlite:PATH with the path that serve was given, or leave it out for the database in --dir"},
	{backend.ErrDurability, exitConfig, "put the database on a local file system that can do WAL"},
	{backend.ErrCommit, exitFailed, "start it again: what was stored stays stored, and devices hand in again what got no answer; look at the disk if this repeats"},
	{backend.ErrSeal, exitFailed, "it may have been sealed for another backend, or for a sealing key that was lost since; if it is this one's, copy the file again and repeat: nothing settles twice"},
	{errFile, exitUsage, "name another FILE, in a directory that exists: what exists is not replaced"},
	{errJournal, exitFailed, "ask for a fresh export of the device; if it still disagrees, its store was put back or its journal replaced: look at the device before it is used again"},
	{errUnsound, exitFailed, "keep a copy of the database before anything else; every line above is one thing to look at"},
}

func exitCode(err error) int {
	if err == nil {
		return exitOK
	}
	for _, e := range exits {
		if errors.Is(err, e.err) {
			return e.code
		}
	}
	return exitFailed
}

// explain says what went wrong, why, and what to do next.
func explain(w io.Writer, err error) {
	fmt.Fprintf(w, "vipaso-backend: %s\n", err)
	var u usageError
	if errors.As(err, &u) {
		fmt.Fprintf(w, "See: %s --help\n", u.command)
		return
	}
	for _, e := range exits {
		if errors.Is(err, e.err) && e.next != "" {
			fmt.Fprintf(w, "Next: %s\n", e.next)
			return
		}
	}
	fmt.Fprintln(w, "Next: see whether the books are sound with: vipaso-backend admin --dir DIR ledger check")
}
