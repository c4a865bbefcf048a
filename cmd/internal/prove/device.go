package prove

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"
	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

// errDown ends everything that a device was about to do: its process is gone.
var errDown = errors.New("process is gone")

// ctx is that of every call: nothing here waits.
var ctx = context.Background()

// device is an honest device: its process while it is up, and its disk.
type device struct {
	*person
	w   *world
	dir string

	st       *store.Store // nil while the process is down
	identity store.Identity
	trust    preauth.Trust
	clock    clock
	known    map[preauth.ID]bool // whose certificate it has verified
	skew     time.Duration       // of the wall clock
	sync     *call               // under way
	told     uint64              // number of the newest event that user interfaces saw
	full     bool                // the disk is
	wasFull  bool                // since the process started
	next     fault               // of the next commit, in a script
	fuse     int                 // effects until the process dies, in a script; 0: it does not
}

func newDevice(w *world, p *person) *device {
	return &device{person: p, w: w, dir: filepath.Join(w.dir, p.name)}
}

func (d *device) up() bool { return d.st != nil }

// wall is what the wall clock says; trusted is trusted time.
func (d *device) wall() time.Time { return d.w.now.Add(d.skew) }
func (d *device) floor() time.Time {
	return d.clock.at(d.w.now)
}

func (d *device) trusted() time.Time {
	if wall, floor := d.wall(), d.floor(); wall.After(floor) {
		return wall
	}
	return d.floor()
}

// boot starts the process: it learns everything from the store.
func (d *device) boot() error {
	st, err := store.Open(ctx, d.dir, store.Options{Role: roleName(d.role), Now: d.wall})
	if err != nil {
		return fmt.Errorf("%s does not start: %w", d.name, err)
	}
	d.st, d.known = st, make(map[preauth.ID]bool)
	floor, err := st.Floor(ctx)
	if err == nil {
		d.clock = clock{floor: floor, set: d.w.now}
		d.identity, err = st.Identity(ctx)
	}
	if err == nil {
		d.trust, err = preauth.OpenTrust(d.identity.RootKey, d.identity.TrustBundle)
	}
	if err == nil {
		err = st.DueAll(ctx)
	}
	if err != nil {
		return fmt.Errorf("%s starts: %w", d.name, err)
	}
	return d.w.check.restarted(d)
}

// crash ends the process where it stands.
func (d *device) crash(why string) error {
	if !d.up() {
		return nil
	}
	d.w.tell(d.name, "", "✗ "+why, preauth.Hash{})
	if d.sync != nil && !d.sync.worked {
		d.w.orphans = append(d.w.orphans, d.sync)
	}
	err := d.st.Close()
	d.st, d.sync, d.wasFull = nil, nil, d.full
	return err
}

// fault is what goes wrong with a commit.
type fault int

const (
	faultNone   fault = iota
	faultBefore       // the process dies before the commit
	faultAfter        // it dies after it
	faultLost         // the commit fails and nothing of it is on disk
	faultKept         // the commit fails but all of it is on disk
)

var faultNames = [...]string{"", "dies before the commit", "dies after the commit", "commit fails, not on disk", "commit fails, but is on disk"}

// harmNames are the faults as a report counts them.
var harmNames = [...]string{"", "program killed", "program killed", "write failed", "write failed, but is on disk"}

// commit stores a change, and only then tells user interfaces. After a commit
// that failed the process is gone without another write or message.
func (d *device) commit(c *store.Change, about preauth.Hash) error {
	if d.full {
		d.w.tell(d.name, "", "cannot store that", about)
		return fmt.Errorf("%s: %w", d.name, store.ErrFull)
	}
	if c.Floor.IsZero() {
		c.Floor = d.floor()
	}
	f := d.w.commitFault(d)
	if d.burns() {
		f = faultBefore
	}
	if f == faultBefore || f == faultLost {
		return d.gone(faultNames[f])
	}
	if err := d.st.Commit(ctx, c); err != nil {
		return d.w.check.broken("%s: commit refused: %v", d.name, err)
	}
	if err := d.w.check.committed(d, c, about); err != nil {
		return err
	}
	if d.burns() {
		f = faultAfter
	}
	if f == faultAfter || f == faultKept {
		return d.gone(faultNames[f])
	}
	d.notify(c.Events)
	return nil
}

// gone says that the process has died; whoever gets it stops.
func (d *device) gone(why string) error {
	return errors.Join(d.crash(why), errDown)
}

// notify shows events to user interfaces.
func (d *device) notify(events []*paymentv1.Event) {
	for _, e := range events {
		d.told = max(d.told, e.Sequence)
	}
}

// passes is a point between two effects at which the process may die.
func (d *device) passes(where string) error {
	if d.burns() || d.w.dies(d) {
		return d.gone("dies " + where)
	}
	return nil
}

// burns counts an effect, and reports whether the process dies at this one.
func (d *device) burns() bool {
	if d.fuse == 0 {
		return false
	}
	d.fuse--
	return d.fuse == 0
}

// become stores who the device is.
func (d *device) become(id store.Identity, c *store.Change) error {
	t, err := preauth.OpenTrust(id.RootKey, id.TrustBundle)
	if err != nil {
		return d.w.check.broken("%s: bundle: %v", d.name, err)
	}
	c.Identity = &id
	if err := d.commit(c, preauth.Hash{}); err != nil {
		return err
	}
	d.identity, d.trust = id, t
	return nil
}

// enrolled reports whether the device may sign anything new.
func (d *device) enrolled() bool {
	return !d.identity.Locked && !d.trust.Revoked(d.id) && d.trusted().UnixMilli() < d.cert.Body.NotAfterMs
}

// accepts reports whether the device deals with another one. Whose certificate
// it has verified before need not be verified again.
func (d *device) accepts(p *person) bool {
	if d.known[p.id] {
		return !d.trust.Revoked(p.id) && d.trusted().UnixMilli() < p.cert.Body.NotAfterMs
	}
	_, err := d.trust.DeviceCert(p.cert.Bytes, p.role, d.trusted())
	d.known[p.id] = err == nil
	return err == nil
}

// exposure is what the device has out unsettled, against its limits.
func (d *device) exposure() (preauth.Exposure, error) {
	unsettled, _, _, err := d.st.Unsettled(ctx)
	e := preauth.Exposure{
		Limits: preauth.LimitsOf(d.cert.Body, preauth.Limits{}, nil, d.w.now, d.w.now),
		Totals: make(map[string]int64),
	}
	for _, u := range unsettled {
		e.Totals[u.Currency] = u.Total
		e.Count += u.Count
	}
	return e, err
}

// adoptBundle takes a bundle of a higher epoch that a peer passed on.
func (d *device) adoptBundle(body []byte) error {
	var m peerv1.BundlePart
	if err := preauth.DecodeStrict(body, &m); err != nil {
		return err
	}
	t, err := preauth.OpenTrust(d.identity.RootKey, m.Part)
	if err != nil || t.Epoch() <= d.trust.Epoch() {
		return err
	}
	d.clock.raise(t.SignedAt(), d.w.now)
	id := d.identity
	id.TrustBundle = m.Part
	return d.become(id, &store.Change{})
}
