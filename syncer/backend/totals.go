package backend

import (
	"cmp"
	"maps"
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
// by what the books say. The sum is of the vouchers and charges that were
// handed in with the batch, as they were stored. A request that came with
// neither, as a bare Cancel, adds what it asked for, also if a voucher of it is
// known from somebody else: the device may never have seen that, nor its tip.
type totals struct {
	all map[preauth.Hash]*line
}

// line is what one request adds.
type line struct {
	key      totalKey
	promised bool // sum is of a voucher or charge
	sum      int64
	got      int64
}

type totalKey struct {
	currency string
	outcome  peerv1.Outcome
}

func newTotals() totals { return totals{all: map[preauth.Hash]*line{}} }

func (s totals) add(it handed, r request, v verdict) {
	l := s.all[r.hash]
	if l == nil {
		l = &line{
			key: totalKey{r.currency, outcomes[v.outcome]}, sum: it.request.Body.Amount, got: v.paid + v.guaranteed,
		}
		s.all[r.hash] = l
	}
	if promise, total := it.promise(); !promise.Zero() && !l.promised {
		if promise == r.voucher {
			total = r.total
		}
		l.promised, l.sum = true, total
	}
}

// lines are ordered by currency, then outcome.
func (s totals) lines() []*backendv1.Total {
	by := map[totalKey]*backendv1.Total{}
	for _, l := range s.all {
		if by[l.key] == nil {
			by[l.key] = &backendv1.Total{Currency: l.key.currency, Outcome: uint32(l.key.outcome)}
		}
		by[l.key].Count++
		by[l.key].Sum += l.sum
		by[l.key].Settled += l.got
	}
	all := slices.Collect(maps.Values(by))
	slices.SortFunc(all, func(a, b *backendv1.Total) int {
		return cmp.Or(cmp.Compare(a.Currency, b.Currency), cmp.Compare(a.Outcome, b.Outcome))
	})
	return all
}
