package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// imported is what came of a file, as scripts see it.
type imported struct {
	Items    int               `json:"items"` // that were reached
	Judged   int               `json:"judged"`
	Totals   []importedTotal   `json:"totals"`
	Unjudged map[string]int    `json:"unjudged,omitempty"` // by reason
	Payments []importedPayment `json:"payments"`           // in the file's order
	sums     map[[2]string]at  // by currency and outcome
}

// importedPayment is what came of one item.
type importedPayment struct {
	Payment  string `json:"payment_id,omitempty"`   // empty if the item cannot be read
	Request  string `json:"request_hash,omitempty"` // the same
	Outcome  string `json:"outcome"`                // of the verdict, UNJUDGED or UNKNOWN
	Settled  string `json:"settled,omitempty"`
	Currency string `json:"currency,omitempty"`
	Reason   string `json:"reason,omitempty"` // why it is rejected or has no verdict
}

// importedTotal is one sum of imported.
type importedTotal struct {
	Currency string `json:"currency"`
	Outcome  string `json:"outcome"`
	Count    int    `json:"count"`
	Sum      string `json:"sum"`
	Settled  string `json:"settled"`
}

// at is a sum in minor units.
type at struct {
	count        int
	sum, settled int64
}

func newImported() *imported {
	return &imported{Unjudged: map[string]int{}, Payments: []importedPayment{}, sums: map[[2]string]at{}}
}

// add takes in what was handed in and its answer, nil if there is none.
func (i *imported) add(req *backendv1.SubmitRequest, resp *backendv1.SubmitResponse) {
	for n, item := range req.Items {
		p := paymentOf(item)
		i.Items++
		switch {
		case resp == nil:
			p.Outcome = "UNKNOWN"
		case len(resp.Results[n].Verdict) == 0:
			p.Outcome, p.Reason = "UNJUDGED", resp.Results[n].Error
			i.Unjudged[p.Reason]++
		default:
			p.judge(resp.Results[n].Verdict)
			i.Judged++
		}
		i.Payments = append(i.Payments, p)
	}
	for _, t := range resp.GetTotals() {
		key := [2]string{t.Currency, outcomeName(peerv1.Outcome(t.Outcome))}
		s := i.sums[key]
		i.sums[key] = at{s.count + int(t.Count), s.sum + t.Sum, s.settled + t.Settled}
	}
}

// paymentOf names the payment of an item as far as it can be read.
func paymentOf(item *backendv1.Item) importedPayment {
	r, err := preauth.Open[*peerv1.Request](item.Request)
	if err != nil {
		return importedPayment{}
	}
	return importedPayment{Payment: preauth.ID(r.Body.PaymentId).String(), Request: r.Hash.String(), Currency: r.Body.Currency}
}

// judge takes in the backend's own verdict.
func (p *importedPayment) judge(verdict []byte) {
	v, err := preauth.Open[*peerv1.Verdict](verdict)
	if err != nil {
		p.Outcome, p.Reason = "UNKNOWN", err.Error()
		return
	}
	p.Outcome, p.Reason = outcomeName(v.Body.Outcome), v.Body.Reason
	p.Settled = money.Format(v.Body.Amount, p.Currency)
}

func outcomeName(o peerv1.Outcome) string { return strings.TrimPrefix(o.String(), "OUTCOME_") }

func (i *imported) print(p printer) error {
	i.Totals = []importedTotal{}
	for _, key := range slices.SortedFunc(maps.Keys(i.sums), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		s := i.sums[key]
		i.Totals = append(i.Totals, importedTotal{key[0], key[1], s.count, money.Format(s.sum, key[0]), money.Format(s.settled, key[0])})
	}
	if p.json {
		return p.object(i)
	}
	if len(i.Payments) > 0 {
		var rows [][]string
		for _, one := range i.Payments {
			rows = append(rows, []string{one.Payment, one.Outcome, one.Settled, one.Currency, one.Reason})
		}
		if err := p.table([]string{"PAYMENT", "OUTCOME", "PAID", "CUR", "REASON"}, rows); err != nil {
			return err
		}
	}
	return i.printSums(p)
}

// printSums prints what all of it comes to.
func (i *imported) printSums(p printer) error {
	if _, err := fmt.Fprintf(p.w, "%d items, %d with a verdict\n", i.Items, i.Judged); err != nil {
		return err
	}
	for _, reason := range slices.Sorted(maps.Keys(i.Unjudged)) {
		if _, err := fmt.Fprintf(p.w, "%d without: %s\n", i.Unjudged[reason], reason); err != nil {
			return err
		}
	}
	var rows [][]string
	for _, t := range i.Totals {
		rows = append(rows, []string{t.Outcome, fmt.Sprint(t.Count), t.Sum, t.Settled, t.Currency})
	}
	if len(rows) == 0 {
		return nil
	}
	return p.table([]string{"OUTCOME", "COUNT", "SUM", "PAID", "CUR"}, rows)
}
