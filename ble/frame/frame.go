// Package frame cuts messages into single ATT values and puts them together
// again. It is pure: a Conn is told what arrived and asked what to send next,
// and knows neither radio nor clock.
//
// A frame is one ATT value:
//
//	flags(1) seq(1) [ack(1) with ACK] [len(2, little-endian) with START] payload
//
// seq starts at 0 and grows by exactly one with every frame of a direction,
// whatever the frame carries, modulo 256. ack is the seq of the newest frame
// received. len is the length of the whole message. Flag bits that are not
// known, gaps, and everything else that an honest peer never sends end the
// link: a link is reliable while it lasts, so such a frame is an attack or a
// bug.
//
// At most Window data frames are under way unacknowledged. Frames that only
// acknowledge, and control frames, take a seq but no room in the window and
// need no acknowledgement; only a Ping is acknowledged at once.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MessageMax is the longest message in bytes, Noise tag included.
const MessageMax = 4096

// Window is how many data frames may be under way, as the peer must expect.
const Window = 4

// ValueMin and ValueMax bound the length of a frame: the value of the smallest
// ATT MTU, and the longest value an attribute can have.
const (
	ValueMin = 20
	ValueMax = 512
)

// Errors of this package. All but ErrTooLong, ErrEmpty, ErrBusy and ErrValue
// mean that the peer broke the protocol.
var (
	// ErrTooLong says that a message is longer than MessageMax.
	ErrTooLong = errors.New("message too long")
	// ErrEmpty says that a message to send has no bytes.
	ErrEmpty = errors.New("empty message")
	// ErrBusy says that the previous message is still being sent.
	ErrBusy = errors.New("message under way")
	// ErrValue says that a Conn was asked for with values it cannot use.
	ErrValue = errors.New("impossible frame size or window")

	// ErrFrame says that a frame is malformed.
	ErrFrame = errors.New("malformed frame")
	// ErrSequence says that a frame was not the next one.
	ErrSequence = errors.New("frame out of sequence")
	// ErrAck says that a frame acknowledged what was never sent, or less
	// than an earlier one.
	ErrAck = errors.New("impossible acknowledgement")
	// ErrWindow says that the peer sent more than the window allows.
	ErrWindow = errors.New("window exceeded")
	// ErrMessage says that frames do not make up a message.
	ErrMessage = errors.New("malformed message")
	// ErrEnded says that frames came after a Close or Alert.
	ErrEnded = errors.New("frame after the end")
)

// Flags of a frame.
const (
	flagStart = 1
	flagEnd   = 2
	flagAck   = 4
	flagCtrl  = 8
	flagsAll  = flagStart | flagEnd | flagAck | flagCtrl
)

// kind is what a frame is for.
type kind uint8

const (
	kindData    kind = iota // a piece of a message
	kindAck                 // an acknowledgement and nothing else
	kindControl             // a Control
)

// parsed is one frame taken apart; payload points into the value.
type parsed struct {
	kind    kind
	flags   byte
	seq     byte
	ack     byte // with flagAck
	length  int  // with flagStart
	payload []byte
}

func (p parsed) has(flag byte) bool { return p.flags&flag != 0 }

// parse takes a value apart and checks all that can be checked without
// knowing what came before.
func parse(value []byte) (parsed, error) {
	if len(value) < 2 || len(value) > ValueMax {
		return parsed{}, fmt.Errorf("%d bytes: %w", len(value), ErrFrame)
	}
	p := parsed{flags: value[0], seq: value[1], payload: value[2:]}
	if p.flags&^flagsAll != 0 {
		return parsed{}, fmt.Errorf("flags %#02x: %w", p.flags, ErrFrame)
	}
	if p.has(flagAck) {
		if len(p.payload) < 1 {
			return parsed{}, fmt.Errorf("ack missing: %w", ErrFrame)
		}
		p.ack, p.payload = p.payload[0], p.payload[1:]
	}
	switch {
	case p.has(flagCtrl) && p.has(flagStart|flagEnd):
		return parsed{}, fmt.Errorf("flags %#02x: %w", p.flags, ErrFrame)
	case p.has(flagCtrl):
		p.kind = kindControl
	case p.flags == flagAck && len(p.payload) == 0:
		p.kind = kindAck
	default:
		return parseData(p)
	}
	return p, nil
}

// parseData reads the length of a first piece and refuses pieces that carry
// nothing.
func parseData(p parsed) (parsed, error) {
	if p.has(flagStart) {
		if len(p.payload) < 2 {
			return parsed{}, fmt.Errorf("length missing: %w", ErrFrame)
		}
		p.length = int(binary.LittleEndian.Uint16(p.payload))
		p.payload = p.payload[2:]
		if p.length > MessageMax {
			return parsed{}, fmt.Errorf("%d bytes: %w", p.length, ErrMessage)
		}
	}
	if len(p.payload) == 0 {
		return parsed{}, fmt.Errorf("no payload: %w", ErrFrame)
	}
	return p, nil
}
