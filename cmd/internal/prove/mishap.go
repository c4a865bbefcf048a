package prove

import (
	"slices"
	"time"

	"github.com/vipaso/vipasod/preauth"
)

// crashOne kills a process, crashTwo two of them in one instant.
func (w *world) crashOne() error {
	o, ok := w.someOwner()
	if !ok {
		return nil
	}
	w.harm["program killed"]++
	err := o.base().crash("is killed")
	w.dropSessions(o)
	return err
}

func (w *world) crashTwo() error {
	if err := w.crashOne(); err != nil {
		return err
	}
	if w.dice.chance(250) {
		return w.crashOffice()
	}
	return w.crashOne()
}

// reboot starts a process that is down.
func (w *world) reboot() error {
	var down []owner
	for _, o := range w.owners() {
		if !o.base().up() {
			down = append(down, o)
		}
	}
	if o, ok := among(w.dice, down); ok {
		return w.start(o)
	}
	return nil
}

func (w *world) crashOffice() error { return w.office.crash() }

func (w *world) bootOffice() error {
	if w.office.up() {
		return nil
	}
	w.tell("backend", "", "starts", preauth.Hash{})
	return w.office.boot()
}

// cutLink loses a link.
func (w *world) cutLink() error {
	if s, ok := among(w.dice, w.links); ok {
		s.cut("out of range")
	}
	return nil
}

// killRadio has the radio process of a device die, and all its links with it.
func (w *world) killRadio() error {
	o, ok := w.someOwner()
	if !ok {
		return nil
	}
	w.tell(o.who().name, "", "radio dies", preauth.Hash{})
	w.harm["radio program killed"]++
	for _, s := range w.links {
		if s.till == o || s.cust == o {
			s.cut("with the radio")
		}
	}
	return nil
}

// network cuts everybody off from the backend, or lets them back.
func (w *world) network() error {
	w.cutOff = !w.cutOff && w.dice.chance(600)
	if w.cutOff {
		w.harm["network lost"]++
	}
	w.tell("backend", "", map[bool]string{true: "nobody has a network", false: "there is a network"}[w.cutOff], preauth.Hash{})
	return nil
}

// jump moves a wall clock by up to ten years, either way.
func (w *world) jump() error {
	if o, ok := w.someOwner(); ok {
		o.base().skew = w.dice.span(-10*365*24*time.Hour, 10*365*24*time.Hour)
		if w.dice.chance(500) {
			o.base().skew = w.dice.span(-time.Hour, time.Hour)
		}
		w.harm["clock jumped"]++
		w.tell(o.who().name, "", "clock jumps by "+o.base().skew.String(), preauth.Hash{})
	}
	return nil
}

// repair sets a wall clock right.
func (w *world) repair() error {
	if o, ok := w.someOwner(); ok && o.base().skew != 0 {
		o.base().skew = 0
		w.tell(o.who().name, "", "clock is set", preauth.Hash{})
	}
	return nil
}

func (w *world) fillDisk() error {
	if o, ok := w.someOwner(); ok {
		o.base().full, o.base().wasFull = true, true
		w.harm["disk full"]++
		w.tell(o.who().name, "", "disk is full", preauth.Hash{})
	}
	return nil
}

func (w *world) emptyDisk() error {
	if o, ok := w.someOwner(); ok && o.base().full {
		o.base().full = false
		w.tell(o.who().name, "", "disk has room", preauth.Hash{})
	}
	return nil
}

// leap lets time pass: seconds, minutes, now and then hours.
func (w *world) leap() error {
	d := w.dice.span(time.Second, 20*time.Second)
	switch n := w.dice.IntN(20); {
	case n == 0:
		d = w.dice.span(time.Hour, 4*time.Hour)
	case n < 5:
		d = w.dice.span(time.Minute, 5*time.Minute)
	}
	w.now = w.now.Add(d)
	return nil
}

// beginSync, workSync and finishSync are the three steps of a call to the
// backend; anything may happen between them.
func (w *world) beginSync() error {
	o, ok := w.someOwner()
	if !ok || o.base().sync != nil {
		return nil
	}
	return w.after(o, begin(o, w.dice.chance(200), w.dice.chance(300)))
}

func (w *world) workSync() error {
	all := slices.Clone(w.orphans)
	for _, o := range w.owners() {
		if c := o.base().sync; c != nil && !c.worked {
			all = append(all, c)
		}
	}
	if c, ok := among(w.dice, all); ok {
		w.orphans = slices.DeleteFunc(slices.Clone(w.orphans), func(o *call) bool { return o == c })
		return w.work(c)
	}
	return nil
}

func (w *world) finishSync() error {
	var all []owner
	for _, o := range w.owners() {
		if c := o.base().sync; c != nil && c.worked {
			all = append(all, o)
		}
	}
	if o, ok := among(w.dice, all); ok {
		return w.after(o, finish(o))
	}
	return nil
}
