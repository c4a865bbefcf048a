package prove

// sealMutants weaken what keeps keys, and payments that others carry.
func sealMutants() []Mutant {
	const device = "cmd/internal/device"
	return []Mutant{
		{Name: "logout unguarded", File: "daemon/identity.go", Old: "if count > 0 || n > 0 {", New: "if count > 0 && n < 0 {", In: device, By: "^TestEnrollAndLogout$"},
		{Name: "a seal that carriers can read", File: "preauth/seal/seal.go",
			Old: "return sealed, nil", New: "return append(sealed, plain...), nil", In: device, By: "^TestSealedTellsNothing$"},
		{Name: "carriers are told verdicts", File: "syncer/backend/submit.go",
			Old: "return p.Business == r.business || p.Customer == c.customer, nil", New: "return p.Business == r.business || p.Customer == c.customer || true, nil",
			In: "syncer/backend", By: "^TestSealedIsPaidWhoeverCarriesItIn$"},
		{Name: "sealed requests are not verified", File: "syncer/backend/verify.go",
			Old: "return till, r.VerifiedBy(preauth.PublicKey(till.Body.SigningKey))", New: "return till, nil", In: "syncer/backend", By: "^TestSealedItemsAreVerified$"},
		{Name: "a key is logged", File: device + "/device.go",
			Old: "	n.attachRadio(&o)\n	if n.Device", New: "	cfg.Logger.Debug(\"keys\", \"signing\", keys.Signing.D)\n	n.attachRadio(&o)\n	if n.Device", In: device, By: "^TestSecretsStayWhereTheyAre$"},
		{Name: "a key that others may read is used", File: "daemon/keys.go", Old: "mode&0o077 != 0", New: "mode&0o007 != 0", In: "daemon", By: "^TestExposedKeys$"},
		{Name: "a store that contradicts itself is written to", File: "store/open.go",
			Old: "s.reason, s.detail = Inconsistent, c.found[0]", New: "s.detail = c.found[0]", In: "store", By: "^TestCheckFinds$"},
	}
}
