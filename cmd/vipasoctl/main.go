// Command vipasoctl is everything that people and scripts ask of vipasod. It
// talks only gRPC over the daemon's unix socket, so whatever it does another
// program can do too.
//
// Results go to stdout, messages and progress to stderr. With --json each
// result is one compact JSON object on one line, the protobuf message of the
// API with its proto names. That form and the exit codes (exit.go) are what
// scripts may rely on.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// The first ^C ends the command in order, a second one ends it at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Getenv))
}
