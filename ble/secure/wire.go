package secure

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/vipaso/vipasod/ble/frame"
	"github.com/vipaso/vipasod/ble/link"
)

// wire carries whole messages over a link, and owns it: it has two goroutines,
// one that receives and one that sends, which end with the wire.
type wire struct {
	link   link.Link
	speaks Versions        // what an ALERT says
	ctx    context.Context // ends with the wire
	cancel context.CancelFunc
	idle   *time.Timer
	wg     sync.WaitGroup
	kick   chan struct{} // there may be something to send
	slot   chan struct{} // holds an element while a message is being sent
	inbox  chan []byte

	mu       sync.Mutex
	conn     *frame.Conn
	sent     chan struct{} // closed when the message was handed to the link
	err      error         // why the wire ended
	lastSend time.Time
	ackTimer *time.Timer
}

// newWire starts a wire on l of a device that speaks these versions. Its error
// wraps ErrHandshake; l is then closed.
func newWire(l link.Link, speaks Versions) (*wire, error) {
	conn, err := frame.New(l.ValueMax(), window(l))
	if err != nil {
		l.Close("values too short")
		return nil, fmt.Errorf("%w: %w", err, ErrHandshake)
	}
	w := &wire{
		link: l, conn: conn, speaks: speaks.orOurs(),
		kick: make(chan struct{}, 1), slot: make(chan struct{}, 1),
		inbox: make(chan []byte, inboxMax),
	}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.idle = time.AfterFunc(idleLimit, func() { w.fail(fmt.Errorf("nothing received for %s: %w", idleLimit, link.ErrLost)) })
	w.wg.Add(2)
	go w.receiving()
	go w.sending()
	return w, nil
}

// window returns how many frames may be under way on l: fewer than usual if
// the other side's read value asks for it. Before the handshake that value
// proves nothing, but a small window does no harm.
func window(l link.Link) int {
	limits, err := link.DecodeLimits(l.PeerReadValue())
	if err != nil || limits.Window < 1 || limits.Window > frame.Window {
		return frame.Window
	}
	return int(limits.Window)
}

// receiving takes values from the link until it ends.
func (w *wire) receiving() {
	defer w.wg.Done()
	for {
		value, err := w.link.Receive(w.ctx)
		if err != nil {
			w.fail(err)
			return
		}
		message, err := w.push(value)
		if err != nil {
			w.refuse(err)
			return
		}
		if message == nil {
			continue
		}
		select {
		case w.inbox <- message:
		default:
			w.refuse(fmt.Errorf("%d messages that nobody asked for: %w", inboxMax, ErrProtocol))
			return
		}
	}
}

// push gives a value to the framing and returns a message it completed.
func (w *wire) push(value []byte) ([]byte, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	in, err := w.conn.Push(value)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", err, ErrProtocol)
	}
	if c := in.Control; c != nil && c.Op != frame.Ping {
		return nil, peerError(*c)
	}
	if w.err == nil {
		w.idle.Reset(idleLimit)
		w.delayAck()
	}
	w.wake()
	return in.Message, nil
}

// delayAck sees to it that a frame is acknowledged even if too few follow it.
// The caller holds mu.
func (w *wire) delayAck() {
	if !w.conn.AckOwed() {
		return
	}
	if w.ackTimer == nil {
		w.ackTimer = time.AfterFunc(ackDelay, w.flushAck)
		return
	}
	w.ackTimer.Reset(ackDelay)
}

func (w *wire) flushAck() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.conn.Flush()
	w.wake()
}

func (w *wire) wake() {
	select {
	case w.kick <- struct{}{}:
	default:
	}
}

// sending hands values to the link until the wire ends.
func (w *wire) sending() {
	defer w.wg.Done()
	ping := time.NewTicker(pingAfter)
	defer ping.Stop()
	for {
		value, sent := w.next()
		if value != nil {
			if err := w.link.Send(w.ctx, value); err != nil {
				w.fail(err)
				return
			}
			w.handed(sent)
			continue
		}
		select {
		case <-w.kick:
		case <-ping.C:
			w.ping()
		case <-w.ctx.Done():
			return
		}
	}
}

// next returns the next value to send, nil if there is none, and the channel
// to close once it was handed to the link, if it is the last of a message.
func (w *wire) next() ([]byte, chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	busy := w.conn.Busy()
	value, ok := w.conn.Next()
	switch {
	case !ok:
		return nil, nil
	case busy && !w.conn.Busy():
		return value, w.sent
	}
	return value, nil
}

// handed notes that a value was given to the link.
func (w *wire) handed(sent chan struct{}) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lastSend = time.Now()
	if sent != nil {
		close(sent)
		<-w.slot
	}
}

// ping asks for a sign of life if we have given none for a while.
func (w *wire) ping() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if time.Since(w.lastSend) >= pingAfter {
		w.conn.Signal(frame.Control{Op: frame.Ping})
	}
}

// send hands over the message that build makes, in turn with others, and
// returns when its last piece was given to the link. If it returns a context's
// error the message may still be sent.
func (w *wire) send(ctx context.Context, build func() ([]byte, error)) error {
	select {
	case w.slot <- struct{}{}:
	case <-w.ctx.Done():
		return w.cause()
	case <-ctx.Done():
		return ctx.Err()
	}
	message, err := build()
	if err != nil {
		<-w.slot
		return err
	}
	sent := make(chan struct{})
	w.mu.Lock()
	err = w.conn.Send(message)
	w.sent = sent
	w.wake()
	w.mu.Unlock()
	if err != nil {
		<-w.slot
		return fmt.Errorf("%w: %w", err, link.ErrTooLong)
	}
	select {
	case <-sent:
		return nil
	case <-w.ctx.Done():
		err = w.cause()
	case <-ctx.Done():
		err = ctx.Err()
	}
	select {
	case <-sent: // at the same time
		return nil
	default:
		return err
	}
}

// receive returns the next message. What arrived before the end comes first.
func (w *wire) receive(ctx context.Context) ([]byte, error) {
	select {
	case m := <-w.inbox:
		return m, nil
	default:
	}
	select {
	case m := <-w.inbox:
		return m, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.ctx.Done():
	}
	select {
	case m := <-w.inbox:
		return m, nil
	default:
		return nil, w.cause()
	}
}

// fail ends the wire and its link at once; the first error stands.
func (w *wire) fail(err error) {
	w.mu.Lock()
	if w.err == nil {
		w.err = err
	}
	err = w.err
	w.idle.Stop()
	if w.ackTimer != nil {
		w.ackTimer.Stop()
	}
	w.mu.Unlock()
	w.cancel()
	w.link.Close(err.Error())
}

// refuse ends the wire because of err, and tells the peer if it was at fault.
// It does not wait.
func (w *wire) refuse(err error) {
	alert, ok := alertFor(err, w.speaks)
	if !ok || !w.signalEnd(alert, err) {
		w.fail(err)
		return
	}
	go func() {
		defer w.wg.Done()
		w.linger()
		w.fail(err)
	}()
}

// signalEnd lets c be the last thing that is sent, and err the reason of the
// end. It returns false if the wire is ending already; otherwise the caller
// lingers, and says so to wg.
func (w *wire) signalEnd(c frame.Control, err error) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.err != nil {
		return false
	}
	w.wg.Add(1)
	w.err = err
	w.conn.Signal(c)
	w.wake()
	return true
}

// linger waits until the peer has taken the last frame and ended the link.
func (w *wire) linger() {
	limit := time.NewTimer(lingerLimit)
	defer limit.Stop()
	select {
	case <-w.link.Done():
	case <-w.ctx.Done():
	case <-limit.C:
	}
}

// close ends the wire in good order and waits for its goroutines. If it is
// ending already, the peer still hears why.
func (w *wire) close(code CloseCode) {
	end := frame.Control{Op: frame.Close, Code: uint8(code)}
	if w.signalEnd(end, fmt.Errorf("session: %w", link.ErrClosed)) {
		w.linger()
		w.wg.Done()
		w.fail(link.ErrClosed)
	}
	w.wg.Wait()
}

// cause returns why the wire ended.
func (w *wire) cause() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.err
}

func (w *wire) counters() frame.Counters {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.conn.Counters()
}
