package main

import (
	"errors"
	"math"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
)

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
	)
	return preauth.Limits{Currencies: all}, err
}
