package prove

import (
	"time"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// converge takes all faults away and lets everybody come to agreement: those
// who owe each other something meet, everything is handed in, settle_by
// passes. Then nothing may be open, held or believed that is not so.
func (w *world) converge() error {
	late := w.tardy()
	for _, stage := range []func() error{
		w.calm, w.endSales, w.meetAll,
		func() error { return w.syncAll(late) },
		w.endSales, w.meetAll,
		func() error { return w.syncAll(late) },
		w.passSettleBy,
		func() error { return w.syncAll(nil) },
		w.passAnHour,
		w.meetAll,
		func() error { return w.syncAll(nil) },
		func() error { return w.syncAll(nil) }, // what others handed in last has changed verdicts
		w.check.final,
	} {
		if err := stage(); err != nil {
			return err
		}
	}
	return nil
}

// passAnHour passes the time after which a customer gives up a Charge that the
// backend has not known. Who is late has asked for the first time just now.
func (w *world) passAnHour() error {
	w.now = w.now.Add(time.Hour)
	return nil
}

// tardy are devices that reach the backend only after settle_by: by lot,
// unless a script has said which.
func (w *world) tardy() map[owner]bool {
	if w.check.late != nil {
		return w.check.late
	}
	late := make(map[owner]bool)
	if w.dice.chance(700) {
		return late
	}
	for _, o := range w.owners() {
		late[o] = w.dice.chance(400)
	}
	w.check.late = late
	return late
}

// calm ends all faults: clocks are right, disks have room, everybody is up.
func (w *world) calm() error {
	w.quiet, w.cutOff = true, false
	w.tell("all", "", "no more faults", preauth.Hash{})
	for _, s := range w.links {
		s.cut("at the end of the day")
	}
	if err := w.pump(); err != nil {
		return err
	}
	if err := w.bootOffice(); err != nil {
		return err
	}
	for _, o := range w.owners() {
		d := o.base()
		d.skew, d.full, d.sync = 0, false, nil
		if d.wasFull { // what could not be stored then is only found by a restart
			if err := d.crash("is restarted"); err != nil {
				return err
			}
		}
		if !d.up() {
			if err := w.start(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// pump carries everything that is on its way.
func (w *world) pump() error {
	for range 10_000 {
		moved := false
		for _, s := range append([]*session(nil), w.links...) {
			for _, e := range []end{s.till, s.cust} {
				var err error
				switch {
				case s.cutOff && !*s.gone(e):
					err = s.part(e)
				case !s.cutOff && len(*s.queue(e)) > 0:
					err = s.carry(e)
				default:
					continue
				}
				if moved = true; err != nil {
					return err
				}
			}
		}
		if !moved {
			w.links = nil
			return nil
		}
	}
	return w.check.broken("messages go back and forth for ever")
}

// endSales ends what nobody has paid: a person at the till gives up.
func (w *world) endSales() error {
	for _, t := range w.tills {
		sale, open, err := t.st.OpenSale(ctx)
		for ; err == nil && open; sale, open, err = t.st.OpenSale(ctx) {
			ev := payment.Withdraw
			if w.now.After(sale.Deadline) {
				ev = payment.TimedOut
			}
			if err := t.step(sale.ID, saleStep{in: payment.BusinessInput{Event: ev}}); err != nil {
				return err
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// meetAll lets every honest pair meet once, unless they have parted for ever.
func (w *world) meetAll() error {
	if w.apart {
		return nil
	}
	for _, t := range w.tills {
		for _, c := range w.wallets {
			if len(c.lists(t.id)) == 0 {
				continue
			}
			s, err := w.meet(t, c)
			if err == nil && s != nil {
				err = w.pumpAndCut(s)
			}
			if err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) pumpAndCut(s *session) error {
	w.links = []*session{s}
	for range 200 {
		if s.over() {
			break
		}
		moved := false
		for _, e := range []end{s.till, s.cust} {
			if len(*s.queue(e)) > 0 {
				moved = true
				if err := s.carry(e); err != nil {
					return err
				}
			}
		}
		if !moved {
			s.cut("nothing more to say")
			break
		}
	}
	return w.pump()
}

// syncAll lets everybody but the late hand in everything.
func (w *world) syncAll(late map[owner]bool) error {
	for round := range 2 {
		for _, o := range w.owners() {
			if late[o] {
				continue
			}
			if err := w.syncOne(o, round == 0); err != nil {
				return err
			}
		}
		w.now = w.now.Add(time.Minute)
	}
	return nil
}

// syncOne has a device hand in everything, and hear the news first.
func (w *world) syncOne(o owner, news bool) error {
	for call := range 3 {
		if call == 0 && !news {
			continue
		}
		if err := begin(o, call == 0, true); err != nil {
			return err
		}
		c := o.base().sync
		if c == nil {
			return nil
		}
		if err := w.work(c); err != nil {
			return err
		}
		if o.base().sync != nil {
			if err := finish(o); err != nil {
				return err
			}
		}
	}
	return nil
}

// passSettleBy lets the day come on which all reserves end. A hostile till
// hands its last Cancels in then, or weeks later.
func (w *world) passSettleBy() error {
	w.now = w.check.model.lastSettleBy().Add(time.Minute)
	if w.rogueTill != nil {
		if w.dice.chance(500) {
			w.now = w.now.Add(w.dice.span(0, 20*24*time.Hour))
		}
		if err := w.judged(w.rogueTill.confess()); err != nil {
			return err
		}
	}
	w.tell("all", "", "settle_by has passed", preauth.Hash{})
	return w.office.sweep()
}
