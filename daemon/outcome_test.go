package daemon

import (
	"testing"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// What has an outcome is answered with it before any check runs, whatever
// arrives: also a voucher that would pass none.
func TestAnOutcomeIsRepeatedUnjudged(t *testing.T) {
	for _, state := range []payment.State{payment.Provisional, payment.Settled} {
		b := newBench(t, asTill, nil)
		sale := b.sold(0, state)
		stored, err := b.store.Ask(t.Context(), sale.Winner)
		must(t, err)
		p := &payer{peer: newPeer(b.Device, new(secure.Session)), unfinished: map[preauth.ID]bool{sale.ID: true}, answered: map[preauth.Hash]bool{}}
		p.bundled.Store(true)
		if err := b.till.answer(t.Context(), p, sale.Winner, voucherAnswer{[]byte("voucher"), []byte("certificate")}); err != nil {
			t.Errorf("%s: %v", state, err)
		}
		select {
		case got := <-p.out:
			if got.typ != secure.Receipt || p.unfinished[sale.ID] {
				t.Errorf("%s: the answer is %s, %x", state, got.typ, got.body)
			}
		default:
			t.Errorf("%s: no answer", state)
		}
		b.wantSale(sale.ID, string(state), state)
		if now, err := b.store.Ask(t.Context(), sale.Winner); err != nil || now.Ask != stored.Ask {
			t.Errorf("%s: the request is now %+v, %v", state, now.Ask, err)
		}
	}
}
