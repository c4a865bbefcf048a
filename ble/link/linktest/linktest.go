// Package linktest is the contract of ble/link as a test: the simulated air,
// the client of the radio process and real adapters must all pass it.
package linktest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

// patience bounds each wait; a radio that needs longer has failed.
const patience = time.Minute

// Maker returns n radios that hear each other, each on its own adapter. It
// registers with t.Cleanup what must be taken down.
type Maker func(t *testing.T, n int) []link.Radio

// TestRadio runs the contract against the radios that mk makes. around, which
// may be nil, wraps each part of it: a simulation runs them in a bubble of
// testing/synctest.
func TestRadio(t *testing.T, mk Maker, around func(*testing.T, func(*testing.T))) {
	if around == nil {
		around = func(t *testing.T, f func(*testing.T)) { f(t) }
	}
	for _, tt := range []struct {
		name string
		run  func(*testing.T, Maker)
	}{
		{"an advertisement is seen and can be dialled", testConnect},
		{"values arrive in order and unchanged", testValues},
		{"a value that is too long is refused", testTooLong},
		{"the other side sees a close", testClose},
		{"values before the end still arrive", testLastValues},
		{"waiting ends with its context", testContext},
		{"a central keeps four links", testFourLinks},
		{"a taken peripheral refuses a second link", testTaken},
		{"an unknown address is not answered", testUnknown},
		{"the address changes with the service data", testRotation},
		{"nothing is seen without advertising or scanning", testSilence},
		{"unread sightings do not block the radio", testRing},
		{"what is too long is not advertised", testAdvertiseRefuses},
		{"close is final and may be repeated", testRadioClose},
	} {
		t.Run(tt.name, func(t *testing.T) {
			around(t, func(t *testing.T) { tt.run(t, mk) })
		})
	}
}

// bench holds what every part of the contract needs.
type bench struct {
	*testing.T
	ctx context.Context
}

func newBench(t *testing.T) bench {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return bench{t, ctx}
}

func (b bench) ok(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

// is checks that err wraps want.
func (b bench) is(err, want error, doing string) {
	b.Helper()
	if !errors.Is(err, want) {
		b.Fatalf("%s: %v, want %v", doing, err, want)
	}
}

// beacon returns the service data of device n.
func beacon(n byte) []byte {
	return link.Beacon{Version: 1, EID: link.EID{n, 1, 2, 3, 4, 5}, BaseHandle: link.DefaultBaseHandle}.Encode()
}

// advertise lets r advertise as device n.
func (b bench) advertise(r link.Radio, n byte) {
	b.Helper()
	b.ok(r.Advertise(b.ctx, link.Advertisement{On: true, ServiceData: beacon(n), ReadValue: []byte{1, 1, n}}))
}

// see returns the next sighting of device n.
func (b bench) see(r link.Radio, n byte) link.Sighting {
	b.Helper()
	for {
		s, err := r.NextSighting(b.ctx)
		if err != nil {
			b.Fatalf("device %d is not seen: %v", n, err)
		}
		if bytes.Equal(s.ServiceData, beacon(n)) {
			return s
		}
	}
}

// connect dials device n and returns both ends of the link.
func (b bench) connect(central, peripheral link.Radio, n byte) (c, p link.Link) {
	b.Helper()
	b.advertise(peripheral, n)
	b.ok(central.Scan(b.ctx, true))
	c, err := central.Dial(b.ctx, b.see(central, n).Address, false)
	b.ok(err)
	p, err = peripheral.Accept(b.ctx)
	b.ok(err)
	return c, p
}

// swap sends a value from one end to the other and checks it.
func (b bench) swap(from, to link.Link, text string) {
	b.Helper()
	value := []byte(text)
	b.ok(from.Send(b.ctx, value))
	clear(value) // it is ours again
	got, err := to.Receive(b.ctx)
	b.ok(err)
	if string(got) != text {
		b.Fatalf("sent %q, received %q", text, got)
	}
}

// ends waits for the end of a link.
func (b bench) ends(l link.Link) {
	b.Helper()
	select {
	case <-l.Done():
	case <-b.ctx.Done():
		b.Fatal("the link does not end")
	}
}

func testConnect(t *testing.T, mk Maker) {
	b := newBench(t)
	rs := mk(t, 2)
	c, p := b.connect(rs[0], rs[1], 1)
	if got := c.PeerReadValue(); len(got) > 0 && !bytes.Equal(got, []byte{1, 1, 1}) {
		t.Errorf("read value %x", got)
	}
	if c.ValueMax() != p.ValueMax() || c.ValueMax() < link.ValueMin || c.ValueMax() > link.ValueMax {
		t.Errorf("values of %d and %d bytes", c.ValueMax(), p.ValueMax())
	}
	if c.Address() == "" || p.Address() == "" || c.Address() == p.Address() {
		t.Errorf("addresses %q and %q", c.Address(), p.Address())
	}
	for i, r := range rs {
		s := r.Status()
		if !s.Up || s.Links != 1 || s.Address == "" || s.Adapter == "" || s.LastPeer.IsZero() || s.Scanning != (i == 0) || s.Advertising != (i == 1) {
			t.Errorf("status of radio %d: %+v", i, s)
		}
	}
	b.swap(c, p, "to the peripheral")
	b.swap(p, c, "to the central")
}

func testValues(t *testing.T, mk Maker) {
	b := newBench(t)
	rs := mk(t, 2)
	c, p := b.connect(rs[0], rs[1], 1)
	const count = 200
	value := func(i int) []byte {
		v := make([]byte, 1+i%c.ValueMax())
		for j := range v {
			v[j] = byte(i + j)
		}
		return v
	}
	send := func(l link.Link) error {
		for i := range count {
			if err := l.Send(b.ctx, value(i)); err != nil {
				return fmt.Errorf("send value %d: %w", i, err)
			}
		}
		return nil
	}
	receive := func(l link.Link) error {
		for i := range count {
			got, err := l.Receive(b.ctx)
			if err != nil {
				return fmt.Errorf("receive value %d: %w", i, err)
			}
			if !bytes.Equal(got, value(i)) {
				return fmt.Errorf("value %d is %x", i, got)
			}
		}
		return nil
	}
	errs := make(chan error, 4)
	for _, l := range []link.Link{c, p} {
		go func() { errs <- send(l) }()
		go func() { errs <- receive(l) }()
	}
	for range cap(errs) {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

func testTooLong(t *testing.T, mk Maker) {
	b := newBench(t)
	rs := mk(t, 2)
	c, p := b.connect(rs[0], rs[1], 1)
	for _, l := range []link.Link{c, p} {
		b.is(l.Send(b.ctx, make([]byte, l.ValueMax()+1)), link.ErrTooLong, "send")
	}
	b.swap(c, p, string(bytes.Repeat([]byte("x"), c.ValueMax())))
}

func testClose(t *testing.T, mk Maker) {
	b := newBench(t)
	rs := mk(t, 2)
	for side := range 2 {
		c, p := b.connect(rs[0], rs[1], byte(1+side))
		near, far := c, p
		if side == 1 {
			near, far = p, c
		}
		b.ok(near.Close("test"))
		b.ok(near.Close("again"))
		b.ends(near)
		b.ends(far)
		_, err := far.Receive(b.ctx)
		b.is(err, link.ErrLost, "receive on the far side")
		b.is(far.Send(b.ctx, []byte("x")), link.ErrLost, "send on the far side")
		_, err = near.Receive(b.ctx)
		b.is(err, link.ErrClosed, "receive on the near side")
		b.is(near.Send(b.ctx, []byte("x")), link.ErrClosed, "send on the near side")
		b.ok(far.Close("late"))
	}
	for i, r := range rs {
		if n := r.Status().Links; n != 0 {
			t.Errorf("radio %d still has %d links", i, n)
		}
	}
}

func testLastValues(t *testing.T, mk Maker) {
	b := newBench(t)
	rs := mk(t, 2)
	c, p := b.connect(rs[0], rs[1], 1)
	b.ok(c.Send(b.ctx, []byte("one")))
	b.ok(c.Send(b.ctx, []byte("two")))
	if got, err := p.Receive(b.ctx); err != nil || string(got) != "one" {
		t.Fatalf("%q, %v", got, err)
	}
	b.swap(p, c, "got it") // so "two" has arrived as well
	b.ok(c.Close("test"))
	b.ends(p)
	if got, err := p.Receive(b.ctx); err != nil || string(got) != "two" {
		t.Errorf("value before the end: %q, %v", got, err)
	}
	_, err := p.Receive(b.ctx)
	b.is(err, link.ErrLost, "receive after it")
}
