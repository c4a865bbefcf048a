package main

import (
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

// manCommand writes the manual pages for packages.
func (a *app) manCommand() *cobra.Command {
	return &cobra.Command{
		Use:     "gen-man DIR",
		Short:   "Write the manual pages, one for each command",
		Example: `  vipasoctl gen-man build/man`,
		Hidden:  true,
		Args:    wants("DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := os.MkdirAll(args[0], 0o755); err != nil {
				return err
			}
			header := &doc.GenManHeader{Title: "VIPASOCTL", Section: "1", Source: "vipasod", Manual: "Vipaso"}
			return doc.GenManTree(cmd.Root(), header, args[0])
		},
	}
}
