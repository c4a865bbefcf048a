package sim

import (
	"bytes"
	"fmt"
	"reflect"
	"testing"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// model drives a Core by hand.
type model struct {
	*testing.T
	core *Core
	now  time.Time
	out  []Output // everything so far
}

func newModel(t *testing.T, seed uint64, cond Conditions, names ...string) *model {
	m := &model{T: t, core: NewCore(seed, cond), now: epoch}
	for i, name := range names {
		m.do(Join{ID: DeviceID(i + 1), Name: name})
	}
	return m
}

func (m *model) do(in Input) []Output {
	out := m.core.Step(m.now, in)
	m.out = append(m.out, out...)
	return out
}

// run lets time pass and returns what happened.
func (m *model) run(d time.Duration) []Output {
	var out []Output
	end := m.now.Add(d)
	for {
		at, ok := m.core.Next()
		if !ok || at.After(end) {
			m.now = end
			return out
		}
		m.now = at
		out = append(out, m.do(nil)...)
	}
}

func of[O Output](outs []Output) (found []O) {
	for _, o := range outs {
		if o, ok := o.(O); ok {
			found = append(found, o)
		}
	}
	return found
}

func ad(n byte) link.Advertisement {
	return link.Advertisement{On: true, ServiceData: []byte{0x10, n, 0, 0, 0, 0, 0, 16, 0, 0}, ReadValue: []byte{1, n}}
}

// connect links device 1, as the central, with a device, and returns the link.
func (m *model) connect(peripheral DeviceID) LinkID {
	m.Helper()
	m.do(Advertise{ID: peripheral, Ad: ad(byte(peripheral))})
	m.do(Dial{ID: 1, Dial: uint64(peripheral), Address: m.core.device(peripheral).address})
	ups := of[Up](append(m.run(time.Second), m.out...))
	if len(ups) < 2 {
		m.Fatalf("no link to %d", peripheral)
	}
	return m.core.links[len(m.core.links)-1].id
}

func TestReportsAtOnceAndPeriodically(t *testing.T) {
	m := newModel(t, 1, Conditions{}, "till", "ann", "bob")
	m.do(Advertise{ID: 2, Ad: ad(2)})
	if out := m.do(Scan{ID: 1, On: true}); len(of[Heard](out)) != 1 {
		t.Fatalf("on scanning: %+v", out)
	}
	heard := of[Heard](m.do(Advertise{ID: 3, Ad: ad(3)}))
	if len(heard) != 1 || heard[0].ID != 1 || heard[0].Sighting.ServiceData[1] != 3 {
		t.Fatalf("on advertising: %+v", heard)
	}
	if n := len(of[Heard](m.run(time.Second))); n != 20 {
		t.Errorf("%d reports of 2 devices in a second, want 20", n)
	}
	m.do(Scan{ID: 1})
	m.run(time.Second)
	if at, ok := m.core.Next(); ok {
		t.Errorf("something is due at %s though nobody scans", at)
	}
}

func TestSignalStrength(t *testing.T) {
	m := newModel(t, 1, Conditions{}, "till", "near", "far")
	m.do(Advertise{ID: 2, Ad: ad(2)})
	m.do(Advertise{ID: 3, Ad: ad(3)})
	m.do(Place{ID: 2, X: 1})
	m.do(Place{ID: 3, Y: 10})
	peers := m.core.Peers(1)
	if peers[0].RSSI != 0 || peers[1].RSSI != -40 || peers[2].RSSI != -60 {
		t.Errorf("signal strengths %+v", peers)
	}
	m.do(SetRSSI{A: 1, B: 2, RSSI: -75})
	m.do(Scan{ID: 1, On: true})
	for _, h := range of[Heard](m.run(time.Second)) {
		want := map[byte]int{2: -75, 3: -60}[h.Sighting.ServiceData[1]]
		if d := h.Sighting.RSSI - want; d < -2 || d > 2 {
			t.Errorf("device %d heard at %d dBm, want about %d", h.Sighting.ServiceData[1], h.Sighting.RSSI, want)
		}
	}
	m.do(Place{ID: 3, Y: 1000})
	for _, h := range of[Heard](m.run(time.Second)) {
		if h.Sighting.ServiceData[1] == 3 {
			t.Error("heard from a kilometre away")
		}
	}
}

func TestIntervalAndLatency(t *testing.T) {
	for _, tt := range []struct {
		cond Conditions
		want time.Duration // until a value arrives, at most
		min  time.Duration
	}{
		{Conditions{}, 0, 0},
		{Conditions{Interval: 30 * time.Millisecond}, 30 * time.Millisecond, 1},
		{Conditions{Latency: 50 * time.Millisecond}, 50 * time.Millisecond, 50 * time.Millisecond},
		{Conditions{Interval: 30 * time.Millisecond, Latency: 50 * time.Millisecond}, 80 * time.Millisecond, 50 * time.Millisecond},
	} {
		m := newModel(t, 1, tt.cond, "till", "ann")
		id := m.connect(2)
		m.now = m.now.Add(7 * time.Millisecond) // between two events
		sent := m.now
		out := m.do(Send{ID: 1, Link: id, Value: []byte("x")})
		for len(of[Arrived](out)) == 0 {
			at, ok := m.core.Next()
			if !ok {
				t.Fatalf("%+v: the value never arrives", tt.cond)
			}
			m.now = at
			out = m.do(nil)
		}
		if took := m.now.Sub(sent); took > tt.want || took < tt.min {
			t.Errorf("%+v: the value took %s", tt.cond, took)
		}
	}
}

// TestThroughput counts what a connection interval carries.
func TestThroughput(t *testing.T) {
	m := newModel(t, 1, Conditions{Interval: 10 * time.Millisecond}, "till", "ann")
	id := m.connect(2)
	for i := range 20 {
		m.do(Send{ID: 1, Link: id, Value: []byte{byte(i)}})
	}
	for round := range 5 {
		arrived := of[Arrived](m.run(10 * time.Millisecond))
		if len(arrived) != perEvent || arrived[0].Value[0] != byte(round*perEvent) {
			t.Errorf("interval %d: %+v", round, arrived)
		}
	}
}

// TestLossDelays checks that a lossy link loses time, never a value.
func TestLossDelays(t *testing.T) {
	for _, interval := range []time.Duration{0, 15 * time.Millisecond} {
		m := newModel(t, 5, Conditions{Interval: interval, LossPerMille: 500}, "till", "ann")
		id := m.connect(2)
		for i := range 100 {
			m.do(Send{ID: 1, Link: id, Value: []byte{byte(i)}})
		}
		start := m.now
		var got []Arrived
		got = append(got, of[Arrived](m.out)...)
		for len(got) < 100 && m.now.Sub(start) < time.Minute {
			got = append(got, of[Arrived](m.run(retry/4))...)
		}
		for i, a := range got {
			if a.Value[0] != byte(i) {
				t.Fatalf("value %d arrives as number %d", a.Value[0], i)
			}
		}
		if took := m.now.Sub(start); len(got) != 100 || took < 300*time.Millisecond {
			t.Errorf("interval %s: %d values in %s with half of them lost", interval, len(got), took)
		}
	}
}

func TestSupervision(t *testing.T) {
	for name, spoil := range map[string]Input{
		"nothing gets through": SetConditions{Conditions{LossPerMille: 1000}},
		"out of range":         Place{ID: 2, X: 5000},
	} {
		for _, busy := range []bool{false, true} {
			m := newModel(t, 1, Conditions{Interval: 15 * time.Millisecond}, "till", "ann")
			id := m.connect(2)
			m.do(spoil)
			if busy {
				m.do(Send{ID: 1, Link: id, Value: []byte("x")})
			}
			if downs := of[Down](m.run(supervision - time.Millisecond)); len(downs) != 0 {
				t.Errorf("%s, busy %t: too early: %+v", name, busy, downs)
			}
			if downs := of[Down](m.run(50 * time.Millisecond)); len(downs) != 2 {
				t.Errorf("%s, busy %t: %d ends notice", name, busy, len(downs))
			}
			if len(of[Arrived](m.out)) != 0 {
				t.Errorf("%s: a value arrived", name)
			}
		}
	}
}

// TestHopelessValue loses nearly everything: the link ends when one value has
// been tried for too long, though the peer is there.
func TestHopelessValue(t *testing.T) {
	m := newModel(t, 1, Conditions{Interval: 15 * time.Millisecond}, "till", "ann")
	id := m.connect(2)
	m.do(SetConditions{Conditions{Interval: 15 * time.Millisecond, LossPerMille: 999}})
	m.run(time.Minute)
	start := m.now
	m.do(Send{ID: 1, Link: id, Value: []byte("x")})
	for len(of[Down](m.out)) == 0 && len(of[Arrived](m.out)) == 0 && m.now.Sub(start) < time.Minute {
		m.run(time.Millisecond)
	}
	if took := m.now.Sub(start); len(of[Down](m.out)) != 2 || took < supervision || took > supervision+100*time.Millisecond {
		t.Errorf("%d ends notice after %s", len(of[Down](m.out)), took)
	}
}

// TestConnectedIsSilent checks that a peripheral is not heard, nor can be
// dialled, while it has a link, and is afterwards, at once.
func TestConnectedIsSilent(t *testing.T) {
	m := newModel(t, 1, Conditions{}, "till", "ann", "other till")
	id := m.connect(2)
	m.do(Scan{ID: 3, On: true})
	m.do(Advertise{ID: 2, Ad: ad(7)})
	m.run(time.Second)
	if heard := of[Heard](m.out); len(heard) != 0 {
		t.Errorf("heard while connected: %+v", heard)
	}
	m.do(Dial{ID: 3, Dial: 9, Address: m.core.device(2).address})
	if failed := of[DialFailed](m.out); len(failed) != 1 || failed[0].Dial != 9 {
		t.Errorf("dialled while connected: %+v", failed)
	}
	out := m.do(Hangup{ID: 1, Link: id, Reason: "done"})
	if heard, down := of[Heard](out), of[Down](out); len(heard) != 1 || heard[0].Sighting.ServiceData[1] != 7 || len(down) != 1 || down[0].ID != 2 {
		t.Errorf("after the link: %+v", out)
	}
	m.connect(2)
	for _, p := range m.core.Peers(0) {
		if want := map[string]int{"ann": 2}[p.Name]; p.Met != want {
			t.Errorf("%s has answered %d dials, not %d", p.Name, p.Met, want)
		}
	}
}

func TestShortOutageIsSurvived(t *testing.T) {
	m := newModel(t, 1, Conditions{}, "till", "ann")
	id := m.connect(2)
	m.do(SetConditions{Conditions{LossPerMille: 1000}})
	m.do(Send{ID: 1, Link: id, Value: []byte("late")})
	m.run(supervision / 2)
	m.do(SetConditions{Conditions{}})
	out := m.run(2 * supervision)
	if len(of[Arrived](out)) != 1 || len(of[Down](out)) != 0 {
		t.Errorf("after the outage: %+v", out)
	}
}

func TestCut(t *testing.T) {
	m := newModel(t, 1, Conditions{}, "till", "ann", "bob")
	ann, bob := m.connect(2), m.connect(3)
	m.do(Send{ID: 1, Link: bob, Value: []byte("before")})
	m.do(Cut{Name: "bob", After: 2})
	send := func(from DeviceID, id LinkID) (arrived, down int) {
		out := m.do(Send{ID: from, Link: id, Value: []byte("x")})
		return len(of[Arrived](out)), len(of[Down](out))
	}
	for i, step := range []struct {
		from          DeviceID
		id            LinkID
		arrived, down int
	}{
		{1, ann, 1, 0}, {1, ann, 1, 0}, {1, ann, 1, 0}, // another link
		{1, bob, 1, 0}, {3, bob, 1, 2}, // both directions count; the last value still arrives
		{1, bob, 0, 0}, // gone
		{1, ann, 1, 0}, {1, ann, 1, 0}, {1, ann, 1, 0},
	} {
		if arrived, down := send(step.from, step.id); arrived != step.arrived || down != step.down {
			t.Errorf("step %d: %d arrived, %d ends", i, arrived, down)
		}
	}
	again := m.connect(3)
	for range 5 {
		if _, down := send(1, again); down != 0 {
			t.Error("the cut works twice")
		}
	}
	if downs := of[Down](m.do(Cut{})); len(downs) != 4 {
		t.Errorf("cut of everything now: %+v", downs)
	}
}

func TestValueMax(t *testing.T) {
	for _, tt := range []struct{ mtu, want int }{{23, 20}, {100, 97}, {247, 244}, {517, 244}} {
		m := newModel(t, 1, Conditions{}, "till", "ann")
		m.do(SetMTU{ID: 2, MTU: tt.mtu})
		m.connect(2)
		for _, up := range of[Up](m.out) {
			if up.ValueMax != tt.want {
				t.Errorf("MTU %d: values of %d bytes, want %d", tt.mtu, up.ValueMax, tt.want)
			}
		}
	}
}

func TestDiscoveryTakesLonger(t *testing.T) {
	took := map[bool]time.Duration{}
	for _, discover := range []bool{false, true} {
		m := newModel(t, 1, Conditions{Interval: 10 * time.Millisecond}, "till", "ann")
		m.do(Advertise{ID: 2, Ad: ad(2)})
		m.do(Dial{ID: 1, Dial: 9, Address: m.core.device(2).address, Discover: discover})
		for len(of[Up](m.out)) == 0 {
			m.run(time.Millisecond)
		}
		took[discover] = m.now.Sub(epoch)
	}
	if took[false] != 40*time.Millisecond || took[true] != 160*time.Millisecond {
		t.Errorf("dials took %v", took)
	}
}

func TestLeave(t *testing.T) {
	m := newModel(t, 1, Conditions{}, "till", "ann", "bob")
	m.connect(2)
	m.do(Scan{ID: 3, On: true})
	m.do(Dial{ID: 1, Dial: 5, Address: "nobody"})
	if out := m.do(Leave{ID: 1}); len(of[Down](out)) != 2 || len(of[Heard](out)) != 1 {
		t.Errorf("the central leaves: %+v", out)
	}
	if out := m.do(Leave{ID: 2}); len(of[Heard](out)) != 0 {
		t.Errorf("the peripheral leaves: %+v", out)
	}
	if peers := m.core.Peers(0); len(peers) != 1 || peers[0].Name != "bob" {
		t.Errorf("left behind: %+v", peers)
	}
}

// TestReplay plays a busy air of 16 devices twice and compares every output.
func TestReplay(t *testing.T) {
	play := func(seed uint64) []Output {
		names := make([]string, 16)
		for i := range names {
			names[i] = fmt.Sprintf("device %d", i)
		}
		m := newModel(t, seed, Conditions{Interval: 15 * time.Millisecond, LossPerMille: 100, Latency: 3 * time.Millisecond}, names...)
		for id := DeviceID(2); id <= 16; id++ {
			m.do(Advertise{ID: id, Ad: ad(byte(id))})
		}
		m.do(Scan{ID: 1, On: true})
		m.run(time.Second)
		for id := DeviceID(2); id <= 5; id++ {
			link := m.connect(id)
			for i := range 20 {
				m.do(Send{ID: 1, Link: link, Value: bytes.Repeat([]byte{byte(i)}, 20)})
				m.do(Send{ID: id, Link: link, Value: []byte{byte(i)}})
			}
		}
		m.run(10 * time.Second)
		return m.out
	}
	first, second, other := play(1), play(1), play(2)
	if !reflect.DeepEqual(first, second) {
		t.Error("equal seeds, different airs")
	}
	if reflect.DeepEqual(first, other) {
		t.Error("different seeds, equal airs")
	}
	if n := len(of[Arrived](first)); n != 160 {
		t.Errorf("%d values arrived, want 160", n)
	}
}

func TestSplitmix(t *testing.T) {
	s := splitmix(1234567) // the generator's published test vector
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423} {
		if got := s.next(); got != want {
			t.Errorf("number %d is %d, want %d", i, got, want)
		}
	}
}
