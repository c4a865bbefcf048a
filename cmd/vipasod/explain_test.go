package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/vipaso/vipasod/daemon"
	"github.com/vipaso/vipasod/store"
)

// TestExplained: whatever keeps the daemon from starting, the message ends
// with what to do, and the cause can still be told.
func TestExplained(t *testing.T) {
	for cause, want := range map[error]string{
		store.ErrCorrupt: "STORE_CORRUPT: ", store.ErrRole: "WRONG_ROLE: ", store.ErrReadOnly: "STORE_READ_ONLY: ",
		store.ErrDurability: "STORE_READ_ONLY: ", daemon.ErrKey: "KEY_UNUSABLE: ", daemon.ErrSocketInUse: "SOCKET_IN_USE: ",
		fs.ErrPermission: "open x: ", errors.New("anything else"): "open x: ",
	} {
		err := explained(fmt.Errorf("open x: %w", cause))
		if !errors.Is(err, cause) || !strings.HasPrefix(err.Error(), want) || !strings.Contains(err.Error(), "\nnext: ") {
			t.Errorf("%v is explained as %q, want %q first and a next step", cause, err, want)
		}
	}
	if err := explained(nil); err != nil {
		t.Errorf("no error is explained as %v", err)
	}
}
