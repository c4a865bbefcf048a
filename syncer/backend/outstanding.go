package backend

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// OpenHold is a pre-authorization that vouchers may still arrive for.
type OpenHold struct {
	ID          preauth.ID
	Currency    string
	Limit, Held int64 // minor units
	SettleBy    time.Time
}

// Outstanding is what may still be handed in of what a device has signed.
type Outstanding struct {
	Device Device
	// Holds are a customer device's own, the one that ends first before the
	// others. A till has none.
	Holds []OpenHold
	// Until is when the last of it is too late, zero if nothing can come any
	// more. A till may have been paid from any pre-authorization, so that it
	// is the end of the last one of all.
	Until time.Time
}

// Outstanding says what may still arrive from a device, by itself or in other
// hands, and until when.
//
// The error wraps ErrNotFound.
func (a Admin) Outstanding(ctx context.Context, id preauth.ID) (o Outstanding, err error) {
	err = a.Store.Read(ctx, func(t Tx) error {
		var ok bool
		if o.Device, ok, err = t.device(id); err != nil {
			return err
		}
		if !ok {
			return fmt.Errorf("device %s: %w", id, ErrNotFound)
		}
		if !o.Device.Party.Business.Zero() {
			o.Until, err = t.lastEnd()
			return err
		}
		open, err := t.openHolds(id)
		if err != nil {
			return err
		}
		slices.SortFunc(open, func(a, b hold) int { return cmp.Or(a.settleBy.Compare(b.settleBy), slices.Compare(a.id[:], b.id[:])) })
		for _, h := range open {
			held, err := t.held(h)
			if err != nil {
				return err
			}
			o.Holds = append(o.Holds, OpenHold{ID: h.id, Currency: h.currency, Limit: h.limit, Held: held, SettleBy: h.settleBy})
			o.Until = h.settleBy
		}
		return nil
	})
	return o, err
}

// lastEnd is the latest settle_by of an open pre-authorization, zero if there
// is none.
func (t Tx) lastEnd() (at time.Time, err error) {
	_, err = t.one(`SELECT max(settle_by_ms) FROM preauths WHERE closed_ms IS NULL`, nil, moment{&at})
	return at, err
}
