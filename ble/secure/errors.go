package secure

import (
	"errors"
	"fmt"

	"github.com/vipaso/vipasod/ble/frame"
	"github.com/vipaso/vipasod/ble/link"
)

// How a session ends. An error of this package wraps exactly one of these, or
// link.ErrLost, link.ErrClosed, link.ErrTooLong or the context's error. If
// the other side found the fault, it wraps the same sentinel and is a
// *PeerError as well.
var (
	// ErrProtocol says that frames or messages break the protocol.
	ErrProtocol = errors.New("peer broke the protocol")

	// ErrHandshake says that the handshake did not come to an end: it took
	// too long, or does not decrypt.
	ErrHandshake = errors.New("handshake failed")

	// ErrPeerIdentity says that a device certificate is not acceptable, or
	// is not that of the device that shows it.
	ErrPeerIdentity = errors.New("peer identity refused")

	// ErrVersion says that there is no common protocol version, or not the
	// highest common one was chosen.
	ErrVersion = errors.New("protocol version refused")

	// ErrDowngrade says that the till saw other advertisement bytes, or
	// another read value, than the customer device sent.
	ErrDowngrade = errors.New("advertisement refused")
)

// AlertCode says in an ALERT what was wrong. Codes are part of the protocol.
type AlertCode uint8

// Alert codes.
const (
	AlertProtocol  AlertCode = 1
	AlertHandshake AlertCode = 2
	AlertIdentity  AlertCode = 3
	AlertVersion   AlertCode = 4
	AlertDowngrade AlertCode = 5
)

// CloseCode says in a CLOSE why a session ends in good order. Codes are part
// of the protocol.
type CloseCode uint8

// Close codes.
const (
	// CloseDone: nothing is left to say.
	CloseDone CloseCode = 0
	// CloseShutdown: the device stops.
	CloseShutdown CloseCode = 1
	// CloseBusy: the device has no time for this peer now.
	CloseBusy CloseCode = 2
)

// alerts pairs every alert code with its sentinel.
var alerts = []struct {
	code AlertCode
	err  error
}{
	{AlertProtocol, ErrProtocol},
	{AlertHandshake, ErrHandshake},
	{AlertIdentity, ErrPeerIdentity},
	{AlertVersion, ErrVersion},
	{AlertDowngrade, ErrDowngrade},
}

// PeerError is an end of the session that the peer decided: its ALERT or its
// CLOSE.
type PeerError struct {
	// Alert is the code of an ALERT, 0 with a CLOSE.
	Alert AlertCode

	// Close is the code of a CLOSE.
	Close CloseCode

	// VersionMin and VersionMax are what the sender of an ALERT speaks.
	VersionMin, VersionMax uint8
}

// Error says what the peer said.
func (e *PeerError) Error() string {
	if e.Alert == 0 {
		return fmt.Sprintf("peer closed with code %d", e.Close)
	}
	return fmt.Sprintf("peer alert %d (it speaks versions %d to %d): %v", e.Alert, e.VersionMin, e.VersionMax, e.Unwrap())
}

// Unwrap returns the sentinel of an ALERT, ErrProtocol for one that is not
// known, and link.ErrLost for a CLOSE.
func (e *PeerError) Unwrap() error {
	if e.Alert == 0 {
		return link.ErrLost
	}
	for _, a := range alerts {
		if a.code == e.Alert {
			return a.err
		}
	}
	return ErrProtocol
}

func peerError(c frame.Control) *PeerError {
	if c.Op == frame.Close {
		return &PeerError{Close: CloseCode(c.Code)}
	}
	// Code 0 is no alert; an honest peer does not send it.
	return &PeerError{Alert: max(AlertCode(c.Code), AlertProtocol), VersionMin: c.VersionMin, VersionMax: c.VersionMax}
}

// AlertOf returns the code of the ALERT that tells the peer about err, or 0 if
// the peer is not to know: err is no fault of its, or it has said so itself.
func AlertOf(err error) AlertCode {
	if errors.As(err, new(*PeerError)) {
		return 0
	}
	for _, a := range alerts {
		if errors.Is(err, a.err) {
			return a.code
		}
	}
	return 0
}

// alertFor returns the ALERT that tells the peer about err, if it is to know,
// with the versions that it could have spoken.
func alertFor(err error, speaks Versions) (frame.Control, bool) {
	code := AlertOf(err)
	return frame.Control{Op: frame.Alert, Code: uint8(code), VersionMin: speaks.Min, VersionMax: speaks.Max}, code != 0
}
