package linktest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

func testContext(t *testing.T, mk Maker) {
	b := newBench(t)
	rs := mk(t, 2)
	c, p := b.connect(rs[0], rs[1], 1)
	b.ok(rs[1].Scan(b.ctx, false))
	for name, wait := range map[string]func(context.Context) error{
		"receive":  func(ctx context.Context) error { _, err := c.Receive(ctx); return err },
		"accept":   func(ctx context.Context) error { _, err := rs[0].Accept(ctx); return err },
		"sighting": func(ctx context.Context) error { _, err := rs[1].NextSighting(ctx); return err },
		"dial":     func(ctx context.Context) error { _, err := rs[0].Dial(ctx, c.Address(), false); return err },
		"send":     func(ctx context.Context) error { return p.Send(ctx, []byte("never")) },
	} {
		ctx, cancel := context.WithCancel(b.ctx)
		errs := make(chan error, 1)
		if name == "dial" || name == "send" {
			cancel() // they would succeed before
		}
		go func() { errs <- wait(ctx) }()
		cancel()
		b.is(<-errs, context.Canceled, name)
	}
	b.ok(c.Send(b.ctx, []byte("still up")))
	got, err := p.Receive(b.ctx)
	b.ok(err)
	if string(got) != "still up" {
		t.Errorf("received %q", got)
	}
}

func testFourLinks(t *testing.T, mk Maker) {
	b := newBench(t)
	rs := mk(t, 1+link.LinksMax+1)
	var ends [link.LinksMax][2]link.Link
	for i := range ends {
		ends[i][0], ends[i][1] = b.connect(rs[0], rs[1+i], byte(1+i))
	}
	for i, e := range ends {
		b.swap(e[0], e[1], "down "+string(rune('a'+i)))
		b.swap(e[1], e[0], "up "+string(rune('a'+i)))
	}
	last := byte(1 + link.LinksMax)
	b.advertise(rs[last], last)
	_, err := rs[0].Dial(b.ctx, b.see(rs[0], last).Address, false)
	b.is(err, link.ErrLost, "dial a fifth")
	b.ok(ends[2][0].Close("make room"))
	b.ends(ends[2][1])
	fifth, err := rs[0].Dial(b.ctx, b.see(rs[0], last).Address, true)
	b.ok(err)
	accepted, err := rs[last].Accept(b.ctx)
	b.ok(err)
	b.swap(fifth, accepted, "room for a fifth")
	b.swap(ends[0][0], ends[0][1], "the others stay")
}

func testTaken(t *testing.T, mk Maker) {
	b := newBench(t)
	rs := mk(t, 3)
	c, p := b.connect(rs[0], rs[2], 1)
	for _, r := range rs[:2] {
		ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
		l, err := r.Dial(ctx, c.Address(), false)
		cancel()
		if err == nil {
			t.Fatalf("second link to %s came up: %v", c.Address(), l.Address())
		}
	}
	b.swap(c, p, "the first link stays")
	b.ok(p.Close("test"))
	b.ends(c)
	b.ok(rs[1].Scan(b.ctx, true))
	second, err := rs[1].Dial(b.ctx, b.see(rs[1], 1).Address, false)
	b.ok(err)
	accepted, err := rs[2].Accept(b.ctx)
	b.ok(err)
	b.swap(accepted, second, "free again")
}

// nobody is an address that no radio has.
const nobody = "C0:FF:EE:00:00:01"

func testUnknown(t *testing.T, mk Maker) {
	b := newBench(t)
	_, err := mk(t, 1)[0].Dial(b.ctx, nobody, false)
	b.is(err, link.ErrLost, "dial")
}

func testRotation(t *testing.T, mk Maker) {
	b := newBench(t)
	rs := mk(t, 2)
	b.ok(rs[0].Scan(b.ctx, true))
	b.advertise(rs[1], 1)
	first := b.see(rs[0], 1)
	b.advertise(rs[1], 1)
	if again := b.see(rs[0], 1); again.Address != first.Address {
		t.Errorf("address went from %s to %s with the same service data", first.Address, again.Address)
	}
	b.advertise(rs[1], 2)
	second := b.see(rs[0], 2)
	if second.Address == first.Address {
		t.Errorf("address %s is kept with other service data", first.Address)
	}
	_, err := rs[0].Dial(b.ctx, first.Address, false)
	b.is(err, link.ErrLost, "dial the old address")
	_, err = rs[0].Dial(b.ctx, second.Address, false)
	b.ok(err)
}

func testSilence(t *testing.T, mk Maker) {
	b := newBench(t)
	rs := mk(t, 2)
	nothing := func(when string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(b.ctx, 300*time.Millisecond)
		defer cancel()
		if s, err := rs[0].NextSighting(ctx); err == nil {
			t.Errorf("saw %s %x %s", s.Address, s.ServiceData, when)
		}
	}
	b.advertise(rs[1], 1)
	nothing("before scanning")
	b.ok(rs[0].Scan(b.ctx, true))
	b.see(rs[0], 1)
	// What was under way may still come, but nothing after it.
	b.ok(rs[0].Scan(b.ctx, false))
	b.settle(rs[0])
	b.drain(rs[0])
	nothing("after scanning")
	b.ok(rs[1].Advertise(b.ctx, link.Advertisement{}))
	b.settle(rs[1])
	b.ok(rs[0].Scan(b.ctx, true))
	b.drain(rs[0])
	nothing("after advertising")
}

// settle waits until r has done what it was told: it answers in order, and has
// answered a dial.
func (b bench) settle(r link.Radio) {
	b.Helper()
	_, err := r.Dial(b.ctx, nobody, false)
	b.is(err, link.ErrLost, "dial nobody")
}

// drain reads sightings until there have been none for a while.
func (b bench) drain(r link.Radio) {
	for {
		ctx, cancel := context.WithTimeout(b.ctx, 200*time.Millisecond)
		_, err := r.NextSighting(ctx)
		cancel()
		if err != nil {
			return
		}
	}
}

func testRing(t *testing.T, mk Maker) {
	b := newBench(t)
	rs := mk(t, 2)
	b.ok(rs[0].Scan(b.ctx, true))
	for range 300 {
		b.advertise(rs[1], 1)
	}
	b.advertise(rs[1], 2)
	c, err := rs[0].Dial(b.ctx, b.see(rs[0], 2).Address, false)
	b.ok(err)
	p, err := rs[1].Accept(b.ctx)
	b.ok(err)
	b.swap(c, p, "not blocked")
}

func testAdvertiseRefuses(t *testing.T, mk Maker) {
	b := newBench(t)
	r := mk(t, 1)[0]
	for _, a := range []link.Advertisement{
		{On: true, ServiceData: beacon(1), ReadValue: bytes.Repeat([]byte{1}, link.ReadValueMax+1)},
		{On: true, ServiceData: bytes.Repeat([]byte{1}, link.BeaconLen+1)},
	} {
		b.is(r.Advertise(b.ctx, a), link.ErrTooLong, "advertise")
	}
}

func testRadioClose(t *testing.T, mk Maker) {
	b := newBench(t)
	rs := mk(t, 2)
	c, p := b.connect(rs[0], rs[1], 1)
	errs := make(chan error, 2)
	go func() { _, err := rs[0].Accept(b.ctx); errs <- err }()
	go func() { _, err := c.Receive(b.ctx); errs <- err }()
	b.ok(rs[0].Close())
	b.ok(rs[0].Close())
	b.is(<-errs, link.ErrClosed, "what waited")
	b.is(<-errs, link.ErrClosed, "what waited")
	b.ends(c)
	b.ends(p)
	_, err := p.Receive(b.ctx)
	b.is(err, link.ErrLost, "receive on the far side")
	_, err = rs[0].NextSighting(b.ctx)
	b.is(err, link.ErrClosed, "sighting")
	_, err = rs[0].Accept(b.ctx)
	b.is(err, link.ErrClosed, "accept")
	_, err = rs[0].Dial(b.ctx, nobody, false)
	b.is(err, link.ErrClosed, "dial")
	b.is(rs[0].Scan(b.ctx, true), link.ErrClosed, "scan")
	b.is(rs[0].Advertise(b.ctx, link.Advertisement{}), link.ErrClosed, "advertise")
	if s := rs[0].Status(); s.Up || s.Reason == "" || s.Links != 0 {
		t.Errorf("status %+v", s)
	}
}
