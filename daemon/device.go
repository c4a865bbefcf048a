package daemon

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/link"
	"github.com/vipaso/vipasod/daemon/catalogue"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

// Options is what a Device is made of. Store, Keys and Dir are required.
type Options struct {
	Role        peerv1.Role
	DisplayName string // local; customers see the certified name
	Version     string
	Store       *store.Store
	Keys        Keys
	Dir         string // where the store and the key files are
	// Radio is nil while no adapter is configured; RadioReason then says why,
	// as a reason of the error catalogue.
	Radio       link.Radio
	RadioReason string
	Driver      string // "sim" or "hci"
	// Air changes the simulated air; nil with a real radio.
	Air Air
	// Limits lower those the backend signed.
	Limits preauth.Limits
	// ClockSkew is how far the wall clock may stand behind the backend's
	// signed time before that is said. Zero means five minutes.
	ClockSkew time.Duration
	// Wall is the wall clock. Nil means that of the machine.
	Wall func() time.Time
	// BackendURL overrides the one that enrollment stored.
	BackendURL string
	Splay      time.Duration
	RetryMax   time.Duration
	// DialBackend reaches the backend's host:port. Nil means TCP.
	DialBackend func(ctx context.Context, address string) (net.Conn, error)
	LogLevel    *slog.LevelVar
	Logger      *slog.Logger // nil discards
}

// Device is one till or one customer device: the driver of its payments.
type Device struct {
	opt     Options
	log     *slog.Logger
	store   *store.Store
	sync    *syncer.Syncer
	hub     *hub
	ears    *ears
	clock   *clock
	started time.Time

	// mu is held while a step is read, decided and stored, and never while
	// anything is sent or waited for.
	mu   sync.Mutex
	self atomic.Pointer[self]

	passing *passing
	refused faultCounts
	changed signal       // something in the status changed
	sent    atomic.Int64 // see Counters
	till    *till
	wallet  *wallet
	fatal   chan error
}

// self is who the device is, as one value that never changes.
type self struct {
	store.Identity
	cert  preauth.DeviceCert // zero until enrolled
	trust preauth.Trust
}

// New returns the device over an open store, in which what the restart has
// ended is ended: nobody is ever shown it as open. It fails if the store's
// identity does not belong to the keys or contradicts itself.
func New(ctx context.Context, o Options) (*Device, error) {
	d := &Device{opt: o, log: o.Logger, store: o.Store, started: time.Now(), fatal: make(chan error, 1)}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	head, err := o.Store.LastSequence(ctx)
	if err != nil {
		return nil, err
	}
	floor, err := o.Store.Floor(ctx)
	if err != nil {
		return nil, err
	}
	heard, err := o.Store.Heard(ctx)
	if err != nil {
		return nil, err
	}
	id, err := o.Store.Identity(ctx)
	if err != nil {
		return nil, err
	}
	d.hub, d.clock, d.ears, d.passing = newHub(o.Store, head), newClock(floor, heard), newEars(o.Radio), newPassing()
	d.clock.skew, d.clock.wall = o.ClockSkew, o.Wall
	d.clock.Start()
	who, err := d.whoIs(id)
	if err != nil {
		return nil, err
	}
	d.self.Store(who)
	d.sync = syncer.New(syncer.Options{
		Book: d, Logger: d.log, Splay: o.Splay, RetryMax: o.RetryMax, Now: d.now, Dial: o.DialBackend,
	})
	d.till, d.wallet = newTill(d), newWallet(d)
	if err := d.recover(ctx); err != nil {
		return nil, err
	}
	return d, nil
}

// whoIs opens what the store keeps of an identity.
func (d *Device) whoIs(id store.Identity) (*self, error) {
	s := &self{Identity: id}
	if !id.Enrolled() {
		return s, nil
	}
	var err error
	if s.trust, err = preauth.OpenTrust(id.RootKey, id.TrustBundle); err != nil {
		return nil, fmt.Errorf("stored trust bundle: %w", err)
	}
	if s.cert, err = preauth.Open[*peerv1.DeviceCert](id.DeviceCert); err != nil {
		return nil, fmt.Errorf("stored device certificate: %w", err)
	}
	if preauth.PublicKey(s.cert.Body.SigningKey) != d.opt.Keys.Public() {
		return nil, fmt.Errorf("the store is enrolled for another key than signing.key: %w", ErrKey)
	}
	if s.cert.Body.Role != d.opt.Role {
		return nil, fmt.Errorf("the store is enrolled as %s: %w", s.cert.Body.Role, errWrongRole)
	}
	return s, nil
}

// Run does the device's work until ctx ends. It returns an error only if the
// store failed in the middle of a commit: the process must then exit and
// learn from the reopened store what happened.
func (d *Device) Run(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return d.sync.Run(ctx) })
	g.Go(func() error {
		select {
		case err := <-d.fatal:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	})
	g.Go(func() error { return d.relay(ctx) })
	g.Go(func() error { return d.watchClock(ctx) })
	g.Go(func() error { return d.watchAllowances(ctx) })
	g.Go(func() error { return d.unlock(ctx) })
	if d.business() {
		g.Go(func() error { return d.till.run(ctx) })
	} else {
		g.Go(func() error { return d.wallet.run(ctx) })
	}
	err := g.Wait()
	if errors.Is(err, context.Canceled) {
		return nil
	}
	return err
}

// relay makes a change of the backend's state one of the device's. What has
// changed before it listened, or listened again, is told as well.
func (d *Device) relay(ctx context.Context) error {
	for {
		changed := d.sync.Changed()
		d.changed.fire()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// recover ends what a restart has ended. The outbox is due at once: the times
// of the next tries were those of a clock that may have lied.
func (d *Device) recover(ctx context.Context) error {
	err := d.store.DueAll(ctx)
	if err == nil && d.self.Load().Locked {
		err = d.lockDown(ctx)
	}
	if err == nil && !d.business() { // the till's loop finds the open sale and its deadline
		err = d.wallet.recover(ctx)
	}
	if errors.Is(err, store.ErrReadOnly) || errors.Is(err, store.ErrFull) {
		d.log.Error("not recovered; nothing new can be stored", "error", err)
		return nil
	}
	return err
}

func (d *Device) business() bool { return d.opt.Role == peerv1.Role_ROLE_BUSINESS }

// Counters counts what a payment costs. They only grow.
type Counters struct {
	Messages int64 // sent to peers, without Pending, handshakes and frames
	Commits  int64 // of the store: one fsync each
}

// Counters returns the counts since the start.
func (d *Device) Counters() Counters {
	return Counters{Messages: d.sent.Load(), Commits: d.store.Commits()}
}

// now is trusted time.
func (d *Device) now() time.Time { return d.clock.Now() }

// commit stores a change and publishes its events. The caller holds mu.
// After an error that leaves open whether the change is on disk the device
// does nothing more; Run ends.
func (d *Device) commit(ctx context.Context, c *store.Change) error {
	return d.commitAs(ctx, c, d.self.Load())
}

// commitAs is commit of a change that makes the device who. Whoever hears of
// it sees the new one.
func (d *Device) commitAs(ctx context.Context, c *store.Change, who *self) error {
	if c.Floor.IsZero() {
		c.Floor = d.clock.Floor()
	}
	c.Heard = d.clock.LastHeard()
	if err := d.judged(d.store.Commit(context.WithoutCancel(ctx), c)); err != nil {
		return err
	}
	d.self.Store(who)
	d.hub.publish(c.Events)
	d.changed.fire()
	return nil
}

// judged returns the error of a write. One that leaves open whether the
// change is on disk ends Run.
func (d *Device) judged(err error) error {
	for _, harmless := range []error{nil, store.ErrConflict, store.ErrExists, store.ErrReadOnly, store.ErrFull, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, harmless) {
			return err
		}
	}
	select {
	case d.fatal <- fmt.Errorf("store failed: %w", err):
	default:
	}
	return err
}

// enrolled returns who the device is, or an error that says why it may not
// sign anything new.
func (d *Device) enrolled() (*self, error) {
	who := d.self.Load()
	switch {
	case !who.Enrolled():
		return nil, errNotEnrolled
	case who.Locked:
		return nil, errLocked
	case who.trust.Revoked(preauth.ID(who.cert.Body.DeviceId)):
		return nil, fmt.Errorf("this device: %w", preauth.ErrRevoked)
	case d.sync.State().Refused == catalogue.DeviceRevoked: // before any bundle names it
		return nil, fmt.Errorf("the backend says so of this device: %w", preauth.ErrRevoked)
	case d.now().UnixMilli() >= who.cert.Body.NotAfterMs:
		return nil, fmt.Errorf("this device's certificate: %w", preauth.ErrExpired)
	}
	return who, nil
}

// stillIs returns nil if the device may sign and is the one that shook hands
// as before; its certificate may be a newer one.
func (d *Device) stillIs(before *self) error {
	who, err := d.enrolled()
	if err != nil {
		return err
	}
	if !who.same(before) {
		return fmt.Errorf("enrolled as another device meanwhile: %w", errNotEnrolled)
	}
	return nil
}

// same reports whether a and b are one device of one backend.
func (a *self) same(b *self) bool {
	return a.shares(b.trust) && bytes.Equal(a.cert.Body.GetDeviceId(), b.cert.Body.GetDeviceId())
}

// report logs a state change, once, as one line.
func (d *Device) report(id preauth.ID, from, to any, reason string) {
	d.log.Info("payment", "payment", id.String(), "from", from, "to", to, "reason", reason)
}

// deviceEvent makes a log entry about the device itself.
func deviceEvent(what, detail string) *paymentv1.Event {
	return &paymentv1.Event{Event: &paymentv1.Event_DeviceChanged{DeviceChanged: &paymentv1.DeviceChanged{What: what, Detail: detail}}}
}
