package prove

// vectorMutants break what the test vectors say, and the runner that compares.
func vectorMutants() []Mutant {
	const (
		conformance = "cmd/internal/conformance"
		vectors     = "^TestVectors$"
	)
	return []Mutant{
		{Name: "vectors that fail are passed", File: conformance + "/conformance.go",
			Old: "if one.Want != one.Got {", New: "if one.Want != one.Got && one.Got == \"\" {", In: conformance, By: "^TestAChangedVectorFails$"},
		{Name: "a message has many encodings", File: "preauth/signed.go",
			Old: "if err != nil || !bytes.Equal(again, b) {", New: "if err != nil && !bytes.Equal(again, b) {", In: conformance, By: vectors},
		{Name: "a lower version is taken", File: "ble/secure/hello.go",
			Old: "if !ok || peer.GetChosen() != chosen {", New: "if !ok || peer.GetChosen() > chosen {", In: conformance, By: vectors},
		{Name: "every till recognises RESUME", File: "ble/link/beacon.go",
			Old: "return hmac.Equal(want[:], eid[:])", New: "return hmac.Equal(want[:3], eid[:3])", In: conformance, By: vectors},
		{Name: "a frame is taken twice", File: "ble/frame/push.go",
			Old: "if p.seq != byte(c.counters.Received) {", New: "if p.seq > byte(c.counters.Received) {", In: conformance, By: vectors},
	}
}
