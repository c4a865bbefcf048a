package preauth

import "time"

// Guaranteed is what the issuer pays a till of total in any case: all of it if
// the funds were set aside for this very request, else what earlier vouchers of
// the certificate, used in all, left that till of the guarantee. Behind a trust
// bundle older than BundleMaxAge it is nothing: what was revoked of late is not
// known there. Amounts are in minor units.
//
// It holds for each voucher if the backend gets the claims in the order in
// which the till stored them; in any other order for their sum.
//
// The till and the customer's device both go by this, so that they say the
// same: the till by the age of its bundle, the customer by TillBundleAge.
func Guaranteed(c PreauthCert, total, used int64, bundleAge time.Duration) int64 {
	if bundleAge > BundleMaxAge {
		return 0
	}
	if len(c.Body.BoundTo) != 0 {
		return total
	}
	return min(total, max(0, c.Body.Guarantee-used))
}

// TillBundleAge is how old the bundle of a till that announced an epoch is at
// now, as far as a customer's device that holds t can tell: a till shows no more
// of its bundle than the epoch. One of a higher epoch counts as new, any other
// as one like t.
func (t Trust) TillBundleAge(epoch uint64, now time.Time) time.Duration {
	if epoch > t.Epoch() {
		return 0
	}
	return now.Sub(t.SignedAt())
}
