package main

import (
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// Every limit of the file reaches the device.
func TestOwnLimits(t *testing.T) {
	c, _, err := Load(write(t, `role = "business"
[limits]
offline_payment_max = { USD = "20.00" }
offline_total_max = { USD = "200.00", EUR = "100.00" }
offline_counterparty_max = { USD = "60.00", JPY = "0" }
offline_count_max = "50"
offline_time_max = "48h"
offline_velocity = "10/1h"
`), nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	const most = math.MaxInt64
	want := preauth.Limits{
		Currencies: map[string]preauth.Limit{
			"USD": {PaymentMax: 20_00, TotalMax: 200_00, CounterpartyMax: 60_00}, "EUR": {PaymentMax: most, TotalMax: 100_00},
			"JPY": {PaymentMax: most, TotalMax: most, CounterpartyMax: 1},
		},
		CountMax: 50, OfflineMax: 48 * time.Hour, Velocities: []preauth.Velocity{{Max: 10, Within: time.Hour}},
	}
	if got, err := c.Limits.limits(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	none, err := defaults().Limits.limits()
	if err != nil || len(none.Currencies) > 0 || none.CountMax != 0 || none.OfflineMax != 0 || none.Velocities != nil {
		t.Errorf("by default: %+v, %v", none, err)
	}
	for _, line := range []string{
		`offline_count_max = "many"`, `offline_count_max = "0"`, `offline_time_max = "721h"`, `offline_time_max = "-1s"`,
		`offline_velocity = "10"`, `offline_counterparty_max = { USD = "1.001" }`,
	} {
		var wrong *InvalidError
		if _, _, err := Load(write(t, "role = \"business\"\n[limits]\n"+line+"\n"), nil, nil); !errors.As(err, &wrong) || len(wrong.Problems) != 1 {
			t.Errorf("%s: %v", line, err)
		}
	}
}
