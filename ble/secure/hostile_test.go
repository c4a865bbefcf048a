package secure

import (
	"bytes"
	"crypto/rand"
	"errors"
	"runtime"
	"testing"

	"github.com/flynn/noise"
	"google.golang.org/protobuf/encoding/protowire"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/frame"
	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/sim"
)

// stranger speaks the protocol by hand, so that it can break it.
type stranger struct {
	*scene
	w       *wire
	hs      *noise.HandshakeState
	out, in *noise.CipherState
}

// newStranger takes the till's end of the link.
func newStranger(s *scene, initiator bool) *stranger {
	l, p := s.tillLink, s.till
	if !initiator {
		l, p = s.customerLink, s.customer
	}
	w, err := newWire(l, Ours)
	s.ok(err)
	hs, err := newState(p.Local, initiator, rand.Reader)
	s.ok(err)
	x := &stranger{scene: s, w: w, hs: hs}
	s.Cleanup(func() { w.close(CloseDone) })
	return x
}

// ok ends the goroutine it is called in, which may not be the test's.
func (x *stranger) ok(err error) {
	x.Helper()
	if err != nil {
		x.Error(err)
		runtime.Goexit()
	}
}

// send sends a message. Its error says nothing: the other side may have ended
// the link before the message was noted as sent.
func (x *stranger) send(message []byte) {
	x.w.send(x.ctx, func() ([]byte, error) { return message, nil })
}

// hello returns a valid first payload.
func (x *stranger) hello() *peerv1.BusinessHello {
	x.Helper()
	hello, err := businessHello(x.tillLink.PeerReadValue(), x.till.Local, x.initiator)
	x.ok(err)
	return hello
}

// open sends a first message with any payload.
func (x *stranger) open(payload []byte) {
	x.Helper()
	first, _, _, err := x.hs.WriteMessage(nil, payload)
	x.ok(err)
	x.send(first)
}

func (x *stranger) encode(hello *peerv1.BusinessHello) []byte {
	x.Helper()
	b, err := Encode(hello)
	x.ok(err)
	return b
}

// ends returns how the wire ended.
func (x *stranger) ends() error {
	<-x.w.ctx.Done()
	return x.w.cause()
}

// TestHostileTill sends first messages that the customer must refuse without
// having said anything about itself, and checks the alert.
func TestHostileTill(t *testing.T) {
	change := func(f func(*peerv1.BusinessHello)) func(*stranger) {
		return func(x *stranger) {
			hello := x.hello()
			f(hello)
			x.open(x.encode(hello))
		}
	}
	versions := func(low, high, chosen uint32) func(*stranger) {
		return change(func(h *peerv1.BusinessHello) {
			h.Versions = &peerv1.Versions{Min: low, Max: high, Chosen: chosen}
		})
	}
	tests := []struct {
		name string
		open func(*stranger)
		err  error
	}{
		{"not Noise at all", func(x *stranger) { x.send([]byte("GET / HTTP/1.0")) }, ErrHandshake},
		{"no payload", func(x *stranger) { x.open(nil) }, ErrVersion},
		{"payload that does not parse", func(x *stranger) { x.open([]byte{0xff}) }, ErrProtocol},
		{"unknown field", func(x *stranger) {
			x.open(protowire.AppendVarint(protowire.AppendTag(x.encode(x.hello()), 99, protowire.VarintType), 1))
		}, ErrProtocol},
		{"unknown field inside", change(func(h *peerv1.BusinessHello) {
			h.Versions.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 99, protowire.VarintType), 1))
		}), ErrProtocol},
		{"field twice", func(x *stranger) {
			x.open(protowire.AppendBytes(protowire.AppendTag(x.encode(x.hello()), 6, protowire.BytesType), make([]byte, 32)))
		}, ErrProtocol},
		{"no versions", change(func(h *peerv1.BusinessHello) { h.Versions = nil }), ErrVersion},
		{"only later versions", versions(2, 3, 2), ErrVersion},
		{"a version nobody speaks", versions(1, 1, 0), ErrVersion},
		{"a version above the common one", versions(1, 3, 2), ErrVersion},
		{"versions upside down", versions(2, 1, 1), ErrVersion},
		{"short nonce hash", change(func(h *peerv1.BusinessHello) { h.NonceHash = h.NonceHash[1:] }), ErrProtocol},
		{"no certificate", change(func(h *peerv1.BusinessHello) { h.DeviceCert = nil }), ErrPeerIdentity},
		{"no advertisement", change(func(h *peerv1.BusinessHello) { h.Advertisement = nil }), ErrDowngrade},
		{"cut read value", change(func(h *peerv1.BusinessHello) { h.ReadValue = h.ReadValue[:1] }), ErrDowngrade},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, sim.Conditions{}, func(s *scene) {
				s.responder.Unfinished = func([]byte) [][]byte {
					s.Error("the customer prepared an answer")
					return nil
				}
				x := newStranger(s, true)
				go func() { tt.open(x) }()
				_, err := Respond(s.ctx, s.customerLink, s.customer.Local, s.responder)
				s.is(err, tt.err, "customer")
				var alert *PeerError
				if err := x.ends(); !errors.As(err, &alert) || !errors.Is(err, tt.err) || alert.VersionMin != VersionMin || alert.VersionMax != VersionMax {
					s.Errorf("the stranger learns %v", err)
				}
				if n := len(x.w.inbox); n != 0 {
					s.Errorf("the customer answered with %d messages", n)
				}
			})
		})
	}
}

// TestHostileCustomer sends second messages that the till must refuse.
func TestHostileCustomer(t *testing.T) {
	id := make([]byte, 16)
	tests := []struct {
		name   string
		change func(*peerv1.CustomerHello)
		err    error
	}{
		{"chose another version", func(h *peerv1.CustomerHello) { h.Versions.Chosen = 2 }, ErrVersion},
		{"speaks later versions only", func(h *peerv1.CustomerHello) { h.Versions.Min, h.Versions.Max = 2, 3 }, ErrVersion},
		{"short nonce", func(h *peerv1.CustomerHello) { h.Nonce = h.Nonce[:15] }, ErrProtocol},
		{"long resume key", func(h *peerv1.CustomerHello) { h.ResumeKey = make([]byte, 17) }, ErrProtocol},
		{"nine unfinished payments", func(h *peerv1.CustomerHello) {
			h.Unfinished = [][]byte{id, id, id, id, id, id, id, id, id}
		}, ErrProtocol},
		{"payment id of other length", func(h *peerv1.CustomerHello) { h.Unfinished = [][]byte{id[:15]} }, ErrProtocol},
		{"no certificate", func(h *peerv1.CustomerHello) { h.DeviceCert = nil }, ErrPeerIdentity},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, sim.Conditions{}, func(s *scene) {
				x := newStranger(s, false)
				go func() {
					first, err := x.w.receive(s.ctx)
					x.ok(err)
					payload, _, _, err := x.hs.ReadMessage(nil, first)
					x.ok(err)
					var peer peerv1.BusinessHello
					x.ok(Decode(payload, &peer))
					hello := s.responder.customerHello(s.customer.Local, &peer)
					tt.change(hello)
					answer, err := Encode(hello)
					x.ok(err)
					second, _, _, err := x.hs.WriteMessage(nil, answer)
					x.ok(err)
					x.send(second)
				}()
				_, err := Initiate(s.ctx, s.tillLink, s.till.Local, s.initiator)
				s.is(err, tt.err, "till")
				s.is(x.ends(), tt.err, "stranger")
			})
		})
	}
}

// TestSecondMessageTampered changes one bit of the answer.
func TestSecondMessageTampered(t *testing.T) {
	play(t, sim.Conditions{}, func(s *scene) {
		x := newStranger(s, false)
		go func() {
			first, err := x.w.receive(s.ctx)
			x.ok(err)
			_, _, _, err = x.hs.ReadMessage(nil, first)
			x.ok(err)
			second, _, _, err := x.hs.WriteMessage(nil, []byte("payload"))
			x.ok(err)
			second[len(second)-1] ^= 1
			x.send(second)
		}()
		_, err := Initiate(s.ctx, s.tillLink, s.till.Local, s.initiator)
		s.is(err, ErrHandshake, "till")
		s.is(x.ends(), ErrHandshake, "stranger")
	})
}

// established runs the handshake as the till, by hand.
func (x *stranger) established() *Session {
	x.Helper()
	go x.open(x.encode(x.hello()))
	customer, err := Respond(x.ctx, x.customerLink, x.customer.Local, x.responder)
	x.ok(err)
	x.Cleanup(func() { customer.Close(CloseDone) })
	second, err := x.w.receive(x.ctx)
	x.ok(err)
	_, x.out, x.in, err = x.hs.ReadMessage(nil, second)
	x.ok(err)
	return customer
}

func TestHostileMessages(t *testing.T) {
	seal := func(x *stranger, plain []byte) []byte {
		b, err := x.out.Encrypt(nil, nil, plain)
		x.ok(err)
		return b
	}
	tests := []struct {
		name string
		send func(*stranger)
	}{
		{"not encrypted", func(x *stranger) { x.send([]byte("hello")) }},
		{"tampered", func(x *stranger) {
			b := seal(x, []byte{byte(Request), 1, 2, 3})
			b[0] ^= 1
			x.send(b)
		}},
		{"replayed", func(x *stranger) {
			b := seal(x, []byte{byte(Pending), 1})
			x.send(b)
			x.send(bytes.Clone(b))
		}},
		{"reordered", func(x *stranger) {
			seal(x, []byte{byte(Request)})
			x.send(seal(x, []byte{byte(Pending)}))
		}},
		{"empty", func(x *stranger) { x.send(seal(x, nil)) }},
		{"type 0", func(x *stranger) { x.send(seal(x, []byte{0, 1})) }},
		{"type 10", func(x *stranger) { x.send(seal(x, []byte{10, 1})) }},
		{"a value that is no frame", func(x *stranger) { x.ok(x.w.link.Send(x.ctx, []byte{0xff})) }},
		{"a frame out of sequence", func(x *stranger) { x.ok(x.w.link.Send(x.ctx, []byte{3, 77, 1, 0, 'x'})) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			play(t, sim.Conditions{}, func(s *scene) {
				x := newStranger(s, true)
				customer := x.established()
				tt.send(x)
				var err error
				for err == nil {
					_, _, err = customer.Receive(s.ctx)
				}
				s.is(err, ErrProtocol, "customer")
				s.is(x.ends(), ErrProtocol, "stranger")
			})
		})
	}
}

func TestFlood(t *testing.T) {
	play(t, sim.Conditions{}, func(s *scene) {
		x := newStranger(s, true)
		customer := x.established()
		for range inboxMax + 1 {
			b, err := x.out.Encrypt(nil, nil, []byte{byte(Pending)})
			s.ok(err)
			if err := x.w.send(s.ctx, func() ([]byte, error) { return b, nil }); err != nil {
				break
			}
		}
		<-customer.Done()
		s.is(customer.Err(), ErrProtocol, "customer")
		s.is(x.ends(), ErrProtocol, "stranger")
	})
}

func TestPeerError(t *testing.T) {
	for _, tt := range []struct {
		ctl frame.Control
		err error
	}{
		{frame.Control{Op: frame.Close, Code: 9}, link.ErrLost},
		{frame.Control{Op: frame.Alert, Code: 0}, ErrProtocol},
		{frame.Control{Op: frame.Alert, Code: 2}, ErrHandshake},
		{frame.Control{Op: frame.Alert, Code: 200}, ErrProtocol},
	} {
		err := peerError(tt.ctl)
		if !errors.Is(err, tt.err) || err.Error() == "" {
			t.Errorf("%+v: %v, want %v", tt.ctl, err, tt.err)
		}
		if _, ok := alertFor(err, Ours); ok {
			t.Errorf("%v is told to the peer that said it", err)
		}
	}
}
