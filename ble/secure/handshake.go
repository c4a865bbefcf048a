package secure

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/flynn/noise"
	"golang.org/x/crypto/curve25519"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
)

// Initiate runs the till's side of the handshake over l, which it owns from
// then on and closes on error.
//
// The error wraps ErrProtocol, ErrHandshake, ErrPeerIdentity, ErrVersion,
// ErrDowngrade, link.ErrLost or the context's error.
func Initiate(ctx context.Context, l link.Link, loc Local, in Initiator) (*Session, error) {
	hello, err := businessHello(l, loc, in)
	if err != nil {
		l.Close(err.Error())
		return nil, err
	}
	w, err := newWire(l)
	if err != nil {
		return nil, err
	}
	s, err := initiate(ctx, w, loc, hello)
	if err != nil {
		return nil, w.giveUp(err)
	}
	return s, nil
}

func initiate(ctx context.Context, w *wire, loc Local, hello *peerv1.BusinessHello) (*Session, error) {
	hs, err := newState(loc, true, rand.Reader)
	if err != nil {
		return nil, err
	}
	payload, err := Encode(hello)
	if err != nil {
		return nil, err
	}
	first, _, _, err := hs.WriteMessage(nil, payload)
	if err != nil {
		return nil, fmt.Errorf("first message: %w: %w", err, ErrHandshake)
	}
	if err := within(ctx, handshakeLimit, func(ctx context.Context) error {
		return w.send(ctx, func() ([]byte, error) { return first, nil })
	}); err != nil {
		return nil, fmt.Errorf("first message: %w", err)
	}
	second, err := w.await(ctx, handshakeLimit)
	if err != nil {
		return nil, fmt.Errorf("second message: %w", err)
	}
	answer, out, in, err := hs.ReadMessage(nil, second)
	if err != nil {
		return nil, fmt.Errorf("second message: %w: %w", err, ErrHandshake)
	}
	var peer peerv1.CustomerHello
	if err := Decode(answer, &peer); err != nil {
		return nil, err
	}
	if err := judgeCustomer(&peer, hs.PeerStatic(), loc); err != nil {
		return nil, err
	}
	s := newSession(w, hs, out, in)
	s.peerCert, s.peerEpoch = peer.GetDeviceCert(), peer.GetBundleEpoch()
	s.peerNonce, s.resumeKey = [16]byte(peer.GetNonce()), [16]byte(peer.GetResumeKey())
	s.unfinished = peer.GetUnfinished()
	return s, nil
}

// Respond runs the customer device's side of the handshake over l, which it
// owns from then on and closes on error. It says nothing about this device
// before the till's certificate and all else in its message are verified.
//
// The errors are those of Initiate.
func Respond(ctx context.Context, l link.Link, loc Local, r Responder) (*Session, error) {
	w, err := newWire(l)
	if err != nil {
		return nil, err
	}
	s, err := respond(ctx, w, loc, r)
	if err != nil {
		return nil, w.giveUp(err)
	}
	return s, nil
}

func respond(ctx context.Context, w *wire, loc Local, r Responder) (*Session, error) {
	hs, err := newState(loc, false, rand.Reader)
	if err != nil {
		return nil, err
	}
	first, err := w.await(ctx, helloLimit)
	if err != nil {
		return nil, fmt.Errorf("first message: %w", err)
	}
	payload, _, _, err := hs.ReadMessage(nil, first)
	if err != nil {
		return nil, fmt.Errorf("first message: %w: %w", err, ErrHandshake)
	}
	var peer peerv1.BusinessHello
	if err := Decode(payload, &peer); err != nil {
		return nil, err
	}
	if err := r.judge(&peer, hs.PeerStatic(), loc); err != nil {
		return nil, err
	}
	answer, err := Encode(r.customerHello(loc, &peer))
	if err != nil {
		return nil, err
	}
	second, in, out, err := hs.WriteMessage(nil, answer)
	if err != nil {
		return nil, fmt.Errorf("second message: %w: %w", err, ErrHandshake)
	}
	if err := within(ctx, handshakeLimit, func(ctx context.Context) error {
		return w.send(ctx, func() ([]byte, error) { return second, nil })
	}); err != nil {
		return nil, fmt.Errorf("second message: %w", err)
	}
	s := newSession(w, hs, out, in)
	s.peerCert, s.peerEpoch = peer.GetDeviceCert(), peer.GetBundleEpoch()
	s.nonceHash, s.resumeKey = [32]byte(peer.GetNonceHash()), r.ResumeKey
	return s, nil
}

// newState prepares Noise with our key. random makes the ephemeral one.
func newState(loc Local, initiator bool, random io.Reader) (*noise.HandshakeState, error) {
	public, err := curve25519.X25519(loc.NoiseKey[:], curve25519.Basepoint)
	if err != nil {
		return nil, fmt.Errorf("our noise key: %w: %w", err, ErrHandshake)
	}
	hs, err := noise.NewHandshakeState(noise.Config{
		CipherSuite: suite, Pattern: noise.HandshakeIX, Initiator: initiator, Prologue: prologue, Random: random,
		StaticKeypair: noise.DHKey{Private: loc.NoiseKey[:], Public: public},
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrHandshake)
	}
	return hs, nil
}

// within runs f with a time limit of our own, whose passing is ErrHandshake
// and not the caller's context error.
func within(ctx context.Context, limit time.Duration, f func(context.Context) error) error {
	late := fmt.Errorf("not within %s: %w", limit, ErrHandshake)
	bounded, cancel := context.WithTimeoutCause(ctx, limit, late)
	defer cancel()
	err := f(bounded)
	if errors.Is(err, context.DeadlineExceeded) && context.Cause(bounded) == late {
		return late
	}
	return err
}

// await returns the next message, within a time limit.
func (w *wire) await(ctx context.Context, limit time.Duration) (message []byte, err error) {
	err = within(ctx, limit, func(ctx context.Context) error {
		message, err = w.receive(ctx)
		return err
	})
	return message, err
}

// giveUp ends a wire whose handshake failed, tells the peer why if that is
// its fault, and returns err.
func (w *wire) giveUp(err error) error {
	w.refuse(err)
	w.wg.Wait()
	return err
}
