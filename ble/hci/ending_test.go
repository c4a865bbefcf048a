//go:build !race

package hci

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-ble/ble/linux/hci"

	"github.com/vipaso/vipasod/ble/testbed"
)

// TestSendWhileEnding sends values to a link that ends meanwhile (H6, H7): no
// buffer of the controller is lost, so links after it can send.
func TestSendWhileEnding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttack(t, testbed.Config{})
		for i := range 12 {
			c, p := a.link(byte(20 + i))
			sent := make(chan bool)
			go func() {
				defer close(sent)
				for p.Send(t.Context(), make([]byte, 100)) == nil {
				}
			}()
			for range 5 {
				if _, err := c.Receive(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			c.Close("test")
			<-sent
			<-p.Done()
		}
		a.allFree()
	})
}

// TestLostWhileSending takes a link out of range while its sender waits for
// buffers (H6): it ends by the supervision timeout, and the next one can send.
func TestLostWhileSending(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttack(t, testbed.Config{Paced: true, Buffers: 4, BufferLen: 27})
		for side := range 2 {
			c, p := a.link(byte(1 + side))
			from, far := c, p
			if side == 1 {
				from, far = p, c
			}
			lost := make(chan time.Time)
			go func() {
				for from.Send(t.Context(), make([]byte, 20)) == nil {
				}
				lost <- time.Now()
			}()
			if _, err := far.Receive(t.Context()); err != nil {
				t.Fatal(err)
			}
			begin := time.Now()
			a.bench.Do(func(air *testbed.Air) { air.SetRange(0, 1, false) })
			if d := (<-lost).Sub(begin); d > 3*time.Second {
				t.Errorf("told after %s", d)
			}
			<-far.Done()
			a.bench.Do(func(air *testbed.Air) { air.SetRange(0, 1, true) })
			a.served(time.Now())
		}
		a.allFree()
	})
}

// allFree checks that no buffers of the controllers are lost.
func (a *attack) allFree() {
	a.Helper()
	synctest.Wait()
	for _, r := range []*Radio{a.till, a.wallet} {
		if free := r.tx.free(); free < r.tx.total {
			a.Errorf("%s: %d of %d buffers are left", r.adapter, free, r.tx.total)
		}
	}
}

// TestLostBuffer: go-ble has lost a buffer for good, which nobody can have as
// there is no connection. The radio fails before all are lost; one that is late
// is none that is lost.
func TestLostBuffer(t *testing.T) {
	for name, lost := range map[string]bool{"one that is late": false, "one that is lost": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				_, radios := benchRadios(t, testbed.Config{}, 1)
				r := radios[0]
				pool := hci.NewClient(*private[*hci.Pool](r.dev, "pool"))
				pool.LockPool()
				pool.Get()
				pool.UnlockPool()
				begin := time.Now()
				<-time.After((leakTicks - 1) * watchEvery)
				if !lost {
					pool.PutAll()
				}
				<-time.After(3 * watchEvery)
				synctest.Wait()
				err := r.Err()
				if (err != nil) != lost {
					t.Errorf("after %s: %v", time.Since(begin), err)
				}
				if lost && reasonOf(err) != reasonDown {
					t.Errorf("reason %v", err)
				}
			})
		})
	}
}

// TestNoLeakWithLinks: buffers that a connection has are not lost, however long
// it has them.
func TestNoLeakWithLinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttack(t, testbed.Config{})
		c, _ := a.link(1)
		pool := hci.NewClient(*private[*hci.Pool](a.till.dev, "pool"))
		pool.LockPool()
		pool.Get()
		pool.UnlockPool()
		<-time.After(3 * leakTicks * watchEvery)
		a.ok(a.till.Err())
		a.ok(c.Close("test"))
		<-a.till.Done()
	})
}

// TestSilentController: the radio fails soon after its controller hangs (H8),
// and closing it waits for nothing (H15).
func TestSilentController(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := newAttack(t, testbed.Config{})
		c, _ := a.link(1)
		a.bench.Do(func(air *testbed.Air) { air.Mute(0) })
		begin := time.Now()
		<-a.till.Done()
		if d := time.Since(begin); d > watchEvery+commandLimit+time.Second || reasonOf(a.till.Err()) != reasonTimeout {
			t.Errorf("after %s: %v", d, a.till.Err())
		}
		<-c.Done()
		begin = time.Now()
		a.ok(a.till.Close())
		if d := time.Since(begin); d > 0 {
			t.Errorf("closed after %s", d)
		}
	})
}

// TestCloseSilentController: the controller hangs while it is closed. Go-ble
// then waits for ever (H8, H15), with a lock held, so this runs by the clock.
func TestCloseSilentController(t *testing.T) {
	t.Parallel()
	a := newAttack(t, testbed.Config{})
	a.link(1)
	a.bench.Do(func(air *testbed.Air) { air.Mute(0) })
	closed := make(chan error)
	go func() { closed <- a.till.Close() }()
	select {
	case err := <-closed:
		a.ok(err)
	case <-time.After(30 * time.Second):
		t.Error("close does not return")
	}
}
