package main

import (
	"context"
	"fmt"
	"slices"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/syncer/backend"
)

// belief is what everybody holds to be true of one payment.
type belief struct {
	sale    *sale
	till    *paymentv1.Payment
	payers  map[string]*paymentv1.Payment // by key of the customer; nil if never asked
	backend string                        // outcomes at the backend, such as "SETTLED 12.00"
	credit  credit
}

// account is what everybody says of one pre-authorization.
type account struct {
	label, currency          string
	limit, spent, held, free int64 // the device
	rejected                 int64 // what it holds for rejected vouchers: a reversal may yet pay them
	reserve                        // the ledger
}

// audit is the end of a scenario: who believes what, and whether the money
// adds up.
type audit struct {
	beliefs  []belief
	accounts []account
	ledger   ledger
	unasked  bool // there are customers whose devices do not tell of what they paid
	problems []string
}

func (a *audit) problem(format string, args ...any) {
	a.problems = append(a.problems, fmt.Sprintf(format, args...))
}

// takeAudit asks every device by its API, and the books both by the
// operator's checks and with sums of this program's own.
func (s *stage) takeAudit() (a *audit, err error) {
	a = &audit{}
	err = perform(func() {
		ctx, cancel := s.limit()
		defer cancel()
		s.withAdmin(func(ctx context.Context, admin backend.Admin) error { return a.ask(ctx, s, admin) })
		var err error
		a.ledger, err = readLedger(ctx, s.host.books())
		s.check(err, "read the ledger")
		for i := range a.beliefs {
			a.beliefs[i].credit = a.ledger.credits[a.beliefs[i].sale.id]
		}
		a.unasked = slices.ContainsFunc(s.everybody(), func(p *party) bool { return p.turned || p.forgot })
		a.accounts = s.accounts(a.ledger, a.beliefs)
		a.checkDevices(ctx, s)
		a.checkLedger(s)
		a.checkAccounts()
		a.checkPayments()
	})
	return a, err
}

// ask collects beliefs and runs the operator's own checks.
func (a *audit) ask(ctx context.Context, s *stage, admin backend.Admin) error {
	for _, r := range []func(context.Context) (backend.Report, error){admin.Check, admin.Reconcile} {
		report, err := r(ctx)
		if err != nil {
			return err
		}
		for _, p := range report.Problems {
			a.problem("backend: %s: %s: %s", p.Rule, p.Subject, p.Detail)
		}
	}
	for _, sale := range s.sales {
		b, err := s.believe(ctx, sale, admin)
		if err != nil {
			return err
		}
		a.beliefs = append(a.beliefs, b)
	}
	return nil
}

// checkDevices has each device examine its own store.
func (a *audit) checkDevices(ctx context.Context, s *stage) {
	for _, p := range s.parties() {
		r, err := p.device.CheckStore(ctx, &devicev1.CheckStoreRequest{})
		p.check(err, "%s checks its store", p.name)
		for _, problem := range r.GetProblems() {
			a.problem("%s: store: %s", p.name, problem)
		}
		if err := p.log.sound(); err != nil {
			a.problem("%s: events: %v", p.name, err)
		}
	}
}

// checkLedger holds the postings against each other and against what was
// brought in.
func (a *audit) checkLedger(s *stage) {
	for currency, sum := range a.ledger.sums {
		if sum != 0 {
			a.problem("postings in %s sum to %d", currency, sum)
		}
		k := a.ledger.kinds[currency]
		if opened := s.opened[currency]; -k["WORLD"] != opened {
			a.problem("%d %s were brought in, the ledger says %d", opened, currency, -k["WORLD"])
		}
		if all := k["INSTRUMENT"] + k["HELD"] + k["BUSINESS"] + k["ISSUER"]; all != s.opened[currency] {
			a.problem("%d %s were brought in, %d are there", s.opened[currency], currency, all)
		}
	}
	var credited int64
	for _, c := range a.ledger.credits {
		credited += c.amount
	}
	var owed int64
	known := 0
	for _, p := range s.everybody() {
		if amount, ok := a.ledger.tills[p.owner]; ok {
			owed += amount
			known++
		}
	}
	if owed != credited || len(a.ledger.tills) > known {
		a.problem("the business is owed %d, its payments are %d", owed, credited)
	}
	for id, r := range a.ledger.holds {
		if r.settled+r.released+r.held != r.reserved || r.settled < 0 || r.released < 0 || r.held < 0 {
			a.problem("%s: reserved %d, but settled %d, released %d, held %d", id, r.reserved, r.settled, r.released, r.held)
		}
	}
}

// checkAccounts compares each pre-authorization on the device with the books:
// reserved = settled + released + held, and limit = spent + held + remaining.
func (a *audit) checkAccounts() {
	for _, c := range a.accounts {
		r := c.reserve
		switch {
		case r.reserved != c.limit:
			a.problem("%s: the limit is %d, %d was reserved", c.label, c.limit, r.reserved)
		case r.settled+r.released+r.held != r.reserved || r.held < 0 || r.released < 0:
			a.problem("%s: reserved %d, but settled %d, released %d, held %d", c.label, r.reserved, r.settled, r.released, r.held)
		case c.spent != r.settled:
			a.problem("%s: the device has spent %d, the backend settled %d", c.label, c.spent, r.settled)
		case c.held != c.rejected:
			a.problem("%s: everybody has synchronized, and the device holds %d, with %d rejected", c.label, c.held, c.rejected)
		case c.spent+c.held+c.free != c.limit:
			a.problem("%s: spent %d, held %d and remaining %d are not the limit %d", c.label, c.spent, c.held, c.free, c.limit)
		}
	}
}

// checkPayments compares what each side believes: the till is credited once,
// with what it and exactly one customer call settled, and else not at all.
func (a *audit) checkPayments() {
	for _, b := range a.beliefs {
		till := stateName(b.till.GetState())
		var paid []string
		for key, p := range b.payers {
			switch stateName(p.GetState()) {
			case "SETTLED":
				paid = append(paid, key)
				if p.GetSettledAmount() != b.till.GetSettledAmount() {
					a.problem("%s: settled %s for %s, %s for the till", b.sale.label, p.GetSettledAmount(), key, b.till.GetSettledAmount())
				}
			case "REQUESTED", "AUTHORIZED", "PROVISIONAL":
				a.problem("%s: everybody has synchronized, and %s has it as %s", b.sale.label, key, stateName(p.GetState()))
			}
		}
		slices.Sort(paid)
		want := credit{}
		if till == "SETTLED" {
			m, err := money.Parse(b.till.GetSettledAmount(), b.till.GetCurrency())
			if err != nil {
				a.problem("%s: %v", b.sale.label, err)
			}
			want = credit{amount: m.Minor, requests: 1}
		}
		switch {
		case till == "OPEN" || till == "AWAITING" || till == "PROVISIONAL":
			a.problem("%s: everybody has synchronized, and the till has it as %s", b.sale.label, till)
		case b.credit != want:
			a.problem("%s: the till has it as %s, and was credited %d for %d requests", b.sale.label, till, b.credit.amount, b.credit.requests)
		case len(paid) > want.requests || len(paid) < want.requests && !a.unasked:
			a.problem("%s: the till has it as %s, and it was paid by %q", b.sale.label, till, paid)
		}
	}
}
