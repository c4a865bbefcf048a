package hci

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/go-ble/ble/linux/hci"
	"github.com/go-ble/ble/linux/hci/cmd"

	"github.com/vipaso/vipasod/ble/link"
)

const (
	// dialLimit bounds the time until an advertisement is heard and answered,
	// cancelLimit the time until a connection turns up that came too late to
	// be cancelled.
	dialLimit   = 2 * time.Second
	cancelLimit = time.Second
)

// Parameters of our connections: interval 15 to 30 ms, no latency, supervision
// 2 s; while dialling, the radio listens all the time.
const (
	intervalMin = 12 // in units of 1.25 ms
	intervalMax = 24
	supervision = 200 // in units of 10 ms
	scanEvery   = 0x60
	scanFor     = 0x60
)

// Dial implements link.Radio.
func (r *Radio) Dial(ctx context.Context, address string, discover bool) (link.Link, error) {
	c, err := r.dial(ctx, upper(address), discover)
	if err != nil {
		return nil, fmt.Errorf("dial %.20s: %w", address, err)
	}
	return c, nil
}

func (r *Radio) dial(ctx context.Context, address string, discover bool) (*conn, error) {
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	r.dialing.Lock()
	defer r.dialing.Unlock()
	if err := r.usable(ctx); err != nil {
		return nil, err
	}
	if err := r.vacancy(ctx, address); err != nil {
		return nil, err
	}
	bare, err := r.connect(ctx, address)
	if err != nil {
		return nil, err
	}
	g := r.guard(bare, central)
	c, err := r.introduce(ctx, g, discover)
	if err != nil {
		g.close(err)
		return nil, err
	}
	r.heard()
	return c, nil
}

// vacancy returns an error if there is no room for a link to address. It waits
// for the end of a link that is ending already and leaves some.
func (r *Radio) vacancy(ctx context.Context, address string) error {
	for {
		ending, err := r.room(address)
		if ending == nil {
			return err
		}
		select {
		case <-ending.down:
		case <-r.done:
			return r.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// room returns an error if there is no room for a link to address, or with it
// the connection that is ending and after which there may be.
func (r *Radio) room(address string) (ending *guard, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	count := 0
	for g := range r.guards {
		if g.role != central || g.isOver() {
			continue
		}
		count++
		leaves := g.reason() != nil
		if g.address == address {
			err = fmt.Errorf("linked already: %w", link.ErrLost)
			if leaves {
				return g, err
			}
			return nil, err
		}
		if leaves {
			ending = g
		}
	}
	if count < link.LinksMax {
		return nil, nil
	}
	return ending, fmt.Errorf("%d links are up: %w", count, link.ErrLost)
}

// connect makes a connection with parameters of its own: go-ble would keep the
// type of the last address.
func (r *Radio) connect(ctx context.Context, address string) (*hci.Conn, error) {
	to, err := net.ParseMAC(address)
	if err != nil || len(to) != 6 {
		return nil, fmt.Errorf("not an address: %w", link.ErrLost)
	}
	r.mu.Lock()
	known := r.heardOf.look(address)
	r.mu.Unlock()
	c := cmd.LECreateConnection{
		LEScanInterval: scanEvery, LEScanWindow: scanFor, PeerAddress: [6]byte{to[5], to[4], to[3], to[2], to[1], to[0]},
		ConnIntervalMin: intervalMin, ConnIntervalMax: intervalMax, SupervisionTimeout: supervision,
	}
	if !known.public {
		c.PeerAddressType = 1
	}
	if err := r.initiate(&c); err != nil {
		return nil, err
	}
	return r.await(ctx, address)
}

// initiate starts the attempt. Some controllers cannot while they scan.
func (r *Radio) initiate(c *cmd.LECreateConnection) error {
	r.air.Lock()
	defer r.air.Unlock()
	err := r.send(c, nil)
	if disallowed(err) && r.Status().Scanning {
		if err := r.enableScan(false); err != nil {
			return err
		}
		defer r.enableScan(true)
		err = r.send(c, nil)
	}
	if refusedBy(err) {
		return fmt.Errorf("%w: %w", err, link.ErrLost)
	}
	return err
}

// await waits for the connection that was started, or cancels it.
func (r *Radio) await(ctx context.Context, address string) (*hci.Conn, error) {
	limit := time.NewTimer(dialLimit)
	defer limit.Stop()
	for {
		select {
		case c := <-r.dialled:
			if upper(c.RemoteAddr().String()) == address {
				return c, nil
			}
			go c.Close() // of an earlier attempt
		case <-r.done:
			return nil, r.Err()
		case <-ctx.Done():
			return nil, r.cancel(ctx.Err())
		case <-limit.C:
			return nil, r.cancel(fmt.Errorf("no answer within %s: %w", dialLimit, link.ErrLost))
		}
	}
}

// cancel ends an attempt because of err, which it returns. If it is too late,
// the connection is closed.
func (r *Radio) cancel(err error) error {
	cancelled := r.send(&cmd.LECreateConnectionCancel{}, nil)
	if cancelled == nil {
		return err
	}
	if !refusedBy(cancelled) {
		return cancelled
	}
	limit := time.NewTimer(cancelLimit)
	defer limit.Stop()
	select {
	case c := <-r.dialled:
		r.within(commandLimit, "disconnect", c.Close)
	case <-limit.C: // it had failed, which go-ble does not say
	case <-r.done:
	}
	return err
}

// collecting hands over connections that were asked for. Somebody always waits
// for them: go-ble closes what nobody waits for.
func (r *Radio) collecting() {
	for {
		c := r.masters()
		if c == nil {
			return
		}
		go func() {
			limit := time.NewTimer(cancelLimit)
			defer limit.Stop()
			select {
			case r.dialled <- c:
			case <-limit.C:
				c.Close()
			case <-r.done:
			}
		}()
	}
}
