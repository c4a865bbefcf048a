package backend

import (
	"cmp"
	"slices"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
)

// outcomes are the wire numbers of the ledger's outcomes.
var outcomes = map[ledger.Outcome]peerv1.Outcome{
	ledger.Settled:   peerv1.Outcome_OUTCOME_SETTLED,
	ledger.Rejected:  peerv1.Outcome_OUTCOME_REJECTED,
	ledger.Cancelled: peerv1.Outcome_OUTCOME_CANCELLED,
}

// totals count and sum a batch per currency and outcome, each request once,
// from what the books say and not from what was handed in.
type totals struct {
	seen map[preauth.Hash]bool
	all  map[totalKey]*backendv1.Total
}

type totalKey struct {
	currency string
	outcome  peerv1.Outcome
}

func newTotals() totals {
	return totals{seen: map[preauth.Hash]bool{}, all: map[totalKey]*backendv1.Total{}}
}

func (s totals) add(r request, v verdict) {
	if s.seen[r.hash] {
		return
	}
	s.seen[r.hash] = true
	k := totalKey{r.currency, outcomes[v.outcome]}
	l := s.all[k]
	if l == nil {
		l = &backendv1.Total{Currency: k.currency, Outcome: uint32(k.outcome)}
		s.all[k] = l
	}
	l.Count++
	l.Sum += r.total
	l.Settled += v.paid + v.guaranteed
}

// lines are ordered by currency, then outcome.
func (s totals) lines() []*backendv1.Total {
	all := make([]*backendv1.Total, 0, len(s.all))
	for _, l := range s.all {
		all = append(all, l)
	}
	slices.SortFunc(all, func(a, b *backendv1.Total) int {
		return cmp.Or(cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Outcome, b.Outcome))
	})
	return all
}
