package prove

// attackMutants let an attack of vipaso-demo succeed.
func attackMutants() []Mutant {
	const demo = "cmd/vipaso-demo"
	return []Mutant{
		{Name: "another till may ask under a known payment id", File: "daemon/customer.go",
			Old: "if old.Business != a.Business {", New: "if false {", In: demo, By: "^TestAttacks$/^payment-id-squatting$"},
		{Name: "an older copy of the store is not noticed", File: "store/second.go",
			Old: "if secondhead.Behind(s.head.changes, seen) {", New: "if false {", In: demo, By: "^TestAttacks$/^rolled-back-store$"},
		{Name: "any advertisement may be answered", File: "ble/secure/hello.go",
			Old: "|| !r.RecentAdvertisement(ad) {", New: "|| r.RecentAdvertisement(ad) && false {", In: demo, By: "^TestAttacks$/^downgrade$"},
		{Name: "a radio key of another certificate will do", File: "ble/secure/hello.go",
			Old: "if subtle.ConstantTimeCompare(key[:], peerStatic) != 1 {", New: "if subtle.ConstantTimeCompare(key[:], peerStatic) == 7 {", In: demo, By: "^TestAttacks$/^forged-till$"},
		{Name: "a session that is closed at once tells the peer nothing", File: "ble/secure/wire.go",
			Old: "		w.fail(link.ErrClosed)\n	}\n	w.wg.Wait()", New: "	}\n	w.fail(link.ErrClosed)\n	w.wg.Wait()", In: "ble/secure", By: "^TestRefusedThenClosed$"},
	}
}
