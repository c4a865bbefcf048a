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

// guest is a client of Serve played by hand.
type guest struct {
	*testing.T
	air    *sim.Air
	radio  link.Radio
	w      *wire
	served chan error
	frames chan *radiov1.Frame // what the server says, sightings left out
}

// visit runs a test in a bubble against Serve of a simulated radio without a
// Controller.
func visit(t *testing.T, test func(*guest)) {
	synctest.Test(t, func(t *testing.T) {
		air := sim.NewAir(1, sim.Conditions{})
		defer air.Close()
		near, far := net.Pipe()
		g := &guest{T: t, air: air, radio: air.Join("served"), w: newWire(near), served: make(chan error, 1), frames: make(chan *radiov1.Frame, 100)}
		ctx, cancel := context.WithCancel(context.Background())
		go func() { g.served <- Serve(ctx, far, g.radio, nil) }()
		defer func() {
			cancel()
			near.Close()
			synctest.Wait()
		}()
		test(g)
	})
}

func (g *guest) say(f *radiov1.Frame) {
	g.Helper()
	if err := g.w.write(f); err != nil {
		g.Fatal(err)
	}
}

// greet exchanges hellos, and reads from then on.
func (g *guest) greet() {
	g.Helper()
	g.say(helloFrame(&radiov1.Hello{Name: "guest"}))
	if _, err := g.w.readHello(); err != nil {
		g.Fatal(err)
	}
	if f, err := g.w.read(); err != nil || !f.GetAdapterState().GetUp() {
		g.Fatalf("state %v, %v", f, err)
	}
	go func() {
		for {
			f, err := g.w.read()
			if err != nil {
				close(g.frames)
				return
			}
			if f.GetSighting() == nil {
				g.frames <- f
			}
		}
	}()
}

func TestHostileClient(t *testing.T) {
	hello := helloFrame(&radiov1.Hello{})
	tests := []struct {
		name   string
		frames []*radiov1.Frame
	}{
		{"no hello", []*radiov1.Frame{{Body: &radiov1.Frame_Ping{Ping: &radiov1.Ping{}}}}},
		{"hello of another version", []*radiov1.Frame{{Body: &radiov1.Frame_Hello{Hello: &radiov1.Hello{Version: 9}}}}},
		{"second hello", []*radiov1.Frame{hello, hello}},
		{"what only a radio says", []*radiov1.Frame{hello, {Body: &radiov1.Frame_Pong{Pong: &radiov1.Pong{}}}}},
		{"dial without id", []*radiov1.Frame{hello, {Body: &radiov1.Frame_Dial{Dial: &radiov1.Dial{Address: "x"}}}}},
		{"long advertisement", []*radiov1.Frame{hello, {Body: &radiov1.Frame_Advertise{Advertise: &radiov1.Advertise{On: true, ServiceData: make([]byte, 11)}}}}},
		{"SimControl of a real radio", []*radiov1.Frame{hello, {Body: &radiov1.Frame_SimControl{SimControl: &radiov1.SimControl{}}}}},
		{"empty frame", []*radiov1.Frame{hello, {}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			visit(t, func(g *guest) {
				go func() { // drain
					for {
						if _, err := g.w.read(); err != nil {
							return
						}
					}
				}()
				for _, f := range tt.frames {
					g.say(f)
				}
				if err := <-g.served; !errors.Is(err, ErrFrame) {
					g.Errorf("served: %v", err)
				}
			})
		})
	}
}

// TestServeLeavesRadioQuiet ends the connection while the client advertises,
// scans and has a link.
func TestServeLeavesRadioQuiet(t *testing.T) {
	visit(t, func(g *guest) {
		g.greet()
		g.say(&radiov1.Frame{Body: &radiov1.Frame_Advertise{Advertise: &radiov1.Advertise{On: true, ServiceData: beacon}}})
		g.say(&radiov1.Frame{Body: &radiov1.Frame_Scan{Scan: &radiov1.Scan{On: true}}})
		synctest.Wait()
		l, err := g.air.Join("other").Dial(g.Context(), g.radio.Status().Address, false)
		if err != nil {
			g.Fatal(err)
		}
		up := <-g.frames
		if hello := up.GetHello(); hello != nil { // the address has changed
			up = <-g.frames
		}
		if up.GetLinkUp().GetLinkId() == 0 || up.GetLinkUp().GetDialId() != 0 {
			g.Errorf("got %v, want an accepted link", up)
		}
		g.w.conn.Close()
		<-l.Done()
		if err := <-g.served; err != nil {
			g.Errorf("served: %v", err)
		}
		if s := g.radio.Status(); s.Scanning || s.Advertising || s.Links != 0 || !s.Up {
			g.Errorf("status afterwards: %+v", s)
		}
	})
}

// TestNewAddress checks that a client learns when the address was changed.
func TestNewAddress(t *testing.T) {
	visit(t, func(g *guest) {
		g.greet()
		g.say(&radiov1.Frame{Body: &radiov1.Frame_Advertise{Advertise: &radiov1.Advertise{On: true, ServiceData: beacon}}})
		if f := <-g.frames; f.GetHello().GetAddress() != g.radio.Status().Address {
			g.Errorf("got %v, want a hello with %s", f, g.radio.Status().Address)
		}
	})
}

func TestRadioClosedUnderServe(t *testing.T) {
	visit(t, func(g *guest) {
		g.greet()
		g.radio.Close()
		if err := <-g.served; !errors.Is(err, link.ErrClosed) {
			g.Errorf("served: %v", err)
		}
	})
}

// TestTooManyDials checks the bound on dials, and that each gets an answer.
func TestTooManyDials(t *testing.T) {
	visit(t, func(g *guest) {
		g.air.SetConditions(sim.Conditions{Interval: time.Second})
		g.greet()
		const dials = dialsMax + 3
		for id := range uint64(dials) {
			g.say(&radiov1.Frame{Body: &radiov1.Frame_Dial{Dial: &radiov1.Dial{DialId: id + 1, Address: "C0:00:00:00:00:01"}}})
		}
		failed := map[uint64]bool{}
		for range dials {
			failed[(<-g.frames).GetDialFailed().GetDialId()] = true
		}
		if len(failed) != dials || failed[0] {
			g.Errorf("answers %v", failed)
		}
	})
}

func dialFrame(id uint64, address string) *radiov1.Frame {
	return &radiov1.Frame{Body: &radiov1.Frame_Dial{Dial: &radiov1.Dial{DialId: id, Address: address}}}
}

// TestGiveUp gives up a dial that is under way, which ends at once, and others
// that are not.
func TestGiveUp(t *testing.T) {
	visit(t, func(g *guest) {
		g.air.SetConditions(sim.Conditions{Interval: time.Minute})
		g.greet()
		begin := time.Now()
		g.say(dialFrame(1, "C0:00:00:00:00:01"))
		synctest.Wait()
		g.say(giveUpFrame(1))
		if f := <-g.frames; f.GetDialFailed().GetDialId() != 1 || time.Since(begin) != 0 {
			g.Errorf("after %s: %v", time.Since(begin), f)
		}
		g.say(giveUpFrame(1))
		g.say(giveUpFrame(2))
		g.say(&radiov1.Frame{Body: &radiov1.Frame_Ping{Ping: &radiov1.Ping{Nonce: 3}}})
		if f := <-g.frames; f.GetPong().GetNonce() != 3 {
			g.Errorf("got %v, want a pong", f)
		}
		g.say(dialFrame(4, "C0:00:00:00:00:01"))
		g.say(dialFrame(4, "C0:00:00:00:00:01"))
		if err := <-g.served; !errors.Is(err, ErrFrame) {
			g.Errorf("served after two dials with one id: %v", err)
		}
	})
}

// TestDeafClient lets a client not read: the server gives it up.
func TestDeafClient(t *testing.T) {
	visit(t, func(g *guest) {
		g.say(helloFrame(&radiov1.Hello{}))
		if err := <-g.served; err == nil {
			g.Error("the server does not say why")
		}
	})
}

func TestJoinRefused(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	refused := errors.New("air is full")
	go newWire(near).write(helloFrame(&radiov1.Hello{Name: "me"}))
	err := ServeNamed(t.Context(), far, func(name string) (link.Radio, Controller, error) {
		if name != "me" {
			t.Errorf("joins as %q", name)
		}
		return nil, nil, refused
	})
	if !errors.Is(err, refused) {
		t.Errorf("served: %v", err)
	}
}

// FuzzRead gives the reader any bytes.
func FuzzRead(f *testing.F) {
	f.Fuzz(func(t *testing.T, data []byte) {
		near, far := net.Pipe()
		go func() {
			near.Write(data)
			near.Close()
		}()
		defer far.Close()
		w := newWire(far)
		for {
			frame, err := w.read()
			if err != nil {
				return
			}
			if frame.GetBody() == nil || cap(w.buf) > 2*frameMax {
				t.Fatalf("frame %v, buffer of %d", frame, cap(w.buf))
			}
		}
	})
}

// linked returns the id of a link that another radio has dialled.
func (g *guest) linked() (uint64, link.Link) {
	g.Helper()
	g.say(&radiov1.Frame{Body: &radiov1.Frame_Advertise{Advertise: &radiov1.Advertise{On: true, ServiceData: beacon}}})
	synctest.Wait()
	l, err := g.air.Join("other").Dial(g.Context(), g.radio.Status().Address, false)
	if err != nil {
		g.Fatal(err)
	}
	for f := range g.frames {
		if up := f.GetLinkUp(); up != nil {
			return up.GetLinkId(), l
		}
	}
	g.Fatal("no link")
	return 0, nil
}

// TestHastyClient sends more than the link takes: the link ends, the
// connection stays.
func TestHastyClient(t *testing.T) {
	visit(t, func(g *guest) {
		g.greet()
		id, l := g.linked()
		for range queueMax + 200 { // the air holds some as well
			g.say(valueFrame(id, []byte("x")))
		}
		<-l.Done()
		g.say(valueFrame(id, []byte("late")))
		g.say(&radiov1.Frame{Body: &radiov1.Frame_Ping{Ping: &radiov1.Ping{Nonce: 7}}})
		for f := range g.frames {
			if pong := f.GetPong(); pong != nil {
				if pong.GetNonce() != 7 {
					g.Errorf("pong %v", pong)
				}
				return
			}
		}
		g.Error("the connection has ended")
	})
}

// TestLastWords checks that what a client sent before it ends a link goes out
// first.
func TestLastWords(t *testing.T) {
	visit(t, func(g *guest) {
		g.greet()
		id, l := g.linked()
		for range 50 {
			g.say(valueFrame(id, []byte("x")))
		}
		g.say(linkDownFrame(id, "done"))
		<-l.Done()
		for i := range 50 {
			if _, err := l.Receive(g.Context()); err != nil {
				g.Fatalf("value %d: %v", i, err)
			}
		}
	})
}

// TestLastWordsToDeaf ends a link whose peer takes nothing: it does not keep its
// place.
func TestLastWordsToDeaf(t *testing.T) {
	visit(t, func(g *guest) {
		g.greet()
		id, l := g.linked()
		for range 200 { // more than the air holds
			g.say(valueFrame(id, []byte("x")))
		}
		begin := time.Now()
		g.say(linkDownFrame(id, "done"))
		select {
		case <-l.Done():
		case <-time.After(time.Minute):
		}
		if took := time.Since(begin); took != lastWords || g.radio.Status().Links != 0 {
			g.Errorf("%d links after %s", g.radio.Status().Links, took)
		}
	})
}

func TestValueTooLongForLink(t *testing.T) {
	visit(t, func(g *guest) {
		g.greet()
		id, _ := g.linked()
		g.say(valueFrame(id, make([]byte, 300)))
		if err := <-g.served; !errors.Is(err, ErrFrame) {
			g.Errorf("served: %v", err)
		}
	})
}
