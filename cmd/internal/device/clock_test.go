package device

import (
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"google.golang.org/protobuf/types/known/durationpb"

	businessv1 "github.com/vipaso/vipasod/proto/vipaso/business/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth"
)

const year = 365 * 24 * time.Hour

// clocks gives the devices that are started from now on a wall clock that can
// be set.
func (r *rig) clocks() (set func(ahead time.Duration)) {
	var ahead atomic.Int64
	r.wall = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	return func(d time.Duration) { ahead.Store(int64(d)) }
}

func (r *rig) pays(till, from *party, amount, instrument string) string {
	r.t.Helper()
	events := from.listen(r.ctx)
	result := till.request(amount, offline)
	asked := r.received(events)
	from.accept(asked, instrument)
	if got := r.result(result); got.GetPaymentSuccessful() == nil {
		r.t.Fatal(got)
	}
	from.reaches(asked.PaymentId, provisional)
	return asked.PaymentId
}

// TestClockAYearAhead: while the wall clocks are a year ahead nobody is paid,
// for certificates look expired; but nothing ends, is voided or freed by that,
// across a restart and a synchronization, and when the clocks are right again
// all goes on.
func TestClockAYearAhead(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		set := r.clocks()
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		setOffline(true, till, ann)
		paid := r.pays(till, ann, "2.00", card)
		events := ann.listen(r.ctx)
		result := till.ask(&businessv1.SendPaymentRequestViaBleRequest{
			RequestId: uuid.NewString(), Amount: "3.00", Currency: "USD", Policy: offline, Timeout: durationpb.New(10 * time.Second),
		})
		asked := r.received(events)
		stop := r.silence()
		if p := ann.accept(asked, card); p.State != authorized {
			t.Fatalf("without a till: %s", p.State)
		}
		set(year)
		stop()
		if got := r.result(result); got.GetPaymentSuccessful() != nil {
			t.Errorf("paid with clocks a year ahead: %v", got)
		}
		unharmed := func(when string) {
			t.Helper()
			if p := ann.payment(paid); p.State != provisional && p.State != settledNow {
				t.Errorf("%s: what was paid is %s", when, p.State)
			}
			if p := ann.payment(asked.PaymentId); p.State != authorized {
				t.Errorf("%s: what may be paid is %s", when, p.State)
			}
			if held, spent := ann.held(); held+spent != 500 {
				t.Errorf("%s: held %d, spent %d", when, held, spent)
			}
			for _, a := range ann.preauths() {
				if a.Voided {
					t.Errorf("%s: a pre-authorization is voided", when)
				}
			}
			floor, err := ann.node.Store.Floor(r.ctx)
			r.must(err)
			if floor.After(time.Now()) {
				t.Errorf("%s: the floor is %s, it is %s", when, floor, time.Now())
			}
		}
		<-time.After(3 * time.Minute)
		unharmed("offline")
		_, err := till.business.SendPaymentRequestViaBle(r.ctx, &businessv1.SendPaymentRequestViaBleRequest{RequestId: uuid.NewString(), Amount: "1.00", Currency: "USD"})
		if reason(err) != "CERT_EXPIRED" {
			t.Errorf("a request: %v", err)
		}
		r.cut = true
		ann, till = ann.restart(), till.restart()
		<-time.After(3 * time.Minute)
		unharmed("after a restart")
		setOffline(false, ann)
		_, err = ann.customer.SyncPayments(r.ctx, &paymentv1.SyncPaymentsRequest{})
		r.must(err)
		<-time.After(3 * time.Minute)
		unharmed("after a synchronization")

		set(0)
		setOffline(true, ann)
		ann.reaches(asked.PaymentId, cancelled) // the till's word, which frees the hold
		again := r.pays(till, ann, "1.00", card)
		r.balanced(map[string]int64{paid: 200, again: 100}, till, ann)
	})
}

// regressions counts how often the device has said that its clock is behind.
func (p *party) regressions() (n int) {
	p.rig.t.Helper()
	log, err := p.node.Store.Events(p.rig.ctx, 0, 1000)
	p.rig.must(err)
	for _, e := range log {
		if e.GetDeviceChanged().GetWhat() == "CLOCK_REGRESSED" {
			n++
		}
	}
	return n
}

// TestClockAYearBehind: a wall clock a year behind is told, once each time, and
// payments go on by trusted time, which no restart takes back.
func TestClockAYearBehind(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		set := r.clocks()
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		setOffline(true, till, ann)
		r.pays(till, ann, "1.00", card)
		for n := 1; n <= 2; n++ {
			set(-year)
			<-time.After(3 * time.Minute)
			if got := till.regressions(); got != n {
				t.Errorf("told %d times of %d", got, n)
			}
			r.pays(till, ann, "1.00", card)
			set(0)
			<-time.After(2 * time.Minute)
		}
		set(-year)
		before := time.Now()
		r.pays(till, ann, "1.00", card)
		r.cut = true
		till, ann = till.restart(), ann.restart()
		for _, p := range []*party{till, ann} {
			if now := p.status().GetTrustedTime().AsTime(); now.Before(before.Add(-time.Minute)) {
				t.Errorf("%s: trusted time is %s, it was %s", p.name, now, before)
			}
		}
		r.pays(till, ann, "1.00", card)
		set(0)
		r.balanced(nil, till, ann)
	})
}

// TestClockBehindIsToldOnce: restarts do not tell it again while nothing else
// has happened; a clock that was right in between, or something done, does.
func TestClockBehindIsToldOnce(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		set := r.clocks()
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		setOffline(true, till, ann)
		told := func(when string, want int) {
			t.Helper()
			<-time.After(3 * time.Minute)
			if got := till.regressions(); got != want {
				t.Errorf("%s: told %d times, not %d", when, got, want)
			}
		}
		r.pays(till, ann, "1.00", card)
		r.cut = true // no network after a restart either
		set(-year)
		told("set back", 1)
		for range 3 {
			till = till.restart()
		}
		told("started again", 1)
		set(0)
		told("right again", 1)
		set(-year)
		told("set back again", 2)
		r.pays(till, ann, "1.00", card)
		till = till.restart()
		told("started again after a payment", 3)
		set(0)
		till = till.restart()
		told("started when it is right", 3)
	})
}

// TestWalletPutBackWithAClockAhead: what an older copy of a store holds is made
// void at the backend though its end seems to be past.
func TestWalletPutBackWithAClockAhead(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		set := r.clocks()
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		setOffline(true, till, ann)
		before := ann.backup()
		r.pays(till, ann, "5.00", card)
		set(year)
		ann = ann.putBack(before)
		held := ann.preauths()
		ann.unlocks()
		set(0)
		r.settled(ann)
		who, err := ann.node.Store.Identity(r.ctx)
		r.must(err)
		trust, err := preauth.OpenTrust(who.RootKey, who.TrustBundle)
		r.must(err)
		for _, a := range held {
			if !slices.Contains(trust.Bundle.Body.RevokedSerials, a.Cert.Body.Serial) {
				t.Errorf("tills are not told that %s is void", a.ID())
			}
		}
		if len(held) != 1 {
			t.Errorf("%d pre-authorizations", len(held))
		}
	})
}
