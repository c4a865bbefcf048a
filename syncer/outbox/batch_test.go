package outbox

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// in is the item with a deadline and a size of money.
func in(it Item, hours int, total int64) Item {
	it.Deadline, it.Total = noon.Add(time.Duration(hours)*time.Hour), total
	return it
}

// at is the item as the device stored it in that place.
func (it Item) at(stored int64) Item {
	it.Stored = stored
	return it
}

// names tells items of up to nine deals apart.
func names(t *testing.T, items []Item, deals []deal) string {
	t.Helper()
	var all []string
	for _, it := range items {
		n := slices.IndexFunc(deals, func(d deal) bool { return d.request.Hash == it.Key.Request })
		all = append(all, fmt.Sprintf("%s %d", strings.ToLower(string(it.Key.Kind)), n))
	}
	return strings.Join(all, ", ")
}

func TestWhatGoesFirst(t *testing.T) {
	deals := []deal{newDeal(t, 0, 500, 0, "USD"), newDeal(t, 1, 500, 0, "USD"), newDeal(t, 2, 500, 0, "USD")}
	tests := []struct {
		name          string
		due           []Item
		submit, query string
	}{
		{"nothing of nothing", nil, "", ""},
		{"the earliest deadline", []Item{in(deals[0].claim(), 9, 1), in(deals[1].claim(), 3, 1)}, "claim 1, claim 0", ""},
		{"of equal deadlines the oldest", []Item{in(deals[0].claim(), 3, 900).at(8), in(deals[1].claim(), 3, 100).at(7)}, "claim 1, claim 0", ""},
		{"of those stored at once the largest", []Item{in(deals[0].claim(), 3, 100).at(7), in(deals[1].claim(), 3, 900).at(7)}, "claim 1, claim 0", ""},
		{"the deadline before the age", []Item{in(deals[0].claim(), 9, 1).at(1), in(deals[1].claim(), 3, 1).at(2)}, "claim 1, claim 0", ""},
		{"the deadline before the size", []Item{in(deals[0].claim(), 9, 900), in(deals[1].claim(), 3, 1)}, "claim 1, claim 0", ""},
		{"a Cancel before its claim", []Item{in(deals[0].claim(), 3, 9), in(deals[0].cancel(), 3, 9)}, "cancel 0, claim 0", ""},
		{"a Cancel before its claim, however late it is due", []Item{in(deals[0].claim(), 3, 9), in(deals[1].claim(), 4, 9), in(deals[0].cancel(), 9, 1)}, "cancel 0, claim 0, claim 1", ""},
		{"a charge like a voucher", []Item{in(deals[0].claim(), 9, 1), in(deals[1].charged(), 3, 1)}, "claim 1, claim 0", ""},
		{"a claim without receipt is a question", []Item{in(deals[0].question(), 3, 1), in(deals[1].claim(), 9, 1)}, "claim 1", "claim 0"},
		{"questions by deadline, too", []Item{in(deals[0].question(), 9, 1), in(deals[1].question(), 3, 1)}, "", "claim 1, claim 0"},
		{"a Cancel needs no receipt", []Item{deals[2].cancel()}, "cancel 2", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := Compose(tt.due)
			if got := names(t, b.Submit, deals); got != tt.submit {
				t.Errorf("handed in %s, want %s", got, tt.submit)
			}
			if got := names(t, b.Query, deals); got != tt.query {
				t.Errorf("asked %s, want %s", got, tt.query)
			}
			if len(b.Broken) != 0 {
				t.Errorf("broken: %v", b.Broken)
			}
		})
	}
}

func TestARequestsItemsStayTogether(t *testing.T) {
	deals := []deal{newDeal(t, 0, 500, 0, "USD"), newDeal(t, 1, 500, 0, "USD")}
	b := Compose([]Item{deals[0].claim(), deals[1].claim(), deals[1].cancel(), deals[0].cancel()})
	got := names(t, b.Submit, deals)
	if got != "cancel 0, claim 0, cancel 1, claim 1" && got != "cancel 1, claim 1, cancel 0, claim 0" {
		t.Errorf("handed in %s", got)
	}
}

func TestWhatIsNeverSent(t *testing.T) {
	d, other := newDeal(t, 0, 500, 0, "USD"), newDeal(t, 1, 500, 0, "USD")
	tests := []struct {
		name  string
		spoil func(*Item)
	}{
		{"without a request", func(it *Item) { it.Request = nil }},
		{"with a request that is none", func(it *Item) { it.Request = []byte("request") }},
		{"with another request", func(it *Item) { it.Request = other.request.Bytes }},
		{"with a voucher that is none", func(it *Item) { it.Voucher = []byte("voucher") }},
		{"with a voucher for another request", func(it *Item) { it.Voucher = other.voucher.Bytes }},
		{"with a charge that is none", func(it *Item) { it.Voucher, it.Charge = nil, []byte("charge") }},
		{"with a charge for another request", func(it *Item) { it.Voucher, it.Charge = nil, other.charge.Bytes }},
		{"a claim of nothing", func(it *Item) { it.Voucher = nil }},
		{"a Cancel without Cancel", func(it *Item) { it.Key.Kind = payment.ItemCancel }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			it := d.claim()
			tt.spoil(&it)
			b := Compose([]Item{it, other.claim()})
			if got := names(t, b.Submit, []deal{d, other}); got != "claim 1" {
				t.Errorf("handed in %s", got)
			}
			if len(b.Broken) != 1 || !errors.Is(b.Broken[0].Err, ErrItem) || b.Broken[0].Item.Key != it.Key {
				t.Fatalf("broken: %+v", b.Broken)
			}
			if r := Reason(b.Broken[0].Err); r != "STORE_CORRUPT" {
				t.Errorf("shown as %s", r)
			}
		})
	}
}

func TestABatchIsBounded(t *testing.T) {
	var claims, questions []Item
	for n := range BatchItems + 5 {
		d := newDeal(t, n, 500, 0, "USD")
		claims, questions = append(claims, d.claim()), append(questions, d.question())
	}
	b := Compose(slices.Concat(claims, questions))
	if len(b.Submit) != BatchItems || len(b.Query) != BatchItems {
		t.Errorf("%d handed in, %d asked; want %d each", len(b.Submit), len(b.Query), BatchItems)
	}
	heavy := slices.Clone(claims[:3])
	for i := range heavy {
		heavy[i].PreauthCert = make([]byte, BatchBytes/2-2000)
	}
	if b := Compose(heavy); len(b.Submit) != 2 {
		t.Errorf("%d of half the size each, want 2", len(b.Submit))
	}
	heavy[0].PreauthCert = make([]byte, 2*BatchBytes)
	if b := Compose(heavy[:1]); len(b.Submit) != 1 {
		t.Errorf("an item that is too large alone was held back for ever")
	}
	if b := Compose(heavy[:2]); len(b.Submit) != 1 {
		t.Errorf("%d beside one that is too large alone", len(b.Submit))
	}
}

// Whatever is due, in whatever order: a batch is within its bounds, takes
// from the due items in order of urgency, loses none, and puts no claim
// before the Cancel of its request. Composing from what is left ends.
func TestEveryItemIsSentOnce(t *testing.T) {
	var deals []deal
	for n := range 40 {
		deals = append(deals, newDeal(t, n, int64(n)+1, 0, "USD"))
	}
	rapid.Check(t, func(t *rapid.T) {
		left := map[Key]Item{}
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 159), 0, 200).Draw(t, "items") {
			d := deals[n/4]
			it := []func() Item{d.claim, d.question, d.cancel, d.charged}[n%4]()
			it = in(it, rapid.IntRange(0, 3).Draw(t, "hours"), rapid.Int64Range(0, 3).Draw(t, "total"))
			it.PreauthCert = make([]byte, rapid.SampledFrom([]int{100, 4096, 90_000}).Draw(t, "size"))
			left[it.Key] = it
		}
		for rounds := 0; len(left) > 0; rounds++ {
			if rounds > 200 {
				t.Fatal("does not end")
			}
			var due []Item
			for _, it := range left {
				due = append(due, it)
			}
			b := Compose(due)
			checkBatch(t, b, left)
			for _, it := range slices.Concat(b.Submit, b.Query) {
				delete(left, it.Key)
			}
		}
	})
}

func checkBatch(t *rapid.T, b Batch, left map[Key]Item) {
	if len(b.Submit)+len(b.Query) == 0 || len(b.Broken) > 0 {
		t.Fatalf("nothing sent of %d", len(left))
	}
	size, claimed := 0, map[preauth.Hash]bool{}
	for _, it := range b.Submit {
		size += it.Size()
		if it.Key.Kind == payment.ItemClaim {
			claimed[it.Key.Request] = true
		} else if claimed[it.Key.Request] {
			t.Fatalf("Cancel of %s behind its claim", it.Key.Request)
		}
		if it.Asks() {
			t.Fatalf("handed in %s without receipt", it.Key.Request)
		}
	}
	if len(b.Submit) > BatchItems || len(b.Query) > BatchItems || size > BatchBytes && len(b.Submit) > 1 {
		t.Fatalf("%d items of %d bytes, %d questions", len(b.Submit), size, len(b.Query))
	}
	for request := range claimed {
		cancel := left[Key{payment.ItemCancel, request}]
		sent := slices.ContainsFunc(b.Submit, func(it Item) bool { return it.Key == cancel.Key })
		if len(cancel.Cancel) > 0 && !sent {
			t.Fatalf("claim of %s before its Cancel", request)
		}
	}
}
