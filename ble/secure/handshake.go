package secure

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

// Initiate runs the till's side of the handshake over l, which it owns from
// then on and closes on error.
//
// The error wraps ErrProtocol, ErrHandshake, ErrPeerIdentity, ErrVersion,
// ErrDowngrade, link.ErrLost or the context's error.
func Initiate(ctx context.Context, l link.Link, loc Local, in Initiator) (*Session, error) {
	w, err := newWire(l, loc.Versions)
	if err != nil {
		return nil, err
	}
	opening, first, err := in.Open(loc, l.PeerReadValue(), rand.Reader)
	if err != nil {
		return nil, w.giveUp(err)
	}
	agreed, err := initiate(ctx, w, opening, first)
	if err != nil {
		return nil, w.giveUp(err)
	}
	return &Session{wire: w, agreed: agreed}, nil
}

func initiate(ctx context.Context, w *wire, opening *Opening, first []byte) (Agreement, error) {
	if err := w.say(ctx, first); err != nil {
		return Agreement{}, fmt.Errorf("first message: %w", err)
	}
	second, err := w.await(ctx, handshakeLimit)
	if err != nil {
		return Agreement{}, fmt.Errorf("second message: %w", err)
	}
	return opening.Finish(second)
}

// Respond runs the customer device's side of the handshake over l, which it
// owns from then on and closes on error. It says nothing about this device
// before the till's certificate and all else in its message are verified.
//
// The errors are those of Initiate.
func Respond(ctx context.Context, l link.Link, loc Local, r Responder) (*Session, error) {
	w, err := newWire(l, loc.Versions)
	if err != nil {
		return nil, err
	}
	agreed, err := respond(ctx, w, loc, r)
	if err != nil {
		return nil, w.giveUp(err)
	}
	return &Session{wire: w, agreed: agreed}, nil
}

func respond(ctx context.Context, w *wire, loc Local, r Responder) (Agreement, error) {
	first, err := w.await(ctx, helloLimit)
	if err != nil {
		return Agreement{}, fmt.Errorf("first message: %w", err)
	}
	second, agreed, err := r.Answer(loc, first, rand.Reader)
	if err != nil {
		return Agreement{}, err
	}
	if err := w.say(ctx, second); err != nil {
		return Agreement{}, fmt.Errorf("second message: %w", err)
	}
	return agreed, nil
}

// say sends a message of the handshake.
func (w *wire) say(ctx context.Context, message []byte) error {
	return within(ctx, handshakeLimit, func(ctx context.Context) error {
		return w.send(ctx, func() ([]byte, error) { return message, nil })
	})
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
