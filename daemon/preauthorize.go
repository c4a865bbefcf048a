package daemon

import (
	"context"
	"errors"
	"fmt"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

// keep stores a new pre-authorization with the bundle a till may ask for, and
// the instrument as it is now.
func (d *Device) keep(ctx context.Context, got syncer.PreAuthorized, ins store.Instrument, call *store.Call) (store.Authorization, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	auth := store.Authorization{
		Authorization: preauth.Authorization{Cert: got.Cert, Instrument: ins.ID, Prev: got.Cert.Hash},
		Delegated:     ins.Delegated,
	}
	if old, err := d.store.Authorization(ctx, auth.ID()); err == nil {
		return old, nil // asked twice at the same time
	}
	status := preauth.Available
	if until := d.self.Load().VoidUntil; !until.IsZero() && auth.Cert.Body.IssuedMs < until.UnixMilli() {
		auth.Voided, status = true, preauth.Voided // see tryUnlock
	}
	c := &store.Change{
		Put: []store.Authorization{auth}, Call: call,
		Events: []*paymentv1.Event{preauthEvent(auth.ID(), status)},
	}
	if call != nil {
		call.Subject = auth.ID()
	}
	all, err := d.store.Instruments(ctx)
	if err != nil {
		return auth, err
	}
	for i := range all {
		if all[i].ID == ins.ID {
			all[i].Balance = got.Instrument.Balance
			c.Instruments = all
		}
	}
	who := d.self.Load()
	if !who.Enrolled() || !who.shares(got.Trust) {
		return auth, errNotEnrolled // logged out or enrolled elsewhere meanwhile
	}
	id := who.Identity
	if got.Trust.Epoch() >= who.trust.Epoch() {
		id = who.with(got.Trust, c)
	}
	if err := d.become(ctx, id, c); err != nil {
		return auth, err
	}
	return d.store.Authorization(ctx, auth.ID())
}

// void stops spending at once. The issuer is told first; the unused rest
// returns at settle_by. Voiding again is harmless.
func (d *Device) void(ctx context.Context, call store.Call, id preauth.ID) (store.Authorization, error) {
	if _, _, err := d.knownCall(ctx, call); err != nil {
		return store.Authorization{}, err
	}
	auth, err := d.store.Authorization(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return auth, fmt.Errorf("%s: %w", id, errNoPreauth)
	}
	if err != nil {
		return auth, err
	}
	call.Subject = id
	if auth.Voided {
		return auth, d.remember(ctx, call)
	}
	got, err := d.sync.Void(ctx, call.RequestID, id)
	if err != nil {
		return auth, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if auth, err = d.store.Authorization(ctx, id); err != nil {
		return auth, err
	}
	if _, known, err := d.knownCall(ctx, call); known || err != nil {
		return auth, err // the same call, at the same time, was first
	}
	auth.Voided = true
	c := &store.Change{
		Put: []store.Authorization{auth}, Call: &call,
		Events: []*paymentv1.Event{preauthEvent(id, preauth.Voided)},
	}
	who := d.self.Load()
	now := who.Identity
	if who.Enrolled() && who.shares(got.Trust) && got.Trust.Epoch() >= who.trust.Epoch() {
		now = who.with(got.Trust, c)
	}
	return auth, d.become(ctx, now, c)
}
