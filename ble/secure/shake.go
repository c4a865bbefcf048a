package secure

import (
	"fmt"
	"io"

	"github.com/flynn/noise"
	"golang.org/x/crypto/curve25519"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"
)

// Opening is a till's handshake between its first message and the answer to
// it.
type Opening struct {
	hs  *noise.HandshakeState
	loc Local
}

// Agreement is what a handshake has come to: what the peer has said of itself,
// and the keys to speak with it. Its methods may not be called concurrently;
// Seal and Open do not disturb each other.
type Agreement struct {
	// Binding is the channel binding.
	Binding [32]byte

	// PeerCert is the peer's Signed DeviceCert, as Local.VerifyPeer accepted it.
	PeerCert []byte

	// PeerEpoch is the epoch of the peer's trust bundle.
	PeerEpoch uint64

	// PeerNonce is n_C; zero on the customer's side.
	PeerNonce [16]byte

	// NonceHash is the till's commitment SHA-256(n_B); zero on the till's side.
	NonceHash [32]byte

	// ResumeKey is the key by which the till recognises this customer's RESUME
	// advertisements.
	ResumeKey [16]byte

	// Unfinished are the ids of the payments with this till that the customer
	// has not finished; empty on the customer's side.
	Unfinished [][]byte

	out, in *noise.CipherState
}

// Open makes the till's first message, without a link. readValue is what the
// customer's read characteristic holds, empty if it was not read; random gives
// the 32 bytes of the ephemeral key, which must never be used again.
//
// The error wraps ErrHandshake or ErrVersion.
func (in Initiator) Open(loc Local, readValue []byte, random io.Reader) (*Opening, []byte, error) {
	hello, err := businessHello(readValue, loc, in)
	if err != nil {
		return nil, nil, err
	}
	hs, err := newState(loc, true, random)
	if err != nil {
		return nil, nil, err
	}
	payload, err := Encode(hello)
	if err != nil {
		return nil, nil, err
	}
	first, _, _, err := hs.WriteMessage(nil, payload)
	if err != nil {
		return nil, nil, fmt.Errorf("first message: %w: %w", err, ErrHandshake)
	}
	return &Opening{hs: hs, loc: loc}, first, nil
}

// Finish judges the customer's answer. The Opening is used up.
//
// The error wraps ErrProtocol, ErrHandshake, ErrPeerIdentity or ErrVersion.
func (o *Opening) Finish(second []byte) (Agreement, error) {
	payload, out, in, err := o.hs.ReadMessage(nil, second)
	if err != nil {
		return Agreement{}, fmt.Errorf("second message: %w: %w", err, ErrHandshake)
	}
	var peer peerv1.CustomerHello
	if err := decodeHello(payload, &peer, o.loc.Versions.orOurs()); err != nil {
		return Agreement{}, err
	}
	if err := judgeCustomer(&peer, o.hs.PeerStatic(), o.loc); err != nil {
		return Agreement{}, err
	}
	return Agreement{
		Binding: [32]byte(o.hs.ChannelBinding()), PeerCert: peer.GetDeviceCert(), PeerEpoch: peer.GetBundleEpoch(),
		PeerNonce: [16]byte(peer.GetNonce()), ResumeKey: [16]byte(peer.GetResumeKey()), Unfinished: peer.GetUnfinished(),
		out: out, in: in,
	}, nil
}

// Answer judges a till's first message and makes the second, without a link.
// random gives the 32 bytes of the ephemeral key, which must never be used
// again.
//
// The error wraps ErrProtocol, ErrHandshake, ErrPeerIdentity, ErrVersion or
// ErrDowngrade; then the second message is nil.
func (r Responder) Answer(loc Local, first []byte, random io.Reader) (second []byte, a Agreement, err error) {
	hs, err := newState(loc, false, random)
	if err != nil {
		return nil, Agreement{}, err
	}
	payload, _, _, err := hs.ReadMessage(nil, first)
	if err != nil {
		return nil, Agreement{}, fmt.Errorf("first message: %w: %w", err, ErrHandshake)
	}
	var peer peerv1.BusinessHello
	if err := decodeHello(payload, &peer, loc.Versions.orOurs()); err != nil {
		return nil, Agreement{}, err
	}
	if err := r.judge(&peer, hs.PeerStatic(), loc); err != nil {
		return nil, Agreement{}, err
	}
	answer, err := Encode(r.customerHello(loc, &peer))
	if err != nil {
		return nil, Agreement{}, err
	}
	second, in, out, err := hs.WriteMessage(nil, answer)
	if err != nil {
		return nil, Agreement{}, fmt.Errorf("second message: %w: %w", err, ErrHandshake)
	}
	return second, Agreement{
		Binding: [32]byte(hs.ChannelBinding()), PeerCert: peer.GetDeviceCert(), PeerEpoch: peer.GetBundleEpoch(),
		NonceHash: [32]byte(peer.GetNonceHash()), ResumeKey: r.ResumeKey,
		out: out, in: in,
	}, nil
}

// Seal returns the Noise message that carries a message of this side.
// Messages must be sent in the order in which they were sealed.
func (a *Agreement) Seal(t Type, body []byte) ([]byte, error) {
	plain := append(make([]byte, 0, 1+len(body)), byte(t))
	return a.out.Encrypt(nil, nil, append(plain, body...))
}

// Open returns the message in the peer's next Noise message; the caller owns
// its body. The error wraps ErrProtocol.
func (a *Agreement) Open(message []byte) (Type, []byte, error) {
	plain, err := a.in.Decrypt(nil, nil, message)
	switch {
	case err != nil:
		return 0, nil, fmt.Errorf("message of %d bytes: %w: %w", len(message), err, ErrProtocol)
	case len(plain) == 0 || !Type(plain[0]).known():
		return 0, nil, fmt.Errorf("message of unknown type: %w", ErrProtocol)
	}
	return Type(plain[0]), plain[1:], nil
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
