package daemon

import (
	"context"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/store"
)

const (
	// statusPause is the least time between two messages of a status stream.
	statusPause = 250 * time.Millisecond
	// statusEvery is how often a watched status is looked at without a
	// change: a radio tells nobody that it has heard somebody.
	statusEvery = time.Second
)

// status returns one screen. The number of the newest event is read before
// everything else: who watches events after it may see again what the screen
// shows already, but misses nothing.
func (d *Device) status(ctx context.Context) (*devicev1.Status, error) {
	head, now := d.hub.Head(), d.now()
	st := &devicev1.Status{
		Version: d.opt.Version, Role: paymentv1.Role(d.opt.Role), DisplayName: d.opt.DisplayName,
		StartedAt: stamp(d.started), TrustedTime: stamp(now),
		Identity: d.identityProto(), Radio: d.radioStatus(), Backend: d.backendStatus(),
	}
	stats, err := d.store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	st.Store = &devicev1.StoreStatus{
		Writable: stats.Writable, Bytes: stats.Bytes, SchemaVersion: uint32(stats.SchemaVersion),
		Reason: stats.Reason, LastSequence: head,
	}
	if err := d.fillUnsynced(ctx, st); err != nil {
		return nil, err
	}
	if err := d.fillLimits(ctx, st, now); err != nil {
		return nil, err
	}
	sale, open, err := d.store.OpenSale(ctx)
	if err != nil {
		return nil, err
	}
	if open {
		st.OpenPaymentId = sale.ID.String()
	}
	s, err := d.situation(ctx, st, now)
	if err != nil {
		return nil, err
	}
	st.NextStep = s.nextStep()
	return st, nil
}

// fillUnsynced says what money is out.
func (d *Device) fillUnsynced(ctx context.Context, st *devicev1.Status) error {
	sums, oldest, deadline, err := d.store.Unsettled(ctx)
	if err != nil {
		return err
	}
	for _, u := range sums {
		text := func(minor int64) string { return money.Format(minor, u.Currency) }
		st.Unsynced = append(st.Unsynced, &devicev1.Unsynced{
			Currency: u.Currency, Count: uint32(u.Count), Amount: text(u.Total),
			Guaranteed: text(u.Guaranteed), AtRisk: text(u.Total - u.Guaranteed - u.Awaited),
		})
	}
	st.OldestUnsynced, st.UnsyncedDeadline = stamp(oldest), stamp(deadline)
	n, err := d.store.OutboxSize(ctx)
	st.Outbox = uint32(n)
	return err
}

// radioStatus says how the radio is.
func (d *Device) radioStatus() *devicev1.RadioStatus {
	r := &devicev1.RadioStatus{Driver: d.opt.Driver}
	if d.opt.Radio == nil {
		r.Reason, _ = reasonOf(d.noRadio())
		e, _ := catalogue.Lookup(r.Reason)
		r.Detail = e.What
		return r
	}
	s := d.opt.Radio.Status()
	r.Adapter, r.Ready = s.Adapter, s.Up
	r.Scanning, r.Advertising, r.Links = s.Scanning, s.Advertising, uint32(s.Links)
	r.LastPeer, r.Restarts, r.Refused = stamp(s.LastPeer), s.Restarts, d.refused.with(s.Refused)
	if !s.Up {
		r.Reason, r.Detail = s.Reason, s.Detail
	}
	return r
}

// backendStatus says whether the backend answers.
func (d *Device) backendStatus() *devicev1.BackendStatus {
	s, who := d.sync.State(), d.self.Load()
	b := &devicev1.BackendStatus{
		Url: d.backendURL(who), Online: s.Online, Since: stamp(s.Since), LastAnswer: stamp(s.LastAnswer),
		NextTry: stamp(s.NextTry), LastError: s.LastError,
	}
	if who.Enrolled() {
		b.BundleEpoch, b.BundleTime = who.trust.Epoch(), stamp(who.trust.SignedAt())
	}
	return b
}

// backendURL is where the backend is, empty until enrolled.
func (d *Device) backendURL(who *self) string {
	if !who.Enrolled() {
		return ""
	}
	return firstOf(d.opt.BackendURL, who.BackendURL)
}

// fillLimits says what bounds the device: what was signed, what people have
// allowed, and when it stops dealing offline.
func (d *Device) fillLimits(ctx context.Context, st *devicev1.Status, now time.Time) error {
	who := d.self.Load()
	limits, err := d.limitsOf(ctx, who)
	if err != nil {
		return err
	}
	open, err := d.allowances(ctx)
	if err != nil {
		return err
	}
	instruments, err := d.store.Instruments(ctx)
	if err != nil {
		return err
	}
	st.Limits = limitsProto(limits, func(currency string) bool {
		return slices.ContainsFunc(instruments, func(i store.Instrument) bool { return i.Currency == currency }) ||
			slices.ContainsFunc(st.Unsynced, func(u *devicev1.Unsynced) bool { return u.Currency == currency })
	})
	st.Allowances, st.CountMax = allowancesProto(open), uint32(limits.CountMax)
	if who.Enrolled() {
		st.OfflineUntil = stamp(d.horizonOf(who, limits, open, now).Until)
	}
	return nil
}

// situation gathers what the next step depends on.
func (d *Device) situation(ctx context.Context, st *devicev1.Status, now time.Time) (situation, error) {
	s := situation{
		now: now, business: d.business(), store: st.Store.Reason, state: st.Identity.State,
		radio: st.Radio.Reason, regressed: d.clock.Regressed(), online: st.Backend.Online,
		oldest: timeOf(st.OldestUnsynced), deadline: timeOf(st.UnsyncedDeadline), open: st.OpenPaymentId != "",
	}
	for _, u := range st.Unsynced {
		s.unsynced += int64(u.Count)
	}
	who, err := d.enrolled()
	if err != nil {
		s.locked, _ = reasonOf(err)
		return s, nil
	}
	e, err := d.exposure(ctx, who)
	if err != nil {
		return s, err
	}
	open, err := d.allowances(ctx)
	if err != nil {
		return s, err
	}
	s.horizon = d.horizonOf(who, e.Limits, open, now)
	s.stale = s.business && who.trust.CheckAge(e.Limits, now) != nil
	if over := overLimits(e, money.Amount{}); len(over) > 0 {
		s.full, _ = reasonOf(over[0])
	}
	if s.business {
		return s, nil
	}
	auths, err := d.spendable(ctx, who)
	s.spendable = covered(auths, money.Amount{}, now) == nil
	return s, err
}

// watchStatus calls send with the status now and whenever it has become
// another, at most four times a second.
func (d *Device) watchStatus(ctx context.Context, send func(*devicev1.Status) error) error {
	var last *devicev1.Status
	for {
		changed := d.changed.wait()
		st, err := d.status(ctx)
		if err != nil {
			return err
		}
		if last == nil || !sameStatus(last, st) {
			if err := send(st); err != nil {
				return err
			}
			last = st
			pause(ctx, statusPause)
		}
		if err := waitFor(ctx, changed, statusEvery); err != nil {
			return err
		}
	}
}

// sameStatus compares two screens but for the time, which always differs.
func sameStatus(a, b *devicev1.Status) bool {
	without := func(s *devicev1.Status) *devicev1.Status {
		c := proto.CloneOf(s)
		c.TrustedTime = nil
		return c
	}
	return proto.Equal(without(a), without(b))
}

// identityProto says who the device is.
func (d *Device) identityProto() *devicev1.Identity {
	who := d.self.Load()
	if !who.Enrolled() {
		return &devicev1.Identity{State: devicev1.AuthenticationState_AUTHENTICATION_STATE_NOT_ENROLLED}
	}
	c := who.cert.Body
	id := &devicev1.Identity{
		State:    devicev1.AuthenticationState_AUTHENTICATION_STATE_ENROLLED,
		DeviceId: preauth.ID(c.DeviceId).String(), BusinessName: c.DisplayName,
		ValidUntil: stamp(time.UnixMilli(c.NotAfterMs)), BackendUrl: d.backendURL(who),
	}
	if business, err := preauth.IDFrom(c.BusinessId); err == nil {
		id.BusinessId = business.String()
	}
	if _, err := d.enrolled(); err != nil {
		// Locked, revoked or expired: in each case it signs nothing new.
		id.State = devicev1.AuthenticationState_AUTHENTICATION_STATE_LOCKED
	}
	return id
}

// watchIdentity calls send with who the device is, now and whenever that has
// become another.
func (d *Device) watchIdentity(ctx context.Context, send func(*devicev1.Identity) error) error {
	var last *devicev1.Identity
	for {
		changed := d.changed.wait()
		if id := d.identityProto(); last == nil || !proto.Equal(last, id) {
			if err := send(id); err != nil {
				return err
			}
			last = id
		}
		// A certificate ends without anybody telling.
		if err := waitFor(ctx, changed, statusEvery); err != nil {
			return err
		}
	}
}
