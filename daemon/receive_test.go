package daemon

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// happen stores events and publishes them, as a step does.
func (b *bench) happen(events ...*paymentv1.Event) {
	b.t.Helper()
	b.change(&store.Change{Events: events})
}

func cancelledEvent(name string) *paymentv1.Event {
	return commonEvent(namedID(name), payment.Note{Kind: payment.NoteCancelled, Reason: "USER"})
}

// receiving is a stream of a customer's payment events, and what has come.
type receiving struct {
	t      *testing.T
	stream customerv1.CustomerService_ReceivePaymentRequestsViaBleClient
	came   chan string // sequence and kind of each event, then the end
	err    error       // the end, once came is closed
}

func receive(t *testing.T, ctx context.Context, c customerv1.CustomerServiceClient, req *customerv1.ReceivePaymentRequestsViaBleRequest) *receiving {
	t.Helper()
	stream, err := c.ReceivePaymentRequestsViaBle(ctx, req)
	if err != nil {
		t.Fatal(err)
	}
	r := &receiving{t: t, stream: stream, came: make(chan string, 64)}
	go func() {
		defer close(r.came)
		for {
			m, err := stream.Recv()
			if err != nil {
				r.err = err
				return
			}
			r.came <- eventText(m.GetEvent())
		}
	}()
	return r
}

// eventText is an event's number and kind.
func eventText(e *paymentv1.Event) string {
	m := e.ProtoReflect()
	return fmt.Sprint(e.GetSequence(), " ", m.WhichOneof(m.Descriptor().Oneofs().ByName("event")).Name())
}

// wants checks that exactly these events have come.
func (r *receiving) wants(want ...string) {
	r.t.Helper()
	synctest.Wait()
	var got []string
	for len(r.came) > 0 {
		got = append(got, <-r.came)
	}
	if !slices.Equal(got, want) {
		r.t.Errorf("came %q, want %q", got, want)
	}
}

// ended waits for the end of the stream and returns it.
func (r *receiving) ended() error {
	r.t.Helper()
	for e := range r.came {
		r.t.Errorf("%s came as well", e)
	}
	return r.err
}

func from(n uint64) *customerv1.ReceivePaymentRequestsViaBleRequest {
	return &customerv1.ReceivePaymentRequestsViaBleRequest{AfterSequence: &n}
}

// The device is discoverable exactly while a stream lasts, and the caller
// knows at once that it is.
func TestReceiveListensWhileItLasts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asCustomer, nil).run()
		client, tag := b.customer(cashier), namedID("tag")
		ctx, cancel := context.WithCancel(t.Context())
		r := receive(t, ctx, client, &customerv1.ReceivePaymentRequestsViaBleRequest{TagId: tag.String()})
		if _, err := r.stream.Header(); err != nil {
			t.Fatalf("no headers before the first event: %v", err)
		}
		if !b.wallet.listening() || !slices.Equal(b.wallet.purposes(t.Context()), []purpose{{listen: true, tag: tag}}) {
			t.Error("not listening for the tag")
		}
		synctest.Wait()
		b.radio.mu.Lock()
		on := b.radio.told.On
		b.radio.mu.Unlock()
		if !on {
			t.Error("the radio does not advertise")
		}
		two, leave := context.WithCancel(t.Context())
		second := receive(t, two, client, &customerv1.ReceivePaymentRequestsViaBleRequest{})
		synctest.Wait()
		cancel()
		if err := r.ended(); err == nil {
			t.Error("ended in good order")
		}
		synctest.Wait()
		if !b.wallet.listening() {
			t.Error("the end of one stream has silenced the other")
		}
		leave()
		_ = second.ended()
		synctest.Wait()
		if b.wallet.listening() {
			t.Error("still listening for nobody")
		}
	})
}

// Without a number the stream begins with the requests that can still be
// answered or are being answered, under their own numbers.
func TestReceiveStartsWithWhatIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asCustomer, nil)
		b.ask("open") // 1
		b.step(b.ask("declined"), payment.CustomerInput{Event: payment.Decline})
		b.charge(b.ask("accepted"))                                                           // 4, 5
		b.step(b.charge(b.ask("paid")), payment.CustomerInput{Event: payment.ReceiptSettled}) // 6, 7, 8, 9
		r := receive(t, t.Context(), b.customer(cashier), &customerv1.ReceivePaymentRequestsViaBleRequest{})
		r.wants("1 payment_request_received", "4 payment_request_received")
		b.happen(deviceEvent("INSTRUMENTS_CHANGED", ""), cancelledEvent("open"))
		b.ask("next")
		r.wants("11 payment_cancelled", "12 payment_request_received")
	})
}

// A till that asked again is shown once, by its newest request; what comes
// after the number at which the stream goes on is left to the stream.
func TestReceiveStartsWithTheNewestRequest(t *testing.T) {
	b := newBench(t, asCustomer, nil)
	first := b.ask("p") // 1
	next, _, err := first.Attempt.Step(payment.CustomerInput{Event: payment.Supersede}, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	first.Attempt = next
	second := requested(t, "p")
	second.Request = namedHash("asked again")
	b.change(&store.Change{
		Attempts: []store.Attempt{first, second},
		Events:   attemptEvents(second, []payment.Note{{Kind: payment.NoteRequestReceived}}), // 2
	})
	service := newCustomerService(b.Device)
	for head, want := range []string{0: "[]", 1: "[1 payment_request_received]", 2: "[2 payment_request_received]"} {
		open, err := service.openRequests(t.Context(), uint64(head))
		if err != nil {
			t.Fatal(err)
		}
		got := []string{}
		for _, e := range open {
			got = append(got, eventText(e))
		}
		if fmt.Sprint(got) != want {
			t.Errorf("up to %d: %q, want %s", head, got, want)
		}
	}
}

// With a number it resumes exactly there, from the log, with the customer's
// payment events and no others.
func TestReceiveResumes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asCustomer, nil)
		p := namedID("p")
		for _, k := range []payment.NoteKind{
			payment.NoteCancelled, payment.NoteAnotherUserPaid, payment.NoteFailed, payment.NoteRejected, payment.NoteDisconnected,
			payment.NoteDeclined, payment.NoteAwaiting,
		} {
			b.happen(commonEvent(p, payment.Note{Kind: k}))
		}
		a := b.charge(b.ask("q"))                                       // 8, 9
		a = b.step(a, payment.CustomerInput{Event: payment.LinkLost})   // 10, 11
		b.step(a, payment.CustomerInput{Event: payment.ReceiptSettled}) // 12, 13
		b.happen(preauthEvent(p, preauth.Available))                    // 14
		client := b.customer(cashier)
		all := []string{
			"1 payment_cancelled", "2 another_user_paid", "3 payment_failed", "4 payment_rejected", "5 disconnected",
			"8 payment_request_received", "10 payment_unconfirmed", "11 disconnected", "12 payment_successful", "13 payment_settled",
		}
		receive(t, t.Context(), client, from(0)).wants(all...)
		receive(t, t.Context(), client, from(2)).wants(all[2:]...)
		receive(t, t.Context(), client, from(6)).wants(all[5:]...)
		last := receive(t, t.Context(), client, from(14))
		last.wants()
		b.happen(cancelledEvent("p"))
		last.wants("15 payment_cancelled")
		wantStatus(t, "after a number never given out", receive(t, t.Context(), client, from(16)).ended(), codes.OutOfRange, "WATCH_EXPIRED")
	})
}

// SINGLE ends with the first payment that ends; CONTINUOUS goes on.
func TestReceiveSingle(t *testing.T) {
	for _, tt := range []struct {
		kind payment.NoteKind
		ends bool
	}{
		{payment.NoteCancelled, true}, {payment.NoteAnotherUserPaid, true}, {payment.NoteFailed, true}, {payment.NoteSuccessful, true},
		{payment.NoteDisconnected, false}, {payment.NoteUnconfirmed, false}, {payment.NoteRejected, false}, {payment.NoteSettled, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, asCustomer, nil)
			client := b.customer(cashier)
			one := receive(t, t.Context(), client, &customerv1.ReceivePaymentRequestsViaBleRequest{Session: customerv1.SessionMode_SESSION_MODE_SINGLE})
			many := receive(t, t.Context(), client, &customerv1.ReceivePaymentRequestsViaBleRequest{Session: customerv1.SessionMode_SESSION_MODE_CONTINUOUS})
			synctest.Wait()
			b.happen(&paymentv1.Event{Event: &paymentv1.Event_PaymentFailed{PaymentFailed: paymentFailed("", "HANDSHAKE_FAILED")}})
			one.wants("1 payment_failed")
			many.wants("1 payment_failed")
			b.happen(attemptEvents(requested(t, "p"), []payment.Note{{Kind: tt.kind}})...)
			b.ask("next")
			synctest.Wait()
			if first := <-one.came; !strings.HasPrefix(first, "2 ") {
				t.Errorf("%s: came %s", tt.kind, first)
			}
			if tt.ends {
				if err := one.ended(); err != io.EOF {
					t.Errorf("%s: ended with %v", tt.kind, err)
				}
			} else {
				one.wants("3 payment_request_received")
			}
			<-many.came
			many.wants("3 payment_request_received")
		})
	}
}

// A client that does not read delays no step, and is ended when it is too far
// behind. It can then resume where it stopped.
func TestReceiveEndsASlowClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asCustomer, nil)
		client := b.customer(cashier)
		stream, err := client.ReceivePaymentRequestsViaBle(t.Context(), &customerv1.ReceivePaymentRequestsViaBleRequest{})
		if err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // it has caught up and follows
		flood := make([]*paymentv1.Event, behindMax+1000)
		for i := range flood {
			flood[i] = commonEvent(namedID("p"), payment.Note{Kind: payment.NoteDisconnected, Reason: strings.Repeat("x", 500)})
		}
		b.happen(flood[:500]...) // more than a connection holds
		synctest.Wait()
		b.happen(flood[500:]...)
		last := uint64(0)
		for err == nil {
			var m *customerv1.ReceivePaymentRequestsViaBleResponse
			if m, err = stream.Recv(); err == nil {
				if s := m.GetEvent().GetSequence(); s != last+1 {
					t.Fatalf("event %d after %d", s, last)
				}
				last++
			}
		}
		wantStatus(t, "after the flood", err, codes.ResourceExhausted, "WATCH_BEHIND")
		if last >= uint64(len(flood)) {
			t.Fatalf("all %d events came", last)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		again, err := client.ReceivePaymentRequestsViaBle(ctx, from(last))
		if err != nil {
			t.Fatal(err)
		}
		for ; last < uint64(len(flood)); last++ {
			if m, err := again.Recv(); err != nil || m.GetEvent().GetSequence() != last+1 {
				t.Fatalf("resumed after %d: %v %v", last, m, err)
			}
		}
	})
}

func TestReceiveWhereNobodyCouldBeFound(t *testing.T) {
	for reason, change := range map[string]func(*Options, *papers){
		"NOT_ENROLLED":           notEnrolled,
		"ADAPTER_NOT_CONFIGURED": func(o *Options, _ *papers) { o.Radio, o.RadioReason = nil, "ADAPTER_NOT_CONFIGURED" },
	} {
		stream, err := newBench(t, asCustomer, change).customer(cashier).ReceivePaymentRequestsViaBle(t.Context(), &customerv1.ReceivePaymentRequestsViaBleRequest{})
		if err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		wantStatus(t, "stream", err, codes.FailedPrecondition, reason)
	}
}
