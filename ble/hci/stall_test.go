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

// TestStalledPeer lets a customer ask for a supervision timeout of 32 s, which
// go-ble grants, and then take nothing more: the till ends that link, and keeps
// its adapter and its other one.
func TestStalledPeer(t *testing.T) { synctest.Test(t, testStalledPeer) }

func testStalledPeer(t *testing.T) {
	a := newAttack(t, testbed.Config{})
	a.central, a.peri = a.link(7)
	hostile := a.bench.Add()
	answers := map[byte][]byte{opMTU: {opMTUResponse, 0xf7, 0}, opWrite: {opWriteResponse}}
	serveOn(t, a.bench, hostile, 5, func(request []byte) []byte { return answers[request[0]] })
	c, err := a.till.Dial(t.Context(), a.see(5).Address, false)
	a.ok(err)

	var handle uint16
	a.bench.Do(func(air *testbed.Air) { handle = air.Handles(hostile)[0] })
	update := unhex(t, "0c000500 12 01 0800 0c00 1800 0000 800c") // L2CAP Connection Parameter Update Request
	if _, err := a.bench.Host(hostile).Write(acl(handle, update)); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	a.bench.Do(func(air *testbed.Air) { air.SetRange(0, hostile, false) })
	begin := time.Now()
	for err == nil {
		err = c.Send(t.Context(), make([]byte, 100))
	}
	if took := time.Since(begin); !errors.Is(err, link.ErrLost) || took < stallLimit || took > stallLimit+time.Second {
		t.Errorf("after %s: %v", took, err)
	}
	<-c.Done()
	a.ok(a.till.Err())
	a.ok(a.central.Send(t.Context(), []byte("still here")))
	if v, err := a.peri.Receive(t.Context()); err != nil || string(v) != "still here" {
		t.Errorf("%q, %v", v, err)
	}
	if links := a.till.Status().Links; links != 1 {
		t.Errorf("%d links", links)
	}
}
