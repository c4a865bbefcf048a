package backend

import (
	"slices"
	"testing"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
)

// changed reads the verdicts that replaced others after a number, and returns
// where to go on.
func (d *party) changed(after int64) (all []says, to int64) {
	d.b.t.Helper()
	resp, err := d.calls.Refresh(d.b.ctx, &backendv1.RefreshRequest{VerdictsAfter: after})
	must(d.b.t, err)
	for _, v := range resp.Verdicts {
		all = append(all, d.b.read(v))
	}
	return all, resp.VerdictsTo
}

// learns expects the verdicts that a device is told of after a number.
func (d *party) learns(what string, after int64, want ...says) (to int64) {
	d.b.t.Helper()
	got, to := d.changed(after)
	if !slices.Equal(got, want) {
		d.b.t.Errorf("%s: %+v, want %+v", what, got, want)
	}
	return to
}

// A verdict that replaces another is told to the till and to the customer
// whose payment it is, whoever brought the change about, and to nobody else.
func TestChangedVerdictsAreTold(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 20_00)
	first := w.sale(s.till, 20_00)
	again := *w // a clone of the wallet, as it was before
	again.counter, again.prev, again.left = 0, w.cert.Hash, 20_00
	second := again.sale(s.other, 20_00)
	s.till.expect(first.claim(), settled(20_00))
	s.other.expect(second.claim(), exhausted(20_00))
	s.till.learns("a first verdict is no change", 0)
	s.other.learns("nor is a rejection", 0)
	s.till.expect(first.undo().cancelled(), cancelled)
	s.till.expect(first.cancelled(), cancelled)
	to := s.till.learns("the till that reversed", 0, cancelled)
	s.till.learns("what was read is not told again", to)
	s.other.learns("the shop that is paid instead", 0, settled(20_00))
	s.second.learns("the first shop's other till", 0)
	s.bench.phone(s.customer("Bob")).learns("another customer", 0)
	s.count(t, "the customer's device, once for each payment",
		`SELECT count(*) FROM notices n JOIN devices d ON d.id = n.device_id WHERE d.customer_id IS NOT NULL`, 2)
}

// The customer learns of a reversal, of a charge too.
func TestReversalsAreToldToTheCustomer(t *testing.T) {
	s := newStreet(t)
	paid := s.phone.preauthorize(s.card, 20_00).sale(s.till, 20_00)
	charged := s.till.ask(12_00, online)
	s.register(charged)
	s.till.expect(paid.claim(), settled(20_00))
	s.till.expect(s.charge(charged, 0).claim(), settled(12_00))
	s.till.expect(paid.undo().cancelled(), cancelled)
	to := s.phone.learns("the reversed voucher", 0, cancelled)
	s.till.expect(charged.undo().cancelled(), cancelled)
	s.phone.learns("the reversed charge", to, cancelled)
}

// Of several changes of one request only the last is told.
func TestTheLastChangeIsTold(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 20_00)
	first := w.sale(s.till, 20_00)
	again := *w
	again.counter, again.prev, again.left = 0, w.cert.Hash, 20_00
	second := again.sale(s.other, 20_00)
	s.till.expect(first.claim(), settled(20_00))
	s.other.expect(second.claim(), exhausted(20_00))
	s.till.expect(first.undo().cancelled(), cancelled)
	s.other.learns("paid after all", 0, settled(20_00))
	s.other.expect(second.undo().cancelled(), cancelled)
	s.other.learns("and reversed", 0, cancelled)
}

// There are at most 100 in one answer, and none is lost between two.
func TestManyChangesComeInParts(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 300_00)
	var items []*backendv1.Item
	const n = noticesMax + 5
	for range n {
		d := w.sale(s.till, 1_00)
		items = append(items, d.claim(), d.undo().cancelled())
	}
	for part := range slices.Chunk(items, 100) {
		s.till.submit(part...)
	}
	some, to := s.phone.changed(0)
	rest, end := s.phone.changed(to)
	if len(some) != noticesMax || len(rest) != n-noticesMax {
		t.Errorf("%d and %d, of %d", len(some), len(rest), n)
	}
	s.phone.learns("the end", end)
	s.advance(time.Hour)
	if all, again := s.phone.changed(end + 1000); len(all) != noticesMax || again != to {
		t.Errorf("a number of books that are no more: %d to %d, want all from the beginning", len(all), again)
	}
}
