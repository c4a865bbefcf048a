package syncer

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc/codes"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer/outbox"
)

func submission(it outbox.Item) *backendv1.SubmitRequest {
	return &backendv1.SubmitRequest{Items: []*backendv1.Item{{
		Request: it.Request, PreauthCert: it.PreauthCert, Voucher: it.Voucher, Charge: it.Charge, Receipt: it.Receipt, Cancel: it.Cancel,
	}}}
}

func TestAThousandPayments(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		for n := range 1000 {
			d.owe(n)
		}
		told := 0
		sum, err := d.s.SyncNow(t.Context(), func(r Result) {
			if r.Err != nil || r.Verdict.Zero() {
				t.Errorf("%s: %v", r.Item.Key.Request, r.Err)
			}
			told++
		})
		if err != nil {
			t.Fatal(err)
		}
		if sum.Synced != 1000 || sum.Remaining != 0 || told != 1000 || d.left() != 0 {
			t.Errorf("%+v, told of %d, %d left", sum, told, d.left())
		}
		if len(d.b.batches) != 10 {
			t.Errorf("batches %v", d.b.batches)
		}
		want := outbox.Total{Currency: "USD", Outcome: peerv1.Outcome_OUTCOME_SETTLED, Count: 1000, Sum: 1_200_000, Settled: 1_200_000}
		if len(sum.Totals) != 1 || sum.Totals[0] != want {
			t.Errorf("totals %+v", sum.Totals)
		}
	})
}

func TestWhatStaysDoesNotHoldUpTheRest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		for n := range 250 { // these come first
			it := d.owe(n, func(it *outbox.Item) { it.Deadline = time.Now() })
			d.b.silent[it.Key.Request] = "CLAIM_CONFLICT"
		}
		for n := range 150 {
			d.owe(1000 + n)
		}
		for range 2 { // also when what stays is not due
			sum, err := d.s.SyncNow(t.Context(), nil)
			if err != nil || sum.Remaining != 250 || d.left() != 250 {
				t.Fatalf("%+v, %d left, %v", sum, d.left(), err)
			}
		}
		for _, it := range d.items {
			if it.Tries != 2 || it.Error != "CLAIM_CONFLICT" {
				t.Fatalf("tried %d times, %q", it.Tries, it.Error)
			}
		}
	})
}

// An answer that is lost after the backend has committed costs a call, and no
// money: the same items get the same verdicts.
func TestALostAnswerChangesNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		for n := range 3 {
			d.owe(n)
		}
		lost := 0
		d.b.lose = func(method string) bool {
			lost++
			return method == "Submit" && lost < 6
		}
		_, err := d.s.SyncNow(t.Context(), nil)
		if !errors.Is(err, ErrOffline) || d.left() != 3 || len(d.judged) != 0 {
			t.Fatalf("%v, %d left", err, d.left())
		}
		first := map[preauth.Hash]string{}
		for request, v := range d.b.verdicts {
			first[request] = string(v)
		}
		if len(first) != 3 {
			t.Fatalf("the backend decided on %d", len(first))
		}
		d.run()
		pass(10 * time.Minute)
		if d.left() != 0 {
			t.Fatalf("%d left", d.left())
		}
		for k, v := range d.judged {
			if string(v.Bytes) != first[k.Request] || d.b.settled[k.Request] != 1 {
				t.Errorf("%s settled %d times", k.Request, d.b.settled[k.Request])
			}
		}
	})
}

func TestCancelAndClaimOfOneRequest(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		claim := d.owe(1)
		cancel := d.owe(1, asCancel)
		d.owe(2, asCancel)
		sum, err := d.s.SyncNow(t.Context(), nil)
		if err != nil || sum.Synced != 3 || d.left() != 0 {
			t.Fatalf("%+v, %v", sum, err)
		}
		if len(d.b.settled) != 0 {
			t.Error("a cancelled request was paid")
		}
		if d.judged[claim.Key].Body.Outcome != peerv1.Outcome_OUTCOME_CANCELLED || d.judged[cancel.Key].Hash != d.judged[claim.Key].Hash {
			t.Errorf("verdicts %v", d.judged)
		}
		want := outbox.Total{Currency: "USD", Outcome: peerv1.Outcome_OUTCOME_CANCELLED, Count: 2, Sum: 2200}
		if len(sum.Totals) != 1 || sum.Totals[0] != want {
			t.Errorf("totals %+v, want each request once", sum.Totals)
		}
	})
}

func TestNothingIsMarkedIfTheBooksDiffer(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		a, b := d.owe(1), d.owe(2)
		off := int64(1)
		d.b.bend = func(_ string, resp any) {
			if r, ok := resp.(*backendv1.SubmitResponse); ok {
				r.Totals[0].Sum += off
			}
		}
		told := 0
		sum, err := d.s.SyncNow(t.Context(), func(r Result) {
			if !errors.Is(r.Err, ErrTotals) {
				t.Errorf("told %v", r.Err)
			}
			told++
		})
		if !errors.Is(err, ErrTotals) || sum.Synced != 0 || sum.Remaining != 2 || len(sum.Totals) != 0 || told != 2 {
			t.Fatalf("%+v, %v", sum, err)
		}
		if len(d.judged) != 0 {
			t.Error("judged in spite of it")
		}
		for _, k := range []outbox.Key{a.Key, b.Key} {
			if it := d.item(k); it.Error != "SYNC_MISMATCH" || it.Tries != 1 || !it.NextTry.After(time.Now().Add(-time.Second)) {
				t.Errorf("postponed as %+v", it)
			}
		}
		if !d.s.Online() {
			t.Error("a wrong sum is still an answer")
		}
		off = 0
		if sum, err := d.s.SyncNow(t.Context(), nil); err != nil || sum.Synced != 2 {
			t.Errorf("%+v, %v once they agree", sum, err)
		}
	})
}

func TestVerdictsOfStrangersAreRefused(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		it := d.owe(1)
		stranger := newKey(t)
		d.b.bend = func(_ string, resp any) {
			if r, ok := resp.(*backendv1.SubmitResponse); ok {
				body := open[*peerv1.Verdict](t, r.Results[0].Verdict).Body
				r.Results[0].Verdict, r.Totals = sign(t, stranger, body).Bytes, nil
			}
		}
		var got error
		_, err := d.s.SyncNow(t.Context(), func(r Result) { got = r.Err })
		if err != nil || !errors.Is(got, preauth.ErrIssuer) || len(d.judged) != 0 {
			t.Fatalf("%v, %v", err, got)
		}
		if kept := d.item(it.Key); kept.Error != "CERT_INVALID" {
			t.Errorf("kept as %q", kept.Error)
		}
		// Perhaps the bundle is older than the issuer's key: ask for it.
		before := d.b.count("Refresh")
		d.run()
		pass(10 * time.Second)
		if d.b.count("Refresh") == before {
			t.Error("the bundle was not asked for")
		}
	})
}

// A verdict that the payment's state has no edge for is kept and shown.
func TestAVerdictThatDoesNotFitIsKept(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		it := d.owe(1)
		d.judge = fmt.Errorf("SETTLED of a payment that is EXPIRED: %w", payment.ErrState)
		sum, err := d.s.SyncNow(t.Context(), nil)
		if err != nil || sum.Remaining != 1 || d.item(it.Key).Error != "VERDICT_UNEXPECTED" {
			t.Errorf("%+v, %v, kept as %q", sum, err, d.item(it.Key).Error)
		}
	})
}

func TestABookThatCannotJudgeStopsTheTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		for n := range 3 {
			d.owe(n)
		}
		disk := errors.New("disk")
		d.judge = disk
		sum, err := d.s.SyncNow(t.Context(), nil)
		if !errors.Is(err, disk) || sum.Synced != 0 || d.left() != 3 {
			t.Errorf("%+v, %v", sum, err)
		}
	})
}

// One item that makes a call malformed does not keep the others back.
func TestASpoiledItemStandsAlone(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		for n := range 20 {
			d.owe(n)
		}
		bad := d.owe(99, func(it *outbox.Item) { it.PreauthCert = []byte("malformed") })
		sum, err := d.s.SyncNow(t.Context(), nil)
		if err != nil || sum.Synced != 20 || sum.Remaining != 1 {
			t.Fatalf("%+v, %v", sum, err)
		}
		if it := d.item(bad.Key); it.Error != "FIELD_INVALID" {
			t.Errorf("kept as %q", it.Error)
		}
	})
}

func TestABrokenItemIsNeverSent(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		bad := d.owe(1, func(it *outbox.Item) { it.Voucher = nil })
		d.owe(2)
		sum, err := d.s.SyncNow(t.Context(), nil)
		if err != nil || sum.Synced != 1 || sum.Remaining != 1 || d.item(bad.Key).Error != "STORE_CORRUPT" {
			t.Errorf("%+v, %v, kept as %q", sum, err, d.item(bad.Key).Error)
		}
		if len(d.b.handed) != 1 {
			t.Errorf("handed in %d", len(d.b.handed))
		}
	})
}

// A revoked device may hand in, and nothing else.
func TestARevokedDeviceHandsIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.b.refuse = func(method string) error {
			if method != "Submit" {
				return refusal(codes.PermissionDenied, "DEVICE_REVOKED", 0)
			}
			return nil
		}
		d.owe(1)
		asked := d.owe(2, asQuestion)
		sum, err := d.s.SyncNow(t.Context(), nil)
		if err != nil || sum.Synced != 1 || d.item(asked.Key).Error != "DEVICE_REVOKED" {
			t.Errorf("%+v, %v, the question as %q", sum, err, d.item(asked.Key).Error)
		}
		// What it was told it does not forget: not for what is accepted, nor
		// when the backend is overloaded or gone.
		told := func(when, want string) {
			t.Helper()
			if got := d.s.State().Refused; got != want {
				t.Errorf("%s: refused %q, want %q", when, got, want)
			}
		}
		told("after it handed in", "DEVICE_REVOKED")
		d.b.refuse = func(string) error { return refusal(codes.Unavailable, "OVERLOADED", time.Minute) }
		_, _ = d.s.SyncNow(t.Context(), nil)
		told("overloaded", "DEVICE_REVOKED")
		d.s.SetOffline(true)
		_, _ = d.s.SyncNow(t.Context(), nil)
		told("offline", "DEVICE_REVOKED")
		d.s.SetOffline(false)
		d.b.refuse = nil
		if _, err := d.s.Enroll(t.Context(), d.enrollInput()); err != nil {
			t.Fatal(err)
		}
		told("enrolled again", "")
	})
}

// A bundle that does not verify is not taken, and holds up no payment.
func TestABadBundleIsNoReasonToStop(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		d.owe(1)
		d.b.bend = func(_ string, resp any) {
			if r, ok := resp.(*backendv1.RefreshResponse); ok {
				r.TrustBundle = d.strange(r.TrustBundle)
			}
		}
		sum, err := d.s.SyncNow(t.Context(), nil)
		if err != nil || sum.Synced != 1 || len(d.refresh) != 0 {
			t.Errorf("%+v, %v, %d bundles", sum, err, len(d.refresh))
		}
	})
}

func TestWhoMayNotHandInKeepsIt(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		it := d.owe(1)
		d.b.refuse = func(string) error { return refusal(codes.Unauthenticated, "NOT_ENROLLED", 0) }
		_, err := d.s.SyncNow(t.Context(), nil)
		var refused *Refused
		if !errors.As(err, &refused) || refused.Reason != "NOT_ENROLLED" || d.item(it.Key).Tries != 0 {
			t.Errorf("%v", err)
		}
	})
}

func TestSyncNowWithNothingToDo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		d := newDevice(t)
		d.connect()
		if sum, err := d.s.SyncNow(t.Context(), nil); err != nil || sum.Synced+sum.Remaining != 0 {
			t.Errorf("online: %+v, %v", sum, err)
		}
		d.s.SetOffline(true)
		if _, err := d.s.SyncNow(t.Context(), nil); err != nil {
			t.Errorf("offline, but there is nothing to hand over: %v", err)
		}
		d.owe(1)
		if _, err := d.s.SyncNow(t.Context(), nil); !errors.Is(err, ErrOffline) {
			t.Errorf("offline with a payment: %v", err)
		}
	})
}
