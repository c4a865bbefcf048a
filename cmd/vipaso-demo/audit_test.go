package main

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// settled is an audit of one payment of 12.00 that Ann made and that is
// settled, with 88.00 still held.
func settled() (*audit, *stage) {
	s := &stage{opened: map[string]int64{"USD": 500_00}}
	s.till = s.newParty("the till", "till", 0)
	s.till.owner = "cafe"
	paid := &paymentv1.Payment{State: paymentv1.PaymentState_PAYMENT_STATE_SETTLED, SettledAmount: "12.00", Amount: "12.00", Currency: "USD"}
	lost := &paymentv1.Payment{State: paymentv1.PaymentState_PAYMENT_STATE_OTHER_PAID}
	return &audit{
		beliefs: []belief{{
			sale: &sale{label: "payment-1", amount: "12.00 USD"}, till: paid, backend: "SETTLED 12.00",
			payers: map[string]*paymentv1.Payment{"ann": paid, "bea": lost}, credit: credit{12_00, 1},
		}},
		accounts: []account{{
			label: "ann-preauth-1", currency: "USD", limit: 100_00, spent: 12_00, free: 88_00,
			reserve: reserve{reserved: 100_00, settled: 12_00, held: 88_00},
		}},
		ledger: ledger{
			sums:    map[string]int64{"USD": 0},
			kinds:   map[string]map[string]int64{"USD": {"WORLD": -500_00, "INSTRUMENT": 400_00, "HELD": 88_00, "BUSINESS": 12_00}},
			credits: map[string]credit{"p": {12_00, 1}}, tills: map[string]int64{"cafe": 12_00},
		},
	}, s
}

// TestAuditFindsWhatIsWrong breaks a sound audit in one place each.
func TestAuditFindsWhatIsWrong(t *testing.T) {
	state := func(p *paymentv1.Payment, to paymentv1.PaymentState) *paymentv1.Payment {
		return &paymentv1.Payment{State: to, SettledAmount: p.SettledAmount, Currency: p.Currency}
	}
	for _, tt := range []struct {
		name  string
		spoil func(*audit)
		finds string // "" is nothing
	}{
		{"nothing is wrong", func(*audit) {}, ""},
		{"money from nowhere", func(a *audit) { a.ledger.sums["USD"] = 1 }, "sum to 1"},
		{"a card lost money", func(a *audit) { a.ledger.kinds["USD"]["INSTRUMENT"] -= 5 }, "49995 are there"},
		{"more was brought in", func(a *audit) { a.ledger.kinds["USD"]["WORLD"] -= 5 }, "the ledger says 50005"},
		{"the business got what no payment says", func(a *audit) { a.ledger.tills["cafe"] += 5 }, "is owed 1205"},
		{"another business got money", func(a *audit) { a.ledger.tills["other"] = 0 }, "its payments"},
		{"less was reserved", func(a *audit) { a.accounts[0].reserved-- }, "was reserved"},
		{"a hold leaks", func(a *audit) { a.accounts[0].reserve.held-- }, "held 8799"},
		{"spent and not settled", func(a *audit) {
			a.accounts[0].reserve = reserve{reserved: 100_00, held: 100_00}
		}, "the backend settled 0"},
		{"the device still holds", func(a *audit) { a.accounts[0].held, a.accounts[0].free = 1_00, 87_00 }, "the device holds 100"},
		{"what is rejected may be held", func(a *audit) {
			a.accounts[0].held, a.accounts[0].rejected, a.accounts[0].free = 1_00, 1_00, 87_00
		}, ""},
		{"the device's sums", func(a *audit) { a.accounts[0].free++ }, "are not the limit"},
		{"paid twice", func(a *audit) { a.beliefs[0].credit = credit{24_00, 2} }, "credited 2400 for 2"},
		{"paid in two halves", func(a *audit) { a.beliefs[0].credit = credit{12_00, 2} }, "for 2 requests"},
		{"not paid at all", func(a *audit) { a.beliefs[0].credit = credit{} }, "credited 0"},
		{"a hold of somebody who is not asked leaks", func(a *audit) {
			a.ledger.holds = map[string]reserve{"bea": {reserved: 20_00, settled: 12_00, held: 7_99}}
		}, "bea: reserved 2000, but settled 1200"},
		{"more was settled than reserved", func(a *audit) {
			a.ledger.holds = map[string]reserve{"bea": {reserved: 20_00, settled: 21_00, held: -1_00}}
		}, "held -100"},
		{"somebody paid who is not asked", func(a *audit) {
			a.unasked = true
			delete(a.beliefs[0].payers, "ann")
		}, ""},
		{"two paid, one of them not asked", func(a *audit) {
			a.unasked = true
			a.beliefs[0].payers["bea"] = a.beliefs[0].till
		}, `"bea"`},
		{"two customers paid", func(a *audit) { a.beliefs[0].payers["bea"] = a.beliefs[0].till }, `"bea"`},
		{"nobody paid", func(a *audit) { delete(a.beliefs[0].payers, "ann") }, "paid by []"},
		{"another amount", func(a *audit) {
			p := state(a.beliefs[0].till, paymentv1.PaymentState_PAYMENT_STATE_SETTLED)
			p.SettledAmount = "11.00"
			a.beliefs[0].payers["ann"] = p
		}, "11.00 for ann"},
		{"the customer was not told", func(a *audit) {
			a.beliefs[0].payers["ann"] = state(a.beliefs[0].till, paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)
		}, "ann has it as PROVISIONAL"},
		{"the till was not told", func(a *audit) {
			a.beliefs[0].till = state(a.beliefs[0].till, paymentv1.PaymentState_PAYMENT_STATE_PROVISIONAL)
		}, "the till has it as PROVISIONAL"},
		{"cancelled and credited", func(a *audit) {
			a.beliefs[0].till = state(a.beliefs[0].till, paymentv1.PaymentState_PAYMENT_STATE_CANCELLED)
		}, "as CANCELLED, and was credited 1200"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, s := settled()
			tt.spoil(a)
			a.checkLedger(s)
			a.checkAccounts()
			a.checkPayments()
			got := strings.Join(a.problems, "\n")
			if (tt.finds == "") != (got == "") || !strings.Contains(got, tt.finds) {
				t.Errorf("found %q, not %q", got, tt.finds)
			}
		})
	}
}

// TestReport prints one sound scenario, one that does not add up, and one
// that broke off.
func TestReport(t *testing.T) {
	sound, _ := settled()
	wrong, _ := settled()
	wrong.problem("a cent is missing")
	all := []outcome{
		{scenario: scenario{name: "good"}, audit: sound},
		{scenario: scenario{name: "bad"}, audit: wrong},
		{scenario: scenario{name: "broken"}, err: errors.New("Ann went home")},
	}
	var b bytes.Buffer
	for _, o := range all {
		if err := printLine(&b, o); err != nil {
			t.Fatal(err)
		}
	}
	if err := printOutcomes(&b, all); err != nil {
		t.Fatal(err)
	}
	flat := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"ok good", "WRONG bad", "a cent is missing", "WRONG broken", "Ann went home",
		"good payment-1 12.00 USD SETTLED SETTLED OTHER_PAID - SETTLED 12.00 12.00",
		"good ann-preauth-1 100.00 USD 12.00 0.00 88.00 12.00 0.00 88.00 yes", "88.00 NO", "broken NO",
	} {
		if !strings.Contains(flat, want) {
			t.Errorf("the report lacks %q:\n%s", want, &b)
		}
	}
}

func TestEventLogFindsGaps(t *testing.T) {
	l := newEventLog()
	l.add(&paymentv1.Event{Sequence: 1})
	if err := l.sound(); err != nil {
		t.Fatal(err)
	}
	l.add(&paymentv1.Event{Sequence: 3})
	if err := l.sound(); err == nil || !strings.Contains(err.Error(), "event 3 came where 2") {
		t.Errorf("a gap is %v", err)
	}
	back := newEventLog()
	back.putBack = true
	for _, n := range []uint64{1, 1_000_001, 1_000_002} { // one leap over what it has forgotten
		back.add(&paymentv1.Event{Sequence: n})
	}
	if err := back.sound(); err != nil || back.last() != 1_000_002 {
		t.Errorf("put back: %d, %v", back.last(), err)
	}
	if back.add(&paymentv1.Event{Sequence: 2_000_000}); back.sound() == nil {
		t.Error("a second leap is believed")
	}
	if _, err := l.await(t.Context(), 0, func(*paymentv1.Event) bool { return true }); err == nil {
		t.Error("a log with a gap is believed")
	}
}
