package hci

import (
	"context"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/vipaso/vipasod/ble/link"
)

const (
	// spareBuffers are left for what go-ble sends by itself.
	spareBuffers = 2
	// gatePause is how long a writer waits before it looks for buffers again.
	gatePause = time.Millisecond
	// stallLimit is how long a PDU may wait to be sent. A link that is out of
	// range has mostly ended long before and has given its buffers back.
	stallLimit = 5 * time.Second
)

// gate lets a PDU through to the controller only if there are buffers for all
// of it. Go-ble would wait for one with a lock held that its reader needs, and
// then no connection could do anything, ever.
type gate struct {
	mu      sync.Mutex
	size    int // of a buffer, in bytes
	free    func() int
	total   int    // buffers, when none is in use
	stalled func() // called when others keep a PDU waiting for too long
}

func newGate(size int, free func() int, stalled func()) *gate {
	return &gate{size: size, free: free, total: free(), stalled: stalled}
}

// sender is a connection, as the gate sees it.
type sender struct {
	io.Writer
	// used is how many buffers it has in use.
	used func() int
	// gone and down are closed at its end, in either order.
	gone, down <-chan struct{}
}

// write sends pdu as soon as there are buffers. The error wraps link.ErrLost
// or is the context's. It is errStalled if the peer does not take what it was
// sent already, which a hostile one can do for as long as it likes.
func (t *gate) write(ctx context.Context, to sender, pdu []byte) (int, error) {
	need := (len(pdu) + l2capHeader + t.size - 1) / t.size
	stall := time.Now().Add(stallLimit)
	for {
		n, sent, err := t.try(to, pdu, need)
		if sent {
			return n, err
		}
		if time.Now().After(stall) {
			if to.used() > 0 {
				return 0, errStalled
			}
			t.stalled()
			stall = time.Now().Add(stallLimit)
		}
		pause := time.NewTimer(gatePause)
		select {
		case <-to.gone:
			pause.Stop()
			return 0, errGone
		case <-to.down:
			pause.Stop()
			return 0, errGone
		case <-ctx.Done():
			pause.Stop()
			return 0, ctx.Err()
		case <-pause.C:
		}
	}
}

var (
	errGone    = fmt.Errorf("connection is gone: %w", link.ErrLost)
	errStalled = fmt.Errorf("peer has taken nothing for %s: %w", stallLimit, link.ErrLost)
)

// try sends pdu if there are buffers now. One connection gets no more than
// half of them, as it may be out of range.
func (t *gate) try(to sender, pdu []byte, need int) (n int, sent bool, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	select {
	case <-to.gone:
		return 0, true, errGone
	case <-to.down: // a buffer for it would never come back
		return 0, true, errGone
	default:
	}
	spare := min(spareBuffers, max(0, t.total-need))
	share := max(need, (t.total+1)/2)
	if t.free() < need+spare || to.used()+need > share {
		return 0, false, nil
	}
	n, err = to.Write(pdu)
	if err != nil {
		err = fmt.Errorf("%w: %w", err, link.ErrLost)
	}
	return n, true, err
}
