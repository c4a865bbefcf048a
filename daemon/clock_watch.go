package daemon

import (
	"context"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/store"
)

// clockEvery is how often the wall clock is looked at.
const clockEvery = time.Minute

// eventClockRegressed is what a device says of a wall clock before the floor.
const eventClockRegressed = "CLOCK_REGRESSED"

// watchClock says that the wall clock stands before the floor, once until it is
// right again. A restart does not say it again if it is still the last word of
// the event log: whether the clock was right meanwhile is not known, but nothing
// was done by it.
func (d *Device) watchClock(ctx context.Context) error {
	said, err := d.lastSaid(ctx, eventClockRegressed)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err != nil { // then rather twice than never
		d.log.Error("clock", "error", err)
	}
	tick := time.NewTicker(clockEvery)
	defer tick.Stop()
	for {
		if now := d.clock.Regressed(); now != said {
			said = now
			if now {
				d.mu.Lock()
				err := d.commit(ctx, &store.Change{Events: []*paymentv1.Event{deviceEvent(eventClockRegressed, d.clock.Floor().UTC().Format(time.RFC3339))}})
				d.mu.Unlock()
				if err != nil {
					d.log.Error("clock", "error", err)
				}
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// lastSaid reports whether the newest event says that of the device.
func (d *Device) lastSaid(ctx context.Context, what string) (bool, error) {
	last, err := d.store.LastSequence(ctx)
	if err != nil || last == 0 {
		return false, err
	}
	newest, err := d.store.Events(ctx, last-1, 1)
	return err == nil && len(newest) == 1 && newest[0].GetDeviceChanged().GetWhat() == what, err
}
