package radio

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

const (
	// nameMax is the longest name a client may give, in bytes.
	nameMax = 64
	// dialsMax is how many dials a client may have under way.
	dialsMax = 2 * link.LinksMax
	// queueMax is how many values may wait for one link, or be unread; a
	// session's window keeps it far below.
	queueMax = 1024
	// lastWords is how long a link that the client has ended may take for what
	// was sent before: a peer that takes nothing must not keep its place.
	lastWords = time.Second
	// statusEvery is how often a server looks whether its radio is well.
	statusEvery = 500 * time.Millisecond
)

// Controller answers SimControl, which only a simulated radio does.
type Controller interface {
	// Control carries out c and describes the air afterwards. The report's
	// control_id is filled in by the caller.
	Control(c *radiov1.SimControl) *radiov1.SimReport
}

// Join returns the radio that a client gets, by the name in its Hello, and a
// Controller, which may be nil. The radio is closed with the connection.
type Join func(name string) (link.Radio, Controller, error)

// Serve offers r to the client on conn until ctx or the connection ends, and
// closes conn. Afterwards r neither scans nor advertises and has no links of
// this client, but is not closed. It returns why the connection ended, nil if
// ctx or the client ended it in good order.
func Serve(ctx context.Context, conn net.Conn, r link.Radio, control Controller) error {
	return serve(ctx, conn, func(string) (link.Radio, Controller, func(), error) {
		return r, control, func() {
			r.Scan(context.WithoutCancel(ctx), false)
			r.Advertise(context.WithoutCancel(ctx), link.Advertisement{})
		}, nil
	})
}

// ServeNamed is Serve with a radio of the client's own, which joins under the
// client's name and is closed with the connection.
func ServeNamed(ctx context.Context, conn net.Conn, join Join) error {
	return serve(ctx, conn, func(name string) (link.Radio, Controller, func(), error) {
		r, control, err := join(name)
		if err != nil {
			return nil, nil, nil, err
		}
		return r, control, func() { r.Close() }, nil
	})
}

// server is one connection to a client.
type server struct {
	*wire
	parent  context.Context // of Serve
	ctx     context.Context // ends with the connection
	radio   link.Radio
	control Controller
	wg      sync.WaitGroup

	mu    sync.Mutex
	links map[uint64]*served
	last  uint64                        // link id
	dials map[uint64]context.CancelFunc // under way, by the client's id
	fault error                         // why the server ended the connection
}

// served is one link of the client.
type served struct {
	id    uint64
	link  link.Link
	queue chan outgoing
}

// outgoing is what a client has for a link: a value, or the end.
type outgoing struct {
	value  []byte
	end    bool
	reason string // with end
}

func serve(ctx context.Context, conn net.Conn, open func(name string) (link.Radio, Controller, func(), error)) error {
	s := &server{wire: newWire(conn), parent: ctx, links: map[uint64]*served{}, dials: map[uint64]context.CancelFunc{}}
	var cancel context.CancelFunc
	s.ctx, cancel = context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(s.ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()

	hello, err := s.readHello()
	if err != nil {
		return s.ended(err)
	}
	name := strings.ToValidUTF8(hello.GetName()[:min(len(hello.GetName()), nameMax)], "?")
	r, control, done, err := open(name)
	if err != nil {
		return fmt.Errorf("radio for %q: %w", name, err)
	}
	defer done()
	s.radio, s.control = r, control
	err = s.run()
	cancel()
	s.dropLinks()
	s.wg.Wait()
	return s.ended(err)
}

// ended tells a fault from an end in good order.
func (s *server) ended(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fault != nil {
		err = s.fault
	}
	if s.parent.Err() != nil || hungUp(err) {
		return nil
	}
	return err
}

// run introduces the radio and serves the connection until it ends.
func (s *server) run() error {
	status := s.radio.Status()
	if err := s.writeHello(status); err != nil {
		return err
	}
	if err := s.writeState(status); err != nil {
		return err
	}
	s.own(s.accepting)
	s.own(s.sighting)
	s.own(func() { s.watching(status) })
	for {
		f, err := s.read()
		if err != nil {
			return err
		}
		if err := s.handle(f); err != nil {
			return err
		}
	}
}

// own runs f in a goroutine that serve waits for.
func (s *server) own(f func()) {
	s.wg.Add(1)
	go func() {
		defer s.wg.Done()
		f()
	}()
}

// accepting announces links that others dialled.
func (s *server) accepting() {
	for {
		l, err := s.radio.Accept(s.ctx)
		if err != nil {
			s.giveUp(err)
			return
		}
		s.linkUp(l, 0)
	}
}

// sighting passes on what the radio hears.
func (s *server) sighting() {
	for {
		seen, err := s.radio.NextSighting(s.ctx)
		if err != nil {
			s.giveUp(err)
			return
		}
		err = s.write(&radiov1.Frame{Body: &radiov1.Frame_Sighting{Sighting: &radiov1.Sighting{
			Address: seen.Address, Rssi: int32(seen.RSSI), ServiceData: seen.ServiceData,
		}}})
		if err != nil {
			s.giveUp(err)
			return
		}
	}
}

// watching tells the client when the adapter fails or comes back, and what it
// has refused.
func (s *server) watching(was link.Status) {
	tick := time.NewTicker(statusEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
		case <-s.ctx.Done():
			return
		}
		is := s.radio.Status()
		if is.Address != was.Address {
			if err := s.writeHello(is); err != nil {
				s.giveUp(err)
				return
			}
		}
		if is.Up == was.Up && is.Reason == was.Reason && maps.Equal(is.Refused, was.Refused) {
			was = is
			continue
		}
		was = is
		if err := s.writeState(is); err != nil {
			s.giveUp(err)
			return
		}
	}
}

// writeHello says what the radio is; again when its address has changed.
func (s *server) writeHello(is link.Status) error {
	return s.write(helloFrame(&radiov1.Hello{Adapter: is.Adapter, Address: is.Address, LinksMax: link.LinksMax}))
}

func (s *server) writeState(is link.Status) error {
	return s.write(&radiov1.Frame{Body: &radiov1.Frame_AdapterState{AdapterState: &radiov1.AdapterState{
		Up: is.Up, Reason: is.Reason, Detail: clip(is.Detail), Refused: is.Refused,
	}}})
}

// giveUp ends the connection: the radio is closed, or the client is gone.
func (s *server) giveUp(err error) {
	s.mu.Lock()
	if s.fault == nil && s.ctx.Err() == nil {
		s.fault = err
	}
	s.mu.Unlock()
	s.conn.Close()
}

// handle carries out one frame of the client. An error ends the connection.
func (s *server) handle(f *radiov1.Frame) error {
	switch body := f.GetBody().(type) {
	case *radiov1.Frame_Advertise:
		a := body.Advertise
		return s.wish(s.radio.Advertise(s.ctx, link.Advertisement{
			On: a.GetOn(), ServiceData: a.GetServiceData(), ReadValue: a.GetReadValue(),
		}))
	case *radiov1.Frame_Scan:
		return s.wish(s.radio.Scan(s.ctx, body.Scan.GetOn()))
	case *radiov1.Frame_Dial:
		return s.dial(body.Dial)
	case *radiov1.Frame_Value:
		return s.value(body.Value)
	case *radiov1.Frame_LinkDown:
		if l := s.find(body.LinkDown.GetLinkId()); l != nil {
			l.end(clip(body.LinkDown.GetReason()))
		}
		return nil
	case *radiov1.Frame_Ping:
		return s.write(&radiov1.Frame{Body: &radiov1.Frame_Pong{Pong: &radiov1.Pong{Nonce: body.Ping.GetNonce()}}})
	case *radiov1.Frame_SimControl:
		return s.simControl(body.SimControl)
	default:
		return fmt.Errorf("%T from a client: %w", body, ErrFrame)
	}
}

// wish judges the answer to Advertise and Scan, which have none on the wire:
// an adapter that cannot now is told by AdapterState.
func (s *server) wish(err error) error {
	if errors.Is(err, link.ErrTooLong) {
		return fmt.Errorf("%w: %w", err, ErrFrame)
	}
	if errors.Is(err, link.ErrAdapter) {
		return s.writeState(s.radio.Status())
	}
	return err
}

func (s *server) simControl(c *radiov1.SimControl) error {
	if s.control == nil {
		return fmt.Errorf("SimControl of a real radio: %w", ErrFrame)
	}
	report := s.control.Control(c)
	report.ControlId = c.GetControlId()
	return s.write(&radiov1.Frame{Body: &radiov1.Frame_SimReport{SimReport: report}})
}
