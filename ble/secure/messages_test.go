package secure

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/sim"
)

func TestMessages(t *testing.T) {
	for _, cond := range []sim.Conditions{
		{},
		{Interval: 15 * time.Millisecond},
		{Interval: 30 * time.Millisecond, LossPerMille: 300, Latency: 40 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%+v", cond), func(t *testing.T) {
			play(t, cond, func(s *scene) {
				till, customer := s.established()
				var wg sync.WaitGroup
				for _, p := range []struct{ from, to *Session }{{till, customer}, {customer, till}} {
					wg.Go(func() {
						for i := range 20 {
							if err := p.from.Send(s.ctx, Type(1+i%9), body(i)); err != nil {
								s.Error(err)
							}
						}
					})
					wg.Go(func() {
						for i := range 20 {
							typ, got, err := p.to.Receive(s.ctx)
							if err != nil || typ != Type(1+i%9) || !bytes.Equal(got, body(i)) {
								s.Errorf("message %d: %s of %d bytes, %v", i, typ, len(got), err)
								return
							}
						}
					})
				}
				wg.Wait()
			})
		})
	}
}

// body returns the body of message i; lengths go up to the limit.
func body(i int) []byte { return bytes.Repeat([]byte{byte(i)}, i*BodyMax/19) }

func TestConcurrentSend(t *testing.T) {
	play(t, sim.Conditions{Interval: 15 * time.Millisecond}, func(s *scene) {
		till, customer := s.established()
		const senders, each = 8, 5
		var wg sync.WaitGroup
		for i := range senders {
			wg.Go(func() {
				for range each {
					if err := till.Send(s.ctx, Pending, bytes.Repeat([]byte{byte(i)}, 300)); err != nil {
						s.Error(err)
					}
				}
			})
		}
		counts := map[byte]int{}
		for range senders * each {
			_, got, err := customer.Receive(s.ctx)
			s.ok(err)
			if !bytes.Equal(got, bytes.Repeat(got[:1], 300)) {
				s.Fatal("messages are mixed up")
			}
			counts[got[0]]++
		}
		wg.Wait()
		for i := range byte(senders) {
			if counts[i] != each {
				s.Errorf("%d messages of sender %d", counts[i], i)
			}
		}
	})
}

func TestCounters(t *testing.T) {
	play(t, sim.Conditions{}, func(s *scene) {
		till, customer := s.established()
		before := till.Counters().Frames
		s.ok(customer.Send(s.ctx, Payment, make([]byte, 700)))
		_, _, err := till.Receive(s.ctx)
		s.ok(err)
		s.ok(till.Send(s.ctx, Receipt, make([]byte, 150)))
		_, _, err = customer.Receive(s.ctx)
		s.ok(err)
		synctest.Wait()
		n := till.Counters()
		if n.MessagesSent != 1 || n.MessagesReceived != 1 || n.BytesSent != 151 || n.BytesReceived != 701 {
			s.Errorf("counters %+v", n)
		}
		sent, acks := n.Frames.Sent-before.Sent, n.Frames.AcksSent-before.AcksSent
		if sent-acks != 1 || n.Frames.Received-before.Received-(n.Frames.AcksReceived-before.AcksReceived) != 3 {
			s.Errorf("a payment of 3 pieces and a receipt of 1 took frames %+v, before %+v", n.Frames, before)
		}
	})
}

func TestSendRefuses(t *testing.T) {
	play(t, sim.Conditions{}, func(s *scene) {
		till, customer := s.established()
		s.is(till.Send(s.ctx, Request, make([]byte, BodyMax+1)), link.ErrTooLong, "long body")
		s.is(till.Send(s.ctx, 0, nil), ErrProtocol, "type 0")
		s.is(till.Send(s.ctx, Unknown+1, nil), ErrProtocol, "type 10")
		cancelled, cancel := context.WithCancel(s.ctx)
		cancel()
		if _, _, err := customer.Receive(cancelled); !errors.Is(err, context.Canceled) {
			s.Errorf("receive: %v", err)
		}
		s.ok(till.Send(s.ctx, Request, nil))
		typ, got, err := customer.Receive(s.ctx)
		if err != nil || typ != Request || len(got) != 0 {
			s.Errorf("%s %x %v", typ, got, err)
		}
	})
}

func TestClose(t *testing.T) {
	play(t, sim.Conditions{Interval: 15 * time.Millisecond}, func(s *scene) {
		till, customer := s.established()
		s.ok(till.Send(s.ctx, Receipt, []byte("last words")))
		start := time.Now()
		s.ok(till.Close(CloseBusy))
		if took := time.Since(start); took > 100*time.Millisecond {
			s.Errorf("close took %s", took)
		}
		if _, got, err := customer.Receive(s.ctx); err != nil || string(got) != "last words" {
			s.Errorf("%q, %v", got, err)
		}
		_, _, err := customer.Receive(s.ctx)
		var peer *PeerError
		if !errors.As(err, &peer) || peer.Close != CloseBusy || !errors.Is(err, link.ErrLost) {
			s.Errorf("after the close: %v", err)
		}
		s.is(till.Send(s.ctx, Receipt, nil), link.ErrClosed, "send after close")
		_, _, err = till.Receive(s.ctx)
		s.is(err, link.ErrClosed, "receive after close")
		<-customer.Done()
		s.is(customer.Err(), link.ErrLost, "customer")
	})
}

func TestLinkLost(t *testing.T) {
	play(t, sim.Conditions{}, func(s *scene) {
		till, customer := s.established()
		s.air.DropLinks()
		for _, side := range []*Session{till, customer} {
			_, _, err := side.Receive(s.ctx)
			s.is(err, link.ErrLost, "receive")
			s.is(side.Send(s.ctx, Request, nil), link.ErrLost, "send")
		}
	})
}

func TestIdle(t *testing.T) {
	play(t, sim.Conditions{Interval: 15 * time.Millisecond}, func(s *scene) {
		till, customer := s.established()
		<-time.After(10 * time.Minute) // virtual: pings keep the session
		s.ok(till.Send(s.ctx, Request, []byte("still there")))
		if _, got, err := customer.Receive(s.ctx); err != nil || string(got) != "still there" {
			s.Errorf("%q, %v", got, err)
		}
	})
	// A peer that is linked but silent: nobody runs its side any more.
	play(t, sim.Conditions{}, func(s *scene) {
		w, err := newWire(s.tillLink, Ours)
		s.ok(err)
		start := time.Now()
		<-w.ctx.Done()
		s.is(w.cause(), link.ErrLost, "silent peer")
		if took := time.Since(start); took != idleLimit {
			s.Errorf("given up after %s", took)
		}
		w.close(CloseDone)
	})
}

// TestSmallWindow talks to a customer that can take one frame at a time.
func TestSmallWindow(t *testing.T) {
	small := link.Limits{VersionMin: 1, VersionMax: 1, Window: 1, MessageMax: 4096}.Encode()
	playWith(t, sim.Conditions{Interval: 15 * time.Millisecond}, small, func(s *scene) {
		till, customer := s.established()
		start := time.Now()
		s.ok(till.Send(s.ctx, Request, make([]byte, 900)))
		if _, got, err := customer.Receive(s.ctx); err != nil || len(got) != 900 {
			s.Errorf("%d bytes, %v", len(got), err)
		}
		// Four pieces: three wait for the acknowledgement of the one before.
		if took := time.Since(start); took < 3*ackDelay {
			s.Errorf("four frames took %s: more than one was under way", took)
		}
	})
}
