package backend

import (
	"fmt"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// What a device can make these books keep without any money behind it is
// bounded, so that no device can fill the disk. Nothing here bounds a claim
// that moves money, nor anything about a Request that is known: an honest
// customer's Cancel always counts against a claim, because a Cancel that is
// put off stays with whoever handed it in, and the claim makes its Request
// known.

// A quota is something a device may have so often a day. It is stored by its
// text.
type quota string

const (
	// registration is a payment that a till registers.
	registration quota = "REGISTRATION"
	// idleRequest is a till's Request that comes without voucher or charge
	// and receipt, as a rule with its Cancel, or with a charge that takes
	// nothing.
	idleRequest quota = "REQUEST"
	// boundHold is a pre-authorization bound to one request.
	boundHold quota = "BOUND"
)

// perDay is far above what a till or a customer does in a day of the busiest
// kind.
var perDay = map[quota]int{registration: 10_000, idleRequest: 10_000, boundHold: 500}

// vouchersPerRequest is how many different vouchers for one Request are kept.
// A Request is for one customer's session, so a second one is odd already, and
// a third one says no more.
const vouchersPerRequest = 2

// registrationKept is how long a registration is kept after its minutes: as
// long as the certificate in any Request made before it ended can be valid. A
// Charge for such a Request is refused for its certificate then, so that
// registering the payment anew brings no old Charge back.
const registrationKept = certLife

// use takes one of a device's quota for the day.
//
// The error wraps ErrLimitRate if nothing is left of it.
func (t Tx) use(q quota, device preauth.ID, now time.Time) error {
	var used int
	ok, err := t.one(`INSERT INTO quotas (device_id, kind, day, used) VALUES (?, ?, ?, 1)
		ON CONFLICT DO UPDATE SET used = iif(day = excluded.day, used + 1, 1), day = excluded.day
		WHERE day <> excluded.day OR used < ? RETURNING used`,
		[]any{device[:], q, now.Unix() / (24 * 60 * 60), perDay[q]}, &used)
	if err == nil && !ok {
		err = fmt.Errorf("device %s: %d today: %w", device, perDay[q], ErrLimitRate)
	}
	return err
}

// roomFor refuses what these books need not keep, before any of it is stored.
// r is the item's Request, known whether it was there before.
//
// The error wraps ErrLimitRate or ErrLimitCount.
func (t Tx) roomFor(it handed, r request, known bool, now time.Time) error {
	promise, _ := it.promise()
	undone := !it.charge.Zero() && !it.cancel.Zero()
	if promise.Zero() || it.receipt.Zero() || undone {
		if known {
			return nil
		}
		return t.use(idleRequest, r.till, now)
	}
	if it.voucher.Zero() {
		return nil // whether it takes anything is not known yet
	}
	// A till takes each counter of a pre-authorization once.
	if _, claimed, err := t.claim(r.hash); err != nil || claimed {
		return err
	}
	count, err := t.claimsAt(preauth.ID(it.cert.Body.PreauthId), r.till)
	if most := int(it.cert.Body.PaymentsMax); err == nil && count >= most {
		err = fmt.Errorf("till %s: %d payments of one pre-authorization: %w", r.till, most, ErrLimitCount)
	}
	return err
}

// claimsAt counts a till's claims on a pre-authorization.
func (t Tx) claimsAt(pre, till preauth.ID) (n int, err error) {
	_, err = t.one(`SELECT count(*) FROM claims c JOIN requests r ON r.hash = c.request_hash
		WHERE c.preauth_id = ? AND r.till_id = ?`, []any{pre[:], till[:]}, &n)
	return n, err
}

// keeps reports whether a voucher is kept: those of its Request that came
// first are.
func (t Tx) keeps(it handed) (bool, error) {
	all, err := t.vouchers(`request_hash = ?`, it.request.Hash[:])
	if err != nil {
		return false, err
	}
	for _, v := range all {
		if v.hash == it.voucher.Hash {
			return true, nil
		}
	}
	return len(all) < vouchersPerRequest, nil
}

// dropRegistrations forgets a device's that no Charge can need any more.
func (t Tx) dropRegistrations(device preauth.ID, now time.Time) error {
	return t.exec(`DELETE FROM payment_windows WHERE device_id = ? AND until_ms < ?`,
		device[:], now.Add(-registrationKept).UnixMilli())
}
