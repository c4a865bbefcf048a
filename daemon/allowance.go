package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

const (
	allowFor  = time.Hour // how long something is allowed if the call does not say
	reasonMax = 200       // bytes of why
	reportMax = 50        // allowances that the backend is told of at a time
)

// allow lets the device go beyond a rule for a while, on the word of a person.
// The same call again changes nothing. It returns what is allowed now, a zero
// value if that has ended.
func (d *Device) allow(ctx context.Context, call store.Call, person string, req *devicev1.AllowRequest) (store.Allowance, error) {
	kind := kindOf(req.GetKind())
	if err := preauth.CheckLine(req.GetReason(), reasonMax); err != nil {
		return store.Allowance{}, inField("reason", err)
	}
	if kind == preauth.AllowStaleBundle && !d.business() {
		return store.Allowance{}, fmt.Errorf("%s judges nobody by its trust bundle: %w", d.kind(), errWrongRole)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	open, err := d.allowances(ctx)
	if err != nil {
		return store.Allowance{}, err
	}
	if _, known, err := d.knownCall(ctx, call); known || err != nil {
		return open[kind], err
	}
	who, err := d.enrolled()
	if err != nil {
		return store.Allowance{}, err
	}
	during := allowFor
	if req.GetFor() != nil {
		during = req.GetFor().AsDuration()
	}
	a := store.Allowance{Reason: req.GetReason(), Person: person}
	if a.Allowance, err = d.allowance(ctx, who, kind, during); err != nil {
		return store.Allowance{}, err
	}
	c := &store.Change{Call: &call, Allow: &a}
	c.Events = append(c.Events, deviceEvent("ALLOWED", fmt.Sprintf("%s by %s until %s: %s",
		a.Kind, a.Person, a.Until.UTC().Format(time.RFC3339), a.Reason)))
	return a, d.commit(ctx, c)
}

// allowance begins now and lasts as long as asked, or as it may.
func (d *Device) allowance(ctx context.Context, who *self, kind preauth.AllowanceKind, asked time.Duration) (preauth.Allowance, error) {
	now, floor := d.now().Truncate(time.Millisecond), d.clock.Floor().Truncate(time.Millisecond)
	if kind != preauth.AllowEmergency {
		return preauth.Allow(kind, now, floor, asked), nil
	}
	heard := d.clock.LastHeard()
	rows, err := d.store.Emergencies(ctx, heard)
	if err != nil {
		return preauth.Allowance{}, err
	}
	before := make([]preauth.Allowance, len(rows))
	for i, row := range rows {
		before[i] = row.Allowance
	}
	return preauth.Emergency(who.cert.Body, before, now, floor, heard, asked)
}

// endAllowance takes back what was allowed, if it has not ended.
func (d *Device) endAllowance(ctx context.Context, call store.Call, person string, kind preauth.AllowanceKind) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known, err := d.knownCall(ctx, call); known || err != nil {
		return err
	}
	open, err := d.allowances(ctx)
	if err != nil {
		return err
	}
	c := &store.Change{Call: &call}
	if a, ok := open[kind]; ok {
		d.endIn(c, a, "by "+person)
	}
	return d.commit(ctx, c)
}

// endIn adds the end of an allowance, now at the latest, to a change.
func (d *Device) endIn(c *store.Change, a store.Allowance, how string) {
	c.Events = append(c.Events, deviceEvent("ALLOWANCE_ENDED", fmt.Sprintf("%s %s, allowed by %s until %s: %s",
		a.Kind, how, a.Person, a.Until.UTC().Format(time.RFC3339), a.Reason)))
	if now := d.now(); now.Before(a.Until) {
		a.Until = now
	}
	c.Ended = append(c.Ended, a)
}

// allowed is what people have allowed and is in force, by kind.
type allowed map[preauth.AllowanceKind]store.Allowance

// allowances returns what is in force.
func (d *Device) allowances(ctx context.Context) (allowed, error) {
	rows, err := d.store.Allowances(ctx)
	if err != nil {
		return nil, err
	}
	now, floor, cert := d.now(), d.clock.Floor(), d.self.Load().cert.Body
	open := make(allowed, len(rows))
	for _, a := range rows {
		if a.InForce(cert, now, floor) {
			open[a.Kind] = a
		}
	}
	return open, nil
}

// watchAllowances puts the end of what was allowed into the event log. It has
// ended before that: whoever asks compares the times.
//
// Nothing is stored while it is open. Every payment that is made under it
// stores the floor, so that a restart with the clock set back gives back only
// time in which nothing was paid; and who can do that can as well switch the
// device off meanwhile, which no floor counts.
func (d *Device) watchAllowances(ctx context.Context) error {
	for {
		changed := d.changed.wait()
		next, err := d.endPassed(ctx)
		if err != nil {
			d.log.Error("end of an allowance not recorded", "error", err)
			changed, next = nil, clockEvery // not once for every change
		}
		if err := waitFor(ctx, changed, next); err != nil {
			return err
		}
	}
}

// endPassed ends what is not in force any more, and returns when to look
// again: a clock that is set forward tells nobody.
func (d *Device) endPassed(ctx context.Context) (time.Duration, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rows, err := d.store.Allowances(ctx)
	if err != nil || len(rows) == 0 {
		return clockEvery, err
	}
	open, err := d.allowances(ctx)
	if err != nil {
		return clockEvery, err
	}
	c, next, now := &store.Change{}, clockEvery, d.now()
	for _, a := range rows {
		if _, ok := open[a.Kind]; !ok {
			d.endIn(c, a, "in time")
			continue
		}
		next = min(next, max(time.Millisecond, a.Until.Sub(now)))
	}
	if len(c.Ended) == 0 {
		return next, nil
	}
	return next, d.commit(ctx, c)
}

// endAll adds the end of everything that is allowed to a change that makes the
// device another one.
func (d *Device) endAll(ctx context.Context, c *store.Change) error {
	rows, err := d.store.Allowances(ctx)
	for _, a := range rows {
		d.endIn(c, a, "with the enrollment")
	}
	return err
}

// untold returns what the backend does not know of what was allowed.
func (d *Device) untold(ctx context.Context) ([]syncer.Allowance, error) {
	rows, err := d.store.UntoldAllowances(ctx, reportMax)
	all := make([]syncer.Allowance, len(rows))
	for i, a := range rows {
		all[i] = syncer.Allowance{N: a.N, Kind: string(a.Kind), Reason: a.Reason, By: a.Person, Since: a.Since, Until: a.Until}
	}
	return all, err
}

// toldRows are allowances as the backend was told of them.
func toldRows(told []syncer.Allowance) []store.Allowance {
	rows := make([]store.Allowance, len(told))
	for i, a := range told {
		rows[i] = store.Allowance{N: a.N, Allowance: preauth.Allowance{Until: a.Until}}
	}
	return rows
}

// kindOf returns the kind of an allowance as it is stored.
func kindOf(k devicev1.AllowanceKind) preauth.AllowanceKind {
	return preauth.AllowanceKind(strings.TrimPrefix(k.String(), "ALLOWANCE_KIND_"))
}

// allowanceProto returns an allowance as the API shows it, nil for none.
func allowanceProto(a store.Allowance) *devicev1.Allowance {
	if a.Kind == "" {
		return nil
	}
	return &devicev1.Allowance{
		Kind:   devicev1.AllowanceKind(devicev1.AllowanceKind_value["ALLOWANCE_KIND_"+string(a.Kind)]),
		Reason: a.Reason, By: a.Person, Since: stamp(a.Since), Until: stamp(a.Until),
	}
}

// allowancesProto lists what is in force, by the order of the kinds.
func allowancesProto(open allowed) []*devicev1.Allowance {
	var list []*devicev1.Allowance
	for _, kind := range []preauth.AllowanceKind{preauth.AllowStaleBundle, preauth.AllowOwnLimits, preauth.AllowEmergency} {
		if a, ok := open[kind]; ok {
			list = append(list, allowanceProto(a))
		}
	}
	return list
}
