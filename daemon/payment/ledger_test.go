package payment

import (
	"fmt"
	"slices"

	"github.com/vipaso/vipasod/preauth"
)

// ledger is a backend in small: what it knows of each request.
type ledger map[preauth.Hash]verdict

// total is what each voucher promises.
const total = 1000

type verdict struct {
	claimed bool
	cancel  bool
	outcome CustomerEvent // "" while nothing is decided
	settled int64
	reason  string
}

// policy is what the backend does with the next claim it takes.
type policy int64

const (
	payAll  policy = total
	payPart policy = 600
	payNone policy = 0
)

// claim takes Request, voucher and receipt, once.
func (l ledger) claim(r preauth.Hash, p policy, late bool) {
	v := l[r]
	if v.claimed {
		return
	}
	v.claimed = true
	switch {
	case v.cancel:
		v.outcome = VerdictCancelled
	case late:
		v.outcome, v.reason = VerdictRejected, "TOO_LATE"
	case p == payNone:
		v.outcome, v.reason = VerdictRejected, "EXHAUSTED"
	default:
		v.outcome, v.settled = VerdictSettled, int64(p)
	}
	l[r] = v
}

// cancel takes Request and Cancel, which dominates in either order.
func (l ledger) cancel(r preauth.Hash) {
	l[r] = verdict{claimed: l[r].claimed, cancel: true, outcome: VerdictCancelled}
}

// repay pays what was refused or paid in part, as after a reversal elsewhere.
func (l ledger) repay() {
	for r, v := range l {
		if v.outcome == VerdictSettled || v.reason == "EXHAUSTED" {
			l[r] = verdict{claimed: true, outcome: VerdictSettled, settled: total}
		}
	}
}

// submit hands an outbox in and brings the verdicts back, unless the answer
// is lost. Nothing but a verdict takes an item out of an outbox.
func (w *world) submit(who string, p policy, lost bool) error {
	c := w.wallet(who)
	outbox := w.outbox
	if c != nil {
		outbox = c.outbox
	}
	for _, item := range outbox {
		receipt := c == nil || c.attempts[c.find(item.Request)].Receipt
		switch {
		case item.Kind == ItemCancel:
			w.ledger.cancel(item.Request)
		case receipt:
			w.ledger.claim(item.Request, p, w.late)
		}
	}
	if lost {
		return nil
	}
	decided := func(i Item) bool { return w.ledger[i.Request].outcome != "" }
	if c != nil {
		c.outbox = slices.DeleteFunc(c.outbox, decided)
		return w.judgeCustomer(c)
	}
	w.outbox = slices.DeleteFunc(w.outbox, decided)
	return w.judgeTill()
}

// judgeCustomer brings a customer every verdict on its vouchers. One that is
// refused is a fault: nothing here lies.
func (w *world) judgeCustomer(c *wallet) error {
	for i, a := range c.attempts {
		v := w.ledger[a.Request]
		if v.outcome == "" || a.Voucher.Zero() && !a.Cancel {
			continue
		}
		in := CustomerInput{Event: v.outcome, Settled: v.settled, Reason: v.reason}
		if err := w.step(c, i, in); err != nil {
			return fmt.Errorf("verdict to %s: %w", c.name, err)
		}
	}
	return nil
}

func (w *world) judgeTill() error {
	events := map[CustomerEvent]BusinessEvent{
		VerdictSettled: SaleSettled, VerdictRejected: SaleRejected, VerdictCancelled: SaleCancelled,
	}
	for _, a := range w.sale.Asks {
		v := w.ledger[a.Request]
		if v.outcome == "" {
			continue
		}
		in := BusinessInput{Event: events[v.outcome], Request: a.Request, Settled: v.settled, Reason: v.reason}
		if err := w.tell(in); err != nil {
			return fmt.Errorf("verdict to the till: %w", err)
		}
	}
	return nil
}

// settle lets everything arrive: the air clears, all devices sync until no
// outbox holds anything, settle_by passes. Then both books agree.
func (w *world) settle() error {
	w.quiet = true
	if err := w.finish(); err != nil {
		return err
	}
	for _, late := range []bool{w.late, true} {
		w.late = late
		for round := 0; ; round++ {
			if round == 4 {
				return fmt.Errorf("the outboxes never empty: till %v", w.outbox)
			}
			for _, who := range []string{tillName, "C1", "C2", "C3"} {
				if err := w.submit(who, payAll, false); err != nil {
					return err
				}
			}
			if len(w.outbox) == 0 && round > 0 {
				break
			}
		}
	}
	for _, c := range w.wallets {
		if err := w.settleByPasses(c); err != nil {
			return err
		}
	}
	return w.agreement()
}

// finish ends what still waits for people, and delivers all there is.
func (w *world) finish() error {
	if w.sale.State == Open || w.sale.State == Awaiting {
		if err := w.tell(BusinessInput{Event: TimedOut}); err != nil {
			return err
		}
	}
	for len(w.air) > 0 {
		if err := w.deliver(0); err != nil {
			return err
		}
	}
	for _, c := range w.wallets {
		if i := len(c.attempts) - 1; i >= 0 && c.attempts[i].State == Requested {
			if err := w.step(c, i, CustomerInput{Event: LinkLost}); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) settleByPasses(c *wallet) error {
	for i, a := range c.attempts {
		if a.State == Authorized || a.State == Provisional {
			if err := w.step(c, i, CustomerInput{Event: SettleByPassed}); err != nil {
				return err
			}
		}
	}
	return nil
}

// agreement compares the books of the devices with the backend's.
func (w *world) agreement() error {
	for _, c := range w.wallets {
		for _, a := range c.attempts {
			v := w.ledger[a.Request]
			ok := !a.State.Unfinished() && a.Settled == v.settled
			switch v.outcome {
			case VerdictSettled:
				ok = ok && a.State == Settled
			case VerdictRejected:
				ok = ok && (a.State == Rejected || a.State == Released) // either way nothing was paid
			case VerdictCancelled:
				ok = ok && a.State.Status() == Withdrawn || a.State == Expired
			default:
				ok = ok && (a.State == Released || a.State == Declined || a.State == Expired)
			}
			if !ok {
				return fmt.Errorf("%s %s is %s with %d, the backend says %q %d",
					c.name, named(a.Request), a.State, a.Settled, v.outcome, v.settled)
			}
		}
	}
	if w.sale.Winner.Zero() {
		return nil
	}
	v := w.ledger[w.sale.Winner]
	want := map[CustomerEvent]State{VerdictSettled: Settled, VerdictRejected: Rejected, VerdictCancelled: Cancelled}
	if w.sale.State != want[v.outcome] || w.sale.Settled != v.settled {
		return fmt.Errorf("the till is %s with %d, the backend says %q %d", w.sale.State, w.sale.Settled, v.outcome, v.settled)
	}
	return nil
}
