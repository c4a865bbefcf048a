package daemon

import (
	"context"
	"errors"
	"time"

	"github.com/google/uuid"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

// unlockEvery is how often a locked device that is online tries to unlock.
const unlockEvery = time.Minute

// lockDown prepares a device whose store is an older copy.
func (d *Device) lockDown(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &store.Change{}
	if err := d.forget(ctx, c); err != nil || len(c.Put) == 0 {
		return err
	}
	return d.commit(ctx, c)
}

// forget gives up what may have gone on without the store: the device does
// not know what it signed since, and must never say otherwise (protocol,
// States). An open payment of a till ends without a Cancel, for it may have
// been paid. A customer's pre-authorizations are spent from no more, for their
// counters may have been used. The caller holds the lock and commits c.
func (d *Device) forget(ctx context.Context, c *store.Change) error {
	sale, open, err := d.store.OpenSale(ctx)
	if err != nil {
		return err
	}
	if open && sale.State == payment.Open {
		if _, _, err := d.storeSale(ctx, sale, saleStep{in: payment.BusinessInput{Event: payment.Forgotten}}); err != nil {
			return err
		}
	}
	all, err := d.store.Authorizations(ctx)
	if err != nil {
		return err
	}
	for _, a := range all {
		if !a.Voided {
			a.Voided = true
			c.Put = append(c.Put, a)
			c.Events = append(c.Events, preauthEvent(a.ID(), preauth.Voided))
		}
	}
	return nil
}

// unlock waits until the device has synchronized after lockDown, and lets it
// sign again.
func (d *Device) unlock(ctx context.Context) error {
	for d.self.Load().Locked {
		changed := d.sync.Changed()
		err := syncer.ErrOffline
		if d.sync.Online() {
			err = d.tryUnlock(ctx)
			if d.sync.Online() {
				changed = nil // what the try itself changes is no reason for another
			}
		}
		if err == nil {
			return nil
		}
		d.log.Info("locked", "error", err)
		timer := time.NewTimer(unlockEvery)
		select {
		case <-changed:
		case <-timer.C:
		case <-ctx.Done():
		}
		timer.Stop()
		if ctx.Err() != nil {
			return ctx.Err()
		}
	}
	return nil
}

// tryUnlock hands in all that the store knows, voids the pre-authorizations
// at the backend, too, and unlocks. A pre-authorization that the store does
// not know can come back, when the call that made it is repeated: what was
// issued until now is void.
func (d *Device) tryUnlock(ctx context.Context) error {
	if _, err := d.sync.SyncNow(ctx, nil); err != nil {
		return err
	}
	all, err := d.store.Authorizations(ctx)
	if err != nil {
		return err
	}
	for _, a := range all {
		if d.clock.Floor().UnixMilli() >= a.Cert.Body.SpendByMs { // by no clock that may be ahead
			continue
		}
		_, err := d.sync.Void(ctx, preauth.ID(uuid.New()), a.ID())
		var refused *syncer.Refused
		if errors.As(err, &refused) && refused.RetryAfter == 0 {
			d.log.Warn("voided here only", "pre-authorization", a.ID().String(), "error", err)
			continue
		}
		if err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &store.Change{Events: []*paymentv1.Event{deviceEvent("UNLOCKED", "")}}
	if err := d.forget(ctx, c); err != nil { // again, if the disk was full then
		return err
	}
	id := d.self.Load().Identity
	id.Locked, id.VoidUntil = false, d.clock.Floor()
	if err := d.become(ctx, id, c); err != nil {
		return err
	}
	d.till.wake.fire()
	d.wallet.wake.fire()
	return nil
}

// forgotten reports whether a request was open when the store was put back:
// what was signed about it since is not known, and nothing is.
func forgotten(sale store.Sale, ask store.Ask) bool {
	return !ask.Answered() && sale.State != payment.Open
}
