package daemon

import (
	"context"
	"time"

	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

// Air is the simulated air as this device's radio reaches it. What it changes
// it changes for everybody on the air, and each call returns how the air is
// then. Errors are those of a radio: link.ErrAdapter, link.ErrLost,
// link.ErrClosed or the context's.
type Air interface {
	// Peers returns who is on the air, and its conditions.
	Peers(ctx context.Context) (*radiov1.SimReport, error)

	// SetConditions changes the share of lost values and the latency that is
	// added to each; nil leaves one as it is.
	SetConditions(ctx context.Context, lossPerMille *uint32, latency *time.Duration) (*radiov1.SimReport, error)

	// DropLinks ends every link.
	DropLinks(ctx context.Context) (*radiov1.SimReport, error)
}
