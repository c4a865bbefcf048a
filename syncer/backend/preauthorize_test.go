package backend

import (
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc/status"

	backendv1 "github.com/vipaso/vipasod/proto/vipaso/backend/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/preauth/money"
)

func TestPreAuthorize(t *testing.T) {
	s := newStreet(t)
	plain, err := s.admin.CreateInstrument(s.ctx, Instrument{Customer: s.phone.owner, Type: "MNO", Currency: "USD", Free: 900_00})
	must(t, err)
	strangers := s.instrument(s.customer("Eve"), 100_00)
	id := randomID(t)
	ask := func(request []byte, in preauth.ID, amount int64, currency string) *backendv1.PreAuthorizeRequest {
		return &backendv1.PreAuthorizeRequest{RequestId: request, InstrumentId: in[:], Amount: amount, Currency: currency}
	}
	first, err := s.phone.calls.PreAuthorize(s.ctx, ask(id, s.card, 100_00, "USD"))
	must(t, err)
	tests := []struct {
		name string
		ask  *backendv1.PreAuthorizeRequest
		want string
	}{
		{"the same again gets the same", ask(id, s.card, 100_00, "USD"), ""},
		{"the same id with another amount is refused", ask(id, s.card, 100_01, "USD"), "REQUEST_ID_REUSED"},
		{"no such instrument", ask(randomID(t), preauth.ID{9}, 1, "USD"), "INSTRUMENT_NOT_FOUND"},
		{"another's instrument", ask(randomID(t), strangers, 1, "USD"), "INSTRUMENT_NOT_FOUND"},
		{"one that cannot", ask(randomID(t), plain, 1, "USD"), "NOT_PREAUTH_CAPABLE"},
		{"another currency", ask(randomID(t), s.card, 1, "EUR"), "CURRENCY_MISMATCH"},
		{"more than the device may hold", ask(randomID(t), s.card, 400_01, "USD"), "LIMIT_TOTAL"},
		{"nothing", ask(randomID(t), s.card, 0, "USD"), "FIELD_INVALID"},
		{"an id that is none", ask([]byte{1}, s.card, 1, "USD"), "FIELD_INVALID"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := s.phone.calls.PreAuthorize(s.ctx, tt.ask)
			wantReason(t, err, tt.want)
			if tt.want == "" && string(resp.PreauthCert) != string(first.PreauthCert) {
				t.Error("another certificate came out")
			}
		})
	}
	second := s.bench.phone(s.phone.owner)
	second.preauthorize(s.card, 300_00)
	_, err = second.calls.PreAuthorize(s.ctx, ask(randomID(t), s.card, 100_01, "USD"))
	wantReason(t, err, "INSUFFICIENT_FUNDS")
	_, err = s.till.calls.PreAuthorize(s.ctx, ask(randomID(t), s.card, 1, "USD"))
	wantReason(t, err, "WRONG_ROLE")
	if got := s.free(s.card); got != 100_00 || first.Instrument.Balance != 400_00 {
		t.Errorf("the card has %d, and had %d after the first", got, first.Instrument.Balance)
	}
}

// What a person reads of an amount is what they would write.
func TestRefusedAmountsAreWrittenAsPeopleDo(t *testing.T) {
	s := newStreet(t)
	s.phone.preauthorize(s.card, 450_00)
	d := s.till.ask(12_00, func(r *peerv1.Request) { r.Tip = nil })
	phone := s.bench.phone(s.phone.owner)
	tests := []struct {
		name string
		by   *party
		ask  *backendv1.PreAuthorizeRequest
		want string
	}{
		{"more than the device may hold", s.phone, &backendv1.PreAuthorizeRequest{Amount: 50_01},
			"50.01 asked, 50.00 USD left: limit of all that may be held"},
		{"more than the instrument has", phone, &backendv1.PreAuthorizeRequest{Amount: 50_01},
			"50.01 of 50.00 USD on the instrument: insufficient funds"},
		{"more than the request asks for", phone, &backendv1.PreAuthorizeRequest{Amount: 12_01, BoundRequest: d.request.Bytes},
			"12.01 for a request of 12.00 USD: amount does not fit the request"},
		{"more than any amount", phone, &backendv1.PreAuthorizeRequest{Amount: money.MaxMinor + 1, BoundRequest: d.request.Bytes},
			money.Format(money.MaxMinor+1, "USD") + " USD: " + money.ErrRange.Error()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.ask.RequestId, tt.ask.InstrumentId, tt.ask.Currency = randomID(t), s.card[:], "USD"
			_, err := tt.by.calls.PreAuthorize(s.ctx, tt.ask)
			if got := status.Convert(err).Message(); got != tt.want {
				t.Errorf("it says %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCertificateSaysWhatWasReserved(t *testing.T) {
	s := newStreet(t)
	s.guarantee(20_00)
	w := s.phone.preauthorize(s.card, 100_00)
	c := w.cert.Body
	if c.Limit != 100_00 || c.PaymentMax != 50_00 || c.PaymentsMax != 1000 || c.Guarantee != 20_00 || c.Currency != "USD" ||
		c.SpendByMs != s.since(day) || c.SettleByMs != s.since(15*day) || c.IssuedMs != s.since(0) ||
		c.Assurance != peerv1.Assurance_ASSURANCE_SOFTWARE || c.MinEpoch != 1 || len(c.BoundTo) != 0 || c.Delegated ||
		preauth.PublicKey(c.Spender) != preauth.PublicKeyOf(&s.phone.key.PublicKey) {
		t.Errorf("certificate is %v", c)
	}
	trust := s.refresh(s.till)
	if _, err := trust.PreauthCert(w.cert.Bytes, s.now()); err != nil {
		t.Errorf("a till refuses it: %v", err)
	}
	small := s.phone.preauthorize(s.card, 10_00)
	if small.cert.Body.PaymentMax != 10_00 || small.cert.Body.Serial <= c.Serial {
		t.Errorf("certificate is %v", small.cert.Body)
	}
}

func TestTillAcceptsWhatTheBackendIssues(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	d := w.sale(s.till, 10_00)
	till := preauth.Till{
		Trust: s.refresh(s.till), Now: s.now(), Request: d.request,
		Seen:       func(preauth.ID, uint32) (preauth.Hash, bool) { return preauth.Hash{}, false },
		Guaranteed: func(preauth.ID) int64 { return 0 },
		Exposure:   preauth.Exposure{Limits: preauth.LimitsOf(mustOpen(t, s.till.cert), preauth.Limits{}, nil, s.now(), s.now())},
	}
	accepted, err := till.CheckVoucher(d.voucher.Bytes, d.cert)
	if err != nil || accepted.Total != 10_00 {
		t.Errorf("the till says %+v, %v", accepted, err)
	}
}

func mustOpen(t *testing.T, b []byte) *peerv1.DeviceCert {
	t.Helper()
	c, err := preauth.Open[*peerv1.DeviceCert](b)
	must(t, err)
	return c.Body
}

func TestDelegatedInstrument(t *testing.T) {
	s := newStreet(t)
	kid := s.bench.phone(s.customer("Kid"))
	must(t, s.admin.Delegate(s.ctx, s.card, kid.owner))
	must(t, s.admin.Delegate(s.ctx, s.card, kid.owner))
	resp, err := kid.calls.Refresh(s.ctx, &backendv1.RefreshRequest{})
	must(t, err)
	if len(resp.Instruments) != 1 || !resp.Instruments[0].Delegated {
		t.Errorf("instruments are %v", resp.Instruments)
	}
	w := kid.preauthorize(s.card, 30_00)
	if !w.cert.Body.Delegated || preauth.ID(w.cert.Body.OwnerRef) != s.phone.owner {
		t.Errorf("certificate is %v", w.cert.Body)
	}
	s.till.expect(w.sale(s.till, 10_00).claim(), settled(10_00))
	if Reason(s.admin.Delegate(s.ctx, s.card, s.phone.owner)) != "FIELD_INVALID" ||
		Reason(s.admin.Delegate(s.ctx, preauth.ID{1}, kid.owner)) != "INSTRUMENT_NOT_FOUND" ||
		Reason(s.admin.Delegate(s.ctx, s.card, preauth.ID{1})) != "NOT_FOUND" {
		t.Error("a delegation that makes no sense was taken")
	}
}

func (s *street) bound(d *deal, amount int64, currency string) (*backendv1.PreAuthorizeResponse, error) {
	return s.phone.calls.PreAuthorize(s.ctx, &backendv1.PreAuthorizeRequest{
		RequestId: randomID(s.t), InstrumentId: s.card[:], Amount: amount, Currency: currency, BoundRequest: d.request.Bytes,
	})
}

func TestBoundPreauthorization(t *testing.T) {
	s := newStreet(t)
	d := s.till.ask(80_00)
	resp, err := s.bound(d, 85_00, "USD")
	must(t, err)
	w := s.phone.wallet(resp.PreauthCert)
	c := w.cert.Body
	if preauth.Hash(c.BoundTo) != d.request.Hash || c.Guarantee != 85_00 || c.PaymentMax != 85_00 || c.PaymentsMax != 1 || c.SpendByMs != s.since(15*time.Minute) {
		t.Errorf("certificate is %v", c)
	}
	s.till.expect(w.pay(d, 5_00).take().claim(), settled(85_00))
	s.till.expect(d.undo().cancelled(), cancelled)
	if got := s.free(s.card); got != 500_00 {
		t.Errorf("its Cancel leaves %d on the card", got)
	}
	unpaid := s.till.ask(20_00)
	_, err = s.bound(unpaid, 20_00, "USD")
	must(t, err)
	s.till.expect(unpaid.undo().cancelled(), cancelled)
	if got := s.free(s.card); got != 500_00 {
		t.Errorf("a Cancel without a voucher leaves %d on the card", got)
	}
	resp, err = s.bound(s.till.ask(30_00), 30_00, "USD")
	must(t, err)
	w = s.phone.wallet(resp.PreauthCert)
	s.other.expect(w.sale(s.other, 10_00).claim(), says{"REJECTED", 0, 10_00, "REQUEST_UNKNOWN"})
}

func TestBoundPreauthorizationIsRefused(t *testing.T) {
	s := newStreet(t)
	gone := s.till.ask(20_00).undo()
	s.till.expect(gone.cancelled(), cancelled)
	heard := s.till.ask(20_00).undo() // its Cancel is known, by a voucher that repeats it
	s.other.expect(s.phone.preauthorize(s.card, 1_00).pay(s.other.ask(1_00), 0, repeating(heard)).take().claim(), settled(1_00))
	forged := &deal{till: s.till, request: signed(t, newKey(t), s.till.ask(20_00).request.Body)}
	strict := s.till.ask(20_00, func(r *peerv1.Request) { r.Tip = nil })
	tests := []struct {
		name     string
		deal     *deal
		amount   int64
		currency string
		want     string
	}{
		{"less than asked for", s.till.ask(20_00), 19_99, "USD", "AMOUNT_MISMATCH"},
		{"a tip that is not taken", strict, 20_01, "USD", "AMOUNT_MISMATCH"},
		{"another currency", s.till.ask(20_00), 20_00, "EUR", "CURRENCY_MISMATCH"},
		{"a forged request", forged, 20_00, "USD", "REQUEST_INVALID"},
		{"a tip beyond any amount", s.till.ask(20_00), money.MaxMinor + 1, "USD", "AMOUNT_RANGE"},
		{"a cancelled request", gone, 20_00, "USD", "REQUEST_CANCELLED"},
		{"one whose Cancel came first", heard, 20_00, "USD", "REQUEST_CANCELLED"},
		{"more than there is", s.till.ask(500_01), 500_01, "USD", "INSUFFICIENT_FUNDS"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := s.bound(tt.deal, tt.amount, tt.currency)
			wantReason(t, err, tt.want)
		})
	}
}

// charge signs a Charge on the card for the deal.
func (s *street) charge(d *deal, tip int64) *deal {
	d.charge = signed(s.t, s.phone.key, &peerv1.Charge{
		InstrumentRef: s.card[:], RequestHash: d.request.Hash[:], Amount: d.request.Body.Amount, Tip: tip,
		Currency: d.request.Body.Currency, CustomerDeviceId: s.phone.id[:],
	})
	return d.take()
}

func online(r *peerv1.Request) { r.Online = true }

func (s *street) register(d *deal) int64 {
	s.t.Helper()
	resp, err := s.till.calls.RegisterPayment(s.ctx, &backendv1.RegisterPaymentRequest{PaymentId: d.request.Body.PaymentId})
	must(s.t, err)
	return resp.ChargeUntilMs
}

func TestChargeIsTakenWithinItsWindow(t *testing.T) {
	s := newStreet(t)
	d := s.charge(s.till.ask(120_00, online), 10_00)
	until := s.register(d)
	s.advance(time.Minute)
	if again := s.register(d); again != until || until != s.since(10*time.Minute) {
		t.Errorf("the window ends at %d, asked again %d", until, again)
	}
	s.advance(9 * time.Minute)
	s.till.expect(d.claim(), settled(130_00))
	s.phone.expect(d.claim(), settled(130_00))
	if s.free(s.card) != 370_00 || s.owed(s.till.owner) != 130_00 {
		t.Errorf("the card has %d, the shop is owed %d", s.free(s.card), s.owed(s.till.owner))
	}
	s.till.expect(d.undo().cancelled(), cancelled)
	s.till.expect(d.claim(), cancelled)
	if s.free(s.card) != 500_00 || s.owed(s.till.owner) != 0 {
		t.Errorf("undone, the card has %d, the shop is owed %d", s.free(s.card), s.owed(s.till.owner))
	}
	_, err := s.phone.calls.RegisterPayment(s.ctx, &backendv1.RegisterPaymentRequest{PaymentId: randomID(t)})
	wantReason(t, err, "WRONG_ROLE")
}

func TestChargeIsRejected(t *testing.T) {
	s := newStreet(t)
	revoked := s.bench.phone(s.phone.owner)
	must(t, s.admin.RevokeDevice(s.ctx, revoked.id))
	tests := []struct {
		name string
		deal func() *deal
		want says
	}{
		{"too late", func() *deal {
			d := s.charge(s.till.ask(10_00, online), 0)
			s.register(d)
			s.advance(10*time.Minute + time.Millisecond)
			return d
		}, says{"REJECTED", 0, 10_00, "CHARGE_WINDOW"}},
		{"never registered", func() *deal { return s.charge(s.till.ask(10_00, online), 0) }, says{"REJECTED", 0, 10_00, "CHARGE_WINDOW"}},
		{"more than there is", func() *deal {
			d := s.charge(s.till.ask(500_01, online), 0)
			s.register(d)
			return d
		}, says{"REJECTED", 0, 500_01, "INSUFFICIENT_FUNDS"}},
		{"a request that takes none", func() *deal {
			d := s.charge(s.till.ask(10_00), 0)
			s.register(d)
			return d
		}, says{"REJECTED", 0, 10_00, "REQUEST_UNKNOWN"}},
		{"a tip that is not taken", func() *deal {
			d := s.charge(s.till.ask(10_00, online, func(r *peerv1.Request) { r.Tip = nil }), 1)
			s.register(d)
			return d
		}, says{"REJECTED", 0, 10_01, "TIP_NOT_ALLOWED"}},
		{"another's instrument", func() *deal {
			d := s.till.ask(10_00, online)
			card := s.card
			s.card = s.instrument(s.customer("Eve"), 100_00)
			s.charge(d, 0)
			s.card = card
			s.register(d)
			return d
		}, says{"REJECTED", 0, 10_00, "INSTRUMENT_NOT_FOUND"}},
		{"a revoked device", func() *deal {
			phone := s.phone
			s.phone = revoked
			d := s.charge(s.till.ask(10_00, online), 0)
			s.phone = phone
			s.register(d)
			return d
		}, says{"REJECTED", 0, 10_00, "DEVICE_REVOKED"}},
		{"signed by another device", func() *deal {
			d := s.charge(s.till.ask(10_00, online), 0)
			d.charge = signed(t, s.till.key, d.charge.Body)
			return d.take()
		}, says{outcome: "UNJUDGED", reason: "SIGNATURE_INVALID"}},
		{"cancelled before", func() *deal {
			d := s.charge(s.till.ask(10_00, online), 0)
			s.register(d)
			s.till.submit(d.undo().cancelled())
			return d
		}, cancelled},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := tt.deal()
			s.till.expect(d.claim(), tt.want)
			if tt.want.outcome == "REJECTED" {
				s.till.expect(d.undo().cancelled(), cancelled)
			}
		})
	}
	if got := s.free(s.card); got != 500_00 {
		t.Errorf("the card has %d", got)
	}
}

func TestLateCancelOfAChargeIsDisputed(t *testing.T) {
	s := newStreet(t)
	d := s.charge(s.till.ask(10_00, online), 0)
	s.register(d)
	s.till.expect(d.claim(), settled(10_00))
	s.advance(30*day + time.Millisecond)
	s.till.expect(d.undo().cancelled(), settled(10_00))
	s.count(t, "disputes", `SELECT count(*) FROM remarks WHERE kind = 'DISPUTE'`, 1)
}

func TestOverload(t *testing.T) {
	b := newBench(t, Options{Concurrent: 2})
	var leave []func()
	var wait time.Duration
	for range 2 {
		done, w := b.server.pace.enter()
		leave, wait = append(leave, done), w
	}
	if wait != 0 {
		t.Fatalf("a free place cost %s", wait)
	}
	enroll := backendv1.NewEnrollmentServiceClient(b.dial(nil, nil))
	var delays []time.Duration
	for range 3 {
		_, err := enroll.Enroll(b.ctx, &backendv1.EnrollRequest{})
		wantReason(t, err, "OVERLOADED")
		delays = append(delays, retryDelay(err))
	}
	if delays[0] <= 0 || delays[1] != delays[0]+turn || delays[2] != delays[1]+turn {
		t.Errorf("callers are told to come back after %v", delays)
	}
	leave[0]()
	_, err := enroll.Enroll(b.ctx, &backendv1.EnrollRequest{})
	wantReason(t, err, "FIELD_INVALID")
	leave[1]()
}

func TestConcurrentCarriersSettleOnce(t *testing.T) {
	s := newStreet(t)
	w := s.phone.preauthorize(s.card, 100_00)
	var items []*backendv1.Item
	for range 8 {
		items = append(items, w.sale(s.till, 10_00).claim())
	}
	var all sync.WaitGroup
	for _, p := range []*party{s.till, s.second, s.other, s.phone} {
		all.Go(func() {
			resp, err := p.calls.Submit(s.ctx, &backendv1.SubmitRequest{Items: items})
			if err != nil || len(resp.Totals) != 1 || resp.Totals[0].Settled != 80_00 {
				t.Errorf("carrier got %v, %v", resp.GetTotals(), err)
			}
		})
	}
	all.Wait()
	if got := s.owed(s.till.owner); got != 80_00 {
		t.Errorf("the shop is owed %d", got)
	}
}
