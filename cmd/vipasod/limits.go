package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
)

// timeMax is the longest time without the backend that a setting may name.
const timeMax = 30 * 24 * time.Hour

// limits joins the tables. A currency that only one of them names is not
// lowered by the others.
func (l Limits) limits() (preauth.Limits, error) {
	all := make(map[string]preauth.Limit)
	read := func(table map[string]string, put func(*preauth.Limit, int64)) error {
		var errs []error
		for currency, text := range table {
			a, err := money.Parse(text, currency)
			errs = append(errs, err)
			limit, ok := all[currency]
			if !ok {
				limit = preauth.Limit{PaymentMax: math.MaxInt64, TotalMax: math.MaxInt64}
			}
			put(&limit, a.Minor)
			all[currency] = limit
		}
		return errors.Join(errs...)
	}
	err := errors.Join(
		read(l.OfflinePaymentMax, func(limit *preauth.Limit, v int64) { limit.PaymentMax = v }),
		read(l.OfflineTotalMax, func(limit *preauth.Limit, v int64) { limit.TotalMax = v }),
		read(l.OfflineCounterpartyMax, func(limit *preauth.Limit, v int64) { limit.CounterpartyMax = max(v, 1) }), // 0 would be no bound
	)
	own := preauth.Limits{Currencies: all, OfflineMax: time.Duration(l.OfflineTimeMax)}
	var errCount, errVelocity error
	own.CountMax, errCount = l.count()
	own.Velocities, errVelocity = l.velocities()
	return own, errors.Join(err, errCount, errVelocity)
}

// count is how many payments may wait, 0 if the setting leaves that as it is.
func (l Limits) count() (int64, error) {
	if l.OfflineCountMax == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(l.OfflineCountMax, 10, 32)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is no number of payments", l.OfflineCountMax)
	}
	return int64(n), nil
}

// velocities are the device's own, if it has any.
func (l Limits) velocities() ([]preauth.Velocity, error) {
	if l.OfflineVelocity == "" {
		return nil, nil
	}
	v, err := preauth.ParseVelocity(l.OfflineVelocity)
	if v == (preauth.Velocity{}) {
		return nil, err
	}
	return []preauth.Velocity{v}, nil
}
