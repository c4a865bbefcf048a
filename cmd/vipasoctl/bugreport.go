package main

import (
	"github.com/spf13/cobra"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
)

func (a *app) bugreportCommand() *cobra.Command {
	var path string
	var force bool
	cmd := &cobra.Command{
		Use:   "bugreport [-o FILE]",
		Short: "Write a file for support: no keys, vouchers or names in it",
		Example: `  vipasoctl bugreport
  vipasoctl bugreport -o till-2.tar.gz`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if path == "" {
				path = a.now().In(a.zone).Format("vipaso-bugreport-20060102-150405.tar.gz")
			}
			c, err := a.dial()
			if err != nil {
				return err
			}
			return a.save(path, force, func(f *newFile) error {
				stream, err := c.device().CreateDiagnosticsBundle(cmd.Context(), &devicev1.CreateDiagnosticsBundleRequest{})
				return all(stream, err, func(m *devicev1.CreateDiagnosticsBundleResponse) error { return f.add(m.GetChunk()) })
			})
		},
	}
	cmd.Flags().StringVarP(&path, "output", "o", "", "`file` to write; without it a name with the time, here")
	cmd.Flags().BoolVar(&force, "force", false, "replace the file if it exists")
	return cmd
}
