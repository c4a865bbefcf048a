// Command vipaso-backend is the reference backend: it keeps instruments,
// pre-authorizations and a double-entry ledger, enrolls devices, settles what
// they hand in, and says whom to trust.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
