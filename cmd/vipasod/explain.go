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
	{store.ErrCorrupt, catalogue.StoreCorrupt},
	{store.ErrNewer, catalogue.StoreNewer},
	{store.ErrLocked, catalogue.StoreLocked},
	{store.ErrFull, catalogue.StoreFull},
	{store.ErrRole, catalogue.WrongRole},
	{store.ErrDurability, catalogue.StoreReadOnly},
	{store.ErrReadOnly, catalogue.StoreReadOnly},
	{daemon.ErrKey, catalogue.KeyUnusable},
	{daemon.ErrKeyExposed, catalogue.KeyExposed},
	{daemon.ErrSocketInUse, catalogue.SocketInUse},
}

// nextStart is what to do about an error that the catalogue does not know,
// such as a directory that cannot be made.
const nextStart = "See the paths and where each was set with `vipasod config show --config FILE`, and what was logged before with `journalctl -u vipasod -n 50`."

// explained adds what to do next to an error that ended the daemon.
func explained(err error) error {
	if err == nil {
		return nil
	}
	for _, s := range startErrors {
		if e, ok := catalogue.Lookup(s.reason); ok && errors.Is(err, s.err) {
			return fmt.Errorf("%s: %w\nwhy: %s\nnext: %s", e.Code, err, e.Why, e.Next)
		}
	}
	return fmt.Errorf("%w\nnext: %s", err, nextStart)
}
