package radio

import (
	"context"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/vipaso/vipasod/ble/link"
	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

// linksMax is how many links a radio process may claim to have.
const linksMax = 32

// clientConn is one connection to a radio process.
type clientConn struct {
	*wire
	client *Client
	hello  *radiov1.Hello
	pongs  chan uint64

	mu       sync.Mutex
	links    map[uint64]*remote
	dials    map[uint64]chan dialled
	controls map[uint64]chan *radiov1.SimReport
	lastID   uint64
	ended    error // why nothing can be started any more
	fault    error // why we closed the connection
}

// dialled is what became of a dial.
type dialled struct {
	link *remote
	err  error
}

func newClientConn(c *Client, conn net.Conn) *clientConn {
	return &clientConn{
		wire: newWire(conn), client: c, pongs: make(chan uint64, 1),
		links: map[uint64]*remote{}, dials: map[uint64]chan dialled{}, controls: map[uint64]chan *radiov1.SimReport{},
	}
}

// introduce exchanges Hellos.
func (cc *clientConn) introduce() (err error) {
	if err := cc.write(helloFrame(&radiov1.Hello{Name: clip(cc.client.opts.Name)})); err != nil {
		return err
	}
	cc.hello, err = cc.readHello()
	return err
}

func (cc *clientConn) advertise(a link.Advertisement) error {
	return cc.write(&radiov1.Frame{Body: &radiov1.Frame_Advertise{Advertise: &radiov1.Advertise{
		On: a.On, ServiceData: a.ServiceData, ReadValue: a.ReadValue,
	}}})
}

func (cc *clientConn) scan(on bool) error {
	return cc.write(&radiov1.Frame{Body: &radiov1.Frame_Scan{Scan: &radiov1.Scan{On: on}}})
}

// pinging drops the connection when the radio process does not answer.
func (cc *clientConn) pinging(ctx context.Context) {
	tick := time.NewTicker(pingEvery)
	defer tick.Stop()
	for nonce := uint64(1); ; nonce++ {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
		err := cc.write(&radiov1.Frame{Body: &radiov1.Frame_Ping{Ping: &radiov1.Ping{Nonce: nonce}}})
		if err == nil {
			err = cc.awaitPong(ctx, nonce)
		}
		if err != nil {
			cc.drop(err)
			return
		}
	}
}

func (cc *clientConn) awaitPong(ctx context.Context, nonce uint64) error {
	limit := time.NewTimer(pongLimit)
	defer limit.Stop()
	for {
		select {
		case got := <-cc.pongs:
			if got == nonce {
				return nil
			}
		case <-ctx.Done():
			return nil
		case <-limit.C:
			return fmt.Errorf("no answer to a ping within %s: %w", pongLimit, link.ErrAdapter)
		}
	}
}

// drop closes the connection because of err; reading then returns.
func (cc *clientConn) drop(err error) {
	cc.mu.Lock()
	if cc.fault == nil {
		cc.fault = err
	}
	cc.mu.Unlock()
	cc.conn.Close()
}

// cause returns the reason for which we dropped the connection, else err.
func (cc *clientConn) cause(err error) error {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if cc.fault != nil {
		return cc.fault
	}
	return err
}

// end fails everything that depends on the connection. It may be repeated;
// the first error stands.
func (cc *clientConn) end(err error) {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if cc.ended != nil {
		return
	}
	cc.ended = err
	cc.failAll(err)
}

// failAll fails links, dials and controls. The caller holds mu.
func (cc *clientConn) failAll(err error) {
	for id, l := range cc.links {
		delete(cc.links, id)
		l.finish(err)
	}
	for id, answer := range cc.dials {
		delete(cc.dials, id)
		answer <- dialled{err: err}
	}
	for id, answer := range cc.controls {
		delete(cc.controls, id)
		close(answer)
	}
}

func (cc *clientConn) count() int {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	return len(cc.links)
}

// dial asks for a link and waits for the answer.
func (cc *clientConn) dial(ctx context.Context, d *radiov1.Dial) (link.Link, error) {
	answer := make(chan dialled, 1)
	cc.mu.Lock()
	if cc.ended != nil {
		cc.mu.Unlock()
		return nil, cc.ended
	}
	cc.lastID++
	d.DialId, d.Address = cc.lastID, clip(d.Address)
	cc.dials[d.DialId] = answer
	cc.mu.Unlock()
	if err := cc.write(&radiov1.Frame{Body: &radiov1.Frame_Dial{Dial: d}}); err != nil {
		cc.forget(d.DialId, answer)
		return nil, fmt.Errorf("%w: %w", err, link.ErrLost)
	}
	select {
	case a := <-answer:
		if a.err != nil {
			return nil, a.err
		}
		return a.link, nil
	case <-ctx.Done():
		cc.forget(d.DialId, answer)
		cc.write(giveUpFrame(d.DialId)) // else the next one waits for it
		return nil, ctx.Err()
	}
}

// forget expects nothing of a dial any more; a link that comes of it is ended.
func (cc *clientConn) forget(id uint64, answer chan dialled) {
	cc.mu.Lock()
	delete(cc.dials, id)
	cc.mu.Unlock()
	select {
	case a := <-answer:
		if a.link != nil {
			a.link.Close("dial given up")
		}
	default:
	}
}

// control sends a SimControl and returns the report.
func (cc *clientConn) control(ctx context.Context, c *radiov1.SimControl) (*radiov1.SimReport, error) {
	answer := make(chan *radiov1.SimReport, 1)
	cc.mu.Lock()
	if cc.ended != nil {
		cc.mu.Unlock()
		return nil, cc.ended
	}
	cc.lastID++
	c.ControlId = cc.lastID
	cc.controls[c.ControlId] = answer
	cc.mu.Unlock()
	defer func() {
		cc.mu.Lock()
		delete(cc.controls, c.ControlId)
		cc.mu.Unlock()
	}()
	if err := cc.write(&radiov1.Frame{Body: &radiov1.Frame_SimControl{SimControl: c}}); err != nil {
		return nil, fmt.Errorf("%w: %w", err, link.ErrLost)
	}
	select {
	case report, ok := <-answer:
		if !ok {
			return nil, cc.reason()
		}
		return report, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (cc *clientConn) reason() error {
	cc.mu.Lock()
	defer cc.mu.Unlock()
	if cc.ended == nil {
		return link.ErrLost
	}
	return cc.ended
}
