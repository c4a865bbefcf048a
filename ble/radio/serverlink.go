package radio

import (
	"context"
	"fmt"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

// dial starts a dial for the client, or gives one up, see giveUpFrame.
func (s *server) dial(d *radiov1.Dial) error {
	if d.GetDialId() == 0 {
		return fmt.Errorf("dial without id: %w", ErrFrame)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	giveUp := s.dials[d.GetDialId()]
	switch {
	case d.GetAddress() == "":
		if giveUp != nil {
			giveUp()
		}
		return nil
	case giveUp != nil:
		return fmt.Errorf("dial %d twice: %w", d.GetDialId(), ErrFrame)
	case len(s.dials) >= dialsMax:
		return s.dialFailed(d, "too many dials")
	}
	ctx, giveUp := context.WithCancel(s.ctx)
	s.dials[d.GetDialId()] = giveUp
	s.own(func() {
		defer giveUp()
		l, err := s.radio.Dial(ctx, d.GetAddress(), d.GetDiscover())
		s.mu.Lock()
		delete(s.dials, d.GetDialId())
		s.mu.Unlock()
		if err != nil {
			s.dialFailed(d, err.Error())
			return
		}
		s.linkUp(l, d.GetDialId())
	})
	return nil
}

func (s *server) dialFailed(d *radiov1.Dial, reason string) error {
	return s.write(&radiov1.Frame{Body: &radiov1.Frame_DialFailed{DialFailed: &radiov1.DialFailed{
		DialId: d.GetDialId(), Reason: clip(reason),
	}}})
}

// linkUp announces a link and moves its values from then on.
func (s *server) linkUp(l link.Link, dial uint64) {
	s.mu.Lock()
	s.last++
	sl := &served{id: s.last, link: l, queue: make(chan outgoing, queueMax)}
	s.links[sl.id] = sl
	s.mu.Unlock()
	err := s.write(&radiov1.Frame{Body: &radiov1.Frame_LinkUp{LinkUp: &radiov1.LinkUp{
		LinkId: sl.id, DialId: dial, ValueMax: uint32(l.ValueMax()), Address: l.Address(), ReadValue: l.PeerReadValue(),
	}}})
	if err != nil {
		s.giveUp(err)
	}
	s.own(func() { s.receiving(sl) })
	s.own(func() { s.sending(sl) })
}

// receiving passes on values from the link until it ends, and then its end.
func (s *server) receiving(l *served) {
	for {
		value, err := l.link.Receive(s.ctx)
		if err != nil {
			s.mu.Lock()
			delete(s.links, l.id)
			s.mu.Unlock()
			l.link.Close("client gone")
			if s.ctx.Err() == nil {
				s.write(linkDownFrame(l.id, err.Error()))
			}
			return
		}
		if err := s.write(valueFrame(l.id, value)); err != nil {
			s.giveUp(err)
		}
	}
}

// sending passes the client's values to the link.
func (s *server) sending(l *served) {
	for {
		select {
		case out := <-l.queue:
			if out.end {
				l.link.Close(out.reason)
				return
			}
			if err := l.link.Send(s.ctx, out.value); err != nil {
				l.link.Close(err.Error())
				return
			}
		case <-l.link.Done():
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// value queues one value of the client. Links that are gone are ignored: the
// client may not know yet.
func (s *server) value(v *radiov1.Value) error {
	l := s.find(v.GetLinkId())
	if l == nil {
		return nil
	}
	if len(v.GetValue()) > l.link.ValueMax() {
		return fmt.Errorf("value of %d bytes on a link for %d: %w", len(v.GetValue()), l.link.ValueMax(), ErrFrame)
	}
	l.hand(outgoing{value: v.GetValue()})
	return nil
}

// hand queues something for the link, and ends it if the link takes too little
// of what the client sends.
func (l *served) hand(out outgoing) {
	select {
	case l.queue <- out:
	default:
		l.link.Close("too many values waiting")
	}
}

// end ends the link behind what waits for it, or when that takes too long.
func (l *served) end(reason string) {
	l.hand(outgoing{end: true, reason: reason})
	time.AfterFunc(lastWords, func() { l.link.Close(reason) })
}

func (s *server) find(id uint64) *served {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.links[id]
}

// dropLinks ends the client's links.
func (s *server) dropLinks() {
	s.mu.Lock()
	links := make([]*served, 0, len(s.links))
	for _, l := range s.links {
		links = append(links, l)
	}
	s.mu.Unlock()
	for _, l := range links {
		l.link.Close("client gone")
	}
}
