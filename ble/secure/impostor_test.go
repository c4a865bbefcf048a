package secure

import (
	"bytes"
	"crypto/rand"
	"testing"

	"github.com/flynn/noise"

	"github.com/vipaso/vipasod/ble/sim"
)

// TestImpostorReadsNothing: anybody can show a till's certificate and the
// public key in it, for both are in clear in its first message. The customer
// answers, as it must; what it says of itself is for the holder of the private
// key alone.
func TestImpostorReadsNothing(t *testing.T) {
	play(t, sim.Conditions{}, func(s *scene) {
		hello, err := businessHello(readValue, s.till.Local, s.initiator)
		s.ok(err)
		payload, err := Encode(hello)
		s.ok(err)
		hs, err := noise.NewHandshakeState(noise.Config{
			CipherSuite: suite, Pattern: noise.HandshakeIX, Initiator: true, Prologue: prologue, Random: rand.Reader,
			StaticKeypair: noise.DHKey{Private: bytes.Repeat([]byte{9}, 32), Public: s.till.public[:]},
		})
		s.ok(err)
		first, _, _, err := hs.WriteMessage(nil, payload)
		s.ok(err)
		second, _, err := s.responder.Answer(s.customer.Local, first, rand.Reader)
		s.ok(err)
		if said, _, _, err := hs.ReadMessage(nil, second); err == nil {
			s.Errorf("the impostor reads %x", said)
		}
		for _, mine := range [][]byte{s.customer.DeviceCert, s.customer.public[:], s.responder.Nonce[:], s.responder.ResumeKey[:]} {
			if bytes.Contains(second, mine) {
				s.Errorf("%x is in clear", mine)
			}
		}
	})
}
