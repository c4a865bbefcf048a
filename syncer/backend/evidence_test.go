package backend

import (
	"strings"
	"testing"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/ledger"
)

// repeating makes a voucher repeat the Cancels of deals.
func repeating(deals ...*deal) func(*peerv1.Voucher) {
	return func(v *peerv1.Voucher) {
		for _, d := range deals {
			v.Released = append(v.Released, d.cancel.Bytes)
		}
	}
}

// Of a pre-authorization of 50.00: who signs vouchers above it without a
// Cancel is found out, however they arrive, and nobody else is accused.
func TestWhoIsAccused(t *testing.T) {
	const late = 16 * day // past settle_by
	const never = late + ledger.Grace
	tipped := func(s *street) *deal { return s.other.ask(10_00, func(r *peerv1.Request) { r.Tip = nil }) }
	tests := []struct {
		name    string
		act     func(*street, *wallet)
		objects int // of the evidence, 0 if there is none
	}{
		{"vouchers up to the limit", func(s *street, w *wallet) {
			s.till.expect(w.sale(s.till, 20_00).claim(), settled(20_00))
			s.other.expect(w.sale(s.other, 30_00).claim(), settled(30_00))
		}, 0},
		{"one unit more", func(s *street, w *wallet) {
			s.till.submit(w.sale(s.till, 20_00).claim(), w.sale(s.other, 30_01).claim())
		}, 3},
		{"a late one within the limit", func(s *street, w *wallet) {
			first, second := w.sale(s.till, 20_00), w.sale(s.other, 30_00)
			s.till.submit(first.claim())
			s.advance(late)
			s.other.expect(second.claim(), says{"REJECTED", 0, 30_00, "TOO_LATE"})
		}, 0},
		{"a late one above it", func(s *street, w *wallet) {
			first, second := w.sale(s.till, 20_00), w.sale(s.other, 30_01)
			s.till.submit(first.claim())
			s.advance(late)
			s.other.submit(second.claim())
		}, 3},
		{"all of them late", func(s *street, w *wallet) {
			first, second := w.sale(s.till, 20_00), w.sale(s.other, 30_01)
			s.advance(late)
			s.other.submit(second.claim(), first.claim())
		}, 3},
		{"a refused one within the limit", func(s *street, w *wallet) {
			s.till.submit(w.sale(s.till, 20_00).claim())
			s.other.expect(w.pay(tipped(s), 20_00).take().claim(), says{"REJECTED", 0, 30_00, "TIP_NOT_ALLOWED"})
		}, 0},
		{"a refused one above it", func(s *street, w *wallet) {
			s.till.submit(w.sale(s.till, 20_00).claim(), w.pay(tipped(s), 20_01).take().claim())
		}, 3},
		{"the same voucher twice", func(s *street, w *wallet) {
			d := w.sale(s.till, 30_00)
			s.till.submit(d.claim(), d.claim())
		}, 0},
		{"two vouchers for one request", func(s *street, w *wallet) {
			d := w.sale(s.till, 30_00)
			twin := w.pay(&deal{till: s.till, request: d.request}, 0).take()
			s.till.submit(d.claim(), twin.claim())
		}, 3},
		{"one that was cancelled before", func(s *street, w *wallet) {
			first := w.sale(s.till, 40_00).undo()
			s.till.submit(first.cancelled(), first.claim(), w.sale(s.other, 40_00).claim())
		}, 0},
		{"one that the next voucher says was cancelled", func(s *street, w *wallet) {
			first := w.sale(s.till, 40_00).undo()
			s.till.submit(first.claim(), w.pay(s.other.ask(40_00), 0, repeating(first)).take().claim())
		}, 0},
		{"one that the next voucher said was cancelled", func(s *street, w *wallet) {
			first := w.sale(s.till, 40_00).undo()
			s.till.submit(w.pay(s.other.ask(40_00), 0, repeating(first)).take().claim(), first.claim())
		}, 0},
		{"both of those late", func(s *street, w *wallet) {
			first := w.sale(s.till, 40_00).undo()
			second := w.pay(s.other.ask(40_00), 0, repeating(first)).take()
			s.advance(late)
			s.till.submit(second.claim(), first.claim())
		}, 0},
		{"a paid one whose Cancel comes too late to reverse it", func(s *street, w *wallet) {
			first := w.sale(s.till, 40_00).undo()
			second := w.pay(s.other.ask(40_00), 0, repeating(first)).take()
			s.till.submit(first.claim())
			s.advance(never)
			s.till.submit(second.claim())
			s.till.expect(first.claim(), settled(40_00))
			s.count(t, "disputes", `SELECT count(*) FROM remarks WHERE kind = 'DISPUTE'`, 1)
		}, 0},
		{"one that another till says was cancelled", func(s *street, w *wallet) {
			first := w.sale(s.till, 40_00)
			forged := (&deal{till: s.other, request: first.request}).undo()
			s.till.submit(first.claim(), w.pay(s.other.ask(40_00), 0, repeating(forged)).take().claim())
		}, 3},
		{"one that is cancelled after it was proven", func(s *street, w *wallet) {
			first := w.sale(s.till, 40_00)
			s.till.submit(first.claim(), w.sale(s.other, 40_00).claim(), first.undo().cancelled())
		}, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newStreet(t)
			tt.act(s, s.phone.preauthorize(s.card, 50_00))
			kind, objects := s.evidence(t)
			if len(objects) != tt.objects || (kind == overLimit) != (tt.objects > 0) {
				t.Errorf("evidence is %q with %d objects, want %d", kind, len(objects), tt.objects)
			}
			var revoked bool
			must(t, s.store.Read(s.ctx, func(t Tx) error {
				d, _, err := t.device(s.phone.id)
				revoked = !d.Revoked.IsZero()
				return err
			}))
			if revoked != (tt.objects > 0) {
				t.Errorf("revoked is %t", revoked)
			}
		})
	}
}

// Once a double spend is proven, a further voucher has nobody look into those
// before it again: there can be any number of them, and all others wait.
func TestWhatIsProvenIsNotLookedIntoAgain(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 50_00)
	s.till.submit(w.sale(s.till, 40_00).claim(), w.sale(s.other, 40_00).claim())
	must(t, s.store.Read(s.ctx, func(tx Tx) error {
		h, _, err := tx.hold(preauth.ID(w.cert.Body.PreauthId))
		must(t, err)
		asked := 0
		tx.sql = explainer{tx.sql, func(query, _ string) {
			asked++
			if strings.Contains(query, "FROM vouchers") {
				t.Errorf("asked for %s", query)
			}
		}}
		err = s.server.provenOver(tx, h, w.sale(s.till, 40_00).voucher, s.now())
		if asked == 0 {
			t.Error("nothing was asked")
		}
		return err
	}))
	s.till.expect(w.sale(s.till, 1_00).claim(), says{"REJECTED", 0, 1_00, "EXHAUSTED"})
	s.count(t, "evidence", `SELECT count(*) FROM evidence`, 1)
}
