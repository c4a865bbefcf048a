//go:build !race

package hci

import (
	"bytes"
	"encoding/binary"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/testbed"
)

// Opcodes of commands.
const (
	setAdvParameters = 0x2006
	setAdvEnable     = 0x200a
	setScanEnable    = 0x200c
	createConnection = 0x200d
)

// moody is the host of a controller that cannot all that others can.
type moody struct {
	*testbed.Host
	bench *testbed.Bench
	id    int
	// cannot reports whether a command is disallowed at present; nil if none is.
	cannot func(op uint16, parameters []byte) bool
	// late reports whether a packet arrives 10 ms later, and behind the one
	// after it; it is used up by the first one. nil if none does.
	late func(packet []byte) bool
	held []byte
	// closed counts calls of Close.
	closed atomic.Int32
}

// Close implements io.Closer.
func (m *moody) Close() error {
	m.closed.Add(1)
	return m.Host.Close()
}

// Write gives the controller a packet, or refuses it.
func (m *moody) Write(p []byte) (int, error) {
	op := binary.LittleEndian.Uint16(p[1:])
	if p[0] != 1 || m.cannot == nil || !m.cannot(op, p[4:]) {
		return m.Host.Write(p)
	}
	refusal := []byte{4, 0x0e, 4, 1, p[1], p[2], 0x0c}
	if op == createConnection {
		refusal = []byte{4, 0x0f, 4, 0x0c, 1, p[1], p[2]}
	}
	m.bench.Do(func(air *testbed.Air) { air.Inject(m.id, refusal) })
	return len(p), nil
}

// Read returns the next packet that is not late.
func (m *moody) Read(p []byte) (int, error) {
	if m.held != nil {
		<-time.After(10 * time.Millisecond)
		n := copy(p, m.held)
		m.held = nil
		return n, nil
	}
	n, err := m.Host.Read(p)
	if err == nil && m.late != nil && m.late(p[:n]) {
		m.late, m.held = nil, bytes.Clone(p[:n])
		return m.Host.Read(p)
	}
	return n, err
}

// answers reports whether a packet is the answer to a command.
func answers(packet []byte, op uint16) bool {
	return len(packet) >= 6 && packet[0] == 4 && packet[1] == 0x0e && binary.LittleEndian.Uint16(packet[4:]) == op
}

// newMoodyAttack is newAttack with a moody controller, 0 or 1, and the other
// one that is not.
func newMoodyAttack(t *testing.T, which int) (*attack, *moody) {
	b := testbed.NewBench(testbed.Config{}, 2)
	t.Cleanup(b.Close)
	m := &moody{Host: b.Host(which), bench: b, id: which}
	radios := make([]*Radio, 2)
	radios[which] = openThrough(t, which, m)
	radios[1-which] = openThrough(t, 1-which, b.Host(1-which))
	limit := time.AfterFunc(time.Hour, func() { panic("the test waits for what does not come") })
	t.Cleanup(func() { limit.Stop() })
	return &attack{T: t, bench: b, till: radios[0], wallet: radios[1]}, m
}

// TestAdvertiseAgain refuses one command of advertising for a while, as a
// controller may beside a connection that its peer does not let go of: the
// customer is heard as soon as it can be, and can be linked with.
func TestAdvertiseAgain(t *testing.T) {
	each(t, []uint16{setAdvParameters, setAdvEnable}, func(op uint16) string {
		return map[uint16]string{
			setAdvParameters: "parameters", setAdvEnable: "enable",
		}[op]
	}, func(t *testing.T, refused uint16) {
		a, m := newMoodyAttack(t, 1)
		a.link(1)
		begin := time.Now()
		m.cannot = func(op uint16, p []byte) bool {
			return op == refused && (op != setAdvEnable || p[0] == 1) && time.Since(begin) < 3*time.Second
		}
		a.bench.Do(func(air *testbed.Air) { air.SetRange(0, 1, false) })
		adv := link.Advertisement{On: true, ServiceData: link.Beacon{Version: 1, EID: link.EID{2}, BaseHandle: link.DefaultBaseHandle}.Encode()}
		a.ok(a.wallet.Advertise(t.Context(), adv)) // once the link has ended
		<-time.After(4 * time.Second)
		a.bench.Do(func(air *testbed.Air) { air.SetRange(0, 1, true) })
		c, err := a.till.Dial(t.Context(), a.see(2).Address, false)
		a.ok(err)
		a.ok(c.Close("test"))
		if d := time.Since(begin); d > 6*time.Second {
			t.Errorf("linked after %s", d)
		}
	})
}

// TestScanAgain: a controller that cannot scan while it dials hears again when
// the dial was in vain.
func TestScanAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, m := newMoodyAttack(t, 0)
		var dials time.Time
		scans := false
		m.cannot = func(op uint16, p []byte) bool {
			switch {
			case op == setScanEnable && p[0] == 1 && time.Since(dials) < dialLimit:
				return true
			case op == setScanEnable:
				scans = p[0] == 1
			case op == createConnection && scans:
				return true
			case op == createConnection:
				dials = time.Now()
			}
			return false
		}
		a.advertise(1, link.DefaultBaseHandle)
		seen := a.see(1)
		a.ok(a.wallet.Advertise(t.Context(), link.Advertisement{}))
		if _, err := a.till.Dial(t.Context(), seen.Address, false); !errors.Is(err, link.ErrLost) {
			t.Fatal(err)
		}
		if dials.IsZero() {
			t.Fatal("nothing was dialled")
		}
		a.advertise(2, link.DefaultBaseHandle)
		a.see(2)
	})
}

// TestConnectedAtOnce lets a central connect before the controller's answer to
// the command is taken by which the customer advertises: the customer is heard
// again when that link has ended.
func TestConnectedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, m := newMoodyAttack(t, 1)
		a.central, a.peri = a.link(1)
		again := a.central.Address()
		m.late = func(p []byte) bool { return answers(p, setAdvEnable) }
		a.ok(a.central.Close("test"))
		synctest.Wait()
		c, err := a.till.Dial(t.Context(), again, false)
		a.ok(err)
		a.ok(c.Close("test"))
		a.ok(a.till.Scan(t.Context(), false)) // forgets what was heard before
		a.see(1)
	})
}

// TestRoomAfterAnEnd dials a fifth customer while the controller has not said
// yet that a link is over that the till has ended before.
func TestRoomAfterAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, m := newMoodyAttack(t, 0)
		answer := map[byte][]byte{opMTU: {opMTUResponse, 0xf7, 0}, opWrite: {opWriteResponse}}
		var links []link.Link
		for n := range byte(link.LinksMax) {
			newServer(t, a.bench, n, func(request []byte) []byte { return answer[request[0]] })
			l, err := a.till.Dial(t.Context(), a.see(n).Address, false)
			a.ok(err)
			links = append(links, l)
		}
		newServer(t, a.bench, link.LinksMax, func(request []byte) []byte { return answer[request[0]] })
		fifth := a.see(link.LinksMax).Address
		for what, address := range map[string]string{"a fifth link": fifth, "a second link to one": links[1].Address()} {
			if _, err := a.till.Dial(t.Context(), address, false); !errors.Is(err, link.ErrLost) {
				t.Errorf("%s: %v", what, err)
			}
		}
		m.late = func(p []byte) bool { return p[0] == 4 && p[1] == 5 } // Disconnection Complete
		a.ok(links[0].Close("test"))
		_, err := a.till.Dial(t.Context(), fifth, false)
		<-time.After(time.Second) // until nothing is late any more
		a.ok(err)
		if n := a.till.Status().Links; n != link.LinksMax {
			t.Errorf("%d links", n)
		}
	})
}

// TestCloseTwice closes a radio from two sides at the same time. The socket of
// go-ble panics when it is closed twice.
func TestCloseTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, m := newMoodyAttack(t, 0)
		a.link(1)
		var wg sync.WaitGroup
		for range 2 {
			wg.Go(func() {
				if err := a.till.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if err := a.till.Err(); !errors.Is(err, link.ErrClosed) || m.closed.Load() != 1 {
			t.Errorf("closed %d times, %v", m.closed.Load(), err)
		}
	})
}
