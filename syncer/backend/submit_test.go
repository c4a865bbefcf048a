package backend

import (
	"slices"
	"testing"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"

	"google.golang.org/protobuf/proto"
)

// A street has a shop with two tills, another shop's till, and a customer
// with 500.00 on a card.
type street struct {
	*bench
	till, second, other *party
	phone               *party
	card                [16]byte
}

func newStreet(t *testing.T) *street {
	b := newBench(t, Options{})
	shop, rival := b.business("Cafe Luna"), b.business("Cafe Sol")
	ada := b.customer("Ada")
	s := &street{bench: b, card: b.instrument(ada, 500_00)}
	s.till, s.second, s.other = b.till(shop), b.till(shop), b.till(rival)
	s.phone = b.phone(ada)
	return s
}

func TestClaimIsPaidWhoeverCarriesItIn(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	carriers := []*party{s.till, s.second, s.other, s.phone}
	for i, carrier := range carriers {
		carrier.expect(w.pay(s.till.ask(10_00), 1_00).take().claim(), settled(11_00))
		if got, want := s.owed(s.till.owner), int64(i+1)*11_00; got != want {
			t.Errorf("the shop is owed %d, want %d", got, want)
		}
	}
	if got := s.owed(s.other.owner); got != 0 {
		t.Errorf("a carrier got %d", got)
	}
	if got := s.free(s.card); got != 400_00 {
		t.Errorf("the card has %d", got)
	}
}

func TestRepeatsGetTheRecordedVerdict(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	d := w.sale(s.till, 10_00)
	first, err := s.till.calls.Submit(s.ctx, &backendv1.SubmitRequest{Items: []*backendv1.Item{d.claim(), d.claim()}})
	must(t, err)
	s.advance(time.Hour)
	again, err := s.phone.calls.Submit(s.ctx, &backendv1.SubmitRequest{Items: []*backendv1.Item{d.claim()}})
	must(t, err)
	if !slices.Equal(first.Results[0].Verdict, again.Results[0].Verdict) || !slices.Equal(first.Results[0].Verdict, first.Results[1].Verdict) {
		t.Error("a repeat got another verdict")
	}
	if got := s.owed(s.till.owner); got != 10_00 {
		t.Errorf("the shop is owed %d", got)
	}
}

func TestReorderedAndPartialBatchesEndTheSame(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	var items []*backendv1.Item
	for range 5 {
		items = append(items, w.sale(s.till, 10_00).claim())
	}
	if got := s.till.submit(items[3], items[1]); got[0] != settled(10_00) || got[1] != settled(10_00) {
		t.Errorf("part of the batch: %+v", got)
	}
	slices.Reverse(items)
	for i, got := range s.phone.submit(items...) {
		if got != settled(10_00) {
			t.Errorf("item %d: %+v", i, got)
		}
	}
	if got := s.owed(s.till.owner); got != 50_00 {
		t.Errorf("the shop is owed %d", got)
	}
	s.count(t, "a voucher that arrives before its predecessor is no break", `SELECT count(*) FROM remarks`, 0)
}

func (b *bench) count(t *testing.T, what, query string, want int) {
	t.Helper()
	var got int
	must(t, b.store.Read(b.ctx, func(tx Tx) error {
		_, err := tx.one(query, nil, &got)
		return err
	}))
	if got != want {
		t.Errorf("%s: %d, want %d", what, got, want)
	}
}

func TestTotalsAreOfTheBooks(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 60_00)
	paid := w.pay(s.till.ask(10_00), 2_00).take()
	ended := w.pay(s.till.ask(20_00), 3_00).take().undo()
	asked := s.till.ask(5_00).undo()
	over := w.sale(s.till, 50_00)
	garbage := &backendv1.Item{Request: []byte{1, 2, 3}}
	resp, err := s.till.calls.Submit(s.ctx, &backendv1.SubmitRequest{Items: []*backendv1.Item{
		ended.claim(), over.claim(), paid.claim(), ended.cancelled(), asked.cancelled(), paid.claim(), garbage,
	}})
	must(t, err)
	want := []*backendv1.Total{
		{Currency: "USD", Outcome: 1, Count: 2, Sum: 62_00, Settled: 60_00},
		{Currency: "USD", Outcome: 3, Count: 2, Sum: 28_00}, // the bare Cancel adds what was asked for
	}
	if !slices.EqualFunc(resp.Totals, want, func(a, b *backendv1.Total) bool { return proto.Equal(a, b) }) {
		t.Errorf("totals are %v", resp.Totals)
	}
	if got := s.read(resp.Results[0].Verdict); got != cancelled {
		t.Errorf("the first answer is %+v, although a later item cancelled it", got)
	}
	if got := s.read(resp.Results[2].Verdict); got != (says{"SETTLED", 10_00, 2_00, ""}) {
		t.Errorf("an earlier remainder got %+v after the reversal", got)
	}
	if got := resp.Results[6].Error; got != "PEER_PROTOCOL" {
		t.Errorf("garbage got %q", got)
	}
	if got := resp.Time.ServerTimeMs; got != s.now().UnixMilli() {
		t.Errorf("time is %d", got)
	}
}

func TestLostAnswerIsAskedForAgain(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	d := w.sale(s.till, 10_00)
	s.till.expect(d.claim(), settled(10_00))
	s.close() // the commit happened, the answer did not arrive, the process is gone
	s.open(Options{})
	for _, p := range []*party{s.till, s.phone} {
		p.connect()
		p.expect(d.claim(), settled(10_00))
	}
	if got := s.till.verdict(d); got != settled(10_00) {
		t.Errorf("query says %+v", got)
	}
}

func TestQueryTellsOnlyThoseConcerned(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	d := w.sale(s.till, 10_00)
	bare := s.till.ask(5_00).undo()
	s.till.submit(d.claim(), bare.cancelled())
	stranger := s.bench.phone(s.customer("Eve"))
	tests := []struct {
		name string
		who  *party
		on   *deal
		want says
	}{
		{"the till", s.till, d, settled(10_00)},
		{"another till of the business", s.second, d, settled(10_00)},
		{"the customer", s.phone, d, settled(10_00)},
		{"another business", s.other, d, says{outcome: "UNKNOWN"}},
		{"another customer", stranger, d, says{outcome: "UNKNOWN"}},
		{"whoever knows a request without voucher", s.phone, bare, cancelled},
		{"nobody about nothing", s.till, s.till.ask(1), says{outcome: "UNKNOWN"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.who.verdict(tt.on); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
	_, err := s.till.calls.Query(s.ctx, &backendv1.QueryRequest{RequestHashes: [][]byte{{1}}})
	wantReason(t, err, "FIELD_INVALID")
}

func TestVoucherWithoutReceiptMovesNothing(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	d := w.pay(s.till.ask(10_00), 0)
	s.phone.expect(d.claim(), says{outcome: "UNJUDGED", reason: "RECEIPT_MISSING"})
	if got := s.owed(s.till.owner); got != 0 {
		t.Errorf("the shop is owed %d", got)
	}
	d.take()
	s.till.expect(d.claim(), settled(10_00))
	d.receipt = preauth.Receipt{}
	s.phone.expect(d.claim(), settled(10_00)) // what stands is told all the same
}

func TestRefusesOnlyWhatTheTillCouldSee(t *testing.T) {
	tests := []struct {
		name string
		ask  func(*peerv1.Request)
		pay  func(*peerv1.Voucher)
		want says
	}{
		{"another amount", nil, func(v *peerv1.Voucher) { v.Amount = 9_00 }, says{"REJECTED", 0, 9_00, "AMOUNT_MISMATCH"}},
		{"another currency", func(r *peerv1.Request) { r.Currency = "EUR" }, nil, says{"REJECTED", 0, 10_00, "CURRENCY_MISMATCH"}},
		{"a tip where none is taken", func(r *peerv1.Request) { r.Tip = nil }, func(v *peerv1.Voucher) { v.Tip = 1 }, says{"REJECTED", 0, 10_01, "TIP_NOT_ALLOWED"}},
		{"a tip above the bound", func(r *peerv1.Request) { r.Tip.Max = 1 }, func(v *peerv1.Voucher) { v.Tip = 2 }, says{"REJECTED", 0, 10_02, "TIP_NOT_ALLOWED"}},
		{"above the payment maximum", nil, func(v *peerv1.Voucher) { v.Tip = 41_00 }, says{"REJECTED", 0, 51_00, "LIMIT_PAYMENT"}},
		{"counter zero", nil, func(v *peerv1.Voucher) { v.Counter = 0 }, says{"REJECTED", 0, 10_00, "VOUCHER_INVALID"}},
		{"counter above the maximum", nil, func(v *peerv1.Voucher) { v.Counter = 1001 }, says{"REJECTED", 0, 10_00, "VOUCHER_INVALID"}},
		{"more remaining than can be", nil, func(v *peerv1.Voucher) { v.Remaining = 90_01 }, says{"REJECTED", 0, 10_00, "VOUCHER_INVALID"}},
		{"a gap in the counter is paid", nil, func(v *peerv1.Voucher) { v.Counter = 7 }, settled(10_00)},
		{"a broken chain is paid", nil, func(v *peerv1.Voucher) { v.PrevHash = make([]byte, 32) }, settled(10_00)},
		{"a wrong remaining is paid", nil, func(v *peerv1.Voucher) { v.Remaining = 3 }, settled(10_00)},
		{"a wrong device time is paid", nil, func(v *peerv1.Voucher) { v.DeviceTimeMs = 1 }, settled(10_00)},
	}
	s := newStreet(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			phone := s.bench.phone(s.phone.owner)
			w := phone.preauthorize(s.card, 100_00)
			asked := s.till.ask(10_00, func(r *peerv1.Request) {
				if tt.ask != nil {
					tt.ask(r)
				}
			})
			d := w.pay(asked, 0, func(v *peerv1.Voucher) {
				if tt.pay != nil {
					tt.pay(v)
				}
			}).take()
			s.till.expect(d.claim(), tt.want)
			s.till.expect(d.undo().cancelled(), cancelled) // and gives the money back
			_, err := phone.calls.VoidPreAuthorization(s.ctx, &backendv1.VoidPreAuthorizationRequest{
				RequestId: randomID(t), PreauthId: w.cert.Body.PreauthId,
			})
			must(t, err)
			s.advance(30 * 24 * time.Hour)
			must(t, s.server.Sweep(s.ctx))
		})
	}
}
