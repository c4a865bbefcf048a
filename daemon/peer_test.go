package daemon

import (
	"bytes"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/curve25519"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/ble/sim"
	"github.com/vipaso/vipasod/daemon/payment"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// sessions returns both ends of a session, of parties that trust anybody.
func sessions(t *testing.T) (till, customer *secure.Session) {
	t.Helper()
	air := sim.NewAir(1, sim.Conditions{})
	t.Cleanup(func() { air.Close() })
	central, peripheral := air.Join("till"), air.Join("customer")
	beacon, read := link.Beacon{Version: secure.VersionMax, BaseHandle: link.DefaultBaseHandle}.Encode(), readValue()
	must(t, peripheral.Advertise(t.Context(), link.Advertisement{On: true, ServiceData: beacon, ReadValue: read}))
	must(t, central.Scan(t.Context(), true))
	seen, err := central.NextSighting(t.Context())
	must(t, err)
	to, err := central.Dial(t.Context(), seen.Address, false)
	must(t, err)
	from, err := peripheral.Accept(t.Context())
	must(t, err)
	var both sync.WaitGroup
	var errTill, errCustomer error
	both.Go(func() {
		till, errTill = secure.Initiate(t.Context(), to, anybody(t, 1), secure.Initiator{Advertisement: seen.ServiceData})
	})
	both.Go(func() {
		customer, errCustomer = secure.Respond(t.Context(), from, anybody(t, 2), secure.Responder{
			RecentAdvertisement: func([]byte) bool { return true }, ReadValue: read,
		})
	})
	both.Wait()
	must(t, errors.Join(errTill, errCustomer))
	return till, customer
}

// anybody is a party whose certificate is nothing but its key.
func anybody(t *testing.T, secret byte) secure.Local {
	l := secure.Local{NoiseKey: [32]byte(bytes.Repeat([]byte{secret}, 32))}
	public, err := curve25519.X25519(l.NoiseKey[:], curve25519.Basepoint)
	must(t, err)
	l.DeviceCert = public
	l.VerifyPeer = func(cert []byte) ([32]byte, error) { return [32]byte(cert), nil }
	return l
}

// wantClosed waits for the end of a session by the other side.
func wantClosed(t *testing.T, what string, s *secure.Session, want secure.CloseCode) {
	t.Helper()
	var said *secure.PeerError
	for {
		_, _, err := s.Receive(t.Context())
		if err == nil {
			continue
		}
		if !errors.As(err, &said) || said.Alert != 0 || said.Close != want {
			t.Errorf("%s: %v, want close code %d", what, err, want)
		}
		must(t, s.Close(secure.CloseDone))
		return
	}
}

// A program that fails in the middle of a message does not say that everything
// is stored: a till would owe that customer nothing any more.
func TestAProgramThatFailsDoesNotSayDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, asCustomer, nil)
		till, customer := sessions(t)
		p := newPeer(b.Device, customer)
		failed := make(chan any)
		go func() {
			defer func() { failed <- recover() }()
			p.run(t.Context(), func(secure.Type, []byte) error { panic("bug") }, func() error { return nil })
		}()
		must(t, till.Send(t.Context(), secure.Pending, nil))
		wantClosed(t, "failed", till, secure.CloseShutdown)
		if what := <-failed; what != "bug" {
			t.Errorf("failed with %v", what)
		}
	})
}

// An answer that came late, but in the same session, is stored like any other.
func TestALateAnswerIsStored(t *testing.T) {
	b := withHistory(t, asCustomer, payment.Authorized)
	all, err := b.store.AttemptsOf(t.Context(), paymentName(0))
	must(t, err)
	request := all[0].Request
	_, customer := sessions(t)
	m := &merchant{peer: newPeer(b.Device, customer), as: b.self.Load(), timers: make(map[preauth.Hash]*time.Timer), givenUp: make(map[preauth.Hash]bool)}
	b.wallet.overdue(m, request)
	if !m.givenUp[request] {
		t.Fatal("not given up")
	}
	m.closing = true
	must(t, b.wallet.concluded(t.Context(), m, request, func(store.Attempt, preauth.Request) (payment.CustomerInput, func(*store.Attempt, *store.Change), error) {
		return payment.CustomerInput{Event: payment.CancelReceived}, nil, nil
	}))
	if m.givenUp[request] {
		t.Error("still given up")
	}
}

// A customer that has waited in vain for the answer to a promise does not say
// that it has stored one; one that has it does.
func TestWhoGaveUpDoesNotSayDone(t *testing.T) {
	for state, want := range map[payment.State]secure.CloseCode{
		payment.Authorized: secure.CloseBusy, payment.Provisional: secure.CloseDone,
	} {
		synctest.Test(t, func(t *testing.T) {
			b := withHistory(t, asCustomer, state)
			all, err := b.store.AttemptsOf(t.Context(), paymentName(0))
			must(t, err)
			till, customer := sessions(t)
			m := &merchant{peer: newPeer(b.Device, customer), as: b.self.Load(), timers: make(map[preauth.Hash]*time.Timer), givenUp: make(map[preauth.Hash]bool)}
			b.wallet.sessions[m] = struct{}{}
			b.wallet.attach(all[0].Request, m, answerLimit)
			done := make(chan error, 1)
			go func() { done <- m.run(t.Context(), nil, func() error { return nil }) }()
			wantClosed(t, string(state), till, want)
			<-done
		})
	}
}
