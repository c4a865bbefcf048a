package daemon

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// requested is the row of a request for 12.00 USD that a till has just made,
// signed as it is on the air.
func requested(t testing.TB, name string) store.Attempt {
	t.Helper()
	now, key, id := time.Now(), preauth.PublicKeyOf(&fixedKey("till").PublicKey), namedID("till")
	shop, pay, binding := namedID("shop"), namedID(name), namedHash(name)
	cert := signedBy(t, "issuer", &peerv1.DeviceCert{
		DeviceId: id[:], Role: asTill, SigningKey: key[:], NoiseKey: binding[:], BusinessId: shop[:], DisplayName: "Café Linden", Mcc: 5812,
		NotBeforeMs: now.Add(-time.Hour).UnixMilli(), NotAfterMs: now.Add(time.Hour).UnixMilli(),
	})
	r := signedBy(t, "till", &peerv1.Request{
		PaymentId: pay[:], BusinessDeviceId: id[:], Nonce: pay[:], Amount: 12_00, Currency: "USD",
		Tip: &peerv1.TipPolicy{Allowed: true, Max: 3_00}, Reference: "table 4", TtlMs: 60_000,
		ChannelBinding: binding[:], DeviceCert: cert.Bytes, CreatedMs: now.UnixMilli(),
	})
	return store.Attempt{
		Attempt:      payment.Attempt{Request: r.Hash, Payment: pay, Business: id, State: payment.Requested, Rev: 1, UpdatedAt: now},
		RequestBytes: r.Bytes, Amount: 12_00, Currency: "USD", ResumeKey: pay, Code: "1234",
		CreatedAt: now, ExpiresAt: now.Add(time.Minute), Latest: true,
	}
}

// ask stores a request as the wallet does when it comes in.
func (b *bench) ask(name string) store.Attempt {
	b.t.Helper()
	a := requested(b.t, name)
	b.change(&store.Change{Attempts: []store.Attempt{a}, Events: attemptEvents(a, []payment.Note{{Kind: payment.NoteRequestReceived}})})
	return a
}

// step stores the next revision of a row, with the events of its notes.
func (b *bench) step(a store.Attempt, in payment.CustomerInput) store.Attempt {
	b.t.Helper()
	next, fx, err := a.Attempt.Step(in, time.Now())
	if err != nil {
		b.t.Fatal(err)
	}
	a.Attempt = next
	if in.Event == payment.Accept {
		a.VoucherBytes = []byte("charge")
	}
	b.change(&store.Change{Attempts: []store.Attempt{a}, Events: attemptEvents(a, fx.Notes)})
	return a
}

// charge accepts a row online: a voucher without a pre-authorization.
func (b *bench) charge(a store.Attempt) store.Attempt {
	b.t.Helper()
	return b.step(a, payment.CustomerInput{Event: payment.Accept, Voucher: namedHash("charge"), Charge: true})
}

// card is an instrument that can pay offline.
func card(name string) store.Instrument {
	return store.Instrument{ID: namedID(name), Type: "CARD", Label: name, Currency: "USD", Balance: 500_00, PreAuthCapable: true}
}

// setAside is a pre-authorization of 100.00 USD on an instrument, at most
// 50.00 at a time, for a day.
func setAside(t testing.TB, b *bench, name string, on preauth.ID, change func(*peerv1.PreauthCert)) store.Authorization {
	t.Helper()
	now, id, owner, key := time.Now(), namedID(name), namedID("owner"), b.opt.Keys.Public()
	body := &peerv1.PreauthCert{
		PreauthId: id[:], Serial: 1, Spender: key[:], InstrumentRef: on[:], OwnerRef: owner[:], Currency: "USD",
		Limit: 100_00, PaymentMax: 50_00, PaymentsMax: 10, IssuedMs: now.UnixMilli(),
		SpendByMs: now.Add(24 * time.Hour).UnixMilli(), SettleByMs: now.Add(15 * 24 * time.Hour).UnixMilli(),
		Assurance: peerv1.Assurance_ASSURANCE_SOFTWARE, Guarantee: 20_00,
	}
	if change != nil {
		change(body)
	}
	cert := signedBy(t, "issuer", body)
	return store.Authorization{Authorization: preauth.Authorization{Cert: cert, Instrument: on, Prev: cert.Hash}}
}

// accepting returns a call that accepts the request of a name.
func accepting(name, call string) *customerv1.AcceptPaymentRequest {
	return &customerv1.AcceptPaymentRequest{
		RequestId: namedID(call).String(), PaymentId: namedID(name).String(), Amount: "12.00", Currency: "USD",
		InstrumentId: namedID("card").String(),
	}
}

func TestAcceptPaymentIsRefused(t *testing.T) {
	b := newBench(t, asCustomer, nil)
	b.change(&store.Change{Instruments: []store.Instrument{card("card")}})
	b.ask("open")
	b.step(b.ask("expired"), payment.CustomerInput{Event: payment.RequestExpired})
	client := b.customer(cashier)
	for _, tt := range []struct {
		name, payment string
		change        func(*customerv1.AcceptPaymentRequest)
		code          codes.Code
		reason        string
	}{
		{"no such payment", "none", nil, codes.NotFound, "PAYMENT_NOT_FOUND"},
		{"expired", "expired", nil, codes.FailedPrecondition, "PAYMENT_STATE"},
		{"expired, with another amount", "expired", func(r *customerv1.AcceptPaymentRequest) { r.Amount = "11.99" }, codes.FailedPrecondition, "PAYMENT_STATE"},
		{"expired, in another currency", "expired", func(r *customerv1.AcceptPaymentRequest) { r.Currency = "EUR" }, codes.FailedPrecondition, "PAYMENT_STATE"},
		{"another amount", "open", func(r *customerv1.AcceptPaymentRequest) { r.Amount = "11.99" }, codes.FailedPrecondition, "AMOUNT_MISMATCH"},
		{"another currency", "open", func(r *customerv1.AcceptPaymentRequest) { r.Currency = "EUR" }, codes.FailedPrecondition, "CURRENCY_MISMATCH"},
		{"no amount", "open", func(r *customerv1.AcceptPaymentRequest) { r.Amount = "" }, codes.InvalidArgument, "AMOUNT_SYNTAX"},
		{"nothing", "open", func(r *customerv1.AcceptPaymentRequest) { r.Amount = "0" }, codes.InvalidArgument, "AMOUNT_RANGE"},
		{"tip in fractions", "open", func(r *customerv1.AcceptPaymentRequest) { r.Tip = "0.001" }, codes.InvalidArgument, "AMOUNT_PRECISION"},
		{"more of a tip than the till takes", "open", func(r *customerv1.AcceptPaymentRequest) { r.Tip = "3.01" }, codes.FailedPrecondition, "TIP_NOT_ALLOWED"},
		{"no such instrument", "open", func(r *customerv1.AcceptPaymentRequest) { r.InstrumentId = namedID("none").String() },
			codes.NotFound, "INSTRUMENT_NOT_FOUND"},
		{"not another's", "open", func(r *customerv1.AcceptPaymentRequest) { r.IsDelegatedInstrument = true }, codes.InvalidArgument, "FIELD_INVALID"},
		{"no id", "open", func(r *customerv1.AcceptPaymentRequest) { r.InstrumentId = "card" }, codes.InvalidArgument, "FIELD_INVALID"},
		{"till out of reach", "open", nil, codes.FailedPrecondition, "LINK_LOST"},
	} {
		req := accepting(tt.payment, tt.name)
		if tt.change != nil {
			tt.change(req)
		}
		_, err := client.AcceptPayment(t.Context(), req)
		wantStatus(t, tt.name, err, tt.code, tt.reason)
	}
	if sums, _, _, err := b.store.Unsettled(t.Context()); err != nil || len(sums) > 0 {
		t.Errorf("something was promised: %v %v", sums, err)
	}
}

// A payment whose voucher may have left is answered with how it stands,
// whatever call asks and whether the till is there; never with an error.
func TestAcceptPaymentAgain(t *testing.T) {
	b := newBench(t, asCustomer, nil)
	a := b.step(b.charge(b.ask("paid")), payment.CustomerInput{Event: payment.LinkLost})
	client := b.customer(cashier)
	for _, call := range []string{"first", "first", "second"} {
		resp, err := client.AcceptPayment(t.Context(), accepting("paid", call))
		if err != nil {
			t.Fatalf("%s: %v", call, err)
		}
		p := resp.GetPayment()
		if p.GetState() != paymentv1.PaymentState_PAYMENT_STATE_AUTHORIZED || p.GetRequestHash() != a.Request.String() || p.GetSynced() || p.GetCounterparty() != "Café Linden" {
			t.Errorf("%s: %v", call, p)
		}
	}
	other := accepting("paid", "third")
	other.Tip = "1.00"
	_, err := client.AcceptPayment(t.Context(), other)
	wantStatus(t, "with another tip", err, codes.FailedPrecondition, "AMOUNT_MISMATCH")
	b.step(a, payment.CustomerInput{Event: payment.CancelReceived})
	_, err = client.AcceptPayment(t.Context(), other)
	wantStatus(t, "with another tip, cancelled meanwhile", err, codes.FailedPrecondition, "PAYMENT_STATE")
}

func TestDeclinePayment(t *testing.T) {
	b := newBench(t, asCustomer, nil)
	b.ask("unwanted")
	b.charge(b.ask("paid"))
	client := b.customer(cashier)
	decline := func(call, name, reason string) (*paymentv1.Payment, error) {
		resp, err := client.DeclinePayment(t.Context(), &customerv1.DeclinePaymentRequest{
			RequestId: namedID(call).String(), PaymentId: namedID(name).String(), Reason: reason,
		})
		return resp.GetPayment(), err
	}
	_, err := decline("c0", "none", "")
	wantStatus(t, "no such payment", err, codes.NotFound, "PAYMENT_NOT_FOUND")
	_, err = decline("c1", "paid", "")
	wantStatus(t, "accepted payment", err, codes.FailedPrecondition, "PAYMENT_STATE")
	for _, call := range []string{"c2", "c2", "c3"} {
		p, err := decline(call, "unwanted", "not my order")
		if err != nil || p.GetState() != paymentv1.PaymentState_PAYMENT_STATE_DECLINED {
			t.Errorf("%s: %v %v", call, p, err)
		}
	}
	_, err = decline("c2", "unwanted", "other words")
	wantStatus(t, "same id, other words", err, codes.AlreadyExists, "REQUEST_ID_REUSED")
	_, err = client.AcceptPayment(t.Context(), accepting("unwanted", "c4"))
	wantStatus(t, "accepting it then", err, codes.FailedPrecondition, "PAYMENT_STATE")
	rows, err := b.store.AttemptsOf(t.Context(), namedID("unwanted"))
	if err != nil || len(rows) != 1 {
		t.Fatalf("%d rows %v", len(rows), err)
	}
	if no, err := preauth.Open[*peerv1.Decline](rows[0].DeclineBytes); err != nil || no.Body.Reason != "not my order" {
		t.Errorf("stored for the till: %v %v", no.Body, err)
	}
}

func TestPreAuthorizeInstrument(t *testing.T) {
	b := newBench(t, asCustomer, nil)
	cash := store.Instrument{ID: namedID("cash"), Type: "MNO", Label: "cash", Currency: "USD"}
	kept := setAside(t, b, "kept", namedID("card"), nil)
	req := func(call string) *customerv1.PreAuthorizeInstrumentRequest {
		return &customerv1.PreAuthorizeInstrumentRequest{RequestId: namedID(call).String(), InstrumentId: namedID("card").String(), Amount: "100", Currency: "USD"}
	}
	call, err := newCall(methodPreAuthorize, req("made before"))
	if err != nil {
		t.Fatal(err)
	}
	call.Subject = kept.ID()
	b.change(&store.Change{Instruments: []store.Instrument{card("card"), cash}, Put: []store.Authorization{kept}, Call: &call})
	client := b.customer(cashier)
	for _, tt := range []struct {
		name   string
		change func(*customerv1.PreAuthorizeInstrumentRequest)
		code   codes.Code
		reason string
	}{
		{"offline", nil, codes.Unavailable, "OFFLINE"},
		{"nothing", func(r *customerv1.PreAuthorizeInstrumentRequest) { r.Amount = "0.00" }, codes.InvalidArgument, "AMOUNT_RANGE"},
		{"no number", func(r *customerv1.PreAuthorizeInstrumentRequest) { r.Amount = "a lot" }, codes.InvalidArgument, "AMOUNT_SYNTAX"},
		{"no such currency", func(r *customerv1.PreAuthorizeInstrumentRequest) { r.Currency = "DM" }, codes.InvalidArgument, "CURRENCY_UNKNOWN"},
		{"another currency", func(r *customerv1.PreAuthorizeInstrumentRequest) { r.Currency = "EUR" }, codes.FailedPrecondition, "CURRENCY_MISMATCH"},
		{"no such instrument", func(r *customerv1.PreAuthorizeInstrumentRequest) { r.InstrumentId = namedID("none").String() },
			codes.NotFound, "INSTRUMENT_NOT_FOUND"},
		{"not capable", func(r *customerv1.PreAuthorizeInstrumentRequest) { r.InstrumentId = cash.ID.String() }, codes.FailedPrecondition, "NOT_PREAUTH_CAPABLE"},
		{"id used for more", func(r *customerv1.PreAuthorizeInstrumentRequest) {
			r.RequestId, r.Amount = namedID("made before").String(), "101"
		}, codes.AlreadyExists, "REQUEST_ID_REUSED"},
	} {
		r := req(tt.name)
		if tt.change != nil {
			tt.change(r)
		}
		_, err := client.PreAuthorizeInstrument(t.Context(), r)
		wantStatus(t, tt.name, err, tt.code, tt.reason)
		if _, retry := detailOf[*errdetails.RetryInfo](err); retry != (tt.code == codes.Unavailable) {
			t.Errorf("%s: says when to retry: %v", tt.name, retry)
		}
	}
	// What was done before is answered with no network.
	resp, err := client.PreAuthorizeInstrument(t.Context(), req("made before"))
	if a := resp.GetAuthorization(); err != nil || a.GetPreAuthorizationId() != kept.ID().String() || a.GetRemaining() != "100.00" ||
		a.GetStatus() != customerv1.VipasoPreAuthorizationStatus_VIPASO_PRE_AUTHORIZATION_STATUS_AVAILABLE {
		t.Errorf("made before: %v %v", a, err)
	}
}

func TestPreAuthorizeNeedsAnEnrollment(t *testing.T) {
	_, err := newBench(t, asCustomer, notEnrolled).customer(cashier).PreAuthorizeInstrument(t.Context(), &customerv1.PreAuthorizeInstrumentRequest{
		RequestId: namedID("call").String(), InstrumentId: namedID("card").String(), Amount: "100", Currency: "USD",
	})
	wantStatus(t, "call", err, codes.FailedPrecondition, "NOT_ENROLLED")
}

func TestVoidPreAuthorization(t *testing.T) {
	b := newBench(t, asCustomer, nil)
	live, gone := setAside(t, b, "live", namedID("card"), nil), setAside(t, b, "gone", namedID("card"), func(c *peerv1.PreauthCert) { c.Serial = 2 })
	gone.Voided = true
	b.change(&store.Change{Put: []store.Authorization{live, gone}})
	client := b.customer(cashier)
	void := func(name string) (*customerv1.PreAuthorization, error) {
		resp, err := client.VoidPreAuthorization(t.Context(), &customerv1.VoidPreAuthorizationRequest{
			RequestId: namedID("void " + name).String(), PreAuthorizationId: namedID(name).String(),
		})
		return resp.GetAuthorization(), err
	}
	_, err := void("none")
	wantStatus(t, "no such", err, codes.NotFound, "PREAUTH_NOT_FOUND")
	_, err = void("live")
	wantStatus(t, "with no network", err, codes.Unavailable, "OFFLINE")
	a, err := void("gone")
	if err != nil || a.GetStatus() != customerv1.VipasoPreAuthorizationStatus_VIPASO_PRE_AUTHORIZATION_STATUS_VOIDED {
		t.Errorf("voided before: %v %v", a, err)
	}
	if row, err := b.store.Authorization(t.Context(), live.ID()); err != nil || row.Voided {
		t.Errorf("what the issuer does not know of was voided: %v", err)
	}
}

func TestListInstruments(t *testing.T) {
	b := newBench(t, asCustomer, nil)
	zebra, apple := card("zebra"), card("apple")
	zebra.Delegated = true
	one := setAside(t, b, "one", apple.ID, nil)
	two := setAside(t, b, "two", apple.ID, func(c *peerv1.PreauthCert) { c.Serial, c.Limit = 2, 30_00 })
	void := setAside(t, b, "void", apple.ID, func(c *peerv1.PreauthCert) { c.Serial = 3 })
	void.Voided = true
	b.change(&store.Change{Instruments: []store.Instrument{zebra, apple}, Put: []store.Authorization{one, two, void}})
	resp, err := b.customer(observer).ListInstruments(t.Context(), &customerv1.ListInstrumentsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	list := resp.GetInstruments()
	if len(list) != 2 || list[0].GetLabel() != "apple" || list[1].GetLabel() != "zebra" {
		t.Fatalf("not both, by label: %v", list)
	}
	if a := list[0]; len(a.GetPreAuthorizations()) != 3 || a.GetPreAuthorizations()[0].GetPreAuthorizationId() != void.ID().String() ||
		a.GetPreAuthorizations()[2].GetPreAuthorizationId() != one.ID().String() || a.GetPreAuthorizedAmount() != "130.00" || a.GetLargestPayment() != "50.00" ||
		a.GetType() != customerv1.InstrumentType_INSTRUMENT_TYPE_CARD || a.GetBalance() != "500.00" || !a.GetPreAuthCapable() {
		t.Errorf("%v", a)
	}
	if z := list[1]; !z.GetIsDelegated() || z.GetPreAuthorizedAmount() != "0.00" || z.GetLargestPayment() != "0.00" {
		t.Errorf("%v", z)
	}
}

// A watcher gets the list, then each one that differs, also when it is only
// that the time of a pre-authorization has come.
func TestWatchInstruments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asCustomer, nil)
		ctx, cancel := context.WithCancel(t.Context())
		stream, err := b.customer(observer).WatchInstruments(ctx, &customerv1.WatchInstrumentsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		lists := make(chan []*customerv1.Instrument, 16)
		go func() {
			defer close(lists)
			for {
				m, err := stream.Recv()
				if err != nil {
					return
				}
				lists <- m.GetInstruments()
			}
		}()
		next := func(want int) []*customerv1.Instrument {
			t.Helper()
			synctest.Wait()
			if len(lists) != want {
				t.Fatalf("%d lists came, want %d", len(lists), want)
			}
			if want == 0 {
				return nil
			}
			return <-lists
		}
		if first := next(1); len(first) != 0 {
			t.Errorf("snapshot %v", first)
		}
		b.change(&store.Change{Instruments: []store.Instrument{card("card")}})
		if l := next(1); len(l) != 1 || l[0].GetPreAuthorizedAmount() != "0.00" {
			t.Errorf("with a card: %v", l)
		}
		b.ask("something else")
		b.changed.fire()
		next(0)
		b.change(&store.Change{Put: []store.Authorization{setAside(t, b, "kept", namedID("card"), nil)}})
		if l := next(1); l[0].GetPreAuthorizedAmount() != "100.00" {
			t.Errorf("with funds set aside: %v", l)
		}
		<-time.After(24*time.Hour - time.Second)
		next(0)
		<-time.After(time.Second)
		if l := next(1); l[0].GetPreAuthorizedAmount() != "0.00" ||
			l[0].GetPreAuthorizations()[0].GetStatus() != customerv1.VipasoPreAuthorizationStatus_VIPASO_PRE_AUTHORIZATION_STATUS_EXPIRED {
			t.Errorf("a day later: %v", l)
		}
		cancel()
		for range lists {
			t.Error("a list came after the end")
		}
	})
}
