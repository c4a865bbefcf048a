package hci

import (
	"context"
	"sync"

	"github.com/vipaso/vipasod/ble/link"
)

// Late is a radio whose adapter is still being opened. Until Open or Down takes
// its place it is down, and keeps what is wished for. Use NewLate.
type Late struct {
	adapter string
	ready   chan struct{} // closed when radio is set

	mu    sync.Mutex
	radio link.Radio
	adv   link.Advertisement
	scan  bool
}

// NewLate returns a radio that is down.
func NewLate(adapter string) *Late {
	return &Late{adapter: adapter, ready: make(chan struct{})}
}

// Become makes r do from now on what was wished and will be. It must be called
// once only; Close closes r.
func (l *Late) Become(ctx context.Context, r link.Radio) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.radio = r
	// An adapter that cannot fulfil them says so by its status.
	r.Advertise(ctx, l.adv)
	r.Scan(ctx, l.scan)
	close(l.ready)
}

// Advertise implements link.Radio.
func (l *Late) Advertise(ctx context.Context, a link.Advertisement) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.radio != nil {
		return l.radio.Advertise(ctx, a)
	}
	l.adv = a
	return ctx.Err()
}

// Scan implements link.Radio.
func (l *Late) Scan(ctx context.Context, on bool) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.radio != nil {
		return l.radio.Scan(ctx, on)
	}
	l.scan = on
	return ctx.Err()
}

// NextSighting implements link.Radio.
func (l *Late) NextSighting(ctx context.Context) (link.Sighting, error) {
	r, err := l.await(ctx)
	if err != nil {
		return link.Sighting{}, err
	}
	return r.NextSighting(ctx)
}

// Accept implements link.Radio.
func (l *Late) Accept(ctx context.Context) (link.Link, error) {
	r, err := l.await(ctx)
	if err != nil {
		return nil, err
	}
	return r.Accept(ctx)
}

// Dial implements link.Radio.
func (l *Late) Dial(ctx context.Context, address string, discover bool) (link.Link, error) {
	select {
	case <-l.ready:
		return l.now().Dial(ctx, address, discover)
	default:
		return nil, &link.AdapterError{Reason: reasonDown, Detail: "being opened"}
	}
}

// Status implements link.Radio.
func (l *Late) Status() link.Status {
	select {
	case <-l.ready:
		return l.now().Status()
	default:
		return link.Status{Adapter: l.adapter, Reason: reasonDown, Detail: "being opened"}
	}
}

// Close implements link.Radio.
func (l *Late) Close() error {
	select {
	case <-l.ready:
		return l.now().Close()
	default:
		return nil
	}
}

func (l *Late) await(ctx context.Context) (link.Radio, error) {
	select {
	case <-l.ready:
		return l.now(), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (l *Late) now() link.Radio {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.radio
}
