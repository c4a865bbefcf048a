package secure

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/curve25519"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/sim"
)

var errUntrusted = errors.New("not of this issuer")

// party is one device of a test: its certificate is "role:" and its public
// key, and it trusts the certificates of the other role.
type party struct {
	Local
	public [32]byte
}

func newParty(t testing.TB, role, peerRole string, secret byte) party {
	t.Helper()
	var p party
	p.NoiseKey = [32]byte(bytes.Repeat([]byte{secret}, 32))
	public, err := curve25519.X25519(p.NoiseKey[:], curve25519.Basepoint)
	if err != nil {
		t.Fatal(err)
	}
	p.public = [32]byte(public)
	p.DeviceCert = append([]byte(role+":"), public...)
	p.Epoch = uint64(secret)
	p.VerifyPeer = func(cert []byte) ([32]byte, error) {
		key, ok := bytes.CutPrefix(cert, []byte(peerRole+":"))
		if !ok || len(key) != 32 {
			return [32]byte{}, errUntrusted
		}
		return [32]byte(key), nil
	}
	return p
}

// scene is a till and a customer whose radios are linked.
type scene struct {
	*testing.T
	ctx            context.Context
	air            *sim.Air
	till, customer party
	initiator      Initiator
	responder      Responder
	tillLink       link.Link
	customerLink   link.Link
}

var (
	beacon    = link.Beacon{Version: 1, EID: link.EID{1, 2, 3, 4, 5, 6}, BaseHandle: link.DefaultBaseHandle}.Encode()
	readValue = link.Limits{VersionMin: 1, VersionMax: 1, Window: 4, MessageMax: 4096}.Encode()
)

// play runs a test in a bubble, on an air with the given conditions.
func play(t *testing.T, cond sim.Conditions, test func(*scene)) {
	playWith(t, cond, readValue, test)
}

// playWith is play with a read value of the customer's.
func playWith(t *testing.T, cond sim.Conditions, readValue []byte, test func(*scene)) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		s := &scene{
			T: t, ctx: ctx, air: sim.NewAir(7, cond),
			till: newParty(t, "business", "customer", 1), customer: newParty(t, "customer", "business", 2),
			initiator: Initiator{Advertisement: beacon, Nonce: [16]byte{0xB}},
			responder: Responder{
				RecentAdvertisement: func(ad []byte) bool { return bytes.Equal(ad, beacon) },
				ReadValue:           readValue, Nonce: [16]byte{0xC}, ResumeKey: [16]byte{0xD},
			},
		}
		defer s.air.Close()
		s.connect(readValue)
		test(s)
	})
}

func (s *scene) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *scene) connect(readValue []byte) {
	s.Helper()
	central, peripheral := s.air.Join("till"), s.air.Join("customer")
	s.ok(peripheral.Advertise(s.ctx, link.Advertisement{On: true, ServiceData: beacon, ReadValue: readValue}))
	s.ok(central.Scan(s.ctx, true))
	seen, err := central.NextSighting(s.ctx)
	s.ok(err)
	s.tillLink, err = central.Dial(s.ctx, seen.Address, false)
	s.ok(err)
	s.customerLink, err = peripheral.Accept(s.ctx)
	s.ok(err)
	s.ok(central.Scan(s.ctx, false))
}

// handshake runs both sides.
func (s *scene) handshake() (till, customer *Session, tillErr, customerErr error) {
	var wg sync.WaitGroup
	wg.Go(func() { till, tillErr = Initiate(s.ctx, s.tillLink, s.till.Local, s.initiator) })
	wg.Go(func() { customer, customerErr = Respond(s.ctx, s.customerLink, s.customer.Local, s.responder) })
	wg.Wait()
	return till, customer, tillErr, customerErr
}

// established returns both ends of a session, closed when the test ends.
func (s *scene) established() (till, customer *Session) {
	s.Helper()
	till, customer, tillErr, customerErr := s.handshake()
	if tillErr != nil || customerErr != nil {
		s.Fatalf("till: %v, customer: %v", tillErr, customerErr)
	}
	s.Cleanup(func() {
		till.Close(CloseDone)
		customer.Close(CloseDone)
	})
	return till, customer
}

func (s *scene) is(err, want error, who string) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: %v, want %v", who, err, want)
	}
}

func TestHandshake(t *testing.T) {
	play(t, sim.Conditions{Interval: 15 * time.Millisecond}, func(s *scene) {
		ids := [][]byte{bytes.Repeat([]byte{7}, 16), bytes.Repeat([]byte{8}, 16)}
		s.responder.Unfinished = func(cert []byte) [][]byte {
			if !bytes.Equal(cert, s.till.DeviceCert) {
				s.Errorf("unfinished payments asked for %q", cert)
			}
			return ids
		}
		till, customer := s.established()
		if till.Binding() != customer.Binding() || till.Binding() == [32]byte{} {
			s.Errorf("bindings %x and %x", till.Binding(), customer.Binding())
		}
		if !bytes.Equal(till.PeerCert(), s.customer.DeviceCert) || !bytes.Equal(customer.PeerCert(), s.till.DeviceCert) {
			s.Error("certificates are not those of the peers")
		}
		if till.PeerEpoch() != 2 || customer.PeerEpoch() != 1 {
			s.Errorf("epochs %d and %d", till.PeerEpoch(), customer.PeerEpoch())
		}
		if till.PeerNonce() != s.responder.Nonce || till.ResumeKey() != s.responder.ResumeKey || customer.ResumeKey() != s.responder.ResumeKey {
			s.Error("nonce or resume key is not that of the customer")
		}
		if got := till.Unfinished(); len(got) != 2 || !bytes.Equal(got[1], ids[1]) {
			s.Errorf("unfinished %x", got)
		}
		if customer.NonceHash() != sha256.Sum256(s.initiator.Nonce[:]) {
			s.Error("nonce hash is not the till's")
		}
		if !customer.RevealsNonce(s.initiator.Nonce[:]) || customer.RevealsNonce(make([]byte, 16)) || till.RevealsNonce(make([]byte, 16)) {
			s.Error("RevealsNonce is wrong")
		}
		nB, nC := s.initiator.Nonce, s.responder.Nonce
		if a, b := till.Code(nB, nC), customer.Code(nB, nC); a != b || len(a) != 4 {
			s.Errorf("codes %q and %q", a, b)
		}
	})
}

func TestUnfinishedIsBounded(t *testing.T) {
	play(t, sim.Conditions{}, func(s *scene) {
		s.responder.Unfinished = func([]byte) [][]byte {
			return [][]byte{0: make([]byte, 16), 1: make([]byte, 16), 9: nil}
		}
		ids := s.responder.Unfinished(nil)
		for i := range ids {
			ids[i] = bytes.Repeat([]byte{byte(i)}, 16)
		}
		s.responder.Unfinished = func([]byte) [][]byte { return ids }
		till, _ := s.established()
		if got := till.Unfinished(); len(got) != 8 {
			s.Errorf("%d unfinished payments, want 8", len(got))
		}
	})
}

// TestHandshakeRefused plays what each side must refuse, and checks that both
// learn the same reason.
func TestHandshakeRefused(t *testing.T) {
	tests := []struct {
		name   string
		change func(*scene)
		err    error
	}{
		{"the customer does not trust the till", func(s *scene) { s.till.DeviceCert = []byte("nonsense") }, ErrPeerIdentity},
		{"the till does not trust the customer", func(s *scene) { s.customer.DeviceCert = []byte("nonsense") }, ErrPeerIdentity},
		{"a customer plays the till", func(s *scene) {
			s.till = newParty(s, "customer", "customer", 3)
		}, ErrPeerIdentity},
		{"a till plays the customer", func(s *scene) {
			s.customer = newParty(s, "business", "business", 3)
		}, ErrPeerIdentity},
		{"the till shows another till's certificate", func(s *scene) {
			s.till.DeviceCert = newParty(s, "business", "customer", 9).DeviceCert
		}, ErrPeerIdentity},
		{"the customer shows another's certificate", func(s *scene) {
			s.customer.DeviceCert = newParty(s, "customer", "business", 9).DeviceCert
		}, ErrPeerIdentity},
		{"an advertisement that was never sent", func(s *scene) {
			s.initiator.Advertisement = link.Beacon{Version: 1, EID: link.EID{9}}.Encode()
		}, ErrDowngrade},
		{"a read value that is not the customer's", func(s *scene) {
			s.responder.ReadValue = link.Limits{VersionMin: 1, VersionMax: 2}.Encode()
		}, ErrDowngrade},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, sim.Conditions{Interval: 15 * time.Millisecond}, func(s *scene) {
				tt.change(s)
				till, customer, tillErr, customerErr := s.handshake()
				s.is(tillErr, tt.err, "till")
				if customer != nil { // the till refused what it answered
					_, _, customerErr = customer.Receive(s.ctx)
					customer.Close(CloseDone)
				}
				s.is(customerErr, tt.err, "customer")
				if till != nil {
					s.Error("the till has a session")
				}
				var a, b *PeerError
				if errors.As(tillErr, &a) == errors.As(customerErr, &b) {
					s.Errorf("till: %v, customer: %v: want an alert at one of them", tillErr, customerErr)
				}
				for _, l := range []link.Link{s.tillLink, s.customerLink} {
					select {
					case <-l.Done():
					default:
						s.Error("a link is still up")
					}
				}
			})
		})
	}
}

func TestInitiatorRefusesAdvertisement(t *testing.T) {
	for _, ad := range [][]byte{nil, make([]byte, 10), make([]byte, 11)} {
		play(t, sim.Conditions{}, func(s *scene) {
			s.initiator.Advertisement = ad
			_, err := Initiate(s.ctx, s.tillLink, s.till.Local, s.initiator)
			s.is(err, ErrHandshake, "till")
			<-s.customerLink.Done()
		})
	}
}

func TestHandshakeLimits(t *testing.T) {
	play(t, sim.Conditions{}, func(s *scene) {
		start := time.Now()
		_, err := Respond(s.ctx, s.customerLink, s.customer.Local, s.responder)
		s.is(err, ErrHandshake, "customer without a till")
		if took := time.Since(start); took < 5*time.Second || took > 7*time.Second {
			s.Errorf("the customer waited %s", took)
		}
	})
	play(t, sim.Conditions{}, func(s *scene) {
		start := time.Now()
		_, err := Initiate(s.ctx, s.tillLink, s.till.Local, s.initiator)
		s.is(err, ErrHandshake, "till without a customer")
		if took := time.Since(start); took < 2*time.Second || took > 4*time.Second {
			s.Errorf("the till waited %s", took)
		}
	})
	play(t, sim.Conditions{}, func(s *scene) {
		ctx, cancel := context.WithTimeout(s.ctx, time.Second)
		defer cancel()
		_, err := Initiate(ctx, s.tillLink, s.till.Local, s.initiator)
		s.is(err, context.DeadlineExceeded, "till whose caller has less time")
		if errors.Is(err, ErrHandshake) {
			s.Errorf("%v blames the peer", err)
		}
		<-s.customerLink.Done()
	})
}

// TestCode compares the code with the definition, computed another way.
func TestCode(t *testing.T) {
	for i := range byte(50) {
		binding, nB, nC := [32]byte{i, 1}, [16]byte{i, 2}, [16]byte{i, 3}
		sum := sha256.Sum256(bytes.Join([][]byte{[]byte("vbp/1 code"), binding[:], nB[:], nC[:]}, nil))
		n := new(big.Int).SetBytes(sum[:])
		want := fmt.Sprintf("%04d", n.Mod(n, big.NewInt(10_000)).Int64())
		if got := Code(binding, nB, nC); got != want {
			t.Errorf("code %q, want %q", got, want)
		}
	}
}

// TestSendGivenUp cancels a Send half way: the message arrives all the same,
// whole, and in its turn.
func TestSendGivenUp(t *testing.T) {
	play(t, sim.Conditions{Interval: 100 * time.Millisecond}, func(s *scene) {
		till, customer := s.established()
		ctx, cancel := context.WithTimeout(s.ctx, 150*time.Millisecond)
		defer cancel()
		s.is(till.Send(ctx, Request, bytes.Repeat([]byte("a"), 4000)), context.DeadlineExceeded, "send")
		s.is(till.Send(ctx, Request, []byte("never")), context.DeadlineExceeded, "send without a turn")
		s.ok(till.Send(s.ctx, Cancel, []byte("b")))
		if typ, got, err := customer.Receive(s.ctx); err != nil || typ != Request || len(got) != 4000 {
			s.Errorf("first message: %s of %d bytes, %v", typ, len(got), err)
		}
		if typ, got, err := customer.Receive(s.ctx); err != nil || typ != Cancel || string(got) != "b" {
			s.Errorf("second message: %s %q, %v", typ, got, err)
		}
	})
}

// TestLostWhileSending drops the link under a Send.
func TestLostWhileSending(t *testing.T) {
	play(t, sim.Conditions{Interval: 100 * time.Millisecond}, func(s *scene) {
		till, _ := s.established()
		errs := make(chan error)
		go func() { errs <- till.Send(s.ctx, Request, make([]byte, 4000)) }()
		go func() { errs <- till.Send(s.ctx, Request, make([]byte, 4000)) }()
		synctest.Wait()
		s.air.DropLinks()
		s.is(<-errs, link.ErrLost, "send")
		s.is(<-errs, link.ErrLost, "send that waits its turn")
	})
}

// TestRefuse ends a session because of what a message says.
func TestRefuse(t *testing.T) {
	play(t, sim.Conditions{}, func(s *scene) {
		till, customer := s.established()
		customer.Refuse(fmt.Errorf("request of another session: %w", ErrProtocol))
		var alert *PeerError
		_, _, err := till.Receive(s.ctx)
		if !errors.As(err, &alert) || !errors.Is(err, ErrProtocol) {
			s.Errorf("till: %v", err)
		}
		<-customer.Done()
		s.is(customer.Err(), ErrProtocol, "customer")
	})
}

// TestOversizeHello gives the handshake more than a message can hold.
func TestOversizeHello(t *testing.T) {
	play(t, sim.Conditions{}, func(s *scene) {
		s.till.DeviceCert = make([]byte, 5000)
		_, err := Initiate(s.ctx, s.tillLink, s.till.Local, s.initiator)
		s.is(err, link.ErrTooLong, "till")
		<-s.customerLink.Done()
	})
}
