//go:build !race

package hci

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/ble/testbed"
)

// stall links the till with a customer that asks for a supervision timeout of
// 32 s, which go-ble grants, and then takes nothing more.
func (a *attack) stall(n byte) link.Link {
	a.Helper()
	hostile := a.bench.Add()
	answers := map[byte][]byte{opMTU: {opMTUResponse, 0xf7, 0}, opWrite: {opWriteResponse}}
	serveOn(a.T, a.bench, hostile, n, func(request []byte) []byte { return answers[request[0]] })
	c, err := a.till.Dial(a.Context(), a.see(n).Address, false)
	a.ok(err)
	var handle uint16
	a.bench.Do(func(air *testbed.Air) { handle = air.Handles(hostile)[0] })
	update := unhex(a.T, "0c000500 12 01 0800 0c00 1800 0000 800c") // L2CAP Connection Parameter Update Request
	_, err = a.bench.Host(hostile).Write(acl(handle, update))
	a.ok(err)
	synctest.Wait()
	a.bench.Do(func(air *testbed.Air) { air.SetRange(0, hostile, false) })
	return c
}

// kept checks that the till has its adapter and its link with the wallet, and
// no other.
func (a *attack) kept() {
	a.Helper()
	a.ok(a.till.Err())
	a.ok(a.central.Send(a.Context(), []byte("still here")))
	if v, err := a.peri.Receive(a.Context()); err != nil || string(v) != "still here" {
		a.Errorf("%q, %v", v, err)
	}
	if links := a.till.Status().Links; links != 1 {
		a.Errorf("%d links", links)
	}
}

// TestStalledPeer: the till ends the link with a customer that takes nothing,
// and keeps its adapter and its other link.
func TestStalledPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttack(t, testbed.Config{})
		a.central, a.peri = a.link(7)
		c := a.stall(5)
		begin, err := time.Now(), error(nil)
		for err == nil {
			err = c.Send(t.Context(), make([]byte, 100))
		}
		if took := time.Since(begin); !errors.Is(err, link.ErrLost) || took < stallLimit || took > stallLimit+time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		<-c.Done()
		a.kept()
	})
}

// TestStalledPeers: two of them have all the buffers, and wait for nothing.
// Whoever has something to send loses five seconds, and they their links.
func TestStalledPeers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttack(t, testbed.Config{})
		a.central, a.peri = a.link(7)
		var hostile []link.Link
		for n := range byte(2) {
			hostile = append(hostile, a.stall(n))
		}
		for _, c := range hostile {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			for c.Send(ctx, make([]byte, 100)) == nil {
			}
			cancel()
		}
		begin := time.Now()
		a.kept()
		if took := time.Since(begin); took < stallLimit || took > stallLimit+2*time.Second {
			t.Errorf("served after %s", took)
		}
	})
}
