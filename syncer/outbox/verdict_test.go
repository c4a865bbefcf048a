package outbox

import (
	"errors"
	"slices"
	"testing"

	"pgregory.net/rapid"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
)

func line(currency string, outcome peerv1.Outcome, count uint32, sum, paid int64) Total {
	return Total{currency, outcome, count, sum, paid}
}

// withVoucher is a Cancel with the voucher that it ends.
func withVoucher(d deal) Item {
	it := d.cancel()
	it.PreauthCert, it.Voucher = []byte("certificate"), d.voucher.Bytes
	return it
}

// What both sides count: one verdict per request, what was handed in with
// it, and what was paid.
func TestBothSidesCount(t *testing.T) {
	a, b := newDeal(t, 0, 1000, 200, "USD"), newDeal(t, 1, 300, 0, "USD")
	yen := newDeal(t, 2, 700, 0, "JPY")
	tests := []struct {
		name    string
		sent    []Item
		results []Result
		want    []Total
	}{
		{"nothing of nothing", nil, nil, nil},
		{"a voucher with its tip", []Item{a.claim()}, []Result{{a.verdict(t, settled, 1200), ""}},
			[]Total{line("USD", settled, 1, 1200, 1200)}},
		{"what was not paid in full", []Item{a.claim()}, []Result{{a.verdict(t, settled, 900, func(v *peerv1.Verdict) { v.Shortfall = 300 }), ""}},
			[]Total{line("USD", settled, 1, 1200, 900)}},
		{"what was not paid at all", []Item{a.claim()}, []Result{{a.verdict(t, rejected, 0), ""}},
			[]Total{line("USD", rejected, 1, 1200, 0)}},
		{"a charge", []Item{a.charged()}, []Result{{a.verdict(t, settled, 1200, a.onCharge), ""}},
			[]Total{line("USD", settled, 1, 1200, 1200)}},
		{"a bare Cancel with what was asked for", []Item{a.cancel()}, []Result{{a.verdict(t, cancelled, 0, noVoucher), ""}},
			[]Total{line("USD", cancelled, 1, 1000, 0)}},
		{"a bare Cancel without the tip, also if the backend knows the voucher", []Item{a.cancel()}, []Result{{a.verdict(t, cancelled, 0), ""}},
			[]Total{line("USD", cancelled, 1, 1000, 0)}},
		{"a Cancel that comes with its voucher, with the tip", []Item{withVoucher(a)}, []Result{{a.verdict(t, cancelled, 0), ""}},
			[]Total{line("USD", cancelled, 1, 1200, 0)}},
		{"a claim and its Cancel as one", []Item{a.claim(), a.cancel()},
			[]Result{{a.verdict(t, cancelled, 0), ""}, {a.verdict(t, cancelled, 0), ""}},
			[]Total{line("USD", cancelled, 1, 1200, 0)}},
		{"a Cancel and its claim as one", []Item{a.cancel(), a.claim()},
			[]Result{{a.verdict(t, cancelled, 0), ""}, {a.verdict(t, cancelled, 0), ""}},
			[]Total{line("USD", cancelled, 1, 1200, 0)}},
		{"of two items only what got the verdict", []Item{a.cancel(), a.claim()},
			[]Result{{a.verdict(t, cancelled, 0), ""}, {nil, "CLAIM_CONFLICT"}},
			[]Total{line("USD", cancelled, 1, 1000, 0)}},
		{"nothing without a verdict", []Item{a.claim(), b.claim()}, []Result{{nil, "PREAUTH_NOT_FOUND"}, {nil, ""}}, nil},
		{"currencies and outcomes apart", []Item{a.claim(), b.claim(), yen.claim()},
			[]Result{{a.verdict(t, settled, 1200), ""}, {b.verdict(t, rejected, 0), ""}, {yen.verdict(t, settled, 700), ""}},
			[]Total{line("JPY", settled, 1, 700, 700), line("USD", settled, 1, 1200, 1200), line("USD", rejected, 1, 300, 0)}},
		{"the same outcome together", []Item{a.claim(), b.claim()},
			[]Result{{a.verdict(t, settled, 1200), ""}, {b.verdict(t, settled, 300), ""}},
			[]Total{line("USD", settled, 2, 1500, 1500)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			theirs := slices.Clone(tt.want)
			slices.Reverse(theirs) // the order of lines means nothing
			decisions, own, err := Decide(trust(t), tt.sent, tt.results, theirs)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(own, tt.want) {
				t.Errorf("counted %+v, want %+v", own, tt.want)
			}
			for i, d := range decisions {
				if done := len(tt.results[i].Verdict) > 0; done != (d.Err == nil) || done == d.Verdict.Zero() {
					t.Errorf("item %d: verdict %v, %v", i, d.Verdict.Body, d.Err)
				}
				if d.Item.Key != tt.sent[i].Key {
					t.Errorf("decision %d is about another item", i)
				}
			}
		})
	}
}

func TestNothingIsDoneIfTheSumsDiffer(t *testing.T) {
	a, b := newDeal(t, 0, 1000, 200, "USD"), newDeal(t, 1, 300, 0, "USD")
	right := line("USD", settled, 2, 1500, 1500)
	tests := []struct {
		name   string
		totals []Total
	}{
		{"one is not counted", []Total{line("USD", settled, 1, 1200, 1200)}},
		{"nothing is counted", nil},
		{"the sum differs", []Total{line("USD", settled, 2, 1300, 1500)}},
		{"the payout differs", []Total{line("USD", settled, 2, 1500, 1499)}},
		{"the currency differs", []Total{line("EUR", settled, 2, 1500, 1500)}},
		{"the outcome differs", []Total{line("USD", rejected, 2, 1500, 1500)}},
		{"a line comes twice", []Total{right, right}},
		{"a line is split", []Total{line("USD", settled, 1, 1200, 1200), line("USD", settled, 1, 300, 300)}},
		{"a line is too much", []Total{right, line("JPY", settled, 0, 0, 0)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			results := []Result{{a.verdict(t, settled, 1200), ""}, {b.verdict(t, settled, 300), ""}}
			decisions, own, err := Decide(trust(t), []Item{a.claim(), b.claim()}, results, tt.totals)
			allStay(t, decisions, own, err, ErrTotals, 2)
		})
	}
}

func allStay(t *testing.T, decisions []Decision, own []Total, err, want error, n int) {
	t.Helper()
	if !errors.Is(err, want) || own != nil || len(decisions) != n {
		t.Fatalf("%d decisions, %+v, %v; want %d and %v", len(decisions), own, err, n, want)
	}
	for _, d := range decisions {
		if !errors.Is(d.Err, want) || !d.Verdict.Zero() || Reason(d.Err) != "SYNC_MISMATCH" {
			t.Errorf("item done or silent: %v", d.Err)
		}
	}
}

func TestAnAnswerHasOneResultPerItem(t *testing.T) {
	a := newDeal(t, 0, 1000, 0, "USD")
	for _, results := range [][]Result{nil, {{a.verdict(t, settled, 1000), ""}, {nil, ""}}} {
		decisions, own, err := Decide(trust(t), []Item{a.claim()}, results, nil)
		allStay(t, decisions, own, err, ErrAnswer, 1)
	}
}

func TestWhichVerdictsCount(t *testing.T) {
	a, b := newDeal(t, 0, 1000, 0, "USD"), newDeal(t, 1, 1000, 0, "USD")
	broken := a.claim()
	broken.Voucher = nil
	paid, gone := line("USD", settled, 1, 1000, 1000), line("USD", cancelled, 1, 1000, 0)
	tests := []struct {
		name    string
		item    Item
		verdict []byte
		totals  []Total
		want    error
		reason  string
	}{
		{"one on the request and its voucher", a.claim(), a.verdict(t, settled, 1000), []Total{paid}, nil, ""},
		{"one on another request", a.claim(), b.verdict(t, settled, 1000), nil, ErrVerdict, "VERDICT_UNEXPECTED"},
		{"one on another voucher", a.claim(), a.verdict(t, settled, 1000, otherVoucher), []Total{paid}, ErrVerdict, "VERDICT_UNEXPECTED"},
		{"one on the voucher of who holds a charge", a.charged(), a.verdict(t, settled, 1000), []Total{paid}, ErrVerdict, "VERDICT_UNEXPECTED"},
		{"a Cancel of another voucher", a.claim(), a.verdict(t, cancelled, 0, otherVoucher), []Total{gone}, ErrVerdict, "VERDICT_UNEXPECTED"},
		{"a Cancel of the request alone", a.claim(), a.verdict(t, cancelled, 0, noVoucher), []Total{gone}, nil, ""},
		{"any on a bare Cancel", a.cancel(), a.verdict(t, settled, 1000), []Total{line("USD", settled, 1, 1000, 1000)}, nil, ""},
		{"one that a stranger signed", a.claim(), a.verdictBy(t, "stranger", settled, 1000), nil, preauth.ErrIssuer, "CERT_INVALID"},
		{"one that is none", a.claim(), []byte("verdict"), nil, preauth.ErrDecode, "PEER_PROTOCOL"},
		{"none on an item that is broken", broken, a.verdict(t, settled, 1000), nil, ErrItem, "STORE_CORRUPT"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			decisions, _, err := Decide(trust(t), []Item{tt.item}, []Result{{tt.verdict, "IGNORED_BESIDE_A_VERDICT"}}, tt.totals)
			if err != nil {
				t.Fatal(err)
			}
			d := decisions[0]
			if !errors.Is(d.Err, tt.want) || tt.want == nil && d.Err != nil {
				t.Fatalf("%v, want %v", d.Err, tt.want)
			}
			if d.Verdict.Zero() != (tt.want != nil) {
				t.Errorf("verdict %v with %v", d.Verdict.Body, d.Err)
			}
			if d.Err != nil && Reason(d.Err) != tt.reason {
				t.Errorf("shown as %s, want %s", Reason(d.Err), tt.reason)
			}
		})
	}
}

func TestASecondVerdictOnARequestIsRefused(t *testing.T) {
	a := newDeal(t, 0, 1000, 0, "USD")
	decisions, _, err := Decide(trust(t), []Item{a.cancel(), a.claim()},
		[]Result{{a.verdict(t, cancelled, 0), ""}, {a.verdict(t, settled, 1000), ""}},
		[]Total{line("USD", cancelled, 1, 1000, 0)})
	if err != nil {
		t.Fatal(err)
	}
	if decisions[0].Err != nil || !errors.Is(decisions[1].Err, ErrVerdict) {
		t.Errorf("%v, %v", decisions[0].Err, decisions[1].Err)
	}
}

func TestQuestionsAndTheirAnswers(t *testing.T) {
	a, b, c := newDeal(t, 0, 1000, 0, "USD"), newDeal(t, 1, 300, 0, "USD"), newDeal(t, 2, 300, 0, "USD")
	asked := []Item{a.question(), b.question()}
	tests := []struct {
		name     string
		verdicts [][]byte
		first    error
		second   error
		stray    bool
	}{
		{"nothing is known", nil, ErrUnanswered, ErrUnanswered, false},
		{"one is", [][]byte{b.verdict(t, settled, 300)}, ErrUnanswered, nil, false},
		{"both are, in another order", [][]byte{b.verdict(t, rejected, 0), a.verdict(t, settled, 1000)}, nil, nil, false},
		{"another voucher was paid", [][]byte{a.verdict(t, settled, 1000, otherVoucher)}, ErrVerdict, ErrUnanswered, false},
		{"a stranger answers", [][]byte{a.verdictBy(t, "stranger", settled, 1000)}, preauth.ErrIssuer, ErrUnanswered, false},
		{"nobody asked for it", [][]byte{c.verdict(t, settled, 300), a.verdict(t, settled, 1000)}, nil, ErrUnanswered, true},
		{"it cannot be read", [][]byte{[]byte("verdict"), b.verdict(t, settled, 300)}, ErrUnanswered, nil, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			decisions, stray := DecideQuery(trust(t), asked, tt.verdicts)
			for i, want := range []error{tt.first, tt.second} {
				d := decisions[i]
				if !errors.Is(d.Err, want) || want == nil && d.Err != nil || d.Verdict.Zero() != (want != nil) {
					t.Errorf("question %d: verdict %v, %v; want %v", i, d.Verdict.Body, d.Err, want)
				}
			}
			if tt.stray != errors.Is(stray, ErrAnswer) {
				t.Errorf("stray: %v", stray)
			}
		})
	}
}

func TestErrorsSayWhy(t *testing.T) {
	if got := Refusal("TOO_LATE").Error(); got != "not judged: TOO_LATE" {
		t.Errorf("%q", got)
	}
	if got := Reason(preauth.ErrSignature); got != "SIGNATURE_INVALID" {
		t.Errorf("%q", got)
	}
}

// However a batch is mixed, cut in two or repeated, count and sum over what
// was agreed on stay the same, and no item is done without its verdict.
func TestSumsDoNotDependOnBatches(t *testing.T) {
	var deals []deal
	var verdicts [][]byte
	for n := range 12 {
		d := newDeal(t, n, int64(100+n), int64(n%3), []string{"USD", "JPY"}[n%2])
		deals = append(deals, d)
		outcome := []peerv1.Outcome{settled, rejected, cancelled}[n%3]
		paid := int64(0)
		if outcome == settled {
			paid = int64(50 + n)
		}
		verdicts = append(verdicts, d.verdict(t, outcome, paid))
	}
	tr := trust(t)
	rapid.Check(t, func(t *rapid.T) {
		picks := rapid.SliceOfNDistinct(rapid.IntRange(0, len(deals)-1), 0, len(deals), rapid.ID[int]).Draw(t, "deals")
		var sent []Item
		var results []Result
		for _, n := range picks {
			sent, results = append(sent, deals[n].claim()), append(results, Result{verdicts[n], ""})
		}
		whole := decideOwn(t, tr, sent, results)
		cut := rapid.IntRange(0, len(sent)).Draw(t, "cut")
		parts := Add(decideOwn(t, tr, sent[:cut], results[:cut]), decideOwn(t, tr, sent[cut:], results[cut:]))
		if !slices.Equal(whole, parts) {
			t.Fatalf("%+v in one batch, %+v in two", whole, parts)
		}
		twice := decideOwn(t, tr, slices.Concat(sent, sent), slices.Concat(results, results))
		if !slices.Equal(whole, twice) {
			t.Fatalf("%+v once, %+v twice", whole, twice)
		}
	})
}

// decideOwn decides with the totals of a backend that counts alike, found by
// counting by hand.
func decideOwn(t *rapid.T, tr preauth.Trust, sent []Item, results []Result) []Total {
	var theirs []Total
	seen := map[preauth.Hash]bool{}
	for i, it := range sent {
		if seen[it.Key.Request] {
			continue
		}
		seen[it.Key.Request] = true
		v, err := tr.Verdict(results[i].Verdict)
		if err != nil {
			t.Fatal(err)
		}
		voucher, err := preauth.Open[*peerv1.Voucher](it.Voucher)
		if err != nil {
			t.Fatal(err)
		}
		body := voucher.Body
		theirs = append(theirs, Total{body.Currency, v.Body.Outcome, 1, body.Amount + body.Tip, v.Body.Amount})
	}
	decisions, own, err := Decide(tr, sent, results, Add(theirs, nil))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range decisions {
		if d.Err != nil || preauth.Hash(d.Verdict.Body.RequestHash) != d.Item.Key.Request {
			t.Fatalf("done without its verdict: %v", d.Err)
		}
	}
	return own
}
