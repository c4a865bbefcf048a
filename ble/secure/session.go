package secure

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"fmt"
	"sync"
	"sync/atomic"

	"github.com/vipaso/vipasod/ble/frame"
	"github.com/vipaso/vipasod/ble/link"
)

// Session is an established session. Its methods may be called concurrently.
// Close must be called, also after an error.
type Session struct {
	wire *wire

	// The wire's turn to send guards sealing, and mu opening.
	agreed Agreement
	mu     sync.Mutex

	sent, received, bytesSent, bytesReceived atomic.Uint64
}

// Binding returns the channel binding: both sides have the same, and no other
// session has it. It is not secret.
func (s *Session) Binding() [32]byte { return s.agreed.Binding }

// PeerCert returns the peer's Signed DeviceCert, as Local.VerifyPeer accepted
// it. That the till holds its Noise key is proven by its first message.
func (s *Session) PeerCert() []byte { return s.agreed.PeerCert }

// PeerEpoch returns the epoch of the peer's trust bundle.
func (s *Session) PeerEpoch() uint64 { return s.agreed.PeerEpoch }

// PeerNonce returns n_C. On the responder it is zero: n_B comes with the
// Request, see RevealsNonce.
func (s *Session) PeerNonce() [16]byte { return s.agreed.PeerNonce }

// NonceHash returns the till's commitment SHA-256(n_B). On the initiator it
// is zero.
func (s *Session) NonceHash() [32]byte { return s.agreed.NonceHash }

// RevealsNonce reports whether nonce, from a Request, is the n_B that the
// till committed to in the handshake. On the initiator it is always false.
func (s *Session) RevealsNonce(nonce []byte) bool {
	sum := sha256.Sum256(nonce)
	return len(nonce) == 16 && subtle.ConstantTimeCompare(sum[:], s.agreed.NonceHash[:]) == 1
}

// ResumeKey returns the key by which the till recognises this customer's
// RESUME advertisements.
func (s *Session) ResumeKey() [16]byte { return s.agreed.ResumeKey }

// Unfinished returns the ids of the payments with this till that the customer
// has not finished, at most 8 of 16 bytes. On the responder it is empty.
func (s *Session) Unfinished() [][]byte { return s.agreed.Unfinished }

// Code returns Code for this session.
func (s *Session) Code(nB, nC [16]byte) string { return Code(s.agreed.Binding, nB, nC) }

// Done is closed when the session has ended; Err then says why.
func (s *Session) Done() <-chan struct{} { return s.wire.ctx.Done() }

// Err returns why the session ended, or nil while it lasts.
func (s *Session) Err() error { return s.wire.cause() }

// Send sends one message and returns when its last piece was handed to the
// radio, which does not mean that it has arrived. If it returns the context's
// error, the message may still be sent. The error may wrap link.ErrTooLong.
func (s *Session) Send(ctx context.Context, t Type, body []byte) error {
	if !t.known() {
		return fmt.Errorf("send %s: %w", t, ErrProtocol)
	}
	if len(body) > BodyMax {
		return fmt.Errorf("send %s of %d bytes: %w", t, len(body), link.ErrTooLong)
	}
	err := s.wire.send(ctx, func() ([]byte, error) { return s.agreed.Seal(t, body) })
	if err != nil {
		return fmt.Errorf("send %s: %w", t, err)
	}
	s.sent.Add(1)
	s.bytesSent.Add(uint64(1 + len(body)))
	return nil
}

// Receive returns the next message; the caller owns its body. Messages that
// arrived before the end of the session come first. Bodies of protobuf
// messages still have to go through Decode, signed objects be opened.
func (s *Session) Receive(ctx context.Context) (Type, []byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	message, err := s.wire.receive(ctx)
	if err != nil {
		return 0, nil, fmt.Errorf("receive: %w", err)
	}
	t, body, err := s.agreed.Open(message)
	if err != nil {
		s.wire.refuse(err)
		return 0, nil, fmt.Errorf("receive: %w", err)
	}
	s.received.Add(1)
	s.bytesReceived.Add(uint64(1 + len(body)))
	return t, body, nil
}

// Refuse ends the session because a message that Receive returned breaks the
// protocol: the peer gets the ALERT of err, which wraps a sentinel of this
// package. It does not wait.
func (s *Session) Refuse(err error) { s.wire.refuse(err) }

// Close ends the session in good order and waits until its goroutines have
// ended, about a second if the peer does not answer. It may be repeated.
func (s *Session) Close(code CloseCode) error {
	s.wire.close(code)
	return nil
}

// Counters counts what a session has sent and received, the handshake's
// frames included, its messages not.
type Counters struct {
	// MessagesSent and MessagesReceived count application messages.
	MessagesSent, MessagesReceived uint64

	// BytesSent and BytesReceived are their lengths, with the type.
	BytesSent, BytesReceived uint64

	// Frames counts the values that carried them, and those that only
	// acknowledged.
	Frames frame.Counters
}

// Counters returns the counts so far.
func (s *Session) Counters() Counters {
	return Counters{
		MessagesSent: s.sent.Load(), MessagesReceived: s.received.Load(),
		BytesSent: s.bytesSent.Load(), BytesReceived: s.bytesReceived.Load(),
		Frames: s.wire.counters(),
	}
}
