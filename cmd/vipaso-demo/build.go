package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"time"

	"github.com/google/uuid"

	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	wiring "github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	"github.com/vipaso/vipasod/syncer/backend"
)

// What every world starts with.
const (
	businessName = "Cafe Luna"
	rivalName    = "Kiosk Sol"
	balance      = "500.00 USD" // of each customer's card
	guarantee    = "10.00 USD"  // per pre-authorization and till
	setAside     = "100.00 USD" // by each customer, unless the scenario says otherwise
)

// cast is how a scenario's world differs from the usual one.
type cast struct {
	preauthLife time.Duration
	// aside is what a customer sets aside, by name; "" is nothing.
	aside map[string]string
	// rivals has another business's till in Carl's place.
	rivals bool
}

// build makes a world: a backend, a till and three customers, enrolled, with
// money set aside, and then without a network.
func build(ctx context.Context, h host, c cast, tell func(string)) (s *stage, err error) {
	s = &stage{ctx: ctx, host: h, spec: backendSpec{preauthLife: c.preauthLife}, tell: tell, opened: map[string]int64{}}
	s.till = s.newParty("the till", "till", peerv1.Role_ROLE_BUSINESS)
	s.ann = s.newParty("Ann", "ann", peerv1.Role_ROLE_CUSTOMER)
	s.bea = s.newParty("Bea", "bea", peerv1.Role_ROLE_CUSTOMER)
	if c.rivals {
		s.kiosk = s.newParty("the kiosk", "kiosk", peerv1.Role_ROLE_BUSINESS)
	} else {
		s.carl = s.newParty("Carl", "carl", peerv1.Role_ROLE_CUSTOMER)
	}
	err = perform(func() {
		s.startsBackend()
		s.withAdmin(s.guarantees)
		for _, p := range s.parties() {
			p.joins()
			if aside, special := c.aside[p.key]; !p.isTill() && (!special || aside != "") {
				if !special {
					aside = setAside
				}
				p.setsAside(aside, p.instrument)
			}
		}
		for _, p := range s.parties() {
			p.goesOffline()
		}
		s.say("nobody has a network now")
	})
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

func (s *stage) newParty(name, key string, role peerv1.Role) *party {
	return &party{stage: s, name: name, key: key, role: role, log: newEventLog()}
}

// joins makes the party known to the backend and enrolls its device.
func (p *party) joins() {
	p.begin()
	var code string
	p.withAdmin(func(ctx context.Context, a backend.Admin) error {
		member, err := p.register(ctx, a)
		if err == nil {
			code, err = a.EnrollCode(ctx, member, time.Hour)
		}
		return err
	})
	ca, err := os.ReadFile(filepath.Join(p.host.books(), wiring.CAFile))
	p.check(err, "read the CA")
	ctx, cancel := p.limit()
	defer cancel()
	_, err = p.device.Enroll(ctx, &devicev1.EnrollRequest{RequestId: uuid.NewString(), BackendUrl: p.host.url(), CaPem: string(ca), Code: code})
	p.check(err, "%s enrolls", p.name)
	p.synchronizes() // what it would do by itself in a moment
	p.say("%s enrolls", p.name)
}

// register creates the business, or the customer with a card.
func (p *party) register(ctx context.Context, a backend.Admin) (backend.Party, error) {
	if p.isTill() {
		name := businessName
		if p == p.kiosk {
			name = rivalName
		}
		id, err := a.CreateBusiness(ctx, name, 5812)
		p.owner = id.String()
		return backend.Party{Business: id}, err
	}
	id, err := a.CreateCustomer(ctx, p.name)
	if err != nil {
		return backend.Party{}, err
	}
	opening, err := parse(balance)
	if err != nil {
		return backend.Party{}, err
	}
	card, err := a.CreateInstrument(ctx, backend.Instrument{
		Customer: id, Type: "CARD", Label: p.name + "'s card", Currency: opening.Currency,
		PreAuthCapable: true, Free: opening.Minor,
	})
	p.opened[opening.Currency] += opening.Minor
	p.owner, p.instrument = id.String(), card.String()
	return backend.Party{Customer: id}, err
}

// delegates lets another customer use the party's card.
func (p *party) delegates(to *party) {
	p.withAdmin(func(ctx context.Context, a backend.Admin) error {
		card, err := preauth.ParseID(p.instrument)
		if err != nil {
			return err
		}
		other, err := preauth.ParseID(to.owner)
		if err != nil {
			return err
		}
		return a.Delegate(ctx, card, other)
	})
	p.say("%s lets %s use the card", p.name, to.name)
}

func (s *stage) guarantees(ctx context.Context, a backend.Admin) error {
	amount, err := parse(guarantee)
	if err != nil {
		return err
	}
	return a.SetGuarantee(ctx, peerv1.Assurance_ASSURANCE_SOFTWARE, amount)
}

// withAdmin does something as the backend's operator, beside the backend.
func (s *stage) withAdmin(do func(context.Context, backend.Admin) error) {
	ctx, cancel := s.limit()
	defer cancel()
	a, err := wiring.OpenAdmin(ctx, s.host.books(), "")
	s.check(err, "open the backend's books")
	err = do(ctx, a)
	s.check(errors.Join(err, a.Store.Close()), "the operator")
}

// parse reads "12.00 USD".
func parse(amount string) (money.Amount, error) {
	value, currency := split(amount)
	return money.Parse(value, currency)
}
