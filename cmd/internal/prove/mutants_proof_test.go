package prove

// proofMutants let people outside believe what nobody has signed.
func proofMutants() []Mutant {
	return []Mutant{
		{Name: "evidence unchecked", File: "preauth/evidence.go", Old: "if err := v.VerifiedBy(PublicKey(d.Preauth.Body.Spender)); err != nil {",
			New: "if err := v.VerifiedBy(PublicKey(d.Preauth.Body.Spender)); err != nil && false {", In: "preauth", By: "^TestEvidenceProvesNothing$"},
		{Name: "evidence accuses whoever is named", File: "preauth/evidence.go", Old: "if PublicKey(d.Accused.Body.SigningKey) != PublicKey(d.Preauth.Body.Spender) {", New: "if false {",
			In: "preauth", By: "^TestEvidenceProvesNothing$"},
		{Name: "one voucher is two", File: "preauth/evidence.go", Old: "if seen[v.Hash] {", New: "if false {", In: "preauth", By: "^TestEvidenceProvesNothing$"},
		{Name: "a receipt of another till accepted", File: "preauth/proof.go", Old: "OpenReceipt(p.GetReceipt(), request, promise.hash, till)", New: "Open[*peerv1.Receipt](p.GetReceipt())",
			In: "preauth", By: "^TestAReceiptIsNotProven$"},
		{Name: "the journal's hash does not cover the one before", File: "preauth/journal.go", Old: "	h.Write(prev[:])\n", New: "",
			In: "preauth", By: "^TestTheFirstEntryThatDoesNotFitIsNamed$"},
		{Name: "the journal's chain begins with every event", File: "store/event.go", Old: "entry.Chain(t.head.journal)", New: "entry.Chain(preauth.Hash{})",
			In: "store", By: "^TestJournal$"},
		{Name: "a device may tell two ends of its journal", File: "syncer/backend/journal.go", Old: "return s.remarkHead(t, told, headFork)", New: "return nil",
			In: "syncer/backend", By: "^TestJournalHeadsAreKept$"},
	}
}
