package outbox

import (
	"cmp"
	"slices"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
)

// Most that one call carries.
const (
	BatchItems = 100
	BatchBytes = 512 << 10
)

// Batch is what goes to the backend next.
type Batch struct {
	Submit []Item     // claims and Cancels, in this order
	Query  []Item     // questions, in this order
	Broken []Decision // items that cannot be sent
}

// Compose makes a batch of items that are due, in any order: the request
// with the earliest deadline first, of equal ones the one that was stored
// first, then the largest, and a Cancel never behind a claim of its request.
// Claims on one pre-authorization have one deadline, and each till counted
// what was left of the guarantee in the order in which it stored them. What does not fit is left for the
// next batch; the first item always fits.
func Compose(due []Item) Batch {
	var b Batch
	for _, it := range order(due) {
		if _, err := it.read(); err != nil {
			b.Broken = append(b.Broken, Decision{Item: it, Err: err})
			continue
		}
		if it.Asks() {
			b.Query = append(b.Query, it)
		} else {
			b.Submit = append(b.Submit, it)
		}
	}
	b.Query = b.Query[:min(len(b.Query), BatchItems)]
	b.Submit = fit(b.Submit)
	return b
}

// order sorts by request, so that a request's items stay together.
func order(items []Item) []Item {
	first := make(map[preauth.Hash]Item, len(items)) // the request's place
	for _, it := range items {
		if f, ok := first[it.Key.Request]; !ok || urgency(it, f) < 0 {
			first[it.Key.Request] = it
		}
	}
	sorted := slices.Clone(items)
	slices.SortStableFunc(sorted, func(a, b Item) int {
		fa, fb := first[a.Key.Request], first[b.Key.Request]
		return cmp.Or(
			urgency(fa, fb),
			slices.Compare(a.Key.Request[:], b.Key.Request[:]),
			cmp.Compare(rank(a), rank(b)),
		)
	})
	return sorted
}

func urgency(a, b Item) int {
	return cmp.Or(a.Deadline.Compare(b.Deadline), cmp.Compare(a.Stored, b.Stored), cmp.Compare(b.Total, a.Total))
}

func rank(it Item) int {
	if it.Key.Kind == payment.ItemCancel {
		return 0
	}
	return 1
}

func fit(items []Item) []Item {
	size := 0
	for i, it := range items {
		size += it.Size()
		if i > 0 && (i == BatchItems || size > BatchBytes) {
			return items[:i]
		}
	}
	return items
}
