package prove

// limitMutants let a device do more without a network than is signed, or than
// people have allowed, or let that pass in silence.
func limitMutants() []Mutant {
	return []Mutant{
		{Name: "an override without an event", File: "daemon/allowance.go",
			Old: `c.Events = append(c.Events, deviceEvent("ALLOWED",`, New: `_ = append(c.Events, deviceEvent("ALLOWED",`, In: "daemon", By: "^TestAllow$"},
		{Name: "an emergency that is not time-boxed", File: "preauth/allowance.go",
			Old: "min(asked, left)), nil", New: "asked), nil", In: "preauth", By: "^TestEmergency$"},
		{Name: "an emergency told while it was open does not count", File: "preauth/allowance.go",
			Old: "return a.Told && a.Ended(heard, heard)", New: "return a.Told", In: "preauth", By: "^TestEmergency$"},
		{Name: "an emergency counts no more once it has ended", File: "store/allowance.go",
			Old: "told = 0 OR until_ms > ?)", New: "told = 0 OR until_ms > ? AND ended = 0)", In: "store", By: "^TestEmergencies$"},
		{Name: "a lowered floor makes an allowance longer", File: "preauth/allowance.go",
			Old: " || floor.Before(a.Floor.Add(-floorLowered))", New: "", In: "preauth", By: "^TestAnAllowanceEnds$"},
		{Name: "a clock that is set back makes an allowance longer", File: "preauth/allowance.go",
			Old: "return max(now.Sub(a.Since), floor.Sub(a.Floor))", New: "return now.Sub(a.Since)", In: "preauth", By: "^TestAnAllowanceEnds$"},
		{Name: "a payment dated ahead does not count", File: "store/dealings.go",
			Old: "AND (asks.stored_at <= ? OR sales.verdict_bytes IS NULL)", New: "AND asks.stored_at <= ?", In: "store", By: "^TestDealingsOfATill$"},
		{Name: "a clock that is set forward makes room", File: "daemon/limits.go",
			Old: "d.clock.Steady().Add(-within)", New: "now.Add(-within)", In: "daemon", By: "^TestAClockMakesNoRoomForMorePayments$"},
		{Name: "a setting raises a signed limit", File: "preauth/limits.go",
			Old: "PaymentMax: min(signed.PaymentMax, o.PaymentMax),", New: "PaymentMax: o.PaymentMax,",
			In: "preauth", By: "^TestADeviceLowersItsLimitsAndNeverRaisesThem$"},
		{Name: "a stale bundle accepted without override", File: "preauth/limits.go",
			Old: "if l.StaleBundle {", New: "if true {", In: "preauth", By: "^TestAStaleBundle$"},
		{Name: "a guarantee under a stale bundle", File: "preauth/guarantee.go",
			Old: "if bundleAge > BundleMaxAge {", New: "if bundleAge > BundleOldest {", In: "preauth", By: "^TestAStaleBundle$"},
		{Name: "a customer shows a guarantee under a stale bundle", File: "preauth/guarantee.go",
			Old: "return now.Sub(t.SignedAt())", New: "return 0", In: "preauth", By: "^TestGuaranteedAtTheTill$"},
		{Name: "a customer pays beyond its limit at one till", File: "daemon/accept.go",
			Old: "return errors.Join(unread, err)", New: "return unread", In: "daemon", By: "^TestACustomerLimitsWhatItPaysAtOneTill$"},
		{Name: "a till whose certificate has ended ends the session in silence", File: "daemon/answer.go",
			Old: "if errors.Is(err, preauth.ErrExpired) ||", New: "if", In: "cmd/internal/device", By: "^TestATillThatMayNotSellAnyMoreSaysSo$"},
		{Name: "changed limits never reach a device", File: "syncer/backend/limits.go",
			Old: "return t.nextEpoch() // devices renew", New: "return nil // devices renew", In: "syncer", By: "^TestLimitsReachADevice$"},
	}
}
