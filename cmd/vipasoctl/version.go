package main

import (
	"github.com/spf13/cobra"

	"github.com/vipaso/vipasod/cmd/internal/build"
)

func (a *app) versionCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version of vipasoctl; that of the daemon is in status",
		Example: `  vipasoctl version
  vipasoctl version --json | jq -r .version`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			b := build.This()
			return a.plain(b, func() { a.printf("%s\n", b.Line("vipasoctl")) })
		},
	}
}
