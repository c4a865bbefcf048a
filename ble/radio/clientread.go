package radio

import (
	"errors"
	"fmt"

	"github.com/vipaso/vipasod/ble/link"
	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

// reading takes frames until the connection ends, and returns why. It never
// waits for anything but the connection.
func (cc *clientConn) reading() error {
	for {
		f, err := cc.read()
		if err != nil {
			return err
		}
		if err := cc.handle(f); err != nil {
			return err
		}
	}
}

// handle takes one frame. An error ends the connection.
func (cc *clientConn) handle(f *radiov1.Frame) error {
	switch body := f.GetBody().(type) {
	case *radiov1.Frame_Hello:
		return cc.renamed(body.Hello)
	case *radiov1.Frame_Sighting:
		cc.sighted(body.Sighting)
		return nil
	case *radiov1.Frame_LinkUp:
		return cc.linkUp(body.LinkUp)
	case *radiov1.Frame_DialFailed:
		cc.answer(body.DialFailed.GetDialId(), dialled{
			err: fmt.Errorf("%s: %w", clip(body.DialFailed.GetReason()), link.ErrLost),
		})
		return nil
	case *radiov1.Frame_Value:
		return cc.value(body.Value)
	case *radiov1.Frame_LinkDown:
		cc.linkDown(body.LinkDown)
		return nil
	case *radiov1.Frame_Pong:
		select {
		case cc.pongs <- body.Pong.GetNonce():
		default: // one that nobody asked for
		}
		return nil
	case *radiov1.Frame_AdapterState:
		return cc.adapterState(body.AdapterState)
	case *radiov1.Frame_SimReport:
		cc.mu.Lock()
		defer cc.mu.Unlock()
		if answer := cc.controls[body.SimReport.GetControlId()]; answer != nil {
			delete(cc.controls, body.SimReport.GetControlId())
			answer <- body.SimReport
		}
		return nil
	default:
		return fmt.Errorf("%T from a radio: %w", body, ErrFrame)
	}
}

// renamed takes a Hello after the first: the address has changed.
func (cc *clientConn) renamed(h *radiov1.Hello) error {
	if h.GetVersion() != protocolVersion {
		return fmt.Errorf("hello of version %d: %w", h.GetVersion(), ErrFrame)
	}
	c := cc.client
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == cc {
		c.status.Adapter, c.status.Address = clip(h.GetAdapter()), clip(h.GetAddress())
	}
	return nil
}

func (cc *clientConn) sighted(s *radiov1.Sighting) {
	cc.client.heard()
	cc.client.sightings.Push(link.Sighting{
		Address: clip(s.GetAddress()), RSSI: int(s.GetRssi()), ServiceData: s.GetServiceData(),
	})
}

// linkUp takes a new link, for a dial or for Accept.
func (cc *clientConn) linkUp(up *radiov1.LinkUp) error {
	valueMax := int(up.GetValueMax())
	if up.GetLinkId() == 0 || valueMax < link.ValueMin || valueMax > link.ValueMax || len(up.GetReadValue()) > link.ValueMax {
		return fmt.Errorf("link %d for values of %d bytes: %w", up.GetLinkId(), valueMax, ErrFrame)
	}
	l := newRemote(cc, up)
	cc.mu.Lock()
	if others := len(cc.links); cc.links[l.id] != nil || others >= linksMax {
		cc.mu.Unlock()
		return fmt.Errorf("link %d comes up beside %d others: %w", l.id, others, ErrFrame)
	}
	if cc.ended != nil {
		cc.mu.Unlock()
		return cc.ended
	}
	cc.links[l.id] = l
	cc.mu.Unlock()
	cc.client.heard()
	if up.GetDialId() != 0 {
		if !cc.answer(up.GetDialId(), dialled{link: l}) {
			return l.Close("dial given up")
		}
		return nil
	}
	select {
	case cc.client.accepted <- l:
		return nil
	default:
		return l.Close("not accepted")
	}
}

// answer gives a dial its result. It returns false if nobody waits for it.
func (cc *clientConn) answer(dial uint64, d dialled) bool {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	answer := cc.dials[dial]
	if answer == nil {
		return false
	}
	delete(cc.dials, dial)
	answer <- d
	return true
}

// value hands a value to its link. One that nobody reads from ends; it must
// not hold up the others.
func (cc *clientConn) value(v *radiov1.Value) error {
	cc.mu.Lock()
	l := cc.links[v.GetLinkId()]
	cc.mu.Unlock()
	if l == nil {
		return nil // we have closed it
	}
	if len(v.GetValue()) > l.valueMax {
		return fmt.Errorf("value of %d bytes on a link for %d: %w", len(v.GetValue()), l.valueMax, ErrFrame)
	}
	select {
	case l.inbox <- v.GetValue():
		return nil
	default:
		l.lose(errors.New("too many unread values"))
		return cc.write(linkDownFrame(l.id, "too many unread values"))
	}
}

func (cc *clientConn) linkDown(down *radiov1.LinkDown) {
	cc.mu.Lock()
	l := cc.links[down.GetLinkId()]
	cc.mu.Unlock()
	if l != nil {
		l.lose(errors.New(clip(down.GetReason())))
	}
}

// adapterState takes note of the adapter's health and of what it has refused.
// Links do not survive its failure.
func (cc *clientConn) adapterState(s *radiov1.AdapterState) error {
	c := cc.client
	reason, detail := clip(s.GetReason()), clip(s.GetDetail())
	if s.GetUp() {
		reason, detail = "", ""
	} else if reason == "" {
		reason = reasonDown
	}
	c.mu.Lock()
	if c.conn != cc { // the client was closed
		c.mu.Unlock()
		return link.ErrClosed
	}
	c.refused.report(s.GetRefused())
	stays := s.GetUp() && c.status.Up
	if !stays {
		c.setState(s.GetUp(), reason, detail)
	}
	c.mu.Unlock()
	if stays {
		return nil
	}
	if s.GetUp() {
		c.log.Info("adapter up")
		return nil
	}
	c.log.Warn("adapter down", "reason", reason, "detail", detail)
	cc.mu.Lock()
	defer cc.mu.Unlock()
	cc.failAll(fmt.Errorf("%w: %w", &link.AdapterError{Reason: reason, Detail: detail}, link.ErrLost))
	return nil
}
