package main

import (
	"errors"
	"fmt"

	"github.com/vipaso/vipasod/daemon"
	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/store"
)

// startErrors are the reasons of the catalogue for what can keep the daemon
// from starting, or make it stop.
var startErrors = []struct {
	err    error
	reason string
}{
	{store.ErrCorrupt, "STORE_CORRUPT"},
	{store.ErrNewer, "STORE_NEWER"},
	{store.ErrLocked, "STORE_LOCKED"},
	{store.ErrFull, "STORE_FULL"},
	{daemon.ErrKey, "KEY_UNUSABLE"},
	{daemon.ErrSocketInUse, "SOCKET_IN_USE"},
}

// explained adds what to do next to an error that ended the daemon.
func explained(err error) error {
	for _, s := range startErrors {
		if e, ok := catalogue.Lookup(s.reason); ok && errors.Is(err, s.err) {
			return fmt.Errorf("%s: %w\nwhy: %s\nnext: %s", e.Code, err, e.Why, e.Next)
		}
	}
	return err
}
