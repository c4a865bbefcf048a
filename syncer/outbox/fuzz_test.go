package outbox

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

// answers are what a backend, or somebody in its place, can say about two
// deals: verdicts good and bad.
func answers(t testing.TB, deals ...deal) [][]byte {
	t.Helper()
	all := [][]byte{nil, []byte("verdict")}
	for _, d := range deals {
		good := d.verdict(t, settled, d.request.Body.Amount)
		altered := slices.Clone(good)
		altered[len(altered)-1] ^= 1
		all = append(all, good, altered, d.verdict(t, rejected, 0), d.verdict(t, cancelled, 0, noVoucher),
			d.verdict(t, settled, 1, otherVoucher), d.verdictBy(t, "stranger", settled, d.request.Body.Amount))
	}
	return all
}

// agreed checks what a device takes from an answer: an item is done by a
// verdict that the issuer signed on its request, and by nothing else.
func agreed(t *testing.T, sent []Item, decisions []Decision) {
	t.Helper()
	if len(decisions) != len(sent) {
		t.Fatalf("%d decisions on %d items", len(decisions), len(sent))
	}
	issuer := preauth.PublicKeyOf(&testKey("issuer").PublicKey)
	for i, d := range decisions {
		if d.Item.Key != sent[i].Key {
			t.Fatalf("decision %d is on %v, not %v", i, d.Item.Key, sent[i].Key)
		}
		if d.Err != nil {
			if !d.Verdict.Zero() {
				t.Fatalf("%v stays, and has a verdict: %v", d.Item.Key, d.Err)
			}
			continue
		}
		if err := d.Verdict.VerifiedBy(issuer); err != nil || preauth.Hash(d.Verdict.Body.RequestHash) != d.Item.Key.Request {
			t.Fatalf("%v is done by %v, %v", d.Item.Key, d.Verdict.Body, err)
		}
	}
}

// FuzzDecide: whatever is answered to what was handed in, an item is done by a
// verdict that the backend signed, and only if both sides count the same.
// Each byte of the script chooses the answer to one item; raw is one answer
// that nobody has thought of.
func FuzzDecide(f *testing.F) {
	one, two := newDeal(f, 1, 1200, 100, "USD"), newDeal(f, 2, 700, 0, "EUR")
	pool := answers(f, one, two)
	f.Add([]byte{2, 8}, []byte{}, true)
	f.Add([]byte{2, 8}, []byte{}, false)
	f.Add([]byte{4, 2, 5}, []byte{}, true)
	f.Add([]byte{255, 255}, pool[2], true)
	f.Add([]byte{}, []byte{0x0a}, true)
	sent := []Item{one.claim(), two.cancel(), one.cancel()}
	tr := trust(f)
	f.Fuzz(func(t *testing.T, script, raw []byte, honest bool) {
		results := make([]Result, min(len(script), 8))
		for i, b := range script[:len(results)] {
			switch {
			case b == 255:
				results[i].Verdict = raw
			case b == 254:
				results[i].Error = string(raw)
			default:
				results[i].Verdict = pool[int(b)%len(pool)]
			}
		}
		totals := []Total{{Currency: "USD", Outcome: settled, Count: 1, Sum: 1300, Settled: 1200}}
		if honest && len(results) == len(sent) { // the sums that the device itself works out
			var counted []Decision
			for i, it := range sent {
				if d := decide(tr, it, results[i]); d.Err == nil || d.counts() {
					counted = append(counted, d)
				}
			}
			totals = Tally(counted)
		}
		decisions, own, err := Decide(tr, sent, results, totals)
		agreed(t, sent, decisions)
		if err != nil {
			for _, d := range decisions {
				if d.Err == nil {
					t.Fatalf("%v is done although %v", d.Item.Key, err)
				}
			}
		} else if !sameTotals(own, totals) {
			t.Fatalf("agreed on %+v, told %+v", own, totals)
		}
	})
}

// FuzzDecideQuery: whatever is answered to a question, it is answered by a
// verdict that the backend signed on that request, and by nothing else.
func FuzzDecideQuery(f *testing.F) {
	one, two := newDeal(f, 1, 1200, 100, "USD"), newDeal(f, 2, 700, 0, "EUR")
	pool := answers(f, one, two)
	f.Add([]byte{2, 8}, []byte{})
	f.Add([]byte{3, 7, 2}, []byte{})
	f.Add([]byte{255}, pool[2])
	asked := []Item{one.question(), two.question()}
	tr := trust(f)
	f.Fuzz(func(t *testing.T, script, raw []byte) {
		var verdicts [][]byte
		for _, b := range script[:min(len(script), 8)] {
			if b == 255 {
				verdicts = append(verdicts, raw)
			} else {
				verdicts = append(verdicts, pool[int(b)%len(pool)])
			}
		}
		decisions, _ := DecideQuery(tr, asked, verdicts)
		agreed(t, asked, decisions)
	})
}

// FuzzItem: an item whose own objects are not what they should be is never
// sent, and takes no verdict.
func FuzzItem(f *testing.F) {
	d := newDeal(f, 1, 1200, 100, "USD")
	f.Add(d.request.Bytes, d.voucher.Bytes)
	f.Add(d.voucher.Bytes, d.request.Bytes)
	f.Add(d.request.Bytes, newDeal(f, 2, 700, 0, "EUR").voucher.Bytes)
	good := d.verdict(f, settled, 1300)
	tr := trust(f)
	f.Fuzz(func(t *testing.T, request, voucher []byte) {
		it := d.claim()
		it.Request, it.Voucher = request, voucher
		decisions, _ := DecideQuery(tr, []Item{it}, [][]byte{good})
		done := decisions[0].Err == nil
		b := Compose([]Item{it})
		if sendable := len(b.Submit) == 1; done && !sendable || sendable == (len(b.Broken) == 1) {
			t.Fatalf("done is %t, batch %+v", done, b)
		}
		if !done {
			return
		}
		r, err := preauth.Open[*peerv1.Request](request)
		if err != nil || r.Hash != d.request.Hash || !proto.Equal(decisions[0].Verdict.Body, mustOpen(t, good)) {
			t.Fatalf("done with request %x: %v", request, err)
		}
	})
}

func mustOpen(t *testing.T, verdict []byte) *peerv1.Verdict {
	t.Helper()
	v, err := preauth.Open[*peerv1.Verdict](verdict)
	if err != nil {
		t.Fatal(err)
	}
	return v.Body
}
