//go:build !race

package hci

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/testbed"
)

// TestHostileServer dials a peripheral that answers discovery with what makes
// go-ble panic or ask for ever: the dial fails, it is counted, and the next one
// is served.
func TestHostileServer(t *testing.T) {
	type hostile struct {
		name    string
		answers map[byte]string // by request
		counter string
	}
	const mtu = "03 f700"
	each(t, []hostile{
		{"P12 services of no length", map[byte]string{opMTU: mtu, opReadByGroup: "11 00 0100 0b00"}, "malformed response"},
		{"P12 services of 3 bytes", map[byte]string{opMTU: mtu, opReadByGroup: "11 03 0100 0b"}, "malformed response"},
		{"P12 characteristics of no length", map[byte]string{opMTU: mtu, opReadByGroup: ourService, opReadByType: "09 00 1100 10"}, "malformed response"},
		{"P12 characteristics of 1 byte", map[byte]string{opMTU: mtu, opReadByGroup: ourService, opReadByType: "09 01 11"}, "malformed response"},
		{"H13 a service that does not advance", map[byte]string{opMTU: mtu, opReadByGroup: "11 06 0000 0000 0018"}, "malformed response"},
		{"H13 the same service again and again", map[byte]string{opMTU: mtu, opReadByGroup: "11 06 0100 0b00 0018"}, "malformed response"},
		{"H13 the same characteristic again and again", map[byte]string{opMTU: mtu, opReadByGroup: ourService, opReadByType: "09 07 1100 10 1200 0018"}, "malformed response"},
		{"a response to another request", map[byte]string{opMTU: "13"}, "malformed response"},
		{"an MTU of 3", map[byte]string{opMTU: "03 0300"}, "malformed response"},
		{"H9 half an MTU request as answer", map[byte]string{opMTU: "02 01"}, "malformed request"},
		{"an empty PDU as answer", map[byte]string{opMTU: ""}, "empty PDU"},
	}, func(tt hostile) string { return tt.name }, func(t *testing.T, tt hostile) {
		a := newAttack(t, testbed.Config{})
		newServer(t, a.bench, 5, func(request []byte) []byte {
			if text, ok := tt.answers[request[0]]; ok {
				return unhex(t, text)
			}
			return nil
		})
		begin := time.Now()
		if _, err := a.till.Dial(t.Context(), a.see(5).Address, true); !errors.Is(err, link.ErrLost) {
			t.Fatalf("dial: %v", err)
		}
		if d := time.Since(begin); d > introduceLimit {
			t.Errorf("the dial took %s", d)
		}
		a.counted(a.till, map[string]uint64{tt.counter: 1})
		a.served(time.Now())
	})
}

// ourService is the answer of a server that has ours.
const ourService = "11 14 1000 ffff 53118347 0693 16a2 724e 6173 12af118f"

// TestSilentServer: a peripheral that connects and says nothing costs no more
// than the limit.
func TestSilentServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttack(t, testbed.Config{})
		newServer(t, a.bench, 5, func([]byte) []byte { return nil })
		begin := time.Now()
		_, err := a.till.Dial(t.Context(), a.see(5).Address, false)
		if d := time.Since(begin); !errors.Is(err, link.ErrLost) || d < introduceLimit || d > introduceLimit+time.Second {
			t.Errorf("after %s: %v", d, err)
		}
		a.served(time.Now())
	})
}

// TestFailedConnection: the controller reports that a connection could not be
// made (H10). Go-ble's Dial would wait for ever and then take the connection of
// the next one (H11); ours ends by its limit and the next has its own.
func TestFailedConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttack(t, testbed.Config{})
		failed := make(chan error)
		go func() {
			_, err := a.till.Dial(t.Context(), "C0:FF:EE:00:00:01", false)
			failed <- err
		}()
		synctest.Wait()
		const nobody = "000000000000"
		a.bench.Do(func(air *testbed.Air) {
			air.Inject(0, unhex(t, "043e13 01 3e 0000 00 00"+nobody+"0000 0000 0000 00"))
		})
		begin := time.Now()
		if err := <-failed; !errors.Is(err, link.ErrLost) || time.Since(begin) > dialLimit+cancelLimit {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
		a.served(time.Now())
		// The end of the connection that never was: go-ble has kept it.
		a.bench.Do(func(air *testbed.Air) { air.Inject(0, unhex(t, "0405 04 00 0000 13")) })
	})
}

// TestDialsInARow makes connections that are there at once, which go-ble's Dial
// loses when it does not wait for them yet (H12).
func TestDialsInARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttack(t, testbed.Config{})
		for i := range 200 {
			c, p := a.link(byte(1 + i))
			a.ok(c.Close("test"))
			<-p.Done()
		}
		a.counted(a.till, map[string]uint64{})
		a.allFree()
	})
}
