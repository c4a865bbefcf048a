package main

import (
	"context"
	"fmt"
	"io"

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
		Example: `  vipaso-backend serve --dir ./backend --listen 127.0.0.1:8443
  vipaso-backend admin --dir ./backend business create --name "Cafe Luna" --mcc 5812`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          noArguments,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error { return usage(c, flagError(err)) })
	root.AddCommand(serveCommand(), adminCommand(), versionCommand())
	return root
}

// noArguments refuses words that are no subcommand.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return usage(c, fmt.Errorf("unknown command %q", args[0]))
	}
	return nil
}

// exactly asks for n arguments, named in the usage line.
func exactly(n int) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) != n {
			return usage(c, fmt.Errorf("%d arguments, not %d", len(args), n))
		}
		return nil
	}
}

// group is a command that only has subcommands.
func group(use, short string, sub ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{
		Use: use, Short: short, Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			return usage(c, fmt.Errorf("%s needs a subcommand", c.CommandPath()))
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
