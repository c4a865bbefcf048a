package main

import (
	"errors"

	"github.com/spf13/cobra"
)

// newRunCommand is the daemon itself.
func newRunCommand(env []string) *cobra.Command {
	var flags configFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the daemon (the default command)",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if _, _, err := flags.load(cmd.Flags(), env); err != nil {
				return err
			}
			return errors.New("not wired")
		},
	}
	flags.register(cmd.Flags())
	return cmd
}
