package prove

// trustMutants let a device believe what it must not, across rotations of keys,
// old bundles, clocks and versions.
func trustMutants() []Mutant {
	const device = "cmd/internal/device"
	return []Mutant{
		{Name: "skip revocation", File: "preauth/trust.go", Old: "	case t.Revoked(id):", New: "	case false:", In: "preauth", By: "^TestADeviceIsNotDealtWithIfItsCertificateIs$"},
		{Name: "an older bundle replaces a newer one", File: "daemon/bundle.go", Old: "	if t.Epoch() <= who.trust.Epoch() {", New: "	if t.Epoch() == who.trust.Epoch() {",
			In: "daemon", By: "^TestBundleOfAPeer$"},
		{Name: "any root key follows", File: "preauth/issuers.go", Old: "		if err := h.VerifiedBy(root); err != nil {", New: "		if err := h.VerifiedBy(root); err != nil && false {",
			In: "preauth", By: "^TestABundleCountsFromALaterRoot$"},
		{Name: "a bundle leads back to an earlier root key", File: "preauth/issuers.go", Old: "if slices.Contains(left, root.KeyID()) {", New: "if slices.Contains(left, root.KeyID()) && false {",
			In: "preauth", By: "^TestABundleCountsFromALaterRoot$"},
		{Name: "a stranger's word makes an issuer", File: "preauth/issuers.go", Old: "		if err := c.VerifiedBy(root); err != nil {", New: "		if err := c.VerifiedBy(root); err != nil && false {",
			In: "preauth", By: "^TestIssuersAreNotKnownOtherwise$"},
		{Name: "the new root key is not stored", File: "daemon/bundle.go", Old: "id.TrustBundle, id.RootKey = t.Bundle.Bytes, t.Root", New: "id.TrustBundle = t.Bundle.Bytes",
			In: "daemon", By: "^TestBundleOfAPeer$"},
		{Name: "a new issuer key signs at once", File: "syncer/backend/keys.go", Old: "if !k.notBefore.After(now) {", New: "if true {", In: "syncer/backend", By: "^TestAnIssuerKeyIsReplaced$"},
		{Name: "an issuer key is gone at once", File: "syncer/backend/rotate.go", Old: "until := since.Add(certLife)", New: "until := since",
			In: "syncer/backend", By: "^TestAnIssuerKeyStaysListedWhileItMatters$"},
		{Name: "the floor is not persisted", File: "daemon/device.go", Old: "		c.Floor = d.clock.Floor()\n", New: "		c.Floor = c.Floor.UTC()\n", In: "daemon", By: "^TestFloorIsKept$"},
		{Name: "a forward clock keeps void ones from the backend", File: "daemon/locked.go", Old: "if d.clock.Floor().UnixMilli() >= a.Cert", New: "if d.now().UnixMilli() >= a.Cert",
			In: device, By: "^TestWalletPutBackWithAClockAhead$"},
		{Name: "downgrade accepted", File: "ble/secure/hello.go", Old: "if !ok || peer.GetChosen() != chosen {", New: "if !ok || peer.GetChosen() > chosen {", In: "ble/secure", By: "^TestDowngrade$"},
		{Name: "an advertisement that was not sent is accepted", File: "ble/secure/hello.go", Old: "|| r.RecentAdvertisement == nil || !r.RecentAdvertisement(ad) {", New: "|| r.RecentAdvertisement == nil {",
			In: "ble/secure", By: "^TestDowngrade$"},
		{Name: "critical flags are ignored", File: "ble/secure/hello.go", Old: "	if b.Critical {", New: "	if b.Critical && false {", In: "ble/secure", By: "^TestCriticalFlag$"},
		{Name: "identifiers recur", File: "daemon/wallet.go", Old: "		rand.Read(b.EID[:])", New: "		rand.Read(b.EID[4:])", In: device, By: "^TestNothingOnTheAirNamesTheCustomer$"},
		{Name: "a certificate that an issuer signed and nobody issued is paid", File: "syncer/backend/preauth_rows.go",
			Old: "issued.Hash == c.Hash, err", New: "(issued.Hash == c.Hash || true), err", In: "syncer/backend", By: "^TestUnknownCertificateIsNotJudged$"},
	}
}
