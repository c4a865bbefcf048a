package syncer

import (
	"fmt"
	"testing"
	"time"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/syncer/outbox"
)

// finished is a payment that was synchronized long ago.
func (d *device) finished(n int) outbox.Item {
	it := d.owe(n)
	delete(d.items, it.Key)
	d.done[it.Key.Request] = it
	return it
}

// change has the backend replace the verdict on a claim.
func (b *fakeBackend) change(it outbox.Item, bend ...func(*peerv1.Verdict)) {
	promise := open[*peerv1.Voucher](b.t, it.Voucher).Hash
	v := &peerv1.Verdict{
		RequestHash: it.Key.Request[:], VoucherHash: promise[:], Outcome: peerv1.Outcome_OUTCOME_CANCELLED, TimeMs: time.Now().UnixMilli(),
	}
	for _, f := range bend {
		f(v)
	}
	b.changed = append(b.changed, sign(b.t, b.issuer, v).Bytes)
}

// A verdict that replaces an earlier one reaches a device that had asked no
// more, all of them, each once.
func TestChangedVerdictsAreLearned(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		var all []outbox.Item
		for n := range changedMax + 3 {
			all = append(all, d.finished(n))
			d.b.change(all[n])
		}
		for range 2 {
			if _, err := d.s.SyncNow(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
		}
		var after []int64
		for _, r := range d.b.refreshed {
			after = append(after, r.VerdictsAfter)
		}
		if fmt.Sprint(after) != "[0 100 103]" {
			t.Errorf("asked after %d", after)
		}
		for n, it := range all {
			if v := d.judged[it.Key]; v.Zero() || v.Body.Outcome != peerv1.Outcome_OUTCOME_CANCELLED {
				t.Fatalf("payment %d of %d: %+v", n, len(all), v.Body)
			}
		}
	})
}

// What does not verify, or is on something that the device does not know,
// keeps no other verdict from it.
func TestChangedVerdictsThatAreNotUsed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		other, forged, good := d.finished(1), d.finished(2), d.finished(3)
		d.b.changed = append(d.b.changed, []byte("no verdict"))
		d.b.change(other, func(v *peerv1.Verdict) { v.VoucherHash = testBytes("another voucher", 32) })
		d.b.change(good, func(v *peerv1.Verdict) { v.RequestHash = testBytes("another device's", 32) })
		stranger := sign(t, d.key, &peerv1.Verdict{
			RequestHash: forged.Key.Request[:], Outcome: peerv1.Outcome_OUTCOME_CANCELLED, TimeMs: 1,
		})
		d.b.changed = append(d.b.changed, stranger.Bytes)
		d.b.change(good)
		if _, err := d.s.SyncNow(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if len(d.judged) != 1 || d.judged[good.Key].Zero() {
			t.Errorf("judged %+v, not only %s", d.judged, good.Key.Request)
		}
		if r := d.refresh[0]; r.VerdictsTo != 5 || len(r.Unjudged) != 0 {
			t.Errorf("%+v", r)
		}
	})
}

// A verdict without an edge is kept and shown; one that could not be stored is
// read again.
func TestChangedVerdictsThatCannotBeJudged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		it := d.finished(1)
		d.b.change(it)
		d.judge = errDisk
		if _, err := d.s.SyncNow(t.Context(), nil); err == nil || len(d.refresh) != 0 {
			t.Errorf("%v, %+v", err, d.refresh)
		}
		d.judge = fmt.Errorf("no edge: %w", payment.ErrState)
		if _, err := d.s.SyncNow(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if r := d.refresh[0]; len(r.Unjudged) != 1 || r.Unjudged[0].Key != it.Key || r.VerdictsTo != 1 {
			t.Errorf("%+v", r)
		}
	})
}

// A backend whose numbers went back, with its books from a backup, is asked
// from there; one whose numbers stand still does not keep the device asking.
func TestNumbersOfChangedVerdictsGoBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.report.VerdictsAfter = 500
		for n := range changedMax {
			d.b.change(d.finished(n))
		}
		d.b.bend = func(_ string, resp any) {
			if r, ok := resp.(*backendv1.RefreshResponse); ok {
				r.Verdicts, r.VerdictsTo = d.b.changed, 2
			}
		}
		if _, err := d.s.SyncNow(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if len(d.refresh) != 1 || d.report.VerdictsAfter != 2 {
			t.Errorf("%d refreshes, next after %d", len(d.refresh), d.report.VerdictsAfter)
		}
	})
}

// What the book reports goes out as it is, and the book learns what of it the
// backend has now.
func TestReport(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.report = Report{JournalHead: []byte("head"), Allowances: []Allowance{{
			N: 7, Kind: "EMERGENCY", Reason: "storm", By: "ada", Since: time.UnixMilli(1000), Until: time.UnixMilli(2000),
		}}}
		if _, err := d.s.SyncNow(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		got := d.b.refreshed[0]
		a := got.Allowances[0]
		if string(got.JournalHead) != "head" || a.Kind != "EMERGENCY" || a.Reason != "storm" || a.By != "ada" || a.SinceMs != 1000 || a.UntilMs != 2000 {
			t.Errorf("%+v", got)
		}
		if r := d.refresh[0]; len(r.Told) != 1 || r.Told[0].N != 7 || r.ServerTime.IsZero() {
			t.Errorf("%+v", r)
		}
	})
}
