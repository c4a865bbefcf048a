package conformance

import (
	"slices"
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// sale is a request, what was promised for it, and a verdict on it.
type sale struct {
	request preauth.Request
	voucher preauth.Voucher
	cancel  preauth.Cancel
}

func (w *world) sale(name, currency string, amount, tip int64) sale {
	w.Helper()
	var s sale
	s.request = signed(w.T, "till", &peerv1.Request{
		PaymentId: made("payment "+name, 16), BusinessDeviceId: made("till", 16), Nonce: made("nonce "+name, 16), Amount: amount, Currency: currency,
		TtlMs: 60_000, ChannelBinding: made("binding "+name, 32), DeviceCert: signed(w.T, "issuer", w.tillCert).Bytes,
	})
	s.voucher = signed(w.T, "customer", &peerv1.Voucher{
		PreauthId: made("preauth", 16), RequestHash: s.request.Hash[:], Amount: amount, Tip: tip, Currency: currency, Counter: 1, PrevHash: made("cert", 32),
	})
	s.cancel = signed(w.T, "till", &peerv1.Cancel{RequestHash: s.request.Hash[:], Reason: peerv1.CancelReason_CANCEL_REASON_USER})
	return s
}

// verdict is the word of a key on the sale.
func (s sale) verdict(w *world, key string, outcome peerv1.Outcome, amount int64, change ...func(*peerv1.Verdict)) []byte {
	w.Helper()
	v := &peerv1.Verdict{RequestHash: s.request.Hash[:], VoucherHash: s.voucher.Hash[:], Outcome: outcome, Amount: amount, TimeMs: noon}
	for _, c := range change {
		c(v)
	}
	return signed(w.T, key, v).Bytes
}

func (s sale) claim(verdict []byte, class string) vectors.Item {
	return vectors.Item{Kind: "CLAIM", Request: s.request.Bytes, Voucher: s.voucher.Bytes, Verdict: verdict, Class: class}
}

func (s sale) cancelled(verdict []byte, class string) vectors.Item {
	return vectors.Item{Kind: "CANCEL", Request: s.request.Bytes, Cancel: s.cancel.Bytes, Verdict: verdict, Class: class}
}

// TestMakeBatches makes the vectors of what a device takes from an answer.
func TestMakeBatches(t *testing.T) {
	const (
		settled, rejected, ended = peerv1.Outcome_OUTCOME_SETTLED, peerv1.Outcome_OUTCOME_REJECTED, peerv1.Outcome_OUTCOME_CANCELLED
		done                     = vectors.Accepted
	)
	w := newWorld(t)
	a, b, c := w.sale("a", "USD", 12_00, 1_00), w.sale("b", "USD", 7_00, 0), w.sale("c", "EUR", 5_00, 0)
	noVoucher := func(v *peerv1.Verdict) { v.VoucherHash = nil }
	other := func(v *peerv1.Verdict) { v.VoucherHash = made("other voucher", 32) }
	altered := slices.Clone(a.verdict(w, "issuer", settled, 13_00))
	altered[len(altered)-1] ^= 1
	line := func(currency, outcome string, count uint32, sum, paid int64) vectors.Total {
		return vectors.Total{Currency: currency, Outcome: outcome, Count: count, Sum: sum, Settled: paid}
	}
	paidA := line("USD", "SETTLED", 1, 13_00, 13_00)
	waiting, refused := a.claim(nil, vectors.Undecided), a.claim(nil, "TOO_MANY_REQUESTS")
	refused.Error = "TOO_MANY_REQUESTS"
	goodA, goodB := a.verdict(w, "issuer", settled, 13_00), b.verdict(w, "issuer", rejected, 0)
	all := []vectors.Batch{
		{Name: "paid", Items: []vectors.Item{a.claim(goodA, done)}, Totals: []vectors.Total{paidA}},
		{Name: "paid in part", Items: []vectors.Item{a.claim(a.verdict(w, "issuer", settled, 10_00), done)}, Totals: []vectors.Total{line("USD", "SETTLED", 1, 13_00, 10_00)}},
		{Name: "three outcomes in two currencies", Items: []vectors.Item{
			a.claim(goodA, done), b.claim(goodB, done), c.cancelled(c.verdict(w, "issuer", ended, 0, noVoucher), done),
		}, Totals: []vectors.Total{line("EUR", "CANCELLED", 1, 5_00, 0), paidA, line("USD", "REJECTED", 1, 7_00, 0)}},
		{Name: "claim and Cancel of one request count once", Items: []vectors.Item{
			a.cancelled(a.verdict(w, "issuer", ended, 0), done), a.claim(a.verdict(w, "issuer", ended, 0), done),
		}, Totals: []vectors.Total{line("USD", "CANCELLED", 1, 13_00, 0)}},
		{Name: "not decided yet", Items: []vectors.Item{waiting, b.claim(goodB, done)}, Totals: []vectors.Total{line("USD", "REJECTED", 1, 7_00, 0)}},
		{Name: "no verdict, for a reason", Items: []vectors.Item{refused}, Totals: []vectors.Total{}},
		{Name: "the till signed the verdict", Items: []vectors.Item{a.claim(a.verdict(w, "till", settled, 13_00), "CERT_INVALID")}, Totals: []vectors.Total{}},
		{Name: "the verdict is altered", Items: []vectors.Item{a.claim(altered, "SIGNATURE_INVALID")}, Totals: []vectors.Total{}},
		{Name: "the verdict is on another request", Items: []vectors.Item{a.claim(goodB, "VERDICT_UNEXPECTED")}, Totals: []vectors.Total{}},
		{Name: "the verdict is on another voucher", Items: []vectors.Item{a.claim(a.verdict(w, "issuer", settled, 13_00, other), "VERDICT_UNEXPECTED")}, Totals: []vectors.Total{paidA}},
		{Name: "two verdicts on one request", Items: []vectors.Item{
			a.cancelled(a.verdict(w, "issuer", ended, 0), done), a.claim(goodA, "VERDICT_UNEXPECTED"),
		}, Totals: []vectors.Total{line("USD", "CANCELLED", 1, 12_00, 0)}},
		{Name: "the sums differ: nothing is done", Items: []vectors.Item{a.claim(goodA, "SYNC_MISMATCH"), b.claim(goodB, "SYNC_MISMATCH")}, Totals: []vectors.Total{paidA}},
		{Name: "the count differs: nothing is done", Items: []vectors.Item{a.claim(goodA, "SYNC_MISMATCH")}, Totals: []vectors.Total{line("USD", "SETTLED", 2, 13_00, 13_00)}},
	}
	for i := range all {
		all[i].Root, all[i].Bundle = w.root, w.bundle
		if name, want, got := runBatch(all[i]); want != got {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	keep(t, vectors.KindBatches, "What a device has handed in, and what it takes from the backend's answer.", all)
}
