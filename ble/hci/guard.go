package hci

import (
	"bytes"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux/hci"

	"github.com/vipaso/vipasod/ble/link"
)

// role is which side of a connection we are.
type role int

const (
	central    role = iota // we have dialled
	peripheral             // the other side has
)

const (
	// valuesMax is how many values may be unread before the link is ended; a
	// session's window keeps it far below.
	valuesMax = 1024
	// attMax is how many other PDUs may wait for go-ble.
	attMax = 64
	// answersMax is how many answers of ours may wait to be sent.
	answersMax = 4
	// pduMax is the longest ATT PDU there is.
	pduMax = ble.MaxMTU
)

// guard is one connection. To go-ble's ATT code it is a ble.Conn on which only
// sound PDUs arrive. It reads all the time, whoever else is slow: what is not
// read would stop the reader of the whole adapter.
type guard struct {
	radio   *Radio
	role    role
	address string
	inner   ble.Conn
	sender  sender
	handle  uint16

	att     chan []byte   // for go-ble
	values  chan []byte   // for the link
	answers chan []byte   // for the peer
	gone    chan struct{} // closed at the end, when all that came was read
	down    chan struct{} // closed when the controller has no connection any more

	mu     sync.Mutex
	judge  judge
	ctx    context.Context
	txMTU  int
	link   *conn // once it was announced
	err    error // why gone is closed
	isDown bool
}

// guard starts to guard a connection.
func (r *Radio) guard(c *hci.Conn, as role) *guard {
	c.SetRxMTU(r.mtu)
	g := newGuard(r, c, as)
	g.handle = handleOf(c)
	g.sender.used = sentBuffers(c)
	r.mu.Lock()
	r.guards[g] = true
	failed := r.err != nil
	r.mu.Unlock()
	if failed {
		g.finish(link.ErrLost)
	}
	go g.drain()
	go g.answering()
	return g
}

func newGuard(r *Radio, c ble.Conn, as role) *guard {
	g := &guard{
		radio: r, role: as, address: upper(c.RemoteAddr().String()), inner: c,
		att: make(chan []byte, attMax), values: make(chan []byte, valuesMax), answers: make(chan []byte, answersMax),
		gone: make(chan struct{}), down: make(chan struct{}),
		ctx: context.Background(), txMTU: ble.DefaultMTU,
	}
	g.sender = sender{Writer: c, used: func() int { return 0 }, gone: g.gone, down: g.down}
	g.judge = judge{role: as, mtu: r.mtu}
	if as == peripheral {
		g.judge.handles = r.server.handles
	}
	return g
}

// drain reads the connection until it ends.
func (g *guard) drain() {
	buf := make([]byte, pduMax)
	for {
		n, err := g.inner.Read(buf)
		if err != nil {
			g.lost(err)
			return
		}
		g.mu.Lock()
		v := g.judge.take(bytes.Clone(buf[:n]))
		g.mu.Unlock()
		if g.reason() == nil {
			g.obey(v)
		}
	}
}

// obey does what was judged of one PDU. It does not wait.
func (g *guard) obey(v verdict) {
	var to chan []byte
	switch v.act {
	case drop:
		return
	case pass:
		to = g.att
	case value:
		to = g.values
	case answer:
		to = g.answers
	case refuse:
		g.refuse(v.what)
		return
	}
	select {
	case to <- v.pdu:
	default:
		g.refuse("too many PDUs at once")
	}
}

// answering sends the answers that go-ble does not give.
func (g *guard) answering() {
	for {
		select {
		case pdu := <-g.answers:
			g.transmit(context.Background(), pdu) // fails only at the end
		case <-g.gone:
			return
		}
	}
}

// refuse ends the connection because of what the peer has sent.
func (g *guard) refuse(what string) {
	n := g.radio.count(what)
	g.radio.log.Warn("peer refused", "what", what, "count", n)
	g.close(errors.Join(errors.New(what), link.ErrLost))
}

// lost ends the connection because reading it fails: it has ended, or go-ble
// has given up on what came, and then must not be left unread.
func (g *guard) lost(err error) {
	g.close(errors.Join(err, link.ErrLost))
}

// close ends the connection from this side.
func (g *guard) close(why error) {
	if !g.finish(why) {
		return
	}
	if g.isOver() || g.radio.Err() != nil {
		return
	}
	go func() {
		g.radio.within(commandLimit, "disconnect", g.inner.Close)
		limit := time.NewTimer(cancelLimit)
		defer limit.Stop()
		select {
		case <-g.down:
		case <-limit.C: // the controller has not said so; it may never
			g.setDown()
		}
	}()
}

// finish marks the end, once. It does not wait for anything.
func (g *guard) finish(why error) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.err != nil {
		return false
	}
	g.err = why
	close(g.gone)
	return true
}

// setDown notes that the controller has no such connection any more.
func (g *guard) setDown() {
	g.mu.Lock()
	was := g.isDown
	g.isDown = true
	g.mu.Unlock()
	if was {
		return
	}
	close(g.down)
	g.radio.remove(g)
}

// isOver reports whether the controller has no such connection any more.
func (g *guard) isOver() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.isDown
}

func (g *guard) reason() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.err
}

// announced reports whether there is a link on the connection.
func (g *guard) announced() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.link != nil && g.err == nil
}

// transmit sends a PDU. A peer that takes none loses the connection.
func (g *guard) transmit(ctx context.Context, pdu []byte) (int, error) {
	n, err := g.radio.tx.write(ctx, g.sender, pdu)
	if errors.Is(err, errStalled) {
		g.close(err)
	}
	return n, err
}

// stalled ends the connections whose peers have buffers and take nothing, so
// that nobody else can send. If there are none, the controller hangs.
func (r *Radio) stalled() {
	var holders []*guard
	r.mu.Lock()
	for g := range r.guards {
		if g.sender.used() > 0 {
			holders = append(holders, g)
		}
	}
	r.mu.Unlock()
	for _, g := range holders {
		g.close(errStalled)
	}
	if len(holders) == 0 {
		r.fail(timedOut("transmission"))
	}
}

// Read implements ble.Conn.
func (g *guard) Read(p []byte) (int, error) {
	select {
	case pdu := <-g.att:
		return copy(p, pdu), nil
	case <-g.gone:
		return 0, io.EOF
	}
}

// Write implements ble.Conn.
func (g *guard) Write(p []byte) (int, error) {
	g.mu.Lock()
	g.judge.sent(p)
	g.mu.Unlock()
	return g.transmit(context.Background(), bytes.Clone(p))
}

// Close implements ble.Conn.
func (g *guard) Close() error {
	g.close(link.ErrLost)
	return nil
}

// Context implements ble.Conn.
func (g *guard) Context() context.Context { return g.ctx }

// SetContext implements ble.Conn.
func (g *guard) SetContext(ctx context.Context) { g.ctx = ctx }

// LocalAddr implements ble.Conn.
func (g *guard) LocalAddr() ble.Addr { return g.inner.LocalAddr() }

// RemoteAddr implements ble.Conn.
func (g *guard) RemoteAddr() ble.Addr { return g.inner.RemoteAddr() }

// RxMTU implements ble.Conn.
func (g *guard) RxMTU() int { return g.radio.mtu }

// SetRxMTU implements ble.Conn. Ours is set once, before anything is read.
func (g *guard) SetRxMTU(int) {}

// TxMTU implements ble.Conn.
func (g *guard) TxMTU() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.txMTU
}

// SetTxMTU implements ble.Conn. Go-ble sets what the other side has said,
// which counts only if it is less than ours.
func (g *guard) SetTxMTU(mtu int) {
	g.mu.Lock()
	g.txMTU = min(mtu, g.radio.mtu)
	mtu = g.txMTU
	g.mu.Unlock()
	g.inner.SetTxMTU(mtu)
}

// ReadRSSI implements ble.Conn. Go-ble would wait for it without limit.
func (g *guard) ReadRSSI() int { return 0 }

// Disconnected implements ble.Conn.
func (g *guard) Disconnected() <-chan struct{} { return g.gone }
