package conformance

import (
	"strings"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/vectors"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// runBatch lets a device judge the answer to what it has handed in.
func runBatch(c vectors.Batch) (name, want, got string) {
	var classes []string
	for _, it := range c.Items {
		classes = append(classes, it.Class)
	}
	done, err := judge(c)
	if err != nil {
		return c.Name, strings.Join(classes, ", "), err.Error()
	}
	return c.Name, strings.Join(classes, ", "), strings.Join(done, ", ")
}

// judge returns the class of each item of a batch. The error says that it
// cannot have been handed in.
func judge(c vectors.Batch) ([]string, error) {
	trust, err := preauth.OpenTrust(preauth.PublicKey(c.Root), c.Bundle)
	if err != nil {
		return nil, err
	}
	sent, results := make([]outbox.Item, len(c.Items)), make([]outbox.Result, len(c.Items))
	for i, it := range c.Items {
		request, err := preauth.Open[*peerv1.Request](it.Request)
		if err != nil {
			return nil, err
		}
		sent[i] = outbox.Item{
			Key:     outbox.Key{Kind: payment.ItemKind(it.Kind), Request: request.Hash},
			Request: it.Request, Voucher: it.Voucher, Charge: it.Charge, Cancel: it.Cancel,
		}
		results[i] = outbox.Result{Verdict: it.Verdict, Error: it.Error}
	}
	totals := make([]outbox.Total, len(c.Totals))
	for i, t := range c.Totals {
		totals[i] = outbox.Total{
			Currency: t.Currency, Outcome: peerv1.Outcome(peerv1.Outcome_value["OUTCOME_"+t.Outcome]),
			Count: t.Count, Sum: t.Sum, Settled: t.Settled,
		}
	}
	decisions, _, _ := outbox.Decide(trust, sent, results, totals) // every decision says what is wrong with the whole
	classes := make([]string, len(decisions))
	for i, d := range decisions {
		switch reason := outbox.Reason(d.Err); {
		case d.Err == nil:
			classes[i] = vectors.Accepted
		case reason == "":
			classes[i] = vectors.Undecided
		default:
			classes[i] = reason
		}
	}
	return classes, nil
}
