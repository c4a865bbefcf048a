package main_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/cmd/internal/prove/report"
)

var (
	kills    = flag.Int("kills", 4, "how often TestKilledAnywhere kills")
	killSeed = flag.Uint64("kill-seed", 1, "what it draws its lots from")
	killOut  = flag.String("out", "", "leave what came of it in this directory")
)

// shopLife is after how many kills a new shop opens: the customers' funds come
// to an end.
const shopLife = 100

// TestKilledAnywhere kills a till, customers' devices and the backend, alone
// and together, at any time of payments and of handing them in. Each time
// they start again, and the money is looked at from outside: nothing is lost,
// nothing is paid twice, and all books agree.
func TestKilledAnywhere(t *testing.T) {
	t.Parallel()
	result := report.Kills{Cells: make(map[string]map[report.Outcome]int)}
	for first := 0; first < *kills; first += shopLife {
		k := &killer{shop: newShop(t, "ann", "ben"), result: &result, dice: rand.New(rand.NewPCG(*killSeed, uint64(first)))}
		k.startBackend(t)
		for i, c := range k.customers {
			k.accepting[i] = c.accepting(t)
		}
		for n := first; n < min(first+shopLife, *kills) && !t.Failed(); n++ {
			k.cycle(t, n+1)
		}
		t.Logf("%d kills, %d of them amid a payment, %d processes; %d payments, %d of them settled, %s USD", k.cycles, k.amid, k.killed, len(k.final), k.settled, cents(k.money))
		k.killAll()
		result.Cycles, result.Killed = result.Cycles+k.cycles, result.Killed+k.killed
	}
	if err := report.Save(*killOut, "kills.json", result); err != nil {
		t.Error(err)
	}
}

// A killer ends processes of a shop in which all is well otherwise.
type killer struct {
	*shop
	result    *report.Kills
	dice      *rand.Rand
	accepting [2]*process
	final     []string // payments that were looked at
	money     int64    // that they have moved, in cents

	cycles, amid, killed, settled int // amid: while the till waited for its money
}

// cycle lets the till ask for money, kills some, starts them again and looks
// at the money.
func (k *killer) cycle(t *testing.T, n int) {
	t.Helper()
	amount := int64(1 + k.dice.IntN(100))
	policy := []string{"prefer-online", "force-offline", "force-offline", "require-online"}[k.dice.IntN(4)]
	asking := k.till.follow(t, "pay", "request", cents(amount), "USD", "--timeout", "8s", "--policy", policy)
	wait := time.Duration(k.dice.IntN([]int{100, 300, 1200}[k.dice.IntN(3)])) * time.Millisecond
	victims := 1 + k.dice.IntN(15) // a set of four: at least one
	what := fmt.Sprintf("cycle %d, %s %s: %04b killed after %s", n, cents(amount), policy, victims, wait)
	<-time.After(wait)
	if asking.running() {
		k.amid++
	}
	k.strike(t, victims)
	told := ""
	if asking.exit(t) == 0 {
		told = read[paymentv1.Payment](t, asking.out.text()).GetPaymentId()
	}
	for i, c := range k.customers {
		if !k.accepting[i].running() {
			k.accepting[i] = c.accepting(t)
		}
	}
	k.settle(t, what)
	paid := k.settled
	k.look(t, what)
	k.count(t, victims, k.settled > paid)
	if told != "" && k.till.payment(t, told).GetState() != settled {
		t.Errorf("%s: the till was told that it is paid, and it is not", what)
	}
	k.cycles++
	t.Log(what)
}

// count notes what came of the payment of a cycle.
func (k *killer) count(t *testing.T, victims int, paid bool) {
	who := "several at once"
	switch victims {
	case 1:
		who = "the till"
	case 2, 4, 6:
		who = "customers"
	case 8:
		who = "the backend"
	}
	outcome := report.Unpaid
	if paid {
		outcome = report.Paid
	}
	if t.Failed() {
		outcome = report.Wrong
	}
	if k.result.Cells[who] == nil {
		k.result.Cells[who] = make(map[report.Outcome]int)
	}
	k.result.Cells[who][outcome]++
}

func cents(minor int64) string { return fmt.Sprintf("%d.%02d", minor/100, minor%100) }

// strike kills those whose bit is set, all at once, and starts them again.
func (k *killer) strike(t *testing.T, victims int) {
	t.Helper()
	all := []*process{k.till.daemon, k.customers[0].daemon, k.customers[1].daemon, k.backend}
	for i, p := range all {
		if victims&(1<<i) != 0 {
			_ = p.cmd.Process.Kill() // waited for below
			k.killed++
		}
	}
	for i, d := range []*device{k.till, k.customers[0], k.customers[1]} {
		if victims&(1<<i) != 0 {
			<-d.daemon.ended
			d.start(t)
		}
	}
	if victims&8 != 0 {
		<-k.backend.ended
		k.startBackend(t)
	}
}

// settle hands everything in until nothing is left to wait for.
func (k *killer) settle(t *testing.T, what string) {
	t.Helper()
	devices := []*device{k.till, k.customers[0], k.customers[1]}
	eventually(t, 3*patience, "all ends after "+what, func() (bool, string) {
		var open []string
		for _, d := range devices {
			if a := d.ctl(t, "sync", "now"); a.code != 0 {
				open = append(open, a.stderr)
			}
			for _, p := range d.payments(t) {
				if !slices.Contains(k.final, p.GetPaymentId()) && unfinished(p.GetState()) {
					open = append(open, fmt.Sprintf("%s has %s %s", d.name, p.GetPaymentId(), p.GetState()))
				}
			}
		}
		return len(open) == 0, strings.Join(open, "; ")
	})
}

// unfinished reports whether a payment can still change.
func unfinished(s paymentv1.PaymentState) bool {
	switch s {
	case authorized, provisional, paymentv1.PaymentState_PAYMENT_STATE_REQUESTED, paymentv1.PaymentState_PAYMENT_STATE_OPEN,
		paymentv1.PaymentState_PAYMENT_STATE_AWAITING:
		return true
	}
	return false
}

// look compares what till, customers and backend have of the payments that
// are new, and adds up the money.
func (k *killer) look(t *testing.T, what string) {
	t.Helper()
	paidBy := map[string][]*device{}
	amounts := map[string]string{}
	for _, c := range k.customers {
		for _, p := range k.fresh(t, c) {
			switch p.GetState() {
			case settled:
				paidBy[p.GetPaymentId()] = append(paidBy[p.GetPaymentId()], c)
				amounts[p.GetPaymentId()] = p.GetSettledAmount()
			case paymentv1.PaymentState_PAYMENT_STATE_REJECTED:
				t.Errorf("%s: %s was refused what it had promised: %s", what, c.name, p)
			}
		}
		for text := range strings.Lines(c.ask(t, "preauth", "list").stdout) {
			if p := read[customerv1.PreAuthorization](t, text); p.GetHeld() != "0.00" {
				t.Errorf("%s: something is held of %s: %s", what, c.name, p)
			}
		}
	}
	for _, p := range k.fresh(t, k.till) {
		id := p.GetPaymentId()
		payers := paidBy[id]
		delete(paidBy, id)
		k.final = append(k.final, id)
		switch {
		case p.GetState() != settled && len(payers) == 0:
		case p.GetState() != settled || len(payers) != 1 || amounts[id] != p.GetSettledAmount():
			t.Errorf("%s: the till has %s of %s, %d customers paid %s", what, p.GetState(), p.GetSettledAmount(), len(payers), amounts[id])
		default:
			k.settledOnce(t, k.till, payers[0], id, p.GetSettledAmount())
			k.settled++
			k.money += minor(t, p.GetSettledAmount())
		}
	}
	for id := range paidBy {
		t.Errorf("%s: a customer has paid %s, of which the till knows nothing", what, id)
	}
	if got := k.credit(t, k.till)["USD"]; got != k.money {
		t.Errorf("%s: the till is owed %d, its payments say %d", what, got, k.money)
	}
	k.sound(t)
}

// fresh returns the payments of a device that were not looked at before.
func (k *killer) fresh(t *testing.T, d *device) []*paymentv1.Payment {
	t.Helper()
	return slices.DeleteFunc(d.payments(t), func(p *paymentv1.Payment) bool { return slices.Contains(k.final, p.GetPaymentId()) })
}

// minor reads an amount of USD.
func minor(t *testing.T, amount string) int64 {
	t.Helper()
	var whole, part int64
	if _, err := fmt.Sscanf(amount, "%d.%02d", &whole, &part); err != nil {
		t.Fatalf("%q: %v", amount, err)
	}
	return whole*100 + part
}
