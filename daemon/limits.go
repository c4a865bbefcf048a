package daemon

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
)

// exposure is what the device has out unsettled, against the limits that are
// in force.
func (d *Device) exposure(ctx context.Context, who *self) (preauth.Exposure, error) {
	unsettled, _, _, err := d.store.Unsettled(ctx)
	if err != nil {
		return preauth.Exposure{}, err
	}
	limits, err := d.limitsOf(ctx, who)
	if err != nil {
		return preauth.Exposure{}, err
	}
	e := preauth.Exposure{Limits: limits, Totals: make(map[string]int64, len(unsettled)), Offline: d.now().Sub(d.clock.LastHeard())}
	for _, u := range unsettled {
		e.Totals[u.Currency] = u.Total
		e.Count += u.Count
	}
	return e, nil
}

// limitsOf are the limits that are in force now.
func (d *Device) limitsOf(ctx context.Context, who *self) (preauth.Limits, error) {
	rows, err := d.store.Allowances(ctx)
	if err != nil {
		return preauth.Limits{}, err
	}
	all := make([]preauth.Allowance, len(rows))
	for i, row := range rows {
		all[i] = row.Allowance
	}
	return preauth.LimitsOf(who.cert.Body, d.opt.Limits, all, d.now(), d.clock.Floor()), nil
}

// dealings is the part of the exposure with one device of the other side, in
// the currency of a payment. Errors of the store go to unread, which is asked
// for when the checks are done.
func (d *Device) dealings(ctx context.Context, device preauth.ID, currency string, unread *error) preauth.Dealings {
	out, err := d.store.OutWith(ctx, device, currency)
	*unread = errors.Join(*unread, err)
	return preauth.Dealings{
		Totals: map[string]int64{currency: out},
		Lately: func(within time.Duration) int64 {
			now := d.now()
			n, err := d.store.CountWith(ctx, device, d.clock.Steady().Add(-within), now)
			*unread = errors.Join(*unread, err)
			return n
		},
	}
}

// overLimits says which limits keep the device from a payment of an amount
// to anybody, or from any.
func overLimits(e preauth.Exposure, amount money.Amount) []error {
	if amount.Currency != "" {
		return e.Obstacles(amount.Currency, max(1, amount.Minor))
	}
	first := []error{fmt.Errorf("no currency is allowed: %w", preauth.ErrLimitPayment)}
	for i, currency := range slices.Sorted(maps.Keys(e.Limits.Currencies)) {
		found := e.Obstacles(currency, 1)
		if len(found) == 0 {
			return nil
		}
		if i == 0 {
			first = found
		}
	}
	return first
}

// horizon is when a device stops dealing offline if the backend does not
// answer before; Soon says that it should answer.
type horizon struct {
	Until time.Time
	Soon  bool
}

// horizonOf says when who stops dealing offline, under the limits and with
// what is allowed at now.
func (d *Device) horizonOf(who *self, l preauth.Limits, open allowed, now time.Time) horizon {
	h := horizon{Until: time.UnixMilli(who.cert.Body.NotAfterMs)}
	end := func(from time.Time, most time.Duration) {
		if until := from.Add(most); until.Before(h.Until) {
			h = horizon{Until: until, Soon: until.Sub(now) < most/3}
		}
	}
	if l.OfflineMax > 0 {
		end(d.clock.LastHeard(), l.OfflineMax)
	}
	if d.business() {
		signed := who.trust.SignedAt()
		most := preauth.BundleMaxAge
		if stale, ok := open[preauth.AllowStaleBundle]; ok {
			most = max(most, min(preauth.BundleOldest, stale.Until.Sub(signed)))
		}
		end(signed, most)
	}
	return h
}

// limitsFew is how many currencies a screen shows without asking which of them
// are in use.
const limitsFew = 3

// limitsProto lists the bounds in force, by currency: of many only those that
// used says are in use, if any is.
func limitsProto(l preauth.Limits, used func(currency string) bool) []*devicev1.Limit {
	all := slices.Sorted(maps.Keys(l.Currencies))
	if len(all) > limitsFew && slices.ContainsFunc(all, used) {
		all = slices.DeleteFunc(all, func(currency string) bool { return !used(currency) })
	}
	list := make([]*devicev1.Limit, 0, len(all))
	for _, currency := range all {
		in := l.Currencies[currency]
		most := in.TotalMax
		if in.CounterpartyMax > 0 {
			most = min(most, in.CounterpartyMax)
		}
		list = append(list, &devicev1.Limit{
			Currency: currency, PaymentMax: money.Format(in.PaymentMax, currency),
			TotalMax: money.Format(in.TotalMax, currency), CounterpartyMax: money.Format(most, currency),
		})
	}
	return list
}
