package prove

// reversalMutants are about money given back, and verdicts that change later.
func reversalMutants() []Mutant {
	return []Mutant{
		{Name: "a reversal is not handed in", File: "daemon/payment/business.go",
			Old: "	fx.Outbox = append(fx.Outbox, Item{ItemCancel, s.Asks[i].Request})", New: "	if r != ReasonReversal {\n		fx.Outbox = append(fx.Outbox, Item{ItemCancel, s.Asks[i].Request})\n	}",
			In: "daemon", By: "^TestReversePayment$"},
		{Name: "a reversal of another till counts", File: "preauth/answer.go",
			Old: "if ID(signer.Body.DeviceId) != ID(r.Body.BusinessDeviceId) {", New: "if ID(signer.Body.DeviceId) == (ID{}) {", In: here, By: "^TestScripts$/^a_Cancel_of_another_till$"},
		{Name: "a changed verdict is ignored", File: "syncer/refresh.go",
			Old: "		if err == nil {\n			err = s.book.Judge(ctx, d.Item, d.Verdict)\n		}", New: "", In: "syncer", By: "^TestChangedVerdictsAreLearned$"},
		{Name: "nobody is told of a changed verdict", File: "syncer/backend/settle.go",
			Old: "if err != nil || !is && v.outcome != ledger.Cancelled {", New: "if true {", In: "syncer/backend", By: "^TestChangedVerdictsAreTold$"},
		{Name: "a till that was told of a receipt forgets the reversal", File: "daemon/answer.go",
			Old: "d.till.forgetAcked(c.Asks)", New: "d.till.forgetAcked(nil)", In: "cmd/internal/device", By: "^TestReversalOffline$"},
		{Name: "claims go out by size", File: "syncer/outbox/batch.go",
			Old: "cmp.Compare(a.Stored, b.Stored), ", New: "", In: "syncer/outbox", By: "^TestWhatGoesFirst$"},
	}
}
