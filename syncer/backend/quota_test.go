package backend

import (
	"testing"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// hasUsed is a device that has had all but left of its quota today.
func (b *bench) hasUsed(d *party, q quota, left int) {
	b.t.Helper()
	must(b.t, b.store.Write(b.ctx, func(t Tx) error {
		if err := t.use(q, d.id, b.now()); err != nil {
			return err
		}
		return t.exec(`UPDATE quotas SET used = ? WHERE device_id = ? AND kind = ?`, perDay[q]-left, d.id[:], q)
	}))
}

var putOff = says{outcome: "UNJUDGED", reason: "LIMIT_RATE"}

func TestRegistrationsADay(t *testing.T) {
	s := newStreet(t)
	register := func(d *party, payment []byte) string {
		_, err := d.calls.RegisterPayment(s.ctx, &backendv1.RegisterPaymentRequest{PaymentId: payment})
		return reasonOf(err)
	}
	s.hasUsed(s.till, registration, 1)
	last, more := randomID(t), randomID(t)
	for _, tt := range []struct {
		name    string
		by      *party
		payment []byte
		want    string
	}{
		{"the last one", s.till, last, ""},
		{"one more", s.till, more, "LIMIT_RATE"},
		{"the last one again", s.till, last, ""},
		{"one of another till", s.second, more, ""},
	} {
		if got := register(tt.by, tt.payment); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}
	s.advance(day)
	if got := register(s.till, more); got != "" {
		t.Errorf("the next day: %s", got)
	}
}

// A registration is forgotten in the end, and brings no old Charge back.
func TestOldRegistrationsGo(t *testing.T) {
	s := newStreet(t)
	old := s.charge(s.till.ask(10_00, online), 0)
	s.register(old)
	renew := func() {
		resp, err := s.till.calls.Renew(s.ctx, &backendv1.RenewRequest{})
		must(t, err)
		s.till.cert, s.till.tls = resp.DeviceCert, resp.TlsCert
		s.till.connect()
	}
	s.advance(registrationKept)
	renew()
	s.register(s.till.ask(1_00, online))
	s.count(t, "registrations", `SELECT count(*) FROM payment_windows`, 2)
	s.advance(chargeTime + day)
	s.register(s.till.ask(1_00, online))
	s.count(t, "registrations", `SELECT count(*) FROM payment_windows`, 2)
	s.register(old)
	s.till.expect(old.claim(), says{"REJECTED", 0, 10_00, "CHARGE_WINDOW"})
	fresh := s.charge(s.till.ask(10_00, online), 0)
	s.register(fresh)
	s.till.expect(fresh.claim(), settled(10_00))
}

func TestCancelsADay(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	paid := w.sale(s.till, 10_00)
	s.till.expect(paid.claim(), settled(10_00))
	s.hasUsed(s.till, idleRequest, 1)
	late := s.till.ask(5_00).undo()
	for _, tt := range []struct {
		name string
		item *backendv1.Item
		want says
	}{
		{"the last one", s.till.ask(5_00).undo().cancelled(), cancelled},
		{"one more", late.cancelled(), putOff},
		{"a Request with nothing to it", s.till.ask(5_00).claim(), putOff},
		{"a voucher without receipt", w.pay(s.till.ask(5_00), 0).claim(), putOff},
		{"a claim", w.sale(s.till, 10_00).claim(), settled(10_00)},
		{"a Cancel of what was paid", paid.undo().cancelled(), cancelled},
		{"one of another till", s.other.ask(5_00).undo().cancelled(), cancelled},
	} {
		if got := s.till.submit(tt.item)[0]; got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	s.advance(day)
	s.till.expect(late.cancelled(), cancelled)
}

// A charge that takes no money has none behind it: a till and a customer who
// collude could fill the disk with them.
func TestChargesThatTakeNothingADay(t *testing.T) {
	s := newStreet(t)
	s.hasUsed(s.till, idleRequest, 2)
	unregistered := says{"REJECTED", 0, 10_00, "CHARGE_WINDOW"}
	last := s.charge(s.till.ask(10_00, online), 0)
	over, good := s.charge(s.till.ask(500_01, online), 0), s.charge(s.till.ask(10_00, online), 0)
	s.register(over)
	s.register(good)
	undone := s.charge(s.till.ask(10_00, online), 0).undo()
	handed := undone.claim()
	handed.Cancel = undone.cancel.Bytes
	for _, tt := range []struct {
		name string
		item *backendv1.Item
		want says
	}{
		{"the last but one", s.charge(s.till.ask(10_00, online), 0).claim(), unregistered},
		{"the last one", last.claim(), unregistered},
		{"one more", s.charge(s.till.ask(10_00, online), 0).claim(), putOff},
		{"of more than there is", over.claim(), putOff},
		{"with its Cancel", handed, putOff},
		{"one that takes money", good.claim(), settled(10_00)},
		{"the last one again", last.claim(), unregistered},
	} {
		if got := s.till.submit(tt.item)[0]; got != tt.want {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
	s.count(t, "requests", `SELECT count(*) FROM requests`, 3)
	s.advance(day)
	s.till.expect(handed, cancelled)
}

// A till that uses its quota up cannot keep a customer's Cancel out: it stays
// with the customer, and counts as soon as it matters.
func TestAFloodSparesTheCustomer(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 50_00)
	first := w.sale(s.till, 40_00).undo()
	mine := &backendv1.Item{Request: first.request.Bytes, PreauthCert: first.cert, Voucher: first.voucher.Bytes, Cancel: first.cancel.Bytes}
	s.hasUsed(s.till, idleRequest, 0)
	s.phone.expect(mine, putOff)
	second := w.pay(s.other.ask(40_00), 0, repeating(first)).take()
	s.other.expect(second.claim(), settled(40_00))
	s.till.expect(first.claim(), cancelled)
	s.phone.expect(mine, cancelled)
	s.count(t, "evidence against an honest customer", `SELECT count(*) FROM evidence`, 0)
}

func TestBoundOnesADay(t *testing.T) {
	s := newStreet(t)
	s.hasUsed(s.phone, boundHold, 1)
	_, err := s.bound(s.till.ask(1_00), 1_00, "USD")
	must(t, err)
	_, err = s.bound(s.till.ask(1_00), 1_00, "USD")
	wantReason(t, err, "LIMIT_RATE")
	s.phone.preauthorize(s.card, 1_00)
	s.advance(day)
	_, err = s.bound(s.till.ask(1_00), 1_00, "USD")
	must(t, err)
}

// A till has no more payments of one pre-authorization than its certificate
// allows: here one.
func TestPaymentsOfOneTill(t *testing.T) {
	s := newStreet(t)
	d := s.till.ask(10_00)
	resp, err := s.bound(d, 10_00, "USD")
	must(t, err)
	w := s.phone.wallet(resp.PreauthCert)
	s.till.expect(w.pay(d, 0).take().claim(), settled(10_00))
	s.till.expect(d.claim(), settled(10_00))
	more := w.sale(s.till, 10_00)
	s.till.expect(more.claim(), says{outcome: "UNJUDGED", reason: "LIMIT_COUNT"})
	s.count(t, "requests", `SELECT count(*) FROM requests`, 1)
	s.other.expect(w.sale(s.other, 10_00).claim(), says{"REJECTED", 0, 10_00, "REQUEST_UNKNOWN"})
	s.till.expect(more.undo().cancelled(), cancelled)
}

// However many vouchers, charges and strangers' Cancels there are for one
// Request, two vouchers and one conflict are kept.
func TestWhatOneRequestCanBring(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	d, known := s.till.ask(1_00), w.sale(s.till, 1_00)
	s.till.expect(known.claim(), settled(1_00))
	forged := (&deal{till: s.other, request: known.request}).undo()
	for range 5 {
		twin := w.pay(&deal{till: s.till, request: d.request}, 0, repeating(forged)).take()
		s.till.submit(twin.claim())
		charge := s.charge(&deal{till: s.till, request: d.request}, 0)
		s.till.submit(charge.claim())
	}
	s.count(t, "vouchers", `SELECT count(*) FROM vouchers`, 1+vouchersPerRequest)
	s.count(t, "conflicts", `SELECT count(*) FROM remarks WHERE kind = 'CLAIM_CONFLICT'`, 1)
	s.count(t, "Cancels", `SELECT count(*) FROM cancels`, 0)
}

// Handing the same in again and again leaves nothing behind.
func TestRetriesLeaveNothing(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 30_00)
	first := w.sale(s.till, 10_00).undo()
	w.prev[0]++ // a broken chain
	over := w.pay(s.other.ask(25_00), 0, repeating(first)).take()
	twin := w.pay(&deal{till: s.other, request: over.request}, 0).take()
	charge := s.charge(s.till.ask(1_00, online), 0)
	s.register(charge)
	bare := s.till.ask(5_00).undo()
	unknown := w.pay(s.till.ask(1_00), 0, func(v *peerv1.Voucher) { v.Released = [][]byte{s.till.ask(3_00).undo().cancel.Bytes} }).take()
	items := []*backendv1.Item{first.claim(), over.claim(), twin.claim(), charge.claim(), bare.cancelled(), unknown.claim(), first.cancelled()}
	s.till.submit(items...)
	before := s.rows()
	for range 3 {
		s.phone.submit(items...)
		s.till.submit(items...)
		s.register(charge)
	}
	if after := s.rows(); after != before {
		t.Errorf("%d rows became %d", before, after)
	}
}

// rows counts everything there is.
func (b *bench) rows() (sum int) {
	b.t.Helper()
	must(b.t, b.store.Read(b.ctx, func(t Tx) error {
		var tables []string
		err := t.each(`SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'`, nil, func(row func(...any) error) error {
			var name string
			err := row(&name)
			tables = append(tables, name)
			return err
		})
		for _, name := range tables {
			var n int
			if _, err := t.one(`SELECT count(*) FROM "`+name+`"`, nil, &n); err != nil {
				return err
			}
			sum += n
		}
		return err
	}))
	return sum
}
