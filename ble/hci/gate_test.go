package hci

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

// buffers are a controller's, as the gate sees them.
type buffers struct {
	free, used int
	size       int
	wrote      int
}

func (b *buffers) Write(p []byte) (int, error) {
	n := (len(p) + l2capHeader + b.size - 1) / b.size
	b.free -= n
	b.used += n
	b.wrote++
	return len(p), nil
}

func newBuffers(count, size int) (*buffers, *gate, sender, chan struct{}) {
	b := &buffers{free: count, size: size}
	down := make(chan struct{})
	t := newGate(size, func() int { return b.free }, func() {})
	return b, t, sender{Writer: b, used: func() int { return b.used }, gone: make(chan struct{}), down: down}, down
}

// TestGate never takes the last buffers, nor more than half for one connection.
func TestGate(t *testing.T) {
	for _, tt := range []struct {
		name             string
		count, size, pdu int
		want             int // PDUs that pass
	}{
		{"one buffer each", 7, 251, 200, 4},
		{"three buffers each", 7, 27, 60, 1},
		{"all buffers for one", 3, 27, 77, 1},
		{"one buffer there is", 1, 251, 200, 1},
	} {
		synctest.Test(t, func(t *testing.T) {
			b, g, to, down := newBuffers(tt.count, tt.size)
			ended := make(chan error)
			go func() {
				for {
					if _, err := g.write(t.Context(), to, make([]byte, tt.pdu)); err != nil {
						ended <- err
						return
					}
				}
			}()
			synctest.Wait()
			<-time.After(100 * time.Millisecond)
			synctest.Wait()
			if b.wrote != tt.want {
				t.Errorf("%s: %d PDUs pass, want %d", tt.name, b.wrote, tt.want)
			}
			close(down)
			if err := <-ended; !errors.Is(err, link.ErrLost) {
				t.Errorf("%s: %v", tt.name, err)
			}
		})
	}
}

func TestGateContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g, to, _ := newBuffers(7, 251)
		g.free = func() int { return 0 }
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := g.write(ctx, to, []byte{1}); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// TestGateStall: nothing can be sent any more, and it is not this peer's fault.
func TestGateStall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, g, to, down := newBuffers(7, 251)
		g.free = func() int { return 0 }
		begin := time.Now()
		g.stalled = func() {
			if took := time.Since(begin); took < stallLimit || took > stallLimit+time.Second {
				t.Errorf("after %s", took)
			}
			close(down)
		}
		if _, err := g.write(t.Context(), to, []byte{1}); !errors.Is(err, link.ErrLost) {
			t.Error(err)
		}
	})
}

// TestGateStalledPeer: one connection has its share in use and gets none of it
// back. It loses its turn, the radio does not fail, and others send.
func TestGateStalledPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b, g, to, _ := newBuffers(7, 251)
		g.stalled = func() { t.Error("others are to blame") }
		ctx, cancel := context.WithTimeout(t.Context(), 2*stallLimit)
		defer cancel()
		begin, err := time.Now(), error(nil)
		for err == nil {
			_, err = g.write(ctx, to, []byte{1})
		}
		if took := time.Since(begin); err != errStalled || took < stallLimit || took > stallLimit+time.Second {
			t.Errorf("after %s: %v", took, err)
		}
		other := to
		other.used = func() int { return 0 }
		if _, err := g.write(t.Context(), other, []byte{1}); err != nil || b.wrote != 5 {
			t.Errorf("%d PDUs, %v", b.wrote, err)
		}
	})
}
