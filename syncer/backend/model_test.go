package backend

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"

	"github.com/vipaso/vipasod/preauth/ledger"
)

// A life is one pre-authorization without a guarantee: what was signed on it,
// and what its rules make of what has been handed in. Nothing here follows
// money: who is paid what is worked out anew from who came when.
type life struct {
	limit    int64
	settleBy time.Time
	deals    []*signedDeal
	arrived  []*signedDeal // claims, in order
	capacity int64         // what there is to pay from
	closed   bool
	accused  bool
}

// signedDeal is a payment with a voucher and a receipt.
type signedDeal struct {
	*deal
	total   int64
	repeats []*signedDeal // whose Cancels the voucher carries
	told    bool          // the customer has the Cancel
	known   bool          // the backend has the Cancel
	ended   bool          // by that
	claimed bool
	late    bool
}

// paid shares the capacity out in order of arrival.
func (l *life) paid() map[*signedDeal]int64 {
	left, shares := l.capacity, map[*signedDeal]int64{}
	for _, d := range l.arrived {
		if !d.ended && !d.late && d.total <= l.limit {
			shares[d] = min(d.total, left)
			left -= shares[d]
		}
	}
	return shares
}

func sum(shares map[*signedDeal]int64) (all int64) {
	for _, n := range shares {
		all += n
	}
	return all
}

// pass closes the pre-authorization: what nobody has been paid is gone.
func (l *life) pass(now time.Time) {
	if !l.closed && now.After(l.settleBy) {
		l.closed, l.capacity = true, sum(l.paid())
	}
}

func (l *life) cancel(d *signedDeal, now time.Time) {
	d.known = true
	if l.paid()[d] > 0 && now.After(l.settleBy.Add(ledger.Grace)) {
		return // a dispute
	}
	d.ended = true
}

func (l *life) claim(d *signedDeal, now time.Time) {
	for _, r := range d.repeats {
		l.cancel(r, now)
	}
	if !d.claimed {
		d.claimed, d.late = true, l.closed
		l.arrived = append(l.arrived, d)
	}
	var uncancelled int64
	for _, c := range l.arrived {
		if !c.known {
			uncancelled += c.total
		}
	}
	l.accused = l.accused || uncancelled > l.limit
}

func (l *life) verdict(d *signedDeal) says {
	got := l.paid()[d]
	switch {
	case d.ended:
		return cancelled
	case !d.claimed:
		return says{outcome: "UNKNOWN"}
	case d.late:
		return says{"REJECTED", 0, d.total, "TOO_LATE"}
	case d.total > l.limit:
		return says{"REJECTED", 0, d.total, "INSUFFICIENT_FUNDS"}
	case got == 0:
		return exhausted(d.total)
	}
	return says{"SETTLED", got, d.total - got, ""}
}

// free is what an honest customer may still sign for: each voucher counts
// until its Cancel is in hand and can be repeated.
func (l *life) free() int64 {
	left, repeated := l.limit, 0
	for _, d := range l.deals {
		if d.told && repeated < 4 {
			repeated++
			continue
		}
		left -= d.total
	}
	return left
}

// TestSettlementByModel plays random lives of pre-authorizations, of honest
// customers and of others, and compares every verdict, and who is accused,
// with the model. What the books say of themselves is checked at the end.
func TestSettlementByModel(t *testing.T) {
	var b *bench
	rapid.Check(t, func(rt *rapid.T) {
		if b == nil || b.now().After(start.AddDate(3, 0, 0)) { // its certificates last for five years
			b = newBench(t, Options{})
		}
		b.live(rt)
	})
}

func (b *bench) live(rt *rapid.T) {
	ada := b.customer("Ada")
	card, phone := b.instrument(ada, 500_00), b.phone(ada)
	tills := []*party{b.till(b.business("Cafe Luna")), b.till(b.business("Cafe Sol"))}
	honest := rapid.Bool().Draw(rt, "honest")
	w := phone.preauthorize(card, rapid.Int64Range(10, 40).Draw(rt, "limit"))
	l := &life{limit: w.left, capacity: w.left, settleBy: time.UnixMilli(w.cert.Body.SettleByMs)}
	for range rapid.IntRange(4, 20).Draw(rt, "steps") {
		what := rapid.IntRange(0, 9).Draw(rt, "step")
		if what == 0 {
			b.ms.Store(max(b.ms.Load(), rapid.SampledFrom([]time.Time{
				l.settleBy, l.settleBy.Add(time.Millisecond), l.settleBy.Add(ledger.Grace), l.settleBy.Add(ledger.Grace + day),
			}).Draw(rt, "now").UnixMilli()))
			continue
		}
		if what <= 2 || len(l.deals) == 0 {
			b.sign(rt, l, w, rapid.SampledFrom(tills).Draw(rt, "till"), honest)
			continue
		}
		d := rapid.SampledFrom(l.deals).Draw(rt, "deal")
		carrier := rapid.SampledFrom(append([]*party{phone}, tills...)).Draw(rt, "carrier")
		b.hand(rt, l, d, carrier, what)
		b.compare(rt, l, phone)
	}
	if honest && l.accused {
		rt.Fatal("the model accuses an honest customer")
	}
}

// sign makes one more payment, of an honest customer only if there is room.
func (b *bench) sign(rt *rapid.T, l *life, w *wallet, till *party, honest bool) {
	d := &signedDeal{total: rapid.Int64Range(1, 20).Draw(rt, "total")}
	if honest && (d.total > l.free() || b.now().After(l.settleBy)) {
		return
	}
	var repeated []*deal
	for _, c := range l.deals {
		if c.told && len(repeated) < 4 {
			repeated, d.repeats = append(repeated, c.deal), append(d.repeats, c)
		}
	}
	d.deal = w.pay(till.ask(d.total), 0, repeating(repeated...)).take()
	l.deals = append(l.deals, d)
}

// hand hands a claim in, or a Cancel, or gives the customer the Cancel.
func (b *bench) hand(rt *rapid.T, l *life, d *signedDeal, carrier *party, what int) {
	var item *backendv1.Item
	l.pass(b.now())
	switch what {
	case 3, 4, 5:
		item = d.claim()
		l.claim(d, b.now())
	case 6:
		if d.cancel.Zero() {
			d.undo()
		}
		item = d.cancelled()
		l.cancel(d, b.now())
	default:
		if d.cancel.Zero() {
			d.undo()
		}
		d.told = true
		return
	}
	if got, want := carrier.submit(item)[0], l.verdict(d); got != want {
		rt.Fatalf("the backend says %+v, the model %+v", got, want)
	}
}

// compare holds all that stands against the model.
func (b *bench) compare(rt *rapid.T, l *life, phone *party) {
	for n, d := range l.deals {
		got, want := d.till.verdict(d.deal), l.verdict(d)
		if got != want && (d.claimed || got.outcome != "UNKNOWN") {
			rt.Fatalf("of %d the backend says %+v, the model %+v", n, got, want)
		}
	}
	revoked := false
	must(b.t, b.store.Read(b.ctx, func(t Tx) error {
		d, _, err := t.device(phone.id)
		revoked = d.Reason == overLimit
		return err
	}))
	if revoked != l.accused {
		rt.Fatalf("accused is %t, in the model %t", revoked, l.accused)
	}
}
