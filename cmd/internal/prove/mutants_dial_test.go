package prove

// dialMutants have a till spend its only dialler on who refuses it, or a
// customer make that easy.
func dialMutants() []Mutant {
	return []Mutant{
		{Name: "a refused customer is dialled again like any other", File: "daemon/dial_pace.go", Old: "	if fleeting(err) {", New: "	if true {",
			In: "daemon", By: "^TestARefusedAdvertisementIsLeftAlone$"},
		{Name: "newcomers are dialled at once whatever came before", File: "daemon/dial_pace.go", Old: "	return d.vain == 0 ||", New: "	return true ||",
			In: "daemon", By: "^TestNewcomersArePacedAfterRefusals$"},
		{Name: "the strongest comes first also when it refuses", File: "daemon/dial.go", Old: "fair := c.failed || vain", New: "fair := c.failed || vain && false",
			In: "daemon", By: "^TestWhoRefusesKeepsNobodyWaiting$"},
		{Name: "a customer that was asked nothing takes a new identifier", File: "daemon/merchant.go", Old: "w.rotate = w.rotate || m.dealt", New: "w.rotate = true",
			In: "cmd/internal/device", By: "^TestACustomerWhomTheTillCannotJudge$"},
	}
}
