package hci

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/vipaso/vipasod/ble/link"
)

// conn is a link.Link over a guarded connection.
type conn struct {
	g        *guard
	opcode   byte   // of the PDUs that carry our values
	handle   uint16 // of the attribute that they are about
	valueMax int
}

// ValueMax implements link.Link.
func (c *conn) ValueMax() int { return c.valueMax }

// PeerReadValue implements link.Link. Nobody has needed it yet, and reading
// takes a round trip.
func (c *conn) PeerReadValue() []byte { return nil }

// Address implements link.Link.
func (c *conn) Address() string { return c.g.address }

// Done implements link.Link.
func (c *conn) Done() <-chan struct{} { return c.g.gone }

// Send implements link.Link. It waits for the controller's buffers.
func (c *conn) Send(ctx context.Context, value []byte) error {
	if len(value) > c.valueMax {
		return fmt.Errorf("%d bytes where %d fit: %w", len(value), c.valueMax, link.ErrTooLong)
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	pdu := slices.Concat([]byte{c.opcode}, binary.LittleEndian.AppendUint16(nil, c.handle), value)
	if _, err := c.g.transmit(ctx, pdu); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		c.g.close(err)
		return c.ended()
	}
	return nil
}

// Receive implements link.Link.
func (c *conn) Receive(ctx context.Context) ([]byte, error) {
	select {
	case value := <-c.g.values:
		return value, nil
	default:
	}
	select {
	case value := <-c.g.values:
		return value, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.g.gone:
	}
	select { // what arrived before the end
	case value := <-c.g.values:
		return value, nil
	default:
		return nil, c.ended()
	}
}

func (c *conn) ended() error { return fmt.Errorf("link to %s: %w", c.g.address, c.g.reason()) }

// Close implements link.Link.
func (c *conn) Close(reason string) error {
	c.g.close(fmt.Errorf("%.100s: %w", reason, link.ErrClosed))
	return nil
}
