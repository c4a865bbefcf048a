package daemon

import (
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
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

// A customer that closes when it has stored its receipt, just as the till gives
// the payment back, does not know of that: it is still owed the Cancel.
func TestADoneCustomerIsOwedWhatItWasNotSent(t *testing.T) {
	b := withHistory(t, asTill, payment.Provisional)
	sale, err := b.store.Sale(t.Context(), paymentName(0))
	must(t, err)
	phone := namedID("phone")
	p := &payer{
		peer: newPeer(b.Device, new(secure.Session)), cert: preauth.DeviceCert{Body: &peerv1.DeviceCert{DeviceId: phone[:]}},
		answered: map[preauth.Hash]bool{sale.Winner: true},
	}
	b.till.claim(sale.Winner, p)
	b.mu.Lock()
	_, _, err = b.storeSale(t.Context(), sale, saleStep{in: payment.BusinessInput{Event: payment.Reverse}})
	b.mu.Unlock()
	must(t, err)
	b.till.ended(t.Context(), p, link.EID{1}, &secure.PeerError{Close: secure.CloseDone})
	if a := b.till.aim(t.Context()); len(a.owed) != 1 || b.till.isAcked(sale.Winner) {
		t.Errorf("%d are looked for", len(a.owed))
	}
}
