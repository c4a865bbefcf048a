package hci

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/go-ble/ble"
	"github.com/go-ble/ble/linux/gatt"

	"github.com/vipaso/vipasod/ble/link"
)

// introduceLimit bounds the exchange of the MTU, discovery and subscription;
// go-ble would wait 30 s for each response.
const introduceLimit = 2 * time.Second

// introduce makes a link of a connection that we have dialled: two round trips
// with the base handle, or nine with discovery.
func (r *Radio) introduce(ctx context.Context, g *guard, discover bool) (*conn, error) {
	type result struct {
		c   *conn
		err error
	}
	answer := make(chan result, 1)
	go func() {
		defer func() {
			if p := recover(); p != nil {
				answer <- result{err: fmt.Errorf("panic of the ATT client: %v: %w", p, link.ErrLost)}
			}
		}()
		c, err := r.subscribe(g, discover)
		answer <- result{c, err}
	}()
	limit := time.NewTimer(introduceLimit)
	defer limit.Stop()
	select {
	case a := <-answer:
		if a.err != nil && !errors.Is(a.err, link.ErrLost) {
			a.err = fmt.Errorf("%w: %w", a.err, link.ErrLost)
		}
		return a.c, a.err
	case <-limit.C:
		return nil, fmt.Errorf("no answer within %s: %w", introduceLimit, link.ErrLost)
	case <-g.gone:
		return nil, g.reason()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// subscribe exchanges the MTU and switches notifications on.
func (r *Radio) subscribe(g *guard, discover bool) (*conn, error) {
	client, err := gatt.NewClient(g)
	if err != nil {
		return nil, err
	}
	mtu := ble.DefaultMTU
	if answered, err := client.ExchangeMTU(r.mtu); err == nil {
		mtu = max(ble.DefaultMTU, min(answered, r.mtu))
	} else if g.reason() != nil {
		return nil, err
	}
	at, err := r.listen(g, client, discover)
	if err != nil {
		return nil, err
	}
	c := &conn{g: g, opcode: opWriteCommand, handle: at.write, valueMax: mtu - 3}
	g.mu.Lock()
	g.link = c
	g.mu.Unlock()
	return c, nil
}

// listen switches notifications on: where the advertisement said, or where the
// service is found if that was wrong or not wanted.
func (r *Radio) listen(g *guard, client *gatt.Client, discover bool) (handles, error) {
	if !discover {
		r.mu.Lock()
		at := handlesAt(r.heardOf.look(g.address).base)
		r.mu.Unlock()
		err := g.switchOn(client, at)
		var refused ble.ATTError
		if err == nil || !errors.As(err, &refused) {
			return at, err
		}
	}
	at, err := r.names.find(client)
	if err != nil {
		return handles{}, err
	}
	return at, g.switchOn(client, at)
}

// switchOn subscribes. Notifications are values from then on.
func (g *guard) switchOn(client *gatt.Client, at handles) error {
	g.mu.Lock()
	g.judge.handles = at
	g.mu.Unlock()
	return client.WriteDescriptor(&ble.Descriptor{Handle: at.cccd}, []byte{1, 0})
}

// find discovers the service.
func (n names) find(client *gatt.Client) (handles, error) {
	services, err := client.DiscoverServices([]ble.UUID{n.service})
	if err != nil {
		return handles{}, err
	}
	if len(services) == 0 {
		return handles{}, errNoService
	}
	chars, err := client.DiscoverCharacteristics([]ble.UUID{n.status, n.write}, services[0])
	if err != nil {
		return handles{}, err
	}
	var at handles
	for _, c := range chars {
		switch {
		case c.UUID.Equal(n.write):
			at.write = c.ValueHandle
		case c.UUID.Equal(n.status):
			at.status = c.ValueHandle
			if _, err := client.DiscoverDescriptors([]ble.UUID{ble.ClientCharacteristicConfigUUID}, c); err != nil {
				return handles{}, err
			}
			if c.CCCD != nil {
				at.cccd = c.CCCD.Handle
			}
		}
	}
	if at.status == 0 || at.write == 0 || at.cccd == 0 {
		return handles{}, errNoService
	}
	return at, nil
}

var errNoService = fmt.Errorf("service not found: %w", link.ErrLost)
