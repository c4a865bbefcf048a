package radio

import (
	"context"
	"time"

	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

// Peers returns who is on the simulated air, and its conditions. Only a
// simulated radio answers; a real one ends the connection. The error wraps
// link.ErrAdapter, link.ErrLost, link.ErrClosed or the context's error.
func (c *Client) Peers(ctx context.Context) (*radiov1.SimReport, error) {
	return c.control(ctx, &radiov1.SimControl{})
}

// SetConditions changes the simulated air for everybody on it; nil leaves a
// condition as it is. Latency counts in milliseconds.
func (c *Client) SetConditions(ctx context.Context, lossPerMille *uint32, latency *time.Duration) (*radiov1.SimReport, error) {
	control := &radiov1.SimControl{LossPerMille: lossPerMille}
	if latency != nil {
		ms := uint32(latency.Milliseconds())
		control.LatencyMs = &ms
	}
	return c.control(ctx, control)
}

// DropLinks ends all links of the simulated air.
func (c *Client) DropLinks(ctx context.Context) (*radiov1.SimReport, error) {
	return c.control(ctx, &radiov1.SimControl{DropLinks: true})
}

func (c *Client) control(ctx context.Context, control *radiov1.SimControl) (*radiov1.SimReport, error) {
	cc, err := c.usable()
	if err != nil {
		return nil, err
	}
	return cc.control(ctx, control)
}
