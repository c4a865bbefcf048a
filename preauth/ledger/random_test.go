package ledger

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// A slowBook is the same rules, worked out coin by coin: each unit of money
// is a thing that is somewhere, and every rule is a sentence about where the
// next one goes.
type slowBook struct {
	coins     []int // index of the voucher that has the coin, or one of the places below
	guarantee int64
	vouchers  []slowVoucher
	settleBy  time.Time
	closed    bool
}

const (
	inHold     = -1
	atCustomer = -2
)

type slowVoucher struct {
	name   byte
	till   [16]byte
	total  int64
	issuer int64
	state  got
	live   bool
}

func (b *slowBook) coinsOf(owner int) (n int64) {
	for _, o := range b.coins {
		if o == owner {
			n++
		}
	}
	return n
}

// give moves one coin, and reports whether there was one.
func (b *slowBook) give(from, to int) bool {
	for i, o := range b.coins {
		if o == from {
			b.coins[i] = to
			return true
		}
	}
	return false
}

func (b *slowBook) unpaid(i int) int64 {
	return b.vouchers[i].total - b.coinsOf(i) - b.vouchers[i].issuer
}

func (b *slowBook) issuerPaid(till [16]byte) (n int64) {
	for _, v := range b.vouchers {
		if v.till == till {
			n += v.issuer
		}
	}
	return n
}

func (b *slowBook) claim(c Claim, now time.Time) {
	b.pass(now)
	v := slowVoucher{name: c.Request[0], till: c.Till, total: c.Total, state: got{Rejected, 0, 0, Exhausted}, live: true}
	switch {
	case c.Outcome == Cancelled:
		v.live, v.state = false, got{Cancelled, 0, 0, ""}
	case b.closed:
		v.live, v.state = false, got{Rejected, 0, 0, TooLate}
	case c.Outcome == Rejected:
		v.live, v.state = false, got{Rejected, 0, 0, c.Reason}
	}
	b.vouchers = append(b.vouchers, v)
	b.flow()
}

func (b *slowBook) cancel(name byte, now time.Time) {
	b.pass(now)
	for i := range b.vouchers {
		v := &b.vouchers[i]
		if v.name != name {
			continue
		}
		if v.live && b.coinsOf(i)+v.issuer > 0 && now.After(b.settleBy.Add(30*24*time.Hour)) {
			return
		}
		for b.give(i, inHold) {
		}
		v.issuer, v.live, v.state = 0, false, got{Cancelled, 0, 0, ""}
	}
	b.flow()
}

func (b *slowBook) pass(now time.Time) {
	b.closed = b.closed || now.After(b.settleBy)
	b.flow()
}

func (b *slowBook) flow() {
	for i := range b.vouchers {
		for b.vouchers[i].live && b.unpaid(i) > 0 && b.give(inHold, i) {
		}
	}
	for i := range b.vouchers {
		for v := &b.vouchers[i]; v.live && b.unpaid(i) > 0 && b.issuerPaid(v.till) < b.guarantee; {
			v.issuer++
		}
	}
	for i := range b.vouchers {
		for v := &b.vouchers[i]; v.issuer > 0 && b.give(inHold, i); {
			v.issuer--
		}
	}
	for b.closed && b.give(inHold, atCustomer) {
	}
	for i := range b.vouchers {
		if v := &b.vouchers[i]; v.live {
			v.state = got{Settled, b.coinsOf(i), v.issuer, ""}
			if v.state.paid+v.issuer == 0 {
				v.state = got{Rejected, 0, 0, Exhausted}
			}
		}
	}
}

func TestRandomLives(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) { randomLife(t, rt) })
}

// FuzzLives lives the same from bytes.
func FuzzLives(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		rapid.MakeFuzz(func(rt *rapid.T) { randomLife(t, rt) })(t, data)
	})
}

// randomLife lets things happen to a hold, and compares it after each with the
// slow book.
func randomLife(t *testing.T, rt *rapid.T) {
	limit := rapid.Int64Range(1, 30).Draw(rt, "limit")
	h := holdOf(limit, rapid.Int64Range(0, 6).Draw(rt, "guarantee"))
	slow := &slowBook{guarantee: h.Guarantee, settleBy: end}
	for range limit {
		slow.coins = append(slow.coins, inHold)
	}
	now, names := soon, byte(0)
	for range rapid.IntRange(1, 14).Draw(rt, "steps") {
		if rapid.IntRange(0, 11).Draw(rt, "time passes") == 0 {
			now = rapid.SampledFrom([]time.Time{now, end, late, end.Add(Grace), ages}).Draw(rt, "now")
		}
		var m move
		switch rapid.IntRange(0, 5).Draw(rt, "move") {
		case 0, 1, 2:
			names++
			c := at(rapid.SampledFrom([][16]byte{lunaTill, solTill}).Draw(rt, "till"), names, rapid.Int64Range(1, 20).Draw(rt, "total"))
			switch rapid.IntRange(0, 9).Draw(rt, "known") {
			case 0:
				c = as(Cancelled, "", c)
			case 1:
				c = as(Rejected, "TIP_NOT_ALLOWED", c)
			}
			m = claimed(c, now)
			slow.claim(c, now)
		case 3, 4:
			name := rapid.ByteRange(0, names).Draw(rt, "which")
			m = cancelled(name, now)
			slow.cancel(name, now)
		default:
			m = closed(now)
			slow.pass(now)
		}
		h = checked(t, h, m)
		compare(rt, h, slow)
	}
}

func compare(t *rapid.T, h Hold, slow *slowBook) {
	if h.Held() != slow.coinsOf(inHold) || h.Released != slow.coinsOf(atCustomer) {
		t.Fatalf("held %d, released %d; coin by coin %d, %d", h.Held(), h.Released, slow.coinsOf(inHold), slow.coinsOf(atCustomer))
	}
	for i, c := range h.Claims {
		if is := (got{c.Outcome, c.Paid, c.Guaranteed, c.Reason}); is != slow.vouchers[i].state {
			t.Fatalf("voucher %d is %+v; coin by coin %+v", c.Request[0], is, slow.vouchers[i].state)
		}
		if used := h.GuaranteeUsed(c.Till); used > h.Guarantee {
			t.Fatalf("the issuer pays %d of %d", used, h.Guarantee)
		}
		if c.Outcome == Settled && c.Guaranteed > 0 && h.Held() > 0 {
			t.Fatal("the issuer pays while money is held")
		}
	}
}
