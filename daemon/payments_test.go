package daemon

import (
	"fmt"
	"testing"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// opening is when the nth payment of these tests was made: one a minute,
// beginning an hour ago.
func (b *bench) opening(n int) time.Time {
	return b.started.Add(-time.Hour + time.Duration(n)*time.Minute).Truncate(time.Millisecond)
}

// paymentName is the id of the nth payment.
func paymentName(n int) preauth.ID { return namedID(fmt.Sprint("payment ", n)) }

// signRequest is what a till signs for the nth payment, of 12.00 USD; key is the
// till's.
func (b *bench) signRequest(n int, cert []byte) preauth.Request {
	b.t.Helper()
	id, device, binding, nonce := paymentName(n), namedID("device"), namedHash("binding"), namedID("nonce")
	body := &peerv1.Request{
		PaymentId: id[:], BusinessDeviceId: device[:], Nonce: nonce[:], Amount: 12_00, Currency: "USD",
		Reference: fmt.Sprint("table ", n), TtlMs: 60_000, ChannelBinding: binding[:], DeviceCert: cert,
		CreatedMs: b.opening(n).UnixMilli(), Tip: &peerv1.TipPolicy{Allowed: true, Max: 3_00},
	}
	r, err := preauth.Sign(b.opt.Keys.Signing, body)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// signVoucher is a customer's promise of 13.00 USD for the nth payment.
func (b *bench) signVoucher(n int, r preauth.Request) preauth.Voucher {
	b.t.Helper()
	id, prev := namedID("preauth"), namedHash(fmt.Sprint("voucher ", n))
	return signedBy(b.t, "customer", &peerv1.Voucher{
		PreauthId: id[:], RequestHash: r.Hash[:], Amount: 12_00, Tip: 1_00, Currency: "USD", Counter: uint32(n + 1),
		PrevHash: prev[:], Remaining: 50_00, DeviceTimeMs: b.opening(n).UnixMilli(),
	})
}

// signCharge is a customer's promise of 13.00 USD to a till that is online.
func (b *bench) signCharge(r preauth.Request) preauth.Charge {
	b.t.Helper()
	instrument, device := namedID("instrument"), namedID("phone")
	return signedBy(b.t, "customer", &peerv1.Charge{
		InstrumentRef: instrument[:], RequestHash: r.Hash[:], Amount: 12_00, Tip: 1_00, Currency: "USD", CustomerDeviceId: device[:],
	})
}

// sold stores the nth payment of a till, in a state. One that has left OPEN
// was paid by a voucher; one that the backend has not judged, also a reversed
// one, waits in the outbox.
func (b *bench) sold(n int, state payment.State) store.Sale {
	b.t.Helper()
	at := b.opening(n)
	s := store.Sale{
		Sale:   payment.Sale{ID: paymentName(n), State: state, Rev: 1, UpdatedAt: at},
		Amount: 12_00, Currency: "USD", Reference: fmt.Sprint("table ", n), Policy: store.PreferOnline,
		CreatedAt: at, Deadline: at.Add(time.Minute),
	}
	c := &store.Change{Sale: &s, Events: b.saleEvents(s, store.Ask{}, []payment.Note{{Kind: payment.NoteOpened}})}
	if state != payment.Open && state != payment.Expired {
		r := b.signRequest(n, b.self.Load().DeviceCert)
		v := b.signVoucher(n, r)
		ask := store.Ask{
			Ask: payment.Ask{Request: r.Hash, Voucher: v.Hash, Receipt: state != payment.Awaiting}, Payment: s.ID,
			Customer: namedID("phone"), RequestBytes: r.Bytes, VoucherBytes: v.Bytes, CertBytes: []byte{1},
			Preauth: namedID("preauth"), Counter: uint32(n + 1), Total: 13_00, Guaranteed: 5_00, Currency: "USD", CreatedAt: at, StoredAt: at,
		}
		if state == payment.Awaiting { // nothing is guaranteed before the verdict
			ask.Guaranteed = 0
		}
		s.Winner, s.Tip, s.Guaranteed = r.Hash, 1_00, ask.Guaranteed
		c.Asks = []store.Ask{ask}
		c.Events = append(c.Events, b.saleEvents(s, ask, []payment.Note{{Kind: payment.NoteSuccessful}})...)
		if state == payment.Provisional || state == payment.Awaiting || state == payment.Cancelled {
			c.Outbox = []store.Item{claimOf(s.ID, r.Hash, at)}
		}
	}
	b.change(c)
	return s
}

// bought stores the nth payment of a customer, in a state, by a Charge. One
// whose voucher is out waits in the outbox.
func (b *bench) bought(n int, state payment.State) store.Attempt {
	b.t.Helper()
	at := b.opening(n)
	keys := b.opt.Keys
	till := signedBy(b.t, "issuer", newPapers(asTill, keys, b.started).cert)
	r := b.signRequest(n, till.Bytes)
	a := store.Attempt{
		Attempt:      payment.Attempt{Request: r.Hash, Payment: paymentName(n), Business: namedID("device"), State: state, Rev: 1, UpdatedAt: at},
		RequestBytes: r.Bytes, Amount: 12_00, Currency: "USD", Code: "1234", CreatedAt: at, ExpiresAt: at.Add(time.Minute), Latest: true,
	}
	c := &store.Change{Events: attemptEvents(a, []payment.Note{{Kind: payment.NoteRequestReceived}})}
	if state != payment.Requested && state != payment.Declined {
		v := b.signCharge(r)
		a.Charge, a.Voucher, a.VoucherBytes, a.Tip, a.SettleBy = true, v.Hash, v.Bytes, 1_00, at.Add(15*24*time.Hour)
		c.Events = append(c.Events, attemptEvents(a, []payment.Note{{Kind: payment.NoteAccepted}})...)
		if state != payment.Settled {
			c.Outbox = []store.Item{claimOf(a.Payment, r.Hash, at)}
		}
	}
	c.Attempts = []store.Attempt{a}
	b.change(c)
	return a
}

// claimOf is an item of the outbox for 13.00 USD.
func claimOf(id preauth.ID, request preauth.Hash, at time.Time) store.Item {
	return store.Item{
		ItemKey: store.ItemKey{Kind: payment.ItemClaim, Request: request}, Payment: id,
		Deadline: at.Add(15 * 24 * time.Hour), Total: 13_00, Currency: "USD", CreatedAt: at,
	}
}

// numbers names payments by their numbers, such as "3 2 1".
func numbers(list []*paymentv1.Payment) string {
	text := ""
	for _, p := range list {
		for n := range 100 {
			if p.GetPaymentId() == paymentName(n).String() {
				text += fmt.Sprint(" ", n)
			}
		}
	}
	if text == "" {
		return ""
	}
	return text[1:]
}

// wantNumbers checks which payments a list has, in which order.
func wantNumbers(t testing.TB, what string, got []*paymentv1.Payment, want string) {
	t.Helper()
	if n := numbers(got); n != want {
		t.Errorf("%s: payments %q, want %q", what, n, want)
	}
}

// deviceChange is an event about the device alone.
func deviceChange(what string) *store.Change {
	return &store.Change{Events: []*paymentv1.Event{deviceEvent(what, "")}}
}
