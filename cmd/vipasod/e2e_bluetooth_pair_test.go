//go:build vm

package main_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/testbed"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// A pair is a till and a customer with 100.00 USD, and what was paid so far.
type pair struct {
	*shop
	k        *testbed.Kernel
	tap      wiretap
	payments int
	cents    int64
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{}
	p.k = airwaves(t, 2, p.tap.trace)
	p.shop = newBluetoothShop(t, p.k, "ann")
	return p
}

func (p *pair) customer() *device { return p.customers[0] }

// devices returns both by their controllers.
func (p *pair) devices() []*device { return []*device{p.till, p.customer()} }

// price is what the till of a pair asks for.
const (
	price      = "2.00"
	priceCents = 200
)

// ask starts a payment and returns when the customer is looking at it, who
// waits for accept.
func (p *pair) ask(t *testing.T, x *decider) asking {
	t.Helper()
	x.hesitate()
	a := p.till.asks(t, price)
	select {
	case <-x.shown:
	case <-time.After(patience):
		t.Fatal("the customer is shown nothing")
	}
	return a
}

// paid waits until a payment of the price is made for both.
func (p *pair) paid(t *testing.T, a asking) {
	t.Helper()
	p.customer().reaches(t, a(t).GetPaymentId(), provisional)
	p.payments++
	p.cents += priceCents
}

// promised fails unless the customer has promised what was paid, and no more.
func (p *pair) promised(t *testing.T) {
	t.Helper()
	p.customer().holds(t, "0.00", dollars(p.cents), dollars(100_00-p.cents))
}

func dollars(cents int64) string { return fmt.Sprintf("%d.%02d", cents/100, cents%100) }

// settles brings the network back and looks from outside: each payment is
// settled once for till, customer and backend.
func (p *pair) settles(t *testing.T) {
	t.Helper()
	p.promised(t)
	p.startBackend(t)
	for _, d := range p.devices() {
		for _, each := range d.payments(t) {
			d.reaches(t, each.GetPaymentId(), settled)
		}
		list := d.payments(t)
		for _, each := range list {
			if each.GetState() != settled || each.GetSettledAmount() != each.GetAmount() {
				t.Errorf("%s has %s", d.name, each)
			}
		}
		if len(list) != p.payments {
			t.Errorf("%s has %d payments, not %d", d.name, len(list), p.payments)
		}
	}
	if got := p.credit(t, p.till)["USD"]; got != p.cents {
		t.Errorf("the ledger owes the till %d, want %d", got, p.cents)
	}
	p.customer().holds(t, dollars(p.cents), "0.00", dollars(100_00-p.cents))
	p.sound(t)
}

// TestVMPair: two daemons pay over the kernel's Bluetooth with no network,
// whatever befalls their radios, and settle when the network is back.
func TestVMPair(t *testing.T) {
	p := newPair(t)
	var first *paymentv1.Payment
	t.Run("payment", func(t *testing.T) { first = p.pays(t) })
	t.Run("figures", p.measured) // nothing runs beside it
	t.Parallel()
	t.Run("hostile radio", p.attacked)
	t.Run("radio process killed", p.respawns)
	t.Run("adapter unplugged", p.unplugged)
	t.Run("out of range", p.partsAndMeets)
	t.Run("settlement", func(t *testing.T) {
		p.settles(t)
		p.settledOnce(t, p.till, p.customer(), first.GetPaymentId(), first.GetAmount())
	})
}

// pays makes a payment with vipasoctl on both sides.
func (p *pair) pays(t *testing.T) *paymentv1.Payment {
	listening := p.customer().accepting(t)
	defer listening.kill() // else it would accept what comes later
	made := p.till.request(t, "12.00", "--timeout", "30s")
	listening.event(t, "payment_successful", made.GetPaymentId())
	p.payments++
	p.cents += 12_00
	p.promised(t)
	return made
}
