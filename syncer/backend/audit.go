package backend

import (
	"context"
	"strings"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"

	"github.com/vipaso/vipasod/preauth"
)

// allowancesKept is how many allowances of one device and kind are kept, the
// newest: no device can fill the disk, and none can push an emergency out of
// sight with what is told of less.
const allowancesKept = 200

// Allowed is what people allowed on a device beyond the rules, as the device
// has told.
type Allowed struct {
	Device       preauth.ID
	Kind         string // STALE_BUNDLE, OWN_LIMITS or EMERGENCY
	Reason       string
	Person       string // user name on the device
	Since, Until time.Time
	Told         time.Time
}

// putAllowances keeps what a device tells of what was allowed on it. What it
// has told before ends as it says now; who and why stay as they were first.
func (t Tx) putAllowances(device preauth.ID, told []*backendv1.Allowance, now time.Time) error {
	for _, a := range told {
		err := t.exec(`INSERT INTO allowances (device_id, kind, reason, person, since_ms, until_ms, told_ms) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (device_id, kind, since_ms) DO UPDATE SET until_ms = excluded.until_ms, told_ms = excluded.told_ms`,
			device[:], a.Kind, plain(a.Reason), plain(a.By), a.SinceMs, a.UntilMs, now.UnixMilli())
		if err != nil {
			return err
		}
	}
	return t.exec(`DELETE FROM allowances WHERE n IN (SELECT n FROM
		(SELECT n, row_number() OVER (PARTITION BY kind ORDER BY n DESC) AS age FROM allowances WHERE device_id = ?) WHERE age > ?)`,
		device[:], allowancesKept)
}

// plain is a device's text as a screen can show it.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unprintable(r) {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
}

// Audit returns what people allowed on devices beyond the rules, the newest
// first.
func (a Admin) Audit(ctx context.Context) (all []Allowed, err error) {
	err = a.Store.Read(ctx, func(t Tx) error {
		return t.each(`SELECT device_id, kind, reason, person, since_ms, until_ms, told_ms FROM allowances ORDER BY since_ms DESC, n DESC`, nil,
			func(row func(...any) error) error {
				var one Allowed
				err := row(fixed(one.Device[:]), &one.Kind, &one.Reason, &one.Person, moment{&one.Since}, moment{&one.Until}, moment{&one.Told})
				all = append(all, one)
				return err
			})
	})
	return all, err
}
