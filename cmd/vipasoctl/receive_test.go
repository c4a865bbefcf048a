package main

import (
	"errors"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	customerv1 "github.com/vipaso/vipasod/proto/vipaso/customer/v1"
	devicev1 "github.com/vipaso/vipasod/proto/vipaso/device/v1"
	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
)

// receiver is a fake customer's daemon.
func receiver(t *testing.T) *fake {
	f := newFake(t)
	f.answer("GetStatus", customerDevice())
	f.answer("ListInstruments", instruments())
	f.answer("AcceptPayment", &customerv1.AcceptPaymentResponse{Payment: paid(paymentv1.PaymentState_PAYMENT_STATE_AUTHORIZED)})
	return f
}

// events sends these and then stays silent.
func events(list ...*paymentv1.Event) handler {
	return func(c *call) error {
		for _, e := range list {
			if err := c.send(&customerv1.ReceivePaymentRequestsViaBleResponse{Event: e}); err != nil {
				return err
			}
		}
		<-c.ctx.Done()
		return c.ctx.Err()
	}
}

// eventually waits for what another goroutine will make true.
func eventually(t *testing.T, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for late := time.After(patience); !ok(); {
		select {
		case <-tick.C:
		case <-late:
			t.Fatal("it never came true")
		}
	}
}

func received(m proto.Message) *customerv1.ReceivePaymentRequestsViaBleRequest {
	return m.(*customerv1.ReceivePaymentRequestsViaBleRequest)
}

// TestReceive: each event at once, until ^C.
func TestReceive(t *testing.T) {
	f := receiver(t)
	f.on("ReceivePaymentRequestsViaBle", events(requested(6), successful(7)))
	s := f.begin("pay", "receive", "--json", "--tag", otherID)
	if line := s.line(); !strings.HasPrefix(line, `{"sequence":"6","time":"2026-11-02T12:00:00Z","payment_request_received":{"payment_id":"`+paymentID+`","amount":"12.00",`) {
		t.Errorf("first line %s", line)
	}
	if line := s.line(); !strings.Contains(line, `"payment_successful":{`) {
		t.Errorf("second line %s", line)
	}
	s.stop()
	if code := s.end(); code != 0 || s.messages() != "" {
		t.Errorf("exit %d, stderr %q", code, s.messages())
	}
	req := received(f.last("ReceivePaymentRequestsViaBle"))
	if req.GetSession() != customerv1.SessionMode_SESSION_MODE_CONTINUOUS || req.GetTagId() != otherID || req.AfterSequence != nil {
		t.Errorf("asked %v", req)
	}
}

// TestReceiveSingle: it ends when the payment has, and says how.
func TestReceiveSingle(t *testing.T) {
	tests := []struct {
		name   string
		events []*paymentv1.Event
		want   int
	}{
		{"paid", []*paymentv1.Event{requested(6), successful(7)}, 0},
		{"unconfirmed, then paid", []*paymentv1.Event{requested(6), unconfirmed(7), successful(8)}, 0},
		{"cancelled", []*paymentv1.Event{requested(6), cancelledEvent(7)}, 1},
		{"another paid", []*paymentv1.Event{requested(6), otherPaid(7)}, 1},
		{"failed", []*paymentv1.Event{requested(6), failedEvent(7, paymentID)}, 1},
		{"rejected", []*paymentv1.Event{unconfirmed(6), rejected(7, paymentID)}, 1},
		{"a session that failed before a request is no payment", []*paymentv1.Event{failedEvent(6, ""), requested(7), successful(8)}, 0},
		{"a verdict on an earlier payment is no end", []*paymentv1.Event{rejected(6, otherID), requested(7), successful(8)}, 0},
	}
	for _, test := range tests {
		f := receiver(t)
		f.on("ReceivePaymentRequestsViaBle", events(test.events...))
		got := f.run("pay", "receive", "--single", "--json")
		if got.code != test.want || strings.Count(got.stdout, "\n") != len(test.events) {
			t.Errorf("%s: exit %d, want %d; stdout\n%s", test.name, got.code, test.want, got.stdout)
		}
		if req := received(f.last("ReceivePaymentRequestsViaBle")); req.GetSession() != customerv1.SessionMode_SESSION_MODE_SINGLE {
			t.Errorf("%s: asked %v", test.name, req)
		}
	}
}

// TestReceiveSingleEndedByDaemon: the daemon may end the session itself.
func TestReceiveSingleEndedByDaemon(t *testing.T) {
	f := receiver(t)
	f.answer("ReceivePaymentRequestsViaBle", &customerv1.ReceivePaymentRequestsViaBleResponse{Event: requested(6)})
	if got := f.run("pay", "receive", "--single", "--json"); got.code != 1 {
		t.Errorf("%+v", got)
	}
}

// TestReceiveSingleStopped: ^C before the end is not success.
func TestReceiveSingleStopped(t *testing.T) {
	f := receiver(t)
	f.on("ReceivePaymentRequestsViaBle", events(requested(6)))
	s := f.begin("pay", "receive", "--single", "--json")
	s.line()
	s.stop()
	if code := s.end(); code != 1 {
		t.Errorf("exit %d", code)
	}
}

// TestReceiveRestart: it goes on after the last event it printed, or after
// the last that there was when it began.
func TestReceiveRestart(t *testing.T) {
	for _, seen := range []bool{true, false} {
		f := receiver(t)
		first, want := events(), uint64(5)
		if seen {
			first, want = events(requested(6)), 6
		}
		open := make(chan struct{}, 1)
		f.on("ReceivePaymentRequestsViaBle", func(c *call) error { open <- struct{}{}; return first(c) })
		s := f.begin("pay", "receive", "--single", "--json")
		await(t, open)
		if seen {
			s.line()
		}
		f.stop()
		f.on("ReceivePaymentRequestsViaBle", events(successful(9)))
		f.start()
		if line := s.line(); !strings.Contains(line, `"sequence":"9"`) {
			t.Errorf("after the restart: %s", line)
		}
		if code := s.end(); code != 0 {
			t.Errorf("exit %d, stderr %q", code, s.messages())
		}
		req := received(f.last("ReceivePaymentRequestsViaBle"))
		if req.AfterSequence == nil || req.GetAfterSequence() != want {
			t.Errorf("went on after %v, want %d", req.AfterSequence, want)
		}
	}
}

// TestReceiveEndedByDaemon: a stream that was ended because we were slow, or
// because the daemon stops, goes on; one that cannot go on starts anew.
func TestReceiveEndedByDaemon(t *testing.T) {
	tests := []struct {
		end  error
		goes bool // on after the last event
	}{
		{failure("RESOURCE_EXHAUSTED", "WATCH_BEHIND", "too slow"), true},
		{failure("OUT_OF_RANGE", "WATCH_EXPIRED", "gone"), false},
		{failure("CANCELLED", "", "stopping"), true},
		{nil, true},
	}
	for _, test := range tests {
		f := receiver(t)
		first := true
		f.on("ReceivePaymentRequestsViaBle", func(c *call) error {
			if first {
				first = false
				return errors.Join(c.send(&customerv1.ReceivePaymentRequestsViaBleResponse{Event: requested(6)}), test.end)
			}
			return events(successful(9))(c)
		})
		s := f.begin("pay", "receive", "--json")
		s.line()
		if line := s.line(); !strings.Contains(line, `"sequence":"9"`) {
			t.Errorf("%v: then %s", test.end, line)
		}
		s.stop()
		if code := s.end(); code != 0 || s.messages() == "" {
			t.Errorf("%v: exit %d, stderr %q", test.end, code, s.messages())
		}
		if req := received(f.last("ReceivePaymentRequestsViaBle")); (req.AfterSequence != nil) != test.goes {
			t.Errorf("%v: asked %v", test.end, req)
		}
	}
}

// TestReceiveRefused: an answer of the daemon is not waited out.
func TestReceiveRefused(t *testing.T) {
	f := receiver(t)
	f.fail("ReceivePaymentRequestsViaBle", failure("FAILED_PRECONDITION", "WRONG_ROLE", "this is a till"))
	for _, args := range []string{"pay receive", "pay receive --single"} {
		if got := f.run(strings.Fields(args)...); got.code != 5 || !strings.Contains(got.stderr, "WRONG_ROLE") {
			t.Errorf("%s: %+v", args, got)
		}
	}
}

// TestListen: every event, or some, and on after a restart.
func TestListen(t *testing.T) {
	f := newFake(t)
	f.answer("GetStatus", customerDevice()) // which has had five events
	f.on("WatchEvents", func(c *call) error {
		for _, e := range []*paymentv1.Event{requested(6), cancelledEvent(7), successful(8)} {
			if err := c.send(&devicev1.WatchEventsResponse{Event: e}); err != nil {
				return err
			}
		}
		<-c.ctx.Done()
		return c.ctx.Err()
	})
	s := f.begin("listen", "--after", "5", "--types", "PaymentSuccessful,payment_failed")
	if line := s.line(); line != "12:00:00  #8  payment successful  12.00 USD  tip 1.00  PROVISIONAL  payment "+paymentID {
		t.Errorf("line %q", line)
	}
	f.stop()
	f.on("WatchEvents", func(c *call) error {
		if err := c.send(&devicev1.WatchEventsResponse{Event: failedEvent(9, "")}); err != nil {
			return err
		}
		<-c.ctx.Done()
		return c.ctx.Err()
	})
	f.start()
	if line := s.line(); line != "12:00:00  #9  payment failed  LINK_LOST  Wait for a new request." {
		t.Errorf("line %q", line)
	}
	if got := f.last("WatchEvents").(*devicev1.WatchEventsRequest).GetAfterSequence(); got != 8 {
		t.Errorf("went on after %d, want 8", got)
	}
	s.stop()
	if code := s.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
}

// TestListenBeyond: a number that the device has not had is an error, rather
// than everything from the start.
func TestListenBeyond(t *testing.T) {
	f := answering(t)
	f.answer("GetStatus", customerDevice())
	got := f.run("listen", "--after", "6")
	if got.code != 5 || got.stdout != "" || !strings.Contains(got.stderr, "WATCH_EXPIRED: event 6, the last one is 5\n") || f.last("WatchEvents") != nil {
		t.Errorf("%+v", got)
	}
}

// TestStatusWatch: each status, until ^C.
func TestStatusWatch(t *testing.T) {
	f := newFake(t)
	f.on("WatchStatus", func(c *call) error {
		for range 2 {
			if err := c.send(&devicev1.WatchStatusResponse{Status: offlineTill().GetStatus()}); err != nil {
				return err
			}
		}
		<-c.ctx.Done()
		return c.ctx.Err()
	})
	s := f.begin("status", "--watch", "--json")
	if first := s.line(); first != s.line() || !strings.HasPrefix(first, `{"version":"0.3.0",`) {
		t.Errorf("line %s", first)
	}
	s.stop()
	if code := s.end(); code != 0 {
		t.Errorf("exit %d", code)
	}
}
