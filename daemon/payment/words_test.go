package payment

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// words are what can be said to a world at random, the common ones often:
// else most lives would end before anybody pays.
var words = func() []string {
	var all []string
	for n, lines := range map[int]string{
		20: "deliver",
		4:  "deliver last,submit till",
		2:  "repeat,drop,reverse,repay,submit till none,submit till part,submit till all lost,submit C1 all lost",
		1:  "withdraw,timeout,alldeclined,online,bad,late,submit C2 none",
	} {
		for _, line := range strings.Split(lines, ",") {
			all = append(all, slices.Repeat([]string{line}, n)...)
		}
	}
	for _, c := range []string{"C1", "C2", "C3"} {
		for n, lines := range map[int]string{5: "accept", 3: "ask,submit,resume", 1: "charge,decline,lose,silent,expire,past"} {
			for _, line := range strings.Split(lines, ",") {
				all = append(all, slices.Repeat([]string{line + " " + c}, n)...)
			}
		}
	}
	slices.Sort(all) // a byte of the fuzzer's corpus means one word
	return all
}()

// do says one word to the world and checks the rules. The error is of a rule
// broken, or of a word not understood.
func (w *world) do(line string) error {
	f := strings.Fields(line)
	err := w.obey(f[0], f[1:])
	if errors.Is(err, ErrState) && !strings.Contains(err.Error(), "verdict to") {
		w.say("refused")
		err = nil
	}
	return errors.Join(err, w.rules())
}

func (w *world) obey(word string, args []string) error {
	till := map[string]BusinessEvent{"withdraw": Withdraw, "timeout": TimedOut, "alldeclined": AllDeclined, "reverse": Reverse}
	if ev, ok := till[word]; ok {
		return w.tell(BusinessInput{Event: ev})
	}
	switch word {
	case "online":
		w.online = true
	case "bad":
		w.bad = true
	case "late":
		w.late = true
	case "repay":
		w.ledger.repay()
	case "settle":
		return w.settle()
	case "states":
		w.states()
	case "deliver", "drop", "repeat":
		return w.handle(word, args)
	case "submit":
		return w.obeySubmit(args)
	default:
		return w.obeyCustomer(word, args)
	}
	return nil
}

// handle does something to the messages on the air: to the first, or to the
// one with a number, to the last, or to all.
func (w *world) handle(word string, args []string) error {
	if len(w.air) == 0 {
		return nil
	}
	i := 0
	switch arg := strings.Join(args, " "); arg {
	case "":
	case "last":
		i = len(w.air) - 1
	case "all":
		for len(w.air) > 0 {
			if err := w.deliver(0); err != nil {
				return err
			}
		}
		return nil
	default:
		n, err := strconv.Atoi(arg)
		if err != nil || n < 1 || n > len(w.air) {
			return fmt.Errorf("%s %q of %d messages", word, arg, len(w.air))
		}
		i = n - 1
	}
	switch p := w.air[i]; word {
	case "drop":
		w.say("lost: %s to %s", p, p.to)
		w.air = slices.Delete(w.air, i, i+1)
	case "repeat":
		w.air = append(w.air, p)
	default:
		return w.deliver(i)
	}
	return nil
}

func (w *world) obeySubmit(args []string) error {
	p := payAll
	if len(args) > 1 {
		p = map[string]policy{"all": payAll, "part": payPart, "none": payNone}[args[1]]
	}
	return w.submit(args[0], p, len(args) > 2)
}

func (w *world) obeyCustomer(word string, args []string) error {
	c := w.wallet(strings.Join(args, " "))
	if c == nil {
		return fmt.Errorf("%s %q is not understood", word, args)
	}
	last := len(c.attempts) - 1
	switch word {
	case "ask":
		r := hash(fmt.Sprintf("r%d", len(w.sale.Asks)+1))
		w.asked[r] = c
		return w.tell(BusinessInput{Event: AskMade, Request: r})
	case "past":
		if !w.late {
			return ErrState
		}
		return w.settleByPasses(c)
	case "resume":
		if i := c.spent(); i >= 0 {
			w.resume(c, i)
		}
		return nil
	}
	if last < 0 {
		return ErrState
	}
	voucher := hash("v" + named(c.attempts[last].Request)[1:])
	in, ok := map[string]CustomerInput{
		"accept":  {Event: Accept, Voucher: voucher},
		"charge":  {Event: Accept, Voucher: voucher, Charge: true},
		"decline": {Event: Decline},
		"lose":    {Event: LinkLost},
		"silent":  {Event: Unanswered},
		"expire":  {Event: RequestExpired},
	}[word]
	if !ok {
		return fmt.Errorf("%s is not understood", word)
	}
	return w.step(c, last, in)
}

// String names a message as scripts show it.
func (p packet) String() string {
	s := string(p.kind) + " " + named(p.request)
	if p.settled {
		s += " SETTLED"
	}
	if p.reason != "" {
		s += " " + string(p.reason)
	}
	return s
}

// states says where everything stands.
func (w *world) states() {
	w.say("till: %s, settled %d", w.sale.State, w.sale.Settled)
	for _, a := range w.sale.Asks {
		w.say("  %s of %s", showAsk(a), w.asked[a.Request].name)
	}
	for _, c := range w.wallets {
		for _, a := range c.attempts {
			w.say("%s %s: %s, funds %s", c.name, named(a.Request), a.State, [...]string{"free", "held", "spent"}[a.State.Funds()])
		}
	}
	var on []string
	for _, p := range w.air {
		on = append(on, p.String()+" to "+p.to)
	}
	w.say("air: %s", strings.Join(on, "; "))
	w.say("backend: %s", w.ledger)
}

func (l ledger) String() string {
	var rows []string
	for r, v := range l {
		if v.outcome != "" {
			rows = append(rows, fmt.Sprintf("%s %s %d", named(r), v.outcome, v.settled))
		}
	}
	slices.Sort(rows)
	return strings.Join(rows, "; ")
}
