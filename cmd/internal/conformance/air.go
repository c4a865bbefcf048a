package conformance

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/vipaso/vipasod/ble/frame"
	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth/vectors"
)

// faults name what is wrong on a link.
var faults = []struct {
	err  error
	name string
}{
	{frame.ErrTooLong, "TOO_LONG"},
	{frame.ErrEmpty, "EMPTY"},
	{frame.ErrBusy, "BUSY"},
	{frame.ErrFrame, "FRAME"},
	{frame.ErrSequence, "SEQUENCE"},
	{frame.ErrAck, "ACK"},
	{frame.ErrWindow, "WINDOW"},
	{frame.ErrMessage, "MESSAGE"},
	{frame.ErrEnded, "ENDED"},
}

func fault(err error) string {
	for _, f := range faults {
		if errors.Is(err, f.err) {
			return f.name
		}
	}
	return ""
}

// runLink plays one end of a link. What it wants and gets is the first step
// that comes out otherwise.
func runLink(c vectors.Link) (name, want, got string) {
	conn, err := frame.New(c.ValueMax, c.Window)
	if err != nil {
		return c.Name, "a link", err.Error()
	}
	for i, step := range c.Steps {
		if want, got := showStep(step), showStep(Play(conn, step)); want != got {
			return c.Name, fmt.Sprintf("step %d: %s", i+1, want), got
		}
	}
	return c.Name, vectors.Accepted, vectors.Accepted
}

// Play lets a step happen, and returns it with what came of it.
func Play(conn *frame.Conn, s vectors.Step) vectors.Step {
	done := vectors.Step{Send: s.Send, Signal: s.Signal, Flush: s.Flush, Push: s.Push}
	switch {
	case s.Send != nil:
		done.Class = fault(conn.Send(*s.Send))
	case s.Signal != nil:
		conn.Signal(frame.Control{Op: frame.Op(s.Signal.Op), Code: s.Signal.Code, VersionMin: s.Signal.VersionMin, VersionMax: s.Signal.VersionMax})
	case s.Flush:
		conn.Flush()
	case s.Push != nil:
		in, err := conn.Push(*s.Push)
		done.Class = fault(err)
		if in.Message != nil {
			message := vectors.Hex(in.Message)
			done.Message = &message
		}
		if ctl := in.Control; ctl != nil {
			done.Control = &vectors.Control{Op: uint8(ctl.Op), Code: ctl.Code, VersionMin: ctl.VersionMin, VersionMax: ctl.VersionMax}
		}
	default:
		next := []vectors.Hex{}
		for value, ok := conn.Next(); ok; value, ok = conn.Next() {
			next = append(next, value)
		}
		done.Next = &next
	}
	return done
}

func showStep(s vectors.Step) string {
	b, err := json.Marshal(s)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// runAdvertisement reads service data, and writes it again.
func runAdvertisement(c vectors.Advertisement) (name, want, got string) {
	want = showAdvertisement(c)
	b, err := link.DecodeBeacon(c.ServiceData)
	if err != nil {
		return c.Name, want, showAdvertisement(vectors.Advertisement{Class: BadAdvertisement})
	}
	read := vectors.Advertisement{
		Class: vectors.Accepted, Version: b.Version, Resume: b.Resume, Targeted: b.Targeted, Critical: b.Critical, EID: b.EID[:],
		BaseHandle: b.BaseHandle, TxPower: b.TxPower,
	}
	if len(c.Key) == 16 {
		key := [16]byte(c.Key)
		read.Key, read.Recognised = c.Key, link.MatchesResume(key, b.EID)
	}
	if ignored := c.ServiceData[0] & 0x04; ignored == 0 { // the flag that is ignored is not written again
		if err := same("written again it is", b.Encode(), c.ServiceData); err != nil {
			return c.Name, want, err.Error()
		}
	}
	return c.Name, want, showAdvertisement(read)
}

// BadAdvertisement is the class of service data that is not of this protocol.
const BadAdvertisement = "NO_ADVERTISEMENT"

func showAdvertisement(c vectors.Advertisement) string {
	if c.Class != vectors.Accepted {
		return c.Class
	}
	return fmt.Sprintf("version %d, resume %t, targeted %t, critical %t, eid %x, base handle %d, %d dBm, recognised %t",
		c.Version, c.Resume, c.Targeted, c.Critical, c.EID, c.BaseHandle, c.TxPower, c.Recognised)
}

// runCode works out the four digits.
func runCode(c vectors.Code) (name, want, got string) {
	if len(c.Binding) != 32 || len(c.NB) != 16 || len(c.NC) != 16 {
		return c.Name, c.Code, "sizes are wrong"
	}
	return c.Name, c.Code, secure.Code([32]byte(c.Binding), [16]byte(c.NB), [16]byte(c.NC))
}
