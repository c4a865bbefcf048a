package frame

import "fmt"

// Op is what a control frame asks for.
type Op uint8

// The control frames: op(1), and a code(1) with Close and Alert, and the
// sender's version_min(1) version_max(1) with Alert.
const (
	// Ping asks for an acknowledgement at once.
	Ping Op = 1
	// Close ends the link in good order. Code says why.
	Close Op = 2
	// Alert ends the link because the other side did wrong. Code says what.
	Alert Op = 3
)

// Control is the content of a control frame.
type Control struct {
	// Op is what it asks for.
	Op Op

	// Code goes with Close and Alert; its meaning is the caller's.
	Code uint8

	// VersionMin and VersionMax are the protocol versions that the sender
	// of an Alert speaks.
	VersionMin, VersionMax uint8
}

// ends reports whether nothing may follow c.
func (c Control) ends() bool { return c.Op == Close || c.Op == Alert }

func (c Control) append(b []byte) []byte {
	switch c.Op {
	case Close:
		return append(b, byte(c.Op), c.Code)
	case Alert:
		return append(b, byte(c.Op), c.Code, c.VersionMin, c.VersionMax)
	default:
		return append(b, byte(Ping))
	}
}

func parseControl(payload []byte) (Control, error) {
	switch {
	case len(payload) == 1 && Op(payload[0]) == Ping:
		return Control{Op: Ping}, nil
	case len(payload) == 2 && Op(payload[0]) == Close:
		return Control{Op: Close, Code: payload[1]}, nil
	case len(payload) == 4 && Op(payload[0]) == Alert:
		return Control{Op: Alert, Code: payload[1], VersionMin: payload[2], VersionMax: payload[3]}, nil
	}
	return Control{}, fmt.Errorf("control %x: %w", payload, ErrFrame)
}
