package radio

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/vipaso/vipasod/ble/link"
	radiov1 "github.com/vipaso/vipasod/proto/vipaso/radio/v1"
)

const (
	// backoffMin and backoffMax bound the pause between two attempts to
	// connect. A connection that lasted longer than backoffMax starts over.
	backoffMin = 50 * time.Millisecond
	backoffMax = 5 * time.Second
	// pingEvery is how often the radio process is asked whether it is well,
	// pongLimit how long it may take to answer.
	pingEvery = 5 * time.Second
	pongLimit = 2 * time.Second
	// acceptMax is how many accepted links may wait for Accept.
	acceptMax = 8
)

// reasonDown is the catalogue's reason for a radio that cannot be reached.
const reasonDown = "ADAPTER_DOWN"

// Options configures a Client.
type Options struct {
	// Dial connects to the radio process or the simulated air. It is called
	// again whenever a connection was lost.
	Dial func(ctx context.Context) (net.Conn, error)

	// Name is what the device joins a simulated air under.
	Name string

	// Logger may be nil.
	Logger *slog.Logger
}

// Client is a link.Radio in another process. Run keeps it connected; without
// Run it is down.
type Client struct {
	opts      Options
	log       *slog.Logger
	sightings *link.SightingRing
	accepted  chan *remote
	closing   context.Context // ends with Close
	stop      context.CancelFunc

	// wishes orders changes of adv and scan and the frames that say so, also
	// across connections. Lock it before mu.
	wishes sync.Mutex

	mu       sync.Mutex
	adv      link.Advertisement
	scan     bool
	conn     *clientConn // nil while not connected
	status   link.Status // Scanning, Advertising, Links and Refused are filled in later
	refused  tally
	attempts uint32
	changed  chan struct{} // closed and replaced when status changes
}

// NewClient returns a client that is not connected yet.
func NewClient(opts Options) *Client {
	log := opts.Logger
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	closing, stop := context.WithCancel(context.Background())
	return &Client{
		opts: opts, log: log, sightings: link.NewSightingRing(), closing: closing, stop: stop,
		accepted: make(chan *remote, acceptMax), changed: make(chan struct{}),
		status: link.Status{Adapter: "radio", Reason: reasonDown, Detail: "not connected to the radio process yet"},
	}
}

// Run connects, and connects again, until ctx ends or the client is closed,
// and then returns nil. It must be called once only.
func (c *Client) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.closing, cancel)()
	pause := backoff.NewExponentialBackOff()
	pause.InitialInterval, pause.MaxInterval = backoffMin, backoffMax
	for {
		start := time.Now()
		err := c.connection(ctx)
		if ctx.Err() != nil {
			return nil
		}
		if time.Since(start) > backoffMax {
			pause.Reset()
		}
		wait := pause.NextBackOff()
		c.log.Warn("radio connection lost", "err", err, "retry", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil
		}
	}
}

// connection makes one connection, serves it until it ends, and returns why.
func (c *Client) connection(ctx context.Context) error {
	conn, err := c.opts.Dial(ctx)
	if err != nil {
		c.down(nil, err)
		return err
	}
	defer reap(conn) // last: until then the adapter is taken
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	defer conn.Close()
	cc := newClientConn(c, conn)
	if err := cc.introduce(); err != nil {
		c.down(nil, err)
		return err
	}
	if !c.attach(cc) {
		return fmt.Errorf("radio: %w", link.ErrClosed)
	}
	var wg sync.WaitGroup
	wg.Go(func() { cc.pinging(ctx) })
	err = c.replay(cc)
	if err == nil {
		err = cc.reading()
	}
	cancel()
	wg.Wait()
	err = cc.cause(err)
	c.down(cc, err)
	return err
}

// attach makes cc the connection in use. It returns false if the client was
// closed meanwhile.
func (c *Client) attach(cc *clientConn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosed() {
		return false
	}
	c.conn = cc
	c.refused.restart()
	if c.attempts++; c.attempts > 1 {
		c.status.Restarts++
	}
	c.status.Adapter, c.status.Address = clip(cc.hello.GetAdapter()), clip(cc.hello.GetAddress())
	c.log.Info("radio connected", "adapter", c.status.Adapter, "address", c.status.Address)
	return true
}

// down notes that there is no connection, and ends what was on it.
func (c *Client) down(cc *clientConn, err error) {
	c.mu.Lock()
	if c.conn == cc {
		c.conn = nil
	}
	end := link.ErrClosed
	if !c.isClosed() {
		end = link.ErrLost
		c.setState(false, reasonDown, clip(err.Error()))
	}
	c.mu.Unlock()
	if cc != nil {
		cc.end(fmt.Errorf("radio connection: %w", end))
	}
}

// setState sets whether the adapter is up. The caller holds mu.
func (c *Client) setState(up bool, reason, detail string) {
	c.status.Up, c.status.Reason, c.status.Detail = up, reason, detail
	close(c.changed)
	c.changed = make(chan struct{})
}

// replay tells a new connection what is wished. The radio process keeps it for
// an adapter that is not there yet.
func (c *Client) replay(cc *clientConn) error {
	c.wishes.Lock()
	defer c.wishes.Unlock()
	c.mu.Lock()
	adv, scan := c.adv, c.scan
	c.mu.Unlock()
	return errors.Join(cc.advertise(adv), cc.scan(scan))
}

func (c *Client) isClosed() bool { return c.closing.Err() != nil }

// wish records a wish and tells the radio, if there is one. A connection that
// fails meanwhile is no error: the next one is told.
func (c *Client) wish(ctx context.Context, record func(), tell func(*clientConn) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	c.wishes.Lock()
	defer c.wishes.Unlock()
	if c.isClosed() {
		return fmt.Errorf("radio: %w", link.ErrClosed)
	}
	c.mu.Lock()
	record()
	cc := c.conn
	c.mu.Unlock()
	if cc != nil {
		if err := tell(cc); err != nil {
			c.log.Debug("radio not told", "err", err)
		}
	}
	return nil
}

// Advertise implements link.Radio.
func (c *Client) Advertise(ctx context.Context, a link.Advertisement) error {
	if len(a.ReadValue) > link.ReadValueMax || a.On && len(a.ServiceData) > link.BeaconLen {
		return fmt.Errorf("service data of %d bytes, read value of %d: %w", len(a.ServiceData), len(a.ReadValue), link.ErrTooLong)
	}
	a.ServiceData = append([]byte(nil), a.ServiceData...)
	a.ReadValue = append([]byte(nil), a.ReadValue...)
	return c.wish(ctx, func() { c.adv = a }, func(cc *clientConn) error { return cc.advertise(a) })
}

// Scan implements link.Radio.
func (c *Client) Scan(ctx context.Context, on bool) error {
	err := c.wish(ctx, func() { c.scan = on }, func(cc *clientConn) error { return cc.scan(on) })
	if !on {
		c.sightings.Clear()
	}
	return err
}

// NextSighting implements link.Radio.
func (c *Client) NextSighting(ctx context.Context) (link.Sighting, error) {
	return c.sightings.Next(ctx)
}

// Accept implements link.Radio.
func (c *Client) Accept(ctx context.Context) (link.Link, error) {
	if c.isClosed() {
		return nil, fmt.Errorf("accept: %w", link.ErrClosed)
	}
	select {
	case l := <-c.accepted:
		return l, nil
	case <-c.closing.Done():
		return nil, fmt.Errorf("accept: %w", link.ErrClosed)
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Dial implements link.Radio.
func (c *Client) Dial(ctx context.Context, address string, discover bool) (link.Link, error) {
	l, err := c.dial(ctx, address, discover)
	if err != nil {
		return nil, fmt.Errorf("dial %s: %w", clip(address), err)
	}
	return l, nil
}

func (c *Client) dial(ctx context.Context, address string, discover bool) (link.Link, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	cc, err := c.usable()
	if err != nil {
		return nil, err
	}
	if address == "" { // on the wire it means something else
		return nil, fmt.Errorf("no address: %w", link.ErrLost)
	}
	return cc.dial(ctx, &radiov1.Dial{Address: address, Discover: discover})
}

// usable returns the connection, if the adapter behind it is up.
func (c *Client) usable() (*clientConn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.isClosed() {
		return nil, link.ErrClosed
	}
	if c.conn == nil || !c.status.Up {
		return nil, &link.AdapterError{Reason: c.status.Reason, Detail: c.status.Detail}
	}
	return c.conn, nil
}

// Status implements link.Radio.
func (c *Client) Status() link.Status {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.status
	s.Advertising, s.Scanning, s.Refused = c.adv.On, c.scan, c.refused.total()
	if c.conn != nil {
		s.Links = c.conn.count()
	}
	return s
}

// AwaitUp waits until the adapter can be used. The error wraps link.ErrClosed
// or the context's error.
func (c *Client) AwaitUp(ctx context.Context) error {
	for {
		c.mu.Lock()
		up, changed := c.status.Up, c.changed
		c.mu.Unlock()
		if up {
			return nil
		}
		select {
		case <-changed:
		case <-c.closing.Done():
			return fmt.Errorf("radio: %w", link.ErrClosed)
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Close implements link.Radio. Run returns soon after it.
func (c *Client) Close() error {
	c.mu.Lock()
	if c.isClosed() {
		c.mu.Unlock()
		return nil
	}
	c.stop()
	c.setState(false, reasonDown, "closed")
	cc := c.conn
	c.conn = nil
	c.mu.Unlock()
	c.sightings.Close()
	if cc != nil {
		cc.end(fmt.Errorf("radio: %w", link.ErrClosed))
		cc.conn.Close()
	}
	return nil
}

// heard notes a sign of another device.
func (c *Client) heard() {
	c.mu.Lock()
	c.status.LastPeer = time.Now()
	c.mu.Unlock()
}
