package payment

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vipaso/vipasod/preauth"
)

// world is one payment of one till with three customers, a backend, and an
// air that loses, repeats and reorders. It is told what happens in words,
// and after each word checks the money rules.
type world struct {
	sale    Sale
	online  bool // vouchers need the verdict first
	bad     bool // the next voucher fails a check
	late    bool // settle_by has passed
	quiet   bool // steps that change nothing are not told
	asked   map[preauth.Hash]*wallet
	outbox  []Item // the till's
	wallets []*wallet
	air     []packet
	ledger  ledger
	out     strings.Builder
}

// wallet is one customer.
type wallet struct {
	name     string
	attempts []Attempt
	outbox   []Item
}

// packet is a message on the air, between the till and a customer.
type packet struct {
	to      string
	kind    MessageKind
	request preauth.Hash
	voucher preauth.Hash // Voucher, Receipt
	charge  bool         // Voucher
	settled bool         // Receipt
	reason  Reason       // Cancel
}

const tillName = "till"

func newWorld() *world {
	w := &world{sale: Sale{State: Open}, asked: map[preauth.Hash]*wallet{}, ledger: ledger{}}
	for _, name := range []string{"C1", "C2", "C3"} {
		w.wallets = append(w.wallets, &wallet{name: name})
	}
	return w
}

func (w *world) say(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	if !w.quiet || !strings.HasSuffix(line, ": nothing") {
		w.out.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}

// tell makes the till step. A refusal is returned.
func (w *world) tell(in BusinessInput) error {
	next, fx, err := w.sale.Step(in, noon)
	if err != nil {
		return err
	}
	w.say("till: %s", showSale(w.sale, next, fx))
	if err := ruleOfSale(w.sale, next, in, fx); err != nil {
		return fmt.Errorf("till, %s: %w", in.Event, err)
	}
	w.sale = next
	w.outbox = put(w.outbox, fx.Outbox...)
	for _, m := range fx.Send {
		w.fromTill(m)
	}
	return nil
}

// fromTill puts one of the till's messages on the air, made from its rows.
func (w *world) fromTill(m Message) {
	a, _ := w.sale.Asked(m.Request)
	p := packet{to: w.asked[m.Request].name, kind: m.Kind, request: m.Request}
	switch m.Kind {
	case SendReceipt:
		p.voucher, p.settled = a.Voucher, w.sale.State == Settled
	case SendCancel:
		p.reason = a.Cancel
	}
	w.air = append(w.air, p)
}

// put adds items to an outbox, where they replace their like.
func put(outbox []Item, items ...Item) []Item {
	for _, i := range items {
		if !slices.Contains(outbox, i) {
			outbox = append(outbox, i)
		}
	}
	return outbox
}

// step makes a customer's attempt step. A refusal is returned.
func (w *world) step(c *wallet, i int, in CustomerInput) error {
	a := c.attempts[i]
	next, fx, err := a.Step(in, noon)
	if err != nil {
		return err
	}
	w.say("%s %s: %s", c.name, named(a.Request), showAttempt(a, next, fx))
	if err := ruleOfAttempt(a, next, in, fx); err != nil {
		return fmt.Errorf("%s %s, %s: %w", c.name, named(a.Request), in.Event, err)
	}
	c.attempts[i] = next
	for _, item := range fx.Outbox {
		c.outbox = put(c.outbox, Item{item.Kind, a.Request})
	}
	for _, m := range fx.Send {
		w.air = append(w.air, packet{to: tillName, kind: m.Kind, request: a.Request, voucher: next.Voucher, charge: next.Charge})
	}
	return nil
}

func (w *world) wallet(name string) *wallet {
	i := slices.IndexFunc(w.wallets, func(c *wallet) bool { return c.name == name })
	if i < 0 {
		return nil
	}
	return w.wallets[i]
}

func (c *wallet) find(request preauth.Hash) int {
	return slices.IndexFunc(c.attempts, func(a Attempt) bool { return a.Request == request })
}

// spent returns the attempt with a voucher that no Cancel has ended.
func (c *wallet) spent() int {
	return slices.IndexFunc(c.attempts, func(a Attempt) bool { return !a.Voucher.Zero() && !ended(a.State) })
}

// deliver takes a message off the air and to its receiver. What came over
// the air and is refused is dropped.
func (w *world) deliver(i int) error {
	p := w.air[i]
	w.air = slices.Delete(w.air, i, i+1)
	return w.receive(p)
}

func (w *world) receive(p packet) error {
	var err error
	switch {
	case p.to == tillName:
		err = w.tillReceives(p)
	case p.kind == SendRequest:
		err = w.customerIsAsked(w.wallet(p.to), p)
	default:
		err = w.customerReceives(w.wallet(p.to), p)
	}
	if errors.Is(err, ErrState) {
		w.say("%s drops %s %s", p.to, p.kind, named(p.request))
		return nil
	}
	return err
}

// tillReceives answers with the outcome before any check, if there is one.
func (w *world) tillReceives(p packet) error {
	a, _ := w.sale.Asked(p.request)
	switch {
	case a.Cancel != "":
		w.fromTill(Message{SendCancel, p.request})
	case a.Receipt && w.sale.State == Awaiting: // Pending, nothing to say yet
	case a.Receipt:
		w.fromTill(Message{SendReceipt, p.request})
	case p.kind == SendDecline:
		return w.tell(BusinessInput{Event: CustomerSaidNo, Request: p.request, Reason: "no"})
	case w.bad:
		w.bad = false
		return w.tell(BusinessInput{Event: Refuse, Request: p.request, Code: "VOUCHER_INVALID"})
	case w.online || p.charge:
		return w.tell(BusinessInput{Event: PaidOnline, Request: p.request, Voucher: p.voucher})
	default:
		return w.tell(BusinessInput{Event: Paid, Request: p.request, Voucher: p.voucher, Guaranteed: 1000})
	}
	return nil
}

// customerIsAsked answers an accepted payment with the stored voucher,
// replaces a request not accepted, and begins anew only where it may.
func (w *world) customerIsAsked(c *wallet, p packet) error {
	if i := c.spent(); i >= 0 {
		w.resume(c, i)
		return nil
	}
	if c.find(p.request) >= 0 {
		return ErrState
	}
	if last := len(c.attempts) - 1; last >= 0 {
		a := c.attempts[last]
		switch {
		case a.State == Requested:
			if err := w.step(c, last, CustomerInput{Event: Supersede}); err != nil {
				return err
			}
		case a.State != Expired && a.Reason != string(ReasonRefused):
			return ErrState
		}
	}
	c.attempts = append(c.attempts, Attempt{Request: p.request, State: Requested})
	w.say("%s %s: REQUESTED", c.name, named(p.request))
	return nil
}

// resume sends a voucher again.
func (w *world) resume(c *wallet, i int) {
	a := c.attempts[i]
	w.air = append(w.air, packet{to: tillName, kind: SendVoucher, request: a.Request, voucher: a.Voucher, charge: a.Charge})
}

func (w *world) customerReceives(c *wallet, p packet) error {
	i := c.find(p.request)
	in := CustomerInput{Event: ReceiptStored}
	switch {
	case i < 0:
		return ErrState
	case p.kind == SendReceipt && p.voucher != c.attempts[i].Voucher:
		return ErrState
	case p.kind == SendReceipt && p.settled:
		in.Event = ReceiptSettled
	case p.kind == SendCancel && p.reason == ReasonOtherPaid:
		in.Event = CancelOtherPaid
	case p.kind == SendCancel:
		in = CustomerInput{Event: CancelReceived, Reason: string(p.reason)}
	}
	return w.step(c, i, in)
}

// rules are those that no device can see alone.
func (w *world) rules() error {
	paid := 0
	for r, v := range w.ledger {
		a, _ := w.sale.Asked(r)
		if v.outcome != VerdictSettled {
			continue
		}
		paid++
		if !a.Receipt || r != w.sale.Winner {
			return fmt.Errorf("%s was paid without a receipt", named(r))
		}
	}
	if paid > 1 {
		return fmt.Errorf("%d customers were charged", paid)
	}
	for _, c := range w.wallets {
		open := 0
		for _, a := range c.attempts {
			ask, _ := w.sale.Asked(a.Request)
			switch {
			case a.State.Status() == Completed && (!ask.Receipt || ask.Voucher != a.Voucher):
				return fmt.Errorf("%s %s is %s and the till has no voucher", c.name, named(a.Request), a.State)
			case ended(a.State) && ask.Cancel == "":
				return fmt.Errorf("%s %s is %s and the till signed no Cancel", c.name, named(a.Request), a.State)
			case ask.Receipt && ask.Voucher != a.Voucher:
				return fmt.Errorf("the till holds a voucher that %s never signed", c.name)
			case !a.Voucher.Zero() && !ended(a.State):
				open++
			}
		}
		if open > 1 {
			return fmt.Errorf("%s has %d vouchers out for one payment", c.name, open)
		}
	}
	return nil
}
