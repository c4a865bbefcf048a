package conformance

import (
	"bytes"
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"time"

	"github.com/vipaso/vipasod/preauth/ledger"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// runSettlement lets things arrive at the backend.
func runSettlement(c vectors.Settlement) (name, want, got string) {
	done, err := Settle(c)
	if err != nil {
		return c.Name, show(c), err.Error()
	}
	return c.Name, show(c), show(done)
}

func show(c vectors.Settlement) string {
	b, err := json.Marshal(c)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// Settle returns the settlement with what comes of it here. The error says
// that this cannot arrive.
func Settle(c vectors.Settlement) (vectors.Settlement, error) {
	h := ledger.Hold{
		Preauth: c.Preauth, Instrument: c.Instrument,
		Currency: c.Currency, Limit: c.Limit, Guarantee: c.Guarantee, SettleBy: time.UnixMilli(c.SettleByMs),
	}
	copy(h.BoundTo[:], c.BoundTo)
	balances := map[ledger.Account]int64{{Kind: ledger.Held, ID: h.Preauth}: h.Limit}
	arrivals := make([]vectors.Arrival, len(c.Arrivals))
	for i, a := range c.Arrivals {
		r, err := arrive(h, a)
		if err != nil {
			return c, err
		}
		h = r.Hold
		for _, t := range r.Transfers {
			for _, p := range t.Postings() {
				balances[p.Account] += p.Amount
			}
		}
		a.Changed, a.Disputed = outcomes(r.Changed), r.Disputed
		arrivals[i] = a
	}
	c.Arrivals, c.Balances = arrivals, accounts(balances)
	return c, nil
}

func arrive(h ledger.Hold, a vectors.Arrival) (ledger.Result, error) {
	now := time.UnixMilli(a.AtMs)
	switch {
	case a.Claim != nil:
		c := ledger.Claim{Request: a.Claim.Request, Till: a.Claim.Till, Business: a.Claim.Business, Total: a.Claim.Total}
		switch {
		case a.Claim.Cancelled:
			c.Outcome = ledger.Cancelled
		case a.Claim.Refused != "":
			c.Outcome, c.Reason = ledger.Rejected, a.Claim.Refused
		}
		return h.Claim(c, now)
	case a.Cancel != nil:
		return h.Cancel(*a.Cancel, now), nil
	}
	return h.Close(now), nil
}

func outcomes(claims []ledger.Claim) []vectors.Outcome {
	all := make([]vectors.Outcome, len(claims))
	for i, c := range claims {
		all[i] = vectors.Outcome{
			Request: c.Request, Outcome: string(c.Outcome), Reason: c.Reason,
			Settled: c.Settled(), Guaranteed: c.Guaranteed, Shortfall: c.Shortfall(),
		}
	}
	return all
}

// accounts lists balances other than 0, by kind and id.
func accounts(balances map[ledger.Account]int64) []vectors.Balance {
	list := slices.SortedFunc(maps.Keys(balances), func(a, b ledger.Account) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), bytes.Compare(a.ID[:], b.ID[:]))
	})
	out := []vectors.Balance{}
	for _, a := range list {
		if balances[a] == 0 {
			continue
		}
		b := vectors.Balance{Account: string(a.Kind), Amount: balances[a]}
		if a.Kind != ledger.Issuer {
			b.ID = a.ID[:]
		}
		out = append(out, b)
	}
	return out
}
