package prove

// mutants are the defects that the tests must find. The first ones take away,
// one by one, the rules that protocol.md names under "What has been checked".
func mutants() []Mutant {
	all := ruleMutants()
	all = append(all, signatureMutants()...)
	all = append(all, attackMutants()...)
	all = append(all, proofMutants()...)
	all = append(all, machineMutants()...)
	all = append(all, ledgerMutants()...)
	all = append(all, storeMutants()...)
	all = append(all, deviceMutants()...)
	all = append(all, sealMutants()...)
	all = append(all, vectorMutants()...)
	all = append(all, limitMutants()...)
	all = append(all, trustMutants()...)
	all = append(all, reversalMutants()...)
	all = append(all, dialMutants()...)
	return all
}

const (
	here    = "cmd/internal/prove"
	scripts = "^TestScripts$" // a script of the simulator is below it
)

// ruleMutants die by the simulator.
func ruleMutants() []Mutant {
	return []Mutant{
		{Name: "checks before the outcome", File: here + "/till.go", Old: "if ask.Answered() {", New: "if ask.Answered() && false {", In: here, By: scripts + "/^an_answer_comes_again_when_it_would_not_pass_any_more$"},
		{Name: "unacknowledged Cancels are not repeated", File: "preauth/authorization.go",
			Old: "range a.Unacked[:min(len(a.Unacked), ReleasedMax)] {", New: "range a.Unacked[:0] {", In: here, By: scripts + "/^a_till_signs_Receipt_and_Cancel,_the_headroom_is_spent_elsewhere$"},
		{Name: "a reversal goes to the customer, not back to held", File: "preauth/ledger/settle.go",
			Old: "b.move(Reverse, business(c), b.hold.held(), c.Paid, c.Request)",
			New: "b.move(Reverse, business(c), b.hold.instrument(), c.Paid, c.Request)\n\tb.hold.Released += c.Paid", In: here, By: scripts + "/^a_reversal_pays_earlier_remainders$"},
		{Name: "a verified Cancel is dropped", File: "daemon/payment/customer.go",
			Old: "return true // never dropped", New: "return false // never dropped", In: here, By: scripts + "/^money_back_after_the_settlement$"},
		{Name: "no days of grace", File: "preauth/ledger/hold.go", Old: "const Grace = 30 * 24 * time.Hour", New: "const Grace = 0 * time.Hour", In: here, By: scripts + "/^a_Cancel_comes_within_the_days_of_grace$"},
		{Name: "CANCELLED is not last", File: "daemon/payment/customer.go",
			Old: "(a.Cancel || a.State == Cancelled)", New: "(a.Cancel || a.State == Cancelled) && false", In: here, By: scripts + "/^a_verdict_that_a_Cancel_outranks$"},
		{Name: "no CANCELLED over REJECTED", File: "preauth/ledger/settle.go",
			Old: "	if i >= 0 {\n		b.reverse(", New: "	if i >= 0 && h.Claims[i].Outcome == Settled {\n		b.reverse(", In: here, By: scripts + "/^a_Cancel_over_a_rejection$"},
		{Name: "a reversal pays no earlier remainders", File: "preauth/ledger/settle.go",
			Old: "c.owed() > 0 {\n			b.capture(c)", New: "c.owed() < 0 {\n			b.capture(c)", In: here, By: scripts + "/^a_reversal_pays_earlier_remainders$"},
	}
}

// signatureMutants let something pass that nobody has signed, or not for this.
func signatureMutants() []Mutant {
	return []Mutant{
		{Name: "a Cancel counts for any request", File: "preauth/answer.go", Old: "if Hash(named) != r.Hash {\n		return fmt.Errorf(\"names another",
			New: "if false {\n		return fmt.Errorf(\"names another", In: "preauth", By: "^TestWhoSpeaksForARequest$"},
		{Name: "a Cancel of a foreign signer counts at the customer", File: "preauth/answer.go",
			Old: "if ID(signer.Body.DeviceId) != ID(r.Body.BusinessDeviceId) {", New: "if false {", In: here, By: scripts + "/^a_Cancel_of_another_till$"},
		{Name: "a Cancel of a foreign signer counts at the backend", File: "syncer/backend/verify.go",
			Old: "if by.device == device && verified(by.key) == nil {", New: "if verified(by.key) == nil {", In: here, By: scripts + "/^a_Cancel_of_another_till$"},
		{Name: "skip the nonce", File: "preauth/answer.go", Old: "case sha256.Sum256(r.Body.Nonce) != s.NonceHash:", New: "case false && sha256.Sum256(r.Body.Nonce) != s.NonceHash:",
			In: "preauth", By: "^TestACustomerShowsARequestOnlyIf$"},
		{Name: "skip the channel binding", File: "preauth/answer.go", Old: "case [32]byte(r.Body.ChannelBinding) != s.Binding:", New: "case false:",
			In: "preauth", By: "^TestACustomerShowsARequestOnlyIf$"},
		{Name: "accept another's signature on a voucher", File: "preauth/till.go", Old: "return v.VerifiedBy(PublicKey(c.Body.Spender))", New: "return nil",
			In: "preauth", By: "^TestATillRefusesAVoucherBecause$"},
		{Name: "accept a second voucher per counter", File: "preauth/till.go", Old: "ok && h != v.Hash {", New: "ok && h != v.Hash && false {",
			In: "preauth", By: "^TestATillRefusesAVoucherBecause$"},
		{Name: "accept a voucher after spend_by", File: "preauth/till.go", Old: "if t.Now.UnixMilli() >= c.Body.SpendByMs {", New: "if false {",
			In: "preauth", By: "^TestATillRefusesAVoucherBecause$"},
		{Name: "a receipt for another voucher counts", File: "preauth/answer.go", Old: "if Hash(rc.Body.VoucherHash) != voucher {", New: "if false {",
			In: "preauth", By: "^TestAReceiptForAnotherVoucherProvesNothing$"},
		{Name: "believe any verdict", File: "preauth/issuers.go", Old: "if err := i.issued(v.keyID, v.VerifiedBy); err != nil {\n		return Verdict{}, err", New: "if err := i.issued(v.keyID, v.VerifiedBy); err != nil && false {\n		return Verdict{}, err",
			In: "preauth", By: "^TestAVerdictCountsOnlyFromTheBackend$"},
		{Name: "a pre-authorization has one cent too much", File: "preauth/authorization.go", Old: "case total > a.Remaining():", New: "case total > a.Remaining()+1:",
			In: "preauth", By: "^TestDrawRefuses$"},
		{Name: "a till takes one cent too much", File: "preauth/exposure.go", Old: "out+total > l.TotalMax {", New: "out+total > l.TotalMax+1 {",
			In: "preauth", By: "^TestExposureCheck$"},
	}
}

// machineMutants change the two state machines and the outbox.
func machineMutants() []Mutant {
	const pure = "daemon/payment"
	return []Mutant{
		{Name: "release on a lost link", File: pure + "/customer.go", Old: "LinkLost:         {Authorized, NoteUnconfirmed},", New: "LinkLost:         {Released, NoteUnconfirmed},",
			In: here, By: scripts + "/^a_voucher_is_resent_over_a_new_session$"},
		{Name: "a timeout frees the hold", File: pure + "/customer.go", Old: "Unanswered:       {Authorized, NoteUnconfirmed},", New: "Unanswered:       {Expired, NoteUnconfirmed},",
			In: pure, By: "^TestCustomerStepEffects$"},
		{Name: "a Cancel other than REVERSAL after PROVISIONAL", File: pure + "/business.go",
			Old: "	Provisional: {\n		Reverse:       {Cancelled, NoteCancelled, ReasonReversal},", New: "	Provisional: {\n		Reverse:       {Cancelled, NoteCancelled, ReasonUser},",
			In: here, By: scripts + "/^money_back_before_the_settlement$"},
		{Name: "the losers get no Cancel", File: pure + "/business.go", Old: "		s.cancelUnanswered(e.cancel, fx)\n	case Withdraw,", New: "	case Withdraw,",
			In: here, By: scripts + "/^the_loser's_Cancel_is_synced_before_the_winner's_claim$"},
		{Name: "a request is answered twice", File: pure + "/business.go", Old: "ok = asked && !a.Answered()", New: "ok = asked || a.Answered()", In: pure, By: "^TestBusinessStories$"},
		{Name: "a rejected voucher holds nothing", File: pure + "/state.go", Old: "case Authorized, Provisional, Rejected:\n		return Held", New: "case Authorized, Provisional:\n		return Held",
			In: pure, By: "^TestConservation$"},
		{Name: "a Cancel is not handed in", File: pure + "/customer.go", Old: "	case CancelReceived, CancelOtherPaid:\n		return ItemCancel", New: "	case CancelOtherPaid:\n		return ItemCancel",
			In: here, By: scripts + "/^money_back_after_the_settlement$"},
		{Name: "claims before Cancels", File: "syncer/outbox/batch.go", Old: "if it.Key.Kind == payment.ItemCancel {\n		return 0", New: "if it.Key.Kind != payment.ItemCancel {\n		return 0",
			In: "syncer/outbox", By: "^TestARequestsItemsStayTogether$"},
		{Name: "sums that differ do not matter", File: "syncer/outbox/verdict.go", Old: "if !sameTotals(own, totals) {", New: "if false {", In: "syncer/outbox", By: "^TestNothingIsDoneIfTheSumsDiffer$"},
	}
}

// ledgerMutants change settlement.
func ledgerMutants() []Mutant {
	const books = "syncer/backend"
	return []Mutant{
		{Name: "pay more than is held", File: "preauth/ledger/settle.go", Old: "pay := min(c.Shortfall(), b.hold.Held())", New: "pay := c.Shortfall()", In: here, By: scripts + "/^a_cloned_wallet_with_unequal_counters$"},
		{Name: "one guarantee for all tills", File: "preauth/ledger/hold.go", Old: "if c.Till == till {", New: "if c.Till == till || true {", In: "preauth/ledger", By: "^TestSettlement$"},
		{Name: "nothing is too late", File: "preauth/ledger/settle.go", Old: "case b.hold.Closed:\n		at.Outcome", New: "case false:\n		at.Outcome", In: "preauth/ledger", By: "^TestSettlement$"},
		{Name: "the issuer is never repaid", File: "preauth/ledger/settle.go", Old: "		b.repay(&b.hold.Claims[i])", New: "		_ = i", In: here, By: scripts + "/^a_reversal_pays_earlier_remainders$"},
		{Name: "a voucher without receipt counts", File: books + "/submit.go", Old: "case it.receipt.Zero() && it.cancel.Zero():", New: "case false:", In: books, By: "^TestVoucherWithoutReceiptMovesNothing$"},
		{Name: "released Cancels are ignored", File: books + "/settle.go", Old: "s.release(t, it.released, at)", New: "s.release(t, nil, at)", In: here, By: scripts + "/^a_till_signs_Receipt_and_Cancel,_the_headroom_is_spent_elsewhere$"},
		{Name: "a Cancel before its request is forgotten", File: books + "/submit.go", Old: "return r, true, s.cancel(t, r.hash, at)", New: "return r, true, nil", In: books, By: "^TestReleasedCancelWaitsForItsRequest$"},
		{Name: "two vouchers at one counter prove nothing", File: books + "/evidence.go", Old: "if len(same) > 1 {", New: "if len(same) > 2 {", In: books, By: "^TestEquivocationIsProvenAndTheDeviceRevoked$"},
		{Name: "retry with a new id", File: "cmd/vipasoctl/asking.go", Old: "return s.app.conn.business().StreamPaymentRequest(",
			New: "s.req.RequestId = s.req.RequestId[1:] + s.req.RequestId[:1]\n\t\treturn s.app.conn.business().StreamPaymentRequest(", In: "cmd/vipasoctl", By: "^TestRequestRestart$"},
		{Name: "a repeated call sets funds aside again", File: books + "/preauthorize.go", Old: "h, ok, err := t.holdByRequestID(c.device.ID, id)", New: "h, ok, err := t.holdByRequestID(c.device.ID, c.device.ID)",
			In: books, By: "^TestPreAuthorize$"},
		{Name: "settle before commit", File: books + "/store.go", Old: "func(t *sql.Tx) error { return committed(t.Commit()) }",
			New: "func(t *sql.Tx) error { _ = committed(t.Commit()); return nil }", In: books, By: "^TestAFailedCommitEndsTheProcess$"},
		{Name: "the backend forgets on power loss", File: books + "/store.go", Old: "_synchronous=EXTRA&", New: "_synchronous=NORMAL&", In: books, By: "^TestPragmasAreReadBack$"},
		{Name: "an older copy of the books is not noticed", File: books + "/older.go", Old: "	case secondhead.Behind(changes, seen):", New: "	case false:",
			In: books, By: "^TestOlderBooksAreReadOnly$"},
		{Name: "an older copy of the books is served", File: books + "/store.go", Old: "	if err := s.Older(); err != nil {", New: "	if err := s.Older(); err != nil && false {",
			In: "cmd/vipaso-backend", By: "^TestAnOlderCopyIsServedOnlyIfAccepted$"},
		{Name: "changes of the books are not counted", File: books + "/older.go", Old: "		_, err := t.one(`UPDATE head SET changes = changes + 1", New: "		_, err := t.one(`UPDATE head SET changes = changes",
			In: books, By: "^TestWhatChangesNothingIsNotCounted$"},
		{Name: "what the till was guaranteed before does not count", File: books + "/preauth_rows.go",
			Old: "coalesce(sum(v.guaranteed), 0)", New: "0", In: "syncer/backend", By: "^TestCollusionCostsTheIssuerNoMoreThanTheReserve$"},
		{Name: "a guarantee is for all tills together", File: books + "/preauth_rows.go",
			Old: "WHERE c.preauth_id = ? AND r.till_id = ?`, []any{h.id[:], till[:]}", New: "WHERE c.preauth_id = ?`, []any{h.id[:]}",
			In: "syncer/backend", By: "^TestTheGuaranteeIsForEachTill$"},
		{Name: "a voucher without a claim proves no overspending", File: books + "/evidence_rows.go",
			Old: "ELSE ? END", New: "ELSE 0*? END", In: "syncer/backend", By: "^TestOverspendingBesideATwinIsProven$"},
	}
}

// storeMutants change what a commit is.
func storeMutants() []Mutant {
	return []Mutant{
		{Name: "skip the pragma", File: "store/open.go", Old: "\"_synchronous\":   {\"EXTRA\"},", New: "\"_synchronous\":   {\"NORMAL\"},", In: "store", By: "^TestDurabilityIsDemanded$"},
		{Name: "drop UNIQUE of a till's vouchers", File: "store/migrations/00001_device.sql", Old: "CREATE UNIQUE INDEX asks_voucher", New: "CREATE INDEX asks_voucher", In: "store", By: "^TestSaleRefuses$"},
		{Name: "drop UNIQUE of a customer's live vouchers", File: "store/migrations/00001_device.sql", Old: "CREATE UNIQUE INDEX attempts_live", New: "CREATE INDEX attempts_live", In: "store", By: "^TestCommitRefuses$"},
		{Name: "event number outside the transaction", File: "store/event.go", Old: "	t.head.sequence++\n", New: "	t.s.head.sequence++\n	t.head.sequence = t.s.head.sequence\n", In: "store", By: "^TestCommitRefuses$"},
		{Name: "counter from memory", File: "store/books.go", Old: "prev = ? WHERE id = ? AND counter = ?`,", New: "prev = ? WHERE id = ? AND ? >= 0`,", In: "store", By: "^TestCommitRefuses$"},
		{Name: "go on after a failed commit", File: "store/tx.go", Old: "	if err := t.exec(`COMMIT`); err != nil {\n		s.poison(err)", New: "	if err := t.exec(`COMMIT`); err != nil {", In: "store", By: "^TestFailedCommit$"},
		{Name: "write on a full disk", File: "store/tx.go", Old: "if free < roomMin {", New: "if free < 0 {", In: "store", By: "^TestFullDisk$"},
	}
}

// deviceMutants change the order in which effects are carried out, in the
// simulator's driver and in the daemon's.
func deviceMutants() []Mutant {
	return []Mutant{
		{Name: "receipt before COMMIT", File: here + "/sale.go", Old: "	return sale, fx, t.commit(c, in.Request)", New: "	t.byRequest[in.Request] = t.sessions[0]\n	if err := t.deliver(sale, fx); err != nil {\n		return sale, fx, err\n	}\n	return sale, fx, t.commit(c, in.Request)",
			In: here, By: scripts + "/^the_receipt's_commit_fails_and_is_not_on_disk$"},
		{Name: "voucher before COMMIT", File: here + "/pay.go", Old: "	if err := c.commit(ch, a.Request); err != nil {\n		return a, err\n	}\n	return a, c.deliver(a, fx)",
			New: "	if err := c.deliver(a, fx); err != nil {\n		return a, err\n	}\n	return a, c.commit(ch, a.Request)", In: here, By: scripts + "/^a_payment$"},
		{Name: "notify before store", File: here + "/device.go", Old: "	f := d.w.commitFault(d)\n", New: "	d.told += uint64(len(c.Events))\n	f := d.w.commitFault(d)\n", In: here, By: scripts + "/^the_receipt's_commit_fails_and_is_not_on_disk$"},
		{Name: "go on after a commit that failed but is on disk", File: here + "/device.go", Old: "	if f == faultAfter || f == faultKept {\n		return d.gone(faultNames[f])", New: "	if f == faultAfter || f == faultKept {\n		return store.ErrFull", In: here, By: scripts + "/^the_receipt's_commit_fails,_but_is_on_disk$"},
		{Name: "the till judges again what has an outcome", File: "daemon/answer.go", Old: "if err != nil || ask.Answered() {", New: "if err != nil {", In: "daemon", By: "^TestAnOutcomeIsRepeatedUnjudged$"},
		{Name: "a receipt while the verdict is awaited", File: here + "/sale.go", Old: "case sale.State == payment.Awaiting:", New: "case false:", In: here, By: scripts + "/^the_till's_caller_gives_up_before_the_verdict$"},
		{Name: "the wall clock feeds the floor", File: "daemon/clock.go", Old: "	return c.floor.Add(time.Since(c.set))", New: "	if now := c.floor.Add(time.Since(c.set)); now.After(time.Now()) {\n		return now\n	}\n	return time.Now()", In: "daemon", By: "^TestClockWallDoesNotFeedTheFloor$"},
		{Name: "believe the wall clock", File: "daemon/clock.go", Old: "	if floor.After(wall) {\n		return floor\n	}\n	return wall", New: "	_ = floor\n	return wall", In: "daemon", By: "^TestClockFloorRuns$"},
		{Name: "an unknown Charge is given up at once", File: "daemon/book.go", Old: "if floor.Before(since.Add(chargeMargin)) {", New: "if false {", In: "daemon", By: "^TestUnknownChargeEnds$"},
		{Name: "retry with a new voucher", File: "daemon/payment/verdict.go", Old: "return !a.Voucher.Zero() && !a.Cancel ||", New: "return !a.Voucher.Zero() && a.Cancel ||", In: "daemon/payment", By: "^TestWhichAnswerStands$"},
	}
}
