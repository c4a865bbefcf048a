package outbox

import (
	"cmp"
	"slices"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// Total is one line of the count and sum over a batch. Amounts are minor
// units.
type Total struct {
	Currency string
	Outcome  peerv1.Outcome
	Count    uint32
	Sum      int64 // amount plus tip
	Settled  int64 // what was paid
}

// Add returns the lines of both, ordered by currency, then outcome.
func Add(a, b []Total) []Total {
	type line struct {
		currency string
		outcome  peerv1.Outcome
	}
	sum := map[line]Total{}
	for _, t := range slices.Concat(a, b) {
		k := line{t.Currency, t.Outcome}
		s := sum[k]
		sum[k] = Total{t.Currency, t.Outcome, s.Count + t.Count, s.Sum + t.Sum, s.Settled + t.Settled}
	}
	lines := make([]Total, 0, len(sum))
	for _, t := range sum {
		lines = append(lines, t)
	}
	slices.SortFunc(lines, compareTotals)
	return lines
}

func compareTotals(a, b Total) int {
	return cmp.Or(
		cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Outcome, b.Outcome),
		cmp.Compare(a.Count, b.Count), cmp.Compare(a.Sum, b.Sum), cmp.Compare(a.Settled, b.Settled),
	)
}

// sameTotals reports whether both sides have the same lines, in any order.
func sameTotals(own, theirs []Total) bool {
	a, b := slices.Clone(own), slices.Clone(theirs)
	slices.SortFunc(a, compareTotals)
	slices.SortFunc(b, compareTotals)
	return slices.Equal(a, b)
}

// Tally counts and sums the requests that got a verdict, by the rule of the
// package comment. It takes decisions of this package that have a verdict, ordered or not.
func Tally(decided []Decision) []Total {
	saying := map[preauth.Hash]said{} // per request, of an item with a promise if there is one
	for _, d := range decided {
		if was, ok := saying[d.Item.Key.Request]; !ok || was.promise.Zero() {
			saying[d.Item.Key.Request] = d.said
		}
	}
	var lines []Total
	for _, d := range decided {
		s, ok := saying[d.Item.Key.Request]
		if !ok {
			continue // counted
		}
		delete(saying, d.Item.Key.Request)
		lines = append(lines, Total{s.currency, d.Verdict.Body.Outcome, 1, s.total, d.Verdict.Body.Amount})
	}
	return Add(lines, nil)
}
