// Command vipaso-demo shows Vipaso payments without hardware: a backend, a
// till, customers and the simulated air between them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := newCommand().ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "vipaso-demo:", err)
		os.Exit(1)
	}
}

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:           "vipaso-demo",
		Short:         "Show Vipaso payments without hardware",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newAirCommand())
	return root
}
