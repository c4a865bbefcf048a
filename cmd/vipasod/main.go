// Command vipasod is the payment daemon of a till or of a customer device.
// Kiosk and POS programs talk to it over local gRPC; it talks to the other
// device by radio, and to the backend whenever there is a network.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/cmd/internal/flags"
)

// Exit codes, which scripts may rely on.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
	exitConfig = 78 // EX_CONFIG of sysexits.h
)

// usageError is a mistake in the command line that cobra does not find.
type usageError struct{ error }

// Unwrap returns the mistake itself.
func (e usageError) Unwrap() error { return e.error }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr, os.Environ())
	stop()
	os.Exit(code)
}

// run is the program, without its process.
func run(ctx context.Context, args []string, stdout, stderr io.Writer, env []string) int {
	started := false
	root := newCommand(env)
	root.PersistentPreRun = func(*cobra.Command, []string) { started = true }
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	var wrong *InvalidError
	var usage usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &wrong):
		fmt.Fprint(stderr, wrong.Explain())
		return exitConfig
	case !started || errors.As(err, &usage):
		fmt.Fprintf(stderr, "vipasod: %v\nnext: %s\n", err, helpFor(root, args))
		return exitUsage
	default:
		fmt.Fprintf(stderr, "vipasod: %v\n", err)
		return exitFailed
	}
}

// helpFor is the command that explains the one that args name.
func helpFor(root *cobra.Command, args []string) string {
	cmd, _, err := root.Find(args)
	if err != nil || cmd == root {
		return "vipasod help"
	}
	return cmd.CommandPath() + " --help"
}

// newCommand is the command line; without a command, the daemon runs.
func newCommand(env []string) *cobra.Command {
	daemon := newRunCommand(env)
	root := &cobra.Command{
		Use:           "vipasod",
		Short:         "Payment daemon of a till or a customer device",
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          daemon.RunE,
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return flags.Explain(err) })
	root.Flags().AddFlagSet(daemon.Flags())
	root.AddCommand(daemon, newRadioCommand(env), newUplinkCommand(), newConfigCommand(env), newVersionCommand())
	return root
}
