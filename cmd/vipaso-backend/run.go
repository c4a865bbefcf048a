package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/cmd/internal/build"
)

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	root := rootCommand()
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		explain(stderr, err)
	}
	return exitCode(err)
}

func rootCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "vipaso-backend",
		Short: "Reference backend for payments without a network",
		Long: `Reference backend for payments without a network.

Exit codes: 0 ok, 1 operation failed or a check found something, 2 usage,
5 conflict, wrong state or not found, 78 configuration error.`,
		Example: `  vipaso-backend serve --dir ./backend --listen 127.0.0.1:8443
  vipaso-backend admin --dir ./backend business create --name "Cafe Luna" --mcc 5812`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return flagError(c, err) })
	root.AddCommand(serveCommand(), adminCommand(), versionCommand())
	return root
}

// noArguments refuses words that are no subcommand, and those after a command
// that takes none.
func noArguments(c *cobra.Command, args []string) error {
	switch {
	case len(args) == 0:
		return nil
	case c.HasSubCommands():
		return usage(c, fmt.Errorf("unknown command %q", args[0]))
	}
	return usage(c, fmt.Errorf("%s takes no argument, not %q", nameOf(c), args[0]))
}

// wants asks for the arguments that are named.
func wants(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != len(names) {
			return usage(c, fmt.Errorf("%s wants %s", nameOf(c), strings.Join(names, " ")))
		}
		return nil
	}
}

// nameOf is a command without the program's name, which explain puts in front.
func nameOf(c *cobra.Command) string {
	return strings.TrimPrefix(c.CommandPath(), c.Root().Name()+" ")
}

// group is a command that only has subcommands.
func group(use, short string, sub ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return usage(c, fmt.Errorf("%s needs a subcommand", nameOf(c)))
		},
	}
	c.AddCommand(sub...)
	return c
}

func versionCommand() *cobra.Command {
	return &cobra.Command{
		Use: "version", Short: "Print the version", Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			_, err := fmt.Fprintln(c.OutOrStdout(), build.This().Line("vipaso-backend"))
			return err
		},
	}
}
