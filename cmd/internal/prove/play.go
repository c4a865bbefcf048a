package prove

import (
	"errors"
	"slices"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// move is something that may happen next, as likely as its weight says.
type move struct {
	weight int
	make   func() error
}

// play lets things happen in random order until all payments were opened and
// had some time, and then brings everybody to agreement.
func (w *world) play() error {
	moves := w.moves()
	total := 0
	for _, m := range moves {
		total += m.weight
	}
	for rest := 150; rest > 0; {
		if w.opened >= w.payments {
			rest--
		}
		if w.step++; w.step > 400*w.payments {
			break
		}
		w.now = w.now.Add(w.dice.span(5*time.Millisecond, 300*time.Millisecond))
		n := w.dice.IntN(total)
		for _, m := range moves {
			if n -= m.weight; n < 0 {
				if err := w.judged(m.make()); err != nil {
					return err
				}
				break
			}
		}
		w.links = slices.DeleteFunc(w.links, (*session).over)
	}
	return w.converge()
}

// judged ends the run if a rule was broken. Everything else that can go wrong
// is part of the play.
func (w *world) judged(err error) error {
	if err == nil || isBroken(err) {
		return err
	}
	for _, expected := range []error{errDown, errOffline, payment.ErrState, store.ErrFull} {
		if errors.Is(err, expected) {
			return nil
		}
	}
	return w.check.broken("unexpected: %v", err)
}

func (w *world) moves() []move {
	all := []move{
		{420, w.deliver}, {130, w.openSale}, {70, w.meetSomebody}, {200, w.decide}, {60, w.timers}, {40, w.nudge},
		{45, w.beginSync}, {90, w.workSync}, {90, w.finishSync}, {14, w.preauthorize}, {2, w.void},
		{6, w.withdraw}, {6, w.reverse},
		{4, w.crashOne}, {1, w.crashTwo}, {60, w.reboot}, {5, w.cutLink}, {1, w.killRadio}, {3, w.jump}, {8, w.repair}, {2, w.fillDisk}, {20, w.emptyDisk},
		{2, w.crashOffice}, {40, w.bootOffice}, {3, w.network}, {6, w.leap},
	}
	if w.rogueTill != nil {
		all = append(all, move{70, w.rogueTill.act})
	}
	if w.rogueWallet != nil {
		all = append(all, move{100, w.rogueWallet.act})
	}
	return all
}

// someOwner picks a device that is up.
func (w *world) someOwner() (owner, bool) {
	return among(w.dice, slices.DeleteFunc(w.owners(), func(o owner) bool { return !o.base().up() }))
}

func (w *world) someTill() (*till, bool) {
	return among(w.dice, slices.DeleteFunc(slices.Clone(w.tills), func(t *till) bool { return !t.up() }))
}

func (w *world) someWallet() (*wallet, bool) {
	return among(w.dice, slices.DeleteFunc(slices.Clone(w.wallets), func(c *wallet) bool { return !c.up() }))
}

func (w *world) openSale() error {
	t, ok := w.someTill()
	if !ok || w.opened >= w.payments || w.check.busy(t.device) {
		return nil
	}
	o := order{amount: w.dice.between(1_00, 20_00), policy: store.PreferOnline, timeout: w.dice.span(8*time.Second, 40*time.Second)}
	if w.dice.chance(400) {
		o.tipMax = w.dice.between(1, 3_00)
	}
	switch n := w.dice.IntN(10); {
	case n < 2:
		o.policy = store.RequireOnline
	case n < 7:
		o.policy = store.ForceOffline
	}
	return w.after(t, t.open(o))
}

// meetSomebody lets a till dial a customer.
func (w *world) meetSomebody() error {
	var tills, customers []end
	for _, t := range w.tills {
		if t.up() {
			tills = append(tills, t)
		}
	}
	for _, c := range w.wallets {
		if c.up() {
			customers = append(customers, c)
		}
	}
	if w.rogueTill != nil {
		tills = append(tills, w.rogueTill)
	}
	if w.rogueWallet != nil {
		customers = append(customers, w.rogueWallet)
	}
	t, ok := among(w.dice, tills)
	c, found := among(w.dice, customers)
	if !ok || !found || w.linked(t, c) {
		return nil
	}
	_, err := w.meet(t, c)
	return w.cleanUp(err)
}

func (w *world) linked(t, c end) bool {
	return slices.ContainsFunc(w.links, func(s *session) bool { return s.till == t && s.cust == c && !s.over() })
}

// cleanUp drops the sessions of processes that have died.
func (w *world) cleanUp(err error) error {
	for _, o := range w.owners() {
		if !o.base().up() {
			w.dropSessions(o)
		}
	}
	return err
}

// deliver carries one message, or tells a side that its link is lost.
func (w *world) deliver() error {
	type way struct {
		s  *session
		to end
	}
	var ways []way
	for _, s := range w.links {
		for _, e := range []end{s.till, s.cust} {
			if len(*s.queue(e)) > 0 || s.cutOff && !*s.gone(e) {
				ways = append(ways, way{s, e})
			}
		}
	}
	x, ok := among(w.dice, ways)
	if !ok {
		return nil
	}
	if x.s.cutOff {
		return w.cleanUp(x.s.part(x.to))
	}
	if w.spoil(x.s, x.to) {
		return nil
	}
	err := x.s.carry(x.to)
	if err == nil && !w.quiet && w.dice.chance(5) {
		x.s.cut("after a message")
	}
	return w.cleanUp(err)
}

// spoil does harm to the next message of a queue. It reports whether nothing
// is left to carry now.
func (w *world) spoil(s *session, to end) bool {
	if w.quiet || !w.dice.chance(35) {
		return false
	}
	q := s.queue(to)
	m := &(*q)[0]
	switch w.dice.IntN(5) {
	case 0:
		w.harm["message lost"]++
		w.tell(to.who().name, "", "message lost: "+m.typ.String(), aboutOf(m.typ, m.body))
		*q = (*q)[1:]
		if w.dice.chance(700) {
			s.cut("after a loss")
		}
		return true
	case 1:
		w.harm["message doubled"]++
		w.tell(to.who().name, "", "message doubled: "+m.typ.String(), aboutOf(m.typ, m.body))
		*q = append(*q, *m)
	case 2:
		if len(*q) > 1 {
			w.harm["messages out of order"]++
			w.tell(to.who().name, "", "messages change places", preauth.Hash{})
			(*q)[0], (*q)[1] = (*q)[1], (*q)[0]
		}
	case 3:
		if len(m.body) > 0 {
			w.harm["message damaged"]++
			w.tell(to.who().name, "", "message damaged: "+m.typ.String(), aboutOf(m.typ, m.body))
			m.body = slices.Clone(m.body)
			m.body[w.dice.IntN(len(m.body))] ^= byte(1 << w.dice.IntN(8))
		}
	case 4:
		s.cut("before a message")
		return true
	}
	return false
}

// decide lets a customer answer a request that is shown.
func (w *world) decide() error {
	type screen struct {
		c       *wallet
		request preauth.Hash
	}
	var shown []screen
	for _, c := range w.wallets {
		for _, o := range c.attached {
			if c.up() && w.check.of(c.device).attempts[o.request].State == payment.Requested {
				shown = append(shown, screen{c, o.request})
			}
		}
	}
	x, ok := among(w.dice, shown)
	if !ok {
		return nil
	}
	a, err := x.c.st.Attempt(ctx, x.request)
	if err != nil {
		return err
	}
	if w.dice.chance(120) {
		return w.after(x.c, x.c.decline(a))
	}
	tip := int64(0)
	if r, err := preauth.Open[*peerv1.Request](a.RequestBytes); err == nil && r.Body.GetTip().GetAllowed() && w.dice.chance(700) {
		tip = w.dice.between(0, r.Body.Tip.Max)
	}
	return w.after(x.c, x.c.accept(a, tip))
}

// timers runs what is overdue at one device.
func (w *world) timers() error {
	o, ok := w.someOwner()
	if !ok {
		return nil
	}
	switch o := o.(type) {
	case *wallet:
		if x, ok := among(w.dice, o.attached); ok {
			if x.due.Before(w.now) {
				return w.after(o, o.overdue(x))
			}
			if w.dice.chance(200) {
				return w.after(o, o.step(x.request, payment.CustomerInput{Event: payment.Unanswered}, nil))
			}
		}
	case *till:
		if !w.check.busy(o.device) {
			return nil
		}
		sale, open, err := o.st.OpenSale(ctx)
		if err != nil || !open || o.wall().Before(sale.Deadline) {
			return err
		}
		return w.after(o, o.step(sale.ID, saleStep{in: payment.BusinessInput{Event: payment.TimedOut}}))
	}
	return nil
}

// nudge lets a till look whom it can ask.
func (w *world) nudge() error {
	t, ok := w.someTill()
	if !ok {
		return nil
	}
	if s, ok := among(w.dice, t.sessions); ok {
		s.settling = false // waited long enough for what was listed
		return w.after(t, s.run(t, t.ask(s)))
	}
	return nil
}

func (w *world) withdraw() error {
	t, ok := w.someTill()
	if !ok || !w.check.busy(t.device) {
		return nil
	}
	sale, open, err := t.st.OpenSale(ctx)
	if err != nil || !open {
		return err
	}
	return w.after(t, t.step(sale.ID, saleStep{in: payment.BusinessInput{Event: payment.Withdraw}}))
}

// reverse lets a till give money back.
func (w *world) reverse() error {
	t, ok := w.someTill()
	if !ok {
		return nil
	}
	id, ok := among(w.dice, w.check.paid(t.device))
	if !ok {
		return nil
	}
	return w.after(t, t.step(id, saleStep{in: payment.BusinessInput{Event: payment.Reverse}}))
}

// preauthorize lets a customer set funds aside.
func (w *world) preauthorize() error {
	c, ok := w.someWallet()
	if !ok || !c.enrolled() {
		return nil
	}
	id, _ := w.newID()
	q := &backendv1.PreAuthorizeRequest{
		RequestId: id[:], InstrumentId: c.instrument[:], Amount: w.dice.between(5_00, 80_00), Currency: "USD",
	}
	got, err := w.office.preauthorize(c.person, q)
	if errors.Is(err, errOffline) && w.dice.chance(500) { // asks once more, as the same call
		got, err = w.office.preauthorize(c.person, q)
	}
	if err != nil || !c.up() {
		if isBroken(err) {
			return err
		}
		return nil
	}
	return w.after(c, c.keepAside(got))
}

// void lets a customer give a pre-authorization up, with vouchers outstanding
// or not.
func (w *world) void() error {
	c, ok := w.someWallet()
	if !ok {
		return nil
	}
	all, err := c.st.Authorizations(ctx)
	a, ok := among(w.dice, all)
	if err != nil || !ok || a.Voided {
		return err
	}
	got, err := w.office.void(c.person, a.ID())
	if err != nil {
		return nil // asks again some day
	}
	w.tell(c.name, "", "voids a pre-authorization", preauth.Hash{})
	a.Voided = true
	t, err := preauth.OpenTrust(c.identity.RootKey, got.TrustBundle)
	if err != nil {
		return w.check.broken("%s: bundle: %v", c.name, err)
	}
	return w.after(c, c.become(c.newest(t), &store.Change{Put: []store.Authorization{a}}))
}
