package radio

import (
	"context"
	"errors"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/sim"
	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

var beacon = link.Beacon{Version: 1, EID: link.EID{1}}.Encode()

// connected returns a client that advertises and one that has dialled it.
func (s *station) connected(t *testing.T) (till, customer *Client, l link.Link) {
	t.Helper()
	till, customer = s.client(t, "till"), s.client(t, "customer")
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := errors.Join(till.Scan(ctx, true), customer.Advertise(ctx, link.Advertisement{On: true, ServiceData: beacon})); err != nil {
		t.Fatal(err)
	}
	seen, err := till.NextSighting(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if l, err = till.Dial(ctx, seen.Address, false); err != nil {
		t.Fatal(err)
	}
	return till, customer, l
}

// TestReconnect cuts the connections, as a crash of the radio process does:
// links are lost, and what was wished is wished again.
func TestReconnect(t *testing.T) {
	s := newStation(t, sim.Conditions{})
	till, customer, l := s.connected(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	far, err := customer.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	s.dropConns()
	for _, end := range []link.Link{l, far} { // both clients notice
		if _, err := end.Receive(ctx); !errors.Is(err, link.ErrLost) {
			t.Errorf("receive: %v", err)
		}
	}
	if err := l.Send(ctx, []byte("x")); !errors.Is(err, link.ErrLost) {
		t.Errorf("send: %v", err)
	}
	if err := errors.Join(till.AwaitUp(ctx), customer.AwaitUp(ctx)); err != nil {
		t.Fatal(err)
	}
	for { // sightings from before may be left
		seen, err := till.NextSighting(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if l, err = till.Dial(ctx, seen.Address, false); err == nil {
			break
		}
	}
	for _, c := range []*Client{till, customer} {
		if got := c.Status(); got.Restarts != 1 || !got.Up || got.Adapter != "sim" {
			t.Errorf("status %+v", got)
		}
	}
	if err := l.Close("done"); err != nil {
		t.Error(err)
	}
}

// TestDown checks what a client does that has no radio yet.
func TestDown(t *testing.T) {
	refused := errors.New("nobody listens")
	attempts := make(chan struct{}, 100)
	c := NewClient(Options{Dial: func(context.Context) (net.Conn, error) {
		attempts <- struct{}{}
		return nil, refused
	}})
	run(t, c)
	for range 3 {
		<-attempts
	}
	ctx := t.Context()
	_, err := c.Dial(ctx, "C0:00:00:00:00:01", false)
	var down *link.AdapterError
	if !errors.As(err, &down) || down.Reason != "ADAPTER_DOWN" || !errors.Is(err, link.ErrAdapter) {
		t.Errorf("dial: %v", err)
	}
	if _, err := c.Peers(ctx); !errors.Is(err, link.ErrAdapter) {
		t.Errorf("peers: %v", err)
	}
	if err := errors.Join(c.Scan(ctx, true), c.Advertise(ctx, link.Advertisement{On: true, ServiceData: beacon})); err != nil {
		t.Errorf("wishes of a radio that is down: %v", err)
	}
	if s := c.Status(); s.Up || !s.Scanning || !s.Advertising || s.Detail == "" || s.Reason != "ADAPTER_DOWN" {
		t.Errorf("status %+v", s)
	}
}

func TestSimControl(t *testing.T) {
	s := newStation(t, sim.Conditions{})
	till, _, l := s.connected(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	report, err := till.Peers(ctx)
	if err != nil || len(report.GetPeers()) != 2 || report.GetPeers()[0].GetName() != "till" || report.GetPeers()[1].GetName() != "customer" {
		t.Errorf("peers: %v, %v", report, err)
	}
	loss, latency := uint32(20), 7*time.Millisecond
	report, err = till.SetConditions(ctx, &loss, &latency)
	if err != nil || report.GetLossPerMille() != 20 || report.GetLatencyMs() != 7 {
		t.Errorf("set: %v, %v", report, err)
	}
	report, err = till.SetConditions(ctx, nil, nil)
	if err != nil || report.GetLossPerMille() != 20 || report.GetLatencyMs() != 7 {
		t.Errorf("set nothing: %v, %v", report, err)
	}
	if _, err = till.DropLinks(ctx); err != nil {
		t.Error(err)
	}
	if _, err := l.Receive(ctx); !errors.Is(err, link.ErrLost) {
		t.Errorf("receive after the links were dropped: %v", err)
	}
}

// script is a radio process played by hand.
type script struct {
	*testing.T
	client *Client
	w      *wire
}

// scripted runs a test in a bubble against a client whose first connection
// goes to the test; later ones fail.
func scripted(t *testing.T, test func(*script)) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		conns := make(chan net.Conn, 1)
		conns <- near
		c := NewClient(Options{Name: "me", Dial: func(context.Context) (net.Conn, error) {
			select {
			case conn := <-conns:
				return conn, nil
			default:
				return nil, errors.New("no more connections")
			}
		}})
		run(t, c)
		t.Cleanup(func() { far.Close() })
		s := &script{T: t, client: c, w: newWire(far)}
		hello, err := s.w.readHello()
		if err != nil || hello.GetName() != "me" {
			t.Fatalf("hello %v, %v", hello, err)
		}
		test(s)
	})
}

// up answers the hello and says that the adapter is well; what the client
// sends afterwards is read and dropped, until the connection ends.
func (s *script) up() <-chan error {
	s.Helper()
	ended := make(chan error, 1)
	go func() {
		for {
			if _, err := s.w.read(); err != nil {
				ended <- err
				return
			}
		}
	}()
	s.say(helloFrame(&radiov1.Hello{Adapter: "hci7", Address: "C0:00:00:00:00:07"}))
	s.say(state(true, "", ""))
	if err := s.client.AwaitUp(s.Context()); err != nil {
		s.Fatal(err)
	}
	return ended
}

// dropped waits for the end of the connection, which must come at once: later
// a missed pong would end it anyhow.
func (s *script) dropped(ended <-chan error) {
	s.Helper()
	start := time.Now()
	<-ended
	if took := time.Since(start); took != 0 {
		s.Errorf("dropped after %s", took)
	}
}

func (s *script) say(f *radiov1.Frame) {
	s.Helper()
	if err := s.w.write(f); err != nil {
		s.Fatal(err)
	}
}

func state(up bool, reason, detail string) *radiov1.Frame {
	return &radiov1.Frame{Body: &radiov1.Frame_AdapterState{AdapterState: &radiov1.AdapterState{Up: up, Reason: reason, Detail: detail}}}
}

func linkUp(id, dial uint64, valueMax uint32) *radiov1.Frame {
	return &radiov1.Frame{Body: &radiov1.Frame_LinkUp{LinkUp: &radiov1.LinkUp{LinkId: id, DialId: dial, ValueMax: valueMax, Address: "C0:00:00:00:00:08"}}}
}

func TestAdapterState(t *testing.T) {
	scripted(t, func(s *script) {
		s.up()
		s.say(linkUp(1, 0, 100))
		l, err := s.client.Accept(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		s.say(state(false, "ADAPTER_BUSY", "hci7 is in use"))
		synctest.Wait()
		if got := s.client.Status(); got.Up || got.Reason != "ADAPTER_BUSY" || got.Detail != "hci7 is in use" || got.Links != 0 {
			s.Errorf("status %+v", got)
		}
		if _, err := l.Receive(s.Context()); !errors.Is(err, link.ErrLost) {
			s.Errorf("link of a lost adapter: %v", err)
		}
		var down *link.AdapterError
		if _, err := s.client.Dial(s.Context(), "x", false); !errors.As(err, &down) || down.Reason != "ADAPTER_BUSY" {
			s.Errorf("dial: %v", err)
		}
		s.say(state(true, "", ""))
		s.say(helloFrame(&radiov1.Hello{Adapter: "hci7", Address: "C0:00:00:00:00:09"}))
		synctest.Wait()
		if got := s.client.Status(); !got.Up || got.Reason != "" || got.Address != "C0:00:00:00:00:09" || got.Adapter != "hci7" {
			s.Errorf("status %+v", got)
		}
	})
}

// TestMissedPong lets the radio process hang: it reads and says nothing.
func TestMissedPong(t *testing.T) {
	scripted(t, func(s *script) {
		start := time.Now()
		<-s.up()
		if took := time.Since(start); took != pingEvery+pongLimit {
			s.Errorf("dropped after %s", took)
		}
		synctest.Wait()
		if got := s.client.Status(); got.Up || got.Reason != "ADAPTER_DOWN" {
			s.Errorf("status %+v", got)
		}
	})
}

// TestDeafRadio lets the radio process not even read.
func TestDeafRadio(t *testing.T) {
	scripted(t, func(s *script) {
		s.say(helloFrame(&radiov1.Hello{Adapter: "hci7"}))
		start := time.Now()
		synctest.Wait()
		<-time.After(2 * writeLimit) // virtual
		if _, err := s.w.read(); err == nil {
			s.Errorf("still connected after %s", time.Since(start))
		}
	})
}

// TestHostileRadio sends what a radio process never says. The client drops
// the connection, and its links with it; it does not crash.
func TestHostileRadio(t *testing.T) {
	value := func(id uint64, n int) *radiov1.Frame { return valueFrame(id, make([]byte, n)) }
	tests := []struct {
		name   string
		frames []*radiov1.Frame
	}{
		{"empty frame", []*radiov1.Frame{{}}},
		{"hello of another version", []*radiov1.Frame{{Body: &radiov1.Frame_Hello{Hello: &radiov1.Hello{Version: 2}}}}},
		{"a ping", []*radiov1.Frame{{Body: &radiov1.Frame_Ping{Ping: &radiov1.Ping{}}}}},
		{"a dial", []*radiov1.Frame{{Body: &radiov1.Frame_Dial{Dial: &radiov1.Dial{DialId: 1}}}}},
		{"link 0", []*radiov1.Frame{linkUp(0, 0, 100)}},
		{"link for tiny values", []*radiov1.Frame{linkUp(1, 0, 19)}},
		{"link for huge values", []*radiov1.Frame{linkUp(1, 0, 4_000_000_000)}},
		{"same link twice", []*radiov1.Frame{linkUp(1, 0, 100), linkUp(1, 0, 100)}},
		{"value longer than the link's", []*radiov1.Frame{linkUp(1, 0, 100), value(1, 101)}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			scripted(t, func(s *script) {
				ended := s.up()
				for _, f := range tt.frames {
					s.say(f)
				}
				s.dropped(ended)
				synctest.Wait()
				if got := s.client.Status(); got.Up || got.Links != 0 {
					s.Errorf("status %+v", got)
				}
			})
		})
	}
}

// TestHostileBytes sends what is no frame at all.
func TestHostileBytes(t *testing.T) {
	for name, bytes := range map[string][]byte{
		"length 0":        {0, 0, 0, 0},
		"length too long": {0, 1, 0, 1},
		"length huge":     {0xff, 0xff, 0xff, 0xff},
		"no protobuf":     {0, 0, 0, 2, 0xff, 0xff},
	} {
		t.Run(name, func(t *testing.T) {
			scripted(t, func(s *script) {
				ended := s.up()
				if _, err := s.w.conn.Write(bytes); err != nil {
					s.Fatal(err)
				}
				s.dropped(ended)
			})
		})
	}
}

// TestHarmless sends what may cross with the client's own frames.
func TestHarmless(t *testing.T) {
	scripted(t, func(s *script) {
		ended := s.up()
		for _, f := range []*radiov1.Frame{
			valueFrame(99, []byte("of a closed link")),
			linkDownFrame(99, "closed"),
			{Body: &radiov1.Frame_DialFailed{DialFailed: &radiov1.DialFailed{DialId: 99}}},
			{Body: &radiov1.Frame_Pong{Pong: &radiov1.Pong{Nonce: 99}}},
			{Body: &radiov1.Frame_Pong{Pong: &radiov1.Pong{Nonce: 98}}},
			{Body: &radiov1.Frame_SimReport{SimReport: &radiov1.SimReport{ControlId: 99}}},
			linkUp(1, 99, 100), // of a dial that was given up
		} {
			s.say(f)
		}
		synctest.Wait()
		select {
		case err := <-ended:
			s.Errorf("connection ended: %v", err)
		default:
		}
		if got := s.client.Status(); !got.Up || got.Links != 0 {
			s.Errorf("status %+v", got)
		}
	})
}

// TestUnreadLink lets one link's values pile up: it ends, the others stay.
func TestUnreadLink(t *testing.T) {
	scripted(t, func(s *script) {
		s.up()
		s.say(linkUp(1, 0, 100))
		s.say(linkUp(2, 0, 100))
		unread, err := s.client.Accept(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		other, err := s.client.Accept(s.Context())
		if err != nil {
			s.Fatal(err)
		}
		for range queueMax + 1 {
			s.say(valueFrame(1, []byte("x")))
		}
		s.say(valueFrame(2, []byte("y")))
		<-unread.Done()
		if got, err := other.Receive(s.Context()); err != nil || string(got) != "y" {
			s.Errorf("the other link: %q, %v", got, err)
		}
		for range queueMax {
			if _, err := unread.Receive(s.Context()); err != nil {
				s.Fatal(err)
			}
		}
		if _, err := unread.Receive(s.Context()); !errors.Is(err, link.ErrLost) {
			s.Errorf("after the last value: %v", err)
		}
	})
}

// TestManyAccepted lets links come up that nobody accepts.
func TestManyAccepted(t *testing.T) {
	scripted(t, func(s *script) {
		s.up()
		for id := range uint64(acceptMax + 5) {
			s.say(linkUp(id+1, 0, 100))
		}
		synctest.Wait()
		if got := s.client.Status(); got.Links != acceptMax {
			s.Errorf("%d links are kept, want %d", got.Links, acceptMax)
		}
	})
}

func TestSilentHello(t *testing.T) {
	scripted(t, func(s *script) {
		start := time.Now()
		if _, err := s.w.read(); err == nil {
			s.Error("the client goes on without a hello")
		}
		if took := time.Since(start); took != helloLimit {
			s.Errorf("the client waited %s", took)
		}
	})
}

// TestDialEnds ends dials and controls in every way but an answer.
func TestDialEnds(t *testing.T) {
	scripted(t, func(s *script) {
		s.up()
		dial := func(ctx context.Context) <-chan error {
			errs := make(chan error, 1)
			go func() {
				_, err := s.client.Dial(ctx, "C0:00:00:00:00:08", false)
				errs <- err
			}()
			return errs
		}
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		if err := <-dial(ctx); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("dial with too little time: %v", err)
		}
		s.say(linkUp(1, 1, 100)) // too late
		synctest.Wait()
		if n := s.client.Status().Links; n != 0 {
			s.Errorf("%d links of a dial that was given up", n)
		}
		failed := dial(s.Context())
		synctest.Wait()
		s.say(&radiov1.Frame{Body: &radiov1.Frame_DialFailed{DialFailed: &radiov1.DialFailed{DialId: 2, Reason: "no \xff answer"[:3]}}})
		if err := <-failed; !errors.Is(err, link.ErrLost) {
			s.Errorf("failed dial: %v", err)
		}
		pending := dial(s.Context())
		control := make(chan error, 1)
		go func() {
			_, err := s.client.Peers(s.Context())
			control <- err
		}()
		synctest.Wait()
		s.w.conn.Close()
		for name, errs := range map[string]<-chan error{"dial": pending, "control": control} {
			if err := <-errs; !errors.Is(err, link.ErrLost) {
				s.Errorf("%s when the radio process dies: %v", name, err)
			}
		}
	})
}

// TestDialGivenUp: whoever gives up a dial says so, or the radio would go on
// with it while the next one waits.
func TestDialGivenUp(t *testing.T) {
	scripted(t, func(s *script) {
		heard := make(chan *radiov1.Frame, 10)
		go func() {
			defer close(heard)
			for {
				f, err := s.w.read()
				if err != nil {
					return
				}
				if f.GetDial() != nil {
					heard <- f
				}
			}
		}()
		s.say(helloFrame(&radiov1.Hello{}))
		s.say(state(true, "", ""))
		if err := s.client.AwaitUp(s.Context()); err != nil {
			s.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(s.Context(), time.Second)
		defer cancel()
		if _, err := s.client.Dial(ctx, "C0:00:00:00:00:08", false); !errors.Is(err, context.DeadlineExceeded) {
			s.Errorf("dial: %v", err)
		}
		asked, gaveUp := (<-heard).GetDial(), (<-heard).GetDial()
		if asked.GetAddress() == "" || gaveUp.GetAddress() != "" || gaveUp.GetDialId() != asked.GetDialId() {
			s.Errorf("asked %v, then %v", asked, gaveUp)
		}
		if _, err := s.client.Dial(s.Context(), "", false); !errors.Is(err, link.ErrLost) {
			s.Errorf("dial of nobody: %v", err)
		}
	})
}
