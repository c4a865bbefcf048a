package daemon

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/vipaso/vipasod/preauth/money"
)

// aliveLimit is how long a device may take to show that it takes steps.
const aliveLimit = 5 * time.Second

// errStuck: a step of a payment does not end, or what is noted of a session.
var errStuck = errors.New("a payment step does not end")

// Alive returns nil if the device takes steps: the locks around them and
// around the sessions can be had, and the store answers, within 5 s.
func (d *Device) Alive(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, aliveLimit)
	defer cancel()
	had := make(chan struct{})
	go func() {
		defer close(had)
		for _, mu := range []*sync.Mutex{&d.mu, &d.till.mu, &d.wallet.mu} {
			hold(mu)
		}
	}()
	select {
	case <-had:
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errStuck, ctx.Err())
	}
	_, _, _, err := d.store.Unsettled(ctx)
	return err
}

// hold waits until a lock can be had.
func hold(mu *sync.Mutex) {
	mu.Lock()
	defer mu.Unlock()
}

// Headline says in one line how the device is, for systemd's STATUS.
func (d *Device) Headline(ctx context.Context) string {
	parts := []string{"customer", d.radioWord(), d.backendWord(), d.unsyncedWords(ctx)}
	if d.business() {
		parts[0] = "business"
	}
	if !d.self.Load().Enrolled() {
		parts[0] += ", not enrolled"
	}
	return strings.Join(parts, "; ")
}

func (d *Device) radioWord() string {
	if err := d.radioUsable(); err != nil {
		reason, _ := reasonOf(err)
		return "radio " + reason
	}
	return "radio " + d.opt.Driver + " ready"
}

func (d *Device) backendWord() string {
	s := d.sync.State()
	word := "offline"
	if s.Online {
		word = "online"
	}
	if s.Since.IsZero() {
		return "backend " + word
	}
	return "backend " + word + " since " + s.Since.UTC().Format(time.RFC3339)
}

func (d *Device) unsyncedWords(ctx context.Context) string {
	sums, _, _, err := d.store.Unsettled(ctx)
	if err != nil {
		reason, _ := reasonOf(err)
		return "store " + reason
	}
	if len(sums) == 0 {
		return "nothing unsynced"
	}
	var words []string
	for _, u := range sums {
		words = append(words, fmt.Sprintf("%d unsynced, %s %s", u.Count, money.Format(u.Total, u.Currency), u.Currency))
	}
	return strings.Join(words, ", ")
}
