package device

import (
	"context"
	"slices"
	"sync"

	"github.com/vipaso/vipasod/ble/link"
)

// ears is somebody who hears all that the device called name puts on the air
// and all that is said to it, and has no key.
type ears struct {
	name string
	mu   sync.Mutex
	ads  []heardAd
	said [][]byte // messages of the device, without the frames' headers, one of each link after the other
	told [][]byte // messages to it
}

// heardAd is one advertisement with the address that it came from.
type heardAd struct{ data, read, address string }

// overheard lets the rig's ears hear the device if it is theirs.
func (r *rig) overheard(name string, radio link.Radio) link.Radio {
	if r.ears == nil || r.ears.name != name {
		return radio
	}
	return &tapped{Radio: radio, ears: r.ears}
}

type tapped struct {
	link.Radio
	ears *ears
}

// Advertise implements link.Radio.
func (t *tapped) Advertise(ctx context.Context, a link.Advertisement) error {
	err := t.Radio.Advertise(ctx, a)
	if ad := (heardAd{string(a.ServiceData), string(a.ReadValue), t.Radio.Status().Address}); err == nil && a.On {
		t.ears.mu.Lock()
		defer t.ears.mu.Unlock()
		if !slices.Contains(t.ears.ads, ad) {
			t.ears.ads = append(t.ears.ads, ad)
		}
	}
	return err
}

// Accept implements link.Radio.
func (t *tapped) Accept(ctx context.Context) (link.Link, error) {
	l, err := t.Radio.Accept(ctx)
	if err != nil {
		return nil, err
	}
	return &tappedLink{Link: l, ears: t.ears}, nil
}

type tappedLink struct {
	link.Link
	ears       *ears
	said, told []byte // of the message that is under way
}

// Send implements link.Link. A session sends from one goroutine.
func (l *tappedLink) Send(ctx context.Context, value []byte) error {
	l.ears.hear(&l.ears.said, &l.said, value)
	return l.Link.Send(ctx, value)
}

// Receive implements link.Link. A session receives in one goroutine.
func (l *tappedLink) Receive(ctx context.Context) ([]byte, error) {
	value, err := l.Link.Receive(ctx)
	if err == nil {
		l.ears.hear(&l.ears.told, &l.told, value)
	}
	return value, err
}

// hear takes a value apart as the protocol page says, and puts messages
// together.
func (e *ears) hear(all *[][]byte, message *[]byte, value []byte) {
	const start, end, ack, ctrl = 1, 2, 4, 8
	flags, rest := value[0], value[2:]
	if flags&ctrl != 0 {
		return
	}
	if flags&ack != 0 {
		rest = rest[1:]
	}
	if flags&start != 0 {
		*message, rest = nil, rest[2:]
	}
	if *message = append(*message, rest...); flags&end != 0 && len(*message) > 0 {
		e.mu.Lock()
		defer e.mu.Unlock()
		*all = append(*all, *message)
		*message = nil
	}
}
