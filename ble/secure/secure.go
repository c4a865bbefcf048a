// Package secure runs an authenticated, encrypted session over a link.Link:
// Noise_IX_25519_ChaChaPoly_SHA256, whose static keys are bound to the two
// devices' certificates. The till (business role) initiates.
//
// The handshake is two messages. The first, in clear, shows the till's device
// certificate, the advertisement it answers and a commitment to its nonce; the
// customer device judges all of it before it answers. The second, encrypted,
// shows the customer's certificate, its nonce, a resume key and the payments
// it has not finished with this till. After that each Noise message is one
// application message: type(1) and body.
//
// Whatever breaks the protocol ends the session with a named error, and an
// ALERT tells the other side its meaning.
package secure

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/bits"
	"time"

	"github.com/flynn/noise"

	"github.com/vipaso/vipasod/ble/frame"
)

// Protocol versions of this package.
const (
	VersionMin = 1
	VersionMax = 1
)

// Time limits.
const (
	// handshakeLimit bounds each handshake message of the initiator.
	handshakeLimit = 2 * time.Second
	// helloLimit is how long a responder keeps a link without a valid first
	// message: an idle stranger holds the only connection.
	helloLimit = 5 * time.Second
	// pingAfter is how often a Ping is sent while nothing else happens.
	pingAfter = 10 * time.Second
	// idleLimit ends a session on which nothing at all arrives.
	idleLimit = 30 * time.Second
	// ackDelay is how long an acknowledgement may wait for company.
	ackDelay = 30 * time.Millisecond
	// lingerLimit is how long a side that sent CLOSE or ALERT waits for the
	// other to end the link, so that the frame is not lost with it.
	lingerLimit = time.Second
)

// noiseTag is what Noise adds to a message, in bytes.
const noiseTag = 16

// BodyMax is the longest body of a message, in bytes.
const BodyMax = frame.MessageMax - noiseTag - 1

// inboxMax is how many messages may wait for Receive. An honest peer never
// has so many to say; one that goes on ends the session.
const inboxMax = 64

// Type says what a message is. Types are part of the protocol.
type Type uint8

// Message types. The bodies of Request, Receipt, Cancel, Decline and Charge are
// signed objects; the others are protobuf messages of vipaso.peer.v1.
const (
	Request    Type = 1
	Payment    Type = 2
	Receipt    Type = 3
	Cancel     Type = 4
	Decline    Type = 5
	BundlePart Type = 6
	Pending    Type = 7
	Charge     Type = 8
	Unknown    Type = 9
)

var typeNames = [...]string{"", "Request", "Payment", "Receipt", "Cancel", "Decline", "BundlePart", "Pending", "Charge", "Unknown"}

// String returns the name of the type.
func (t Type) String() string {
	if !t.known() {
		return fmt.Sprintf("Type(%d)", uint8(t))
	}
	return typeNames[t]
}

func (t Type) known() bool { return t >= Request && t <= Unknown }

// Local is this device's part in a handshake.
type Local struct {
	// NoiseKey is the X25519 private key of the certificate.
	NoiseKey [32]byte

	// DeviceCert is the Signed DeviceCert as the backend made it.
	DeviceCert []byte

	// Epoch is that of our trust bundle.
	Epoch uint64

	// Versions are those that this device speaks. Zero means Ours.
	Versions Versions

	// VerifyPeer checks the other device's certificate: its chain and
	// validity, that it is not revoked, and that its role is the opposite of
	// ours. It returns the X25519 public key in it.
	VerifyPeer func(deviceCert []byte) (noiseKey [32]byte, err error)
}

// Initiator is what the till brings to a handshake.
type Initiator struct {
	// Advertisement is the 10 bytes of service data that it answers.
	Advertisement []byte

	// Nonce is n_B, fresh and random, to be revealed in the Request.
	Nonce [16]byte
}

// Responder is what the customer device brings to a handshake.
type Responder struct {
	// RecentAdvertisement reports whether this device sent the advertisement
	// in the last 60 s. Without it every till is refused.
	RecentAdvertisement func(serviceData []byte) bool

	// ReadValue is the value of its read characteristic.
	ReadValue []byte

	// Nonce is n_C, fresh and random.
	Nonce [16]byte

	// ResumeKey is fresh and random; the till recognises RESUME
	// advertisements by it.
	ResumeKey [16]byte

	// Unfinished returns the ids of unfinished payments with the device of a
	// certificate that VerifyPeer accepted, at most 8. It may be nil.
	Unfinished func(peerDeviceCert []byte) [][]byte
}

// Code returns the four digits that both screens can show to tell that they
// speak to each other: SHA-256("vbp/1 code" ‖ binding ‖ n_B ‖ n_C), taken as
// one big-endian number of 256 bits, modulo 10,000. It does not stop a relay.
func Code(binding [32]byte, nB, nC [16]byte) string {
	h := sha256.New()
	h.Write([]byte("vbp/1 code"))
	h.Write(binding[:])
	h.Write(nB[:])
	h.Write(nC[:])
	sum := h.Sum(nil)
	var rest uint64
	for ; len(sum) > 0; sum = sum[8:] {
		_, rest = bits.Div64(rest, binary.BigEndian.Uint64(sum), 10_000)
	}
	return fmt.Sprintf("%04d", rest)
}

// suite is 25519_ChaChaPoly_SHA256.
var suite = noise.NewCipherSuite(noise.DH25519, noise.CipherChaChaPoly, noise.HashSHA256)

// prologue binds the handshake to this protocol.
var prologue = []byte("vbp/1")
