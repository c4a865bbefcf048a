// Command vipaso-demo shows Vipaso payments without hardware: a backend, a
// till, customers and the simulated air between them.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/cmd/internal/conformance"
	"github.com/vipaso/vipasod/cmd/internal/flags"
)

func main() {
	// When whoever reads the output has gone, writing to it fails, and this
	// program still clears up; left alone, the signal would end it on the spot.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := newCommand().ExecuteContext(ctx)
	stop()
	if err != nil {
		fmt.Fprint(os.Stderr, explain(err))
	}
	os.Exit(exitCode(err))
}

// explain says what went wrong and, of a command line, what to read.
func explain(err error) string {
	text := fmt.Sprintln("vipaso-demo:", err)
	switch {
	case errors.Is(err, conformance.ErrFile):
		text += "next: vipaso-demo --conformance preauth/testdata/vectors runs those of this project; README.md there says what such files hold\n"
	case errors.Is(err, errNotConformant):
		text += "next: compare what each of them wants with what it got; preauth/testdata/vectors/README.md says what the fields are\n"
	case exitCode(err) == 2:
		text += "next: vipaso-demo --help, or vipaso-demo air --help\n"
	}
	return text
}

// usageError is a command line that cannot be used.
type usageError struct{ err error }

func (u usageError) Error() string { return u.err.Error() }
func (u usageError) Unwrap() error { return u.err }

// exitCode is 0, 1 for a scenario, an attack or a test vector that does not come
// out as it should, or 2 for a command line that cannot be used.
func exitCode(err error) int {
	var usage usageError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		return 2
	}
	return 1
}

func newCommand() *cobra.Command {
	var o demoOptions
	root := &cobra.Command{
		Use:   "vipaso-demo",
		Short: "Show Vipaso payments without hardware",
		Long: `Run a backend, a till and three customers as processes of their own, with a
simulated radio between them. Without --headless the demo stays up and prints
lines to paste into another terminal.`,
		Example: `  vipaso-demo
  vipaso-demo --headless --scenario happy
  vipaso-demo --headless
  vipaso-demo --attack all
  vipaso-demo --conformance preauth/testdata/vectors`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q", args[0])}
			}
			return nil
		},
		SilenceUsage:  true,
		SilenceErrors: true,
		RunE: func(c *cobra.Command, _ []string) error {
			if c.Flags().Changed("conformance") {
				if c.Flags().NFlag() > 1 {
					return usageError{errors.New("--conformance goes with no other flag")}
				}
				return runConformance(o.conformance, c.OutOrStdout())
			}
			if c.Flags().Changed("attack") && c.Flags().Changed("scenario") {
				return usageError{errors.New("--attack and --scenario do not go together: one tries attacks, the other plays scenarios")}
			}
			if c.Flags().Changed("attack") && o.attack == "" {
				_, err := attacksNamed("")
				return err
			}
			return runDemo(c.Context(), o, c.OutOrStdout(), c.ErrOrStderr())
		},
	}
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{flags.Explain(err)} })
	f := root.Flags()
	f.BoolVar(&o.headless, "headless", false, "play scenarios, print what came out, and end")
	f.StringVar(&o.scenario, "scenario", "all", "`name` of a scenario, or all")
	f.StringVar(&o.attack, "attack", "", "try the attack of that `name`, or all, print what came of it, and end")
	f.StringVar(&o.dir, "dir", "", "new or empty `directory` that keeps everything; without it all is removed at the end")
	f.StringVar(&o.conformance, "conformance", "", "run the test vectors in a `file`, or in all files *.json of a directory, and end")
	root.AddCommand(newAirCommand(), newChildCommand())
	return root
}
