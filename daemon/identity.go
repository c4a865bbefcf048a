package daemon

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"time"

	paymentv1 "github.com/vipaso/vipasod/proto/vipaso/payment/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	"github.com/vipaso/vipasod/syncer"
)

// Enrollment is what somebody brings to enroll the device.
type Enrollment struct {
	URL   string
	CA    []byte // PEM
	Code  string // or
	Token string
	call  *store.Call // the caller's request that it came from, if any
}

// Enroll makes the device known to a backend. When it returns, certificate,
// trust bundle, limits and instruments are on disk. Enrolling again at the
// same backend is harmless; at another one it is refused while money is not
// synchronized. The backend is asked only if its answer can be stored.
func (d *Device) Enroll(ctx context.Context, e Enrollment) error {
	if known, err := d.enrolledBy(ctx, e); known || err != nil {
		return err
	}
	if err := d.takesWrites(ctx); err != nil {
		return err
	}
	if who := d.self.Load(); who.Enrolled() && who.BackendURL != e.URL {
		if err := d.nothingUnsynced(ctx); err != nil {
			return fmt.Errorf("enrolled at %s: %w", who.BackendURL, err)
		}
	}
	got, err := d.sync.Enroll(ctx, syncer.EnrollInput{
		URL: e.URL, CA: e.CA, Code: e.Code, Token: e.Token, Role: d.opt.Role,
		Key: d.opt.Keys.Signing, NoiseKey: [32]byte(d.opt.Keys.Noise.PublicKey().Bytes()),
	})
	if err != nil {
		return err
	}
	id := store.Identity{
		DeviceCert: got.DeviceCert, TLSCert: got.TLSCert, RootKey: got.RootKey,
		TrustBundle: got.TrustBundle, CA: e.CA, BackendURL: e.URL,
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if known, err := d.enrolledBy(ctx, e); known || err != nil {
		return err // the same call, at the same time, was first
	}
	before := d.self.Load()
	next, err := d.whoIs(id)
	if err != nil {
		return err
	}
	another := !before.leadsTo(next.trust)
	if before.Enrolled() && another {
		if err := d.nothingUnsynced(ctx); err != nil {
			return fmt.Errorf("%s is another backend than before: %w", e.URL, err)
		}
	}
	id.Locked, id.VoidUntil = before.Locked, before.VoidUntil
	c := &store.Change{
		Instruments: instrumentRows(got.Instruments), FloorLowered: d.clock.Hear(got.ServerTime), Call: e.call,
		Events: []*paymentv1.Event{deviceEvent("ENROLLED", e.URL)},
	}
	if another {
		c.VerdictsTo = new(int64) // another backend numbers otherwise
		if err := d.endAll(ctx, c); err != nil {
			return err
		}
	}
	if err := d.become(ctx, id, c); err != nil {
		return err
	}
	if another || !d.self.Load().same(before) {
		d.endSessions()
	}
	d.sync.Kick()
	return nil
}

// enrolledBy reports whether e comes from a call that was made before: it
// must not undo what was done since.
func (d *Device) enrolledBy(ctx context.Context, e Enrollment) (bool, error) {
	if e.call == nil {
		return false, nil
	}
	_, known, err := d.knownCall(ctx, *e.call)
	return known, err
}

// logout forgets who the device is. The payments stay. It is refused while
// money is not synchronized, unless forced. A device that is not enrolled has
// nothing to forget, and the same call again leaves a later enrollment alone.
func (d *Device) logout(ctx context.Context, call store.Call, force bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if _, known, err := d.knownCall(ctx, call); known || err != nil {
		return err
	}
	if !d.self.Load().Enrolled() {
		return d.commit(ctx, &store.Change{Call: &call})
	}
	if !force {
		if err := d.nothingUnsynced(ctx); err != nil {
			return err
		}
	}
	was, c := d.self.Load(), &store.Change{Call: &call}
	if err := d.endAll(ctx, c); err != nil {
		return err
	}
	c.Events = append(c.Events, deviceEvent("LOGGED_OUT", ""))
	if err := d.become(ctx, store.Identity{Locked: was.Locked, VoidUntil: was.VoidUntil}, c); err != nil {
		return err
	}
	d.endSessions()
	return nil
}

// endSessions ends the sessions that were begun as another device.
func (d *Device) endSessions() {
	d.till.endSessions(nil)
	d.wallet.endSessions()
}

// become stores a new identity. The caller holds mu.
func (d *Device) become(ctx context.Context, id store.Identity, c *store.Change) error {
	who, err := d.whoIs(id)
	if err != nil {
		return err
	}
	c.Identity = &id
	before := d.self.Load()
	if err := d.commitAs(ctx, c, who); err != nil {
		return err
	}
	if before.trust.Epoch() != who.trust.Epoch() || !bytes.Equal(before.DeviceCert, id.DeviceCert) {
		d.till.forgetDials() // who was refused, or refused this till, may be sound now
	}
	return nil
}

// nothingUnsynced returns nil if the backend knows all there is. The caller
// holds mu, or asks again when it does.
func (d *Device) nothingUnsynced(ctx context.Context) error {
	if open, is, err := d.store.OpenSale(ctx); err != nil {
		return err
	} else if is {
		return fmt.Errorf("payment %s is %s: %w", open.ID, open.State, errUnsynced)
	}
	unsettled, _, _, err := d.store.Unsettled(ctx)
	if err != nil {
		return err
	}
	n, err := d.store.OutboxSize(ctx)
	if err != nil {
		return err
	}
	var count int64
	for _, u := range unsettled {
		count += u.Count
	}
	if count > 0 || n > 0 {
		return fmt.Errorf("%d payments, %d items in the outbox: %w", count, n, errUnsynced)
	}
	return nil
}

// SetOffline cuts the device off from its backend, or lets it back.
func (d *Device) SetOffline(offline bool) { d.sync.SetOffline(offline) }

// Credentials returns how the device shows itself to the backend.
func (d *Device) Credentials(context.Context) (syncer.Credentials, error) {
	who := d.self.Load()
	if !who.Enrolled() {
		return syncer.Credentials{}, syncer.ErrNotEnrolled
	}
	url := who.BackendURL
	if d.opt.BackendURL != "" {
		url = d.opt.BackendURL
	}
	return syncer.Credentials{
		URL: url, CA: who.CA,
		TLS:   tls.Certificate{Certificate: [][]byte{who.TLSCert}, PrivateKey: d.opt.Keys.Signing},
		Trust: who.trust, Root: who.RootKey, BundleEpoch: who.trust.Epoch(),
		DeviceCert: who.DeviceCert, CertNotAfter: time.UnixMilli(who.cert.Body.NotAfterMs),
	}, nil
}

// Heard takes a fresh time of the backend: it sets the floor, also downwards,
// and ends holds whose settle_by it has passed.
func (d *Device) Heard(ctx context.Context, serverTime time.Time) error {
	if lowered := d.clock.Hear(serverTime); lowered {
		if err := d.noteLowered(ctx, serverTime); err != nil {
			return err
		}
	}
	return d.wallet.releaseBefore(ctx, serverTime)
}

// noteLowered stores that the backend has set the floor back.
func (d *Device) noteLowered(ctx context.Context, to time.Time) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.commit(ctx, &store.Change{
		FloorLowered: true,
		Events:       []*paymentv1.Event{deviceEvent("CLOCK_FLOOR_LOWERED", to.UTC().Format(time.RFC3339))},
	})
}

// Refreshed takes a newer trust bundle and the instruments.
func (d *Device) Refreshed(ctx context.Context, r syncer.Refresh) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	who := d.self.Load()
	if !who.Enrolled() || !who.shares(r.Trust) {
		return nil // logged out or enrolled elsewhere meanwhile
	}
	c := &store.Change{}
	if rows := instrumentRows(r.Instruments); !d.business() && d.instrumentsDiffer(ctx, rows) {
		c.Instruments = rows
		c.Events = append(c.Events, deviceEvent("INSTRUMENTS_CHANGED", ""))
	}
	if err := d.markVoided(ctx, r.Voided, c); err != nil {
		return err
	}
	d.signedAnew(ctx, r.Preauths, c)
	id := who.Identity
	if t := r.Trust; t.Epoch() > who.trust.Epoch() || t.Epoch() == who.trust.Epoch() && t.SignedAt().After(who.trust.SignedAt()) {
		id = who.with(t, c)
	}
	c.VerdictsTo, c.Told = &r.VerdictsTo, toldRows(r.Told)
	for _, it := range r.Unjudged {
		c.Outbox = append(c.Outbox, store.Item{
			ItemKey: store.ItemKey(it.Key), Payment: it.Payment, Deadline: it.Deadline,
			Total: it.Total, Currency: it.Currency, CreatedAt: it.CreatedAt,
		})
	}
	return d.become(ctx, id, c)
}

// Report returns what the device says when it asks the backend for what
// changed.
func (d *Device) Report(ctx context.Context) (syncer.Report, error) {
	after, err := d.store.VerdictsTo(ctx)
	if err != nil {
		return syncer.Report{}, err
	}
	_, end, err := d.journalEnd(ctx)
	if err != nil {
		return syncer.Report{}, err
	}
	allowed, err := d.untold(ctx)
	return syncer.Report{VerdictsAfter: after, JournalHead: end.GetHead(), Allowances: allowed}, err
}

// Renewed takes fresh certificates for the same keys.
func (d *Device) Renewed(ctx context.Context, deviceCert, tlsCert []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	who := d.self.Load()
	if c, err := who.trust.GenuineDevice(deviceCert); err != nil || string(c.Body.DeviceId) != string(who.cert.Body.GetDeviceId()) {
		return nil // logged out or enrolled elsewhere meanwhile
	}
	id := who.Identity
	id.DeviceCert, id.TLSCert = deviceCert, tlsCert
	return d.become(ctx, id, &store.Change{})
}

// markVoided adds what the backend says is voided to the change.
func (d *Device) markVoided(ctx context.Context, voided []preauth.ID, c *store.Change) error {
	for _, id := range voided {
		a, err := d.store.Authorization(ctx, id)
		if err != nil || a.Voided {
			continue // not this store's, or known
		}
		a.Voided = true
		c.Put = append(c.Put, a)
		c.Events = append(c.Events, preauthEvent(id, preauth.Voided))
	}
	return nil
}

// signedAnew adds certificates of known pre-authorizations to the change that
// have another signature, and say the same.
func (d *Device) signedAnew(ctx context.Context, certs []preauth.PreauthCert, c *store.Change) {
	for _, cert := range certs {
		a, err := d.store.Authorization(ctx, preauth.ID(cert.Body.PreauthId))
		if err != nil || a.Cert.Hash != cert.Hash || bytes.Equal(a.Cert.Bytes, cert.Bytes) {
			continue
		}
		a.Cert = cert
		c.Put = append(c.Put, a)
		d.log.Info("pre-authorization signed by another key", "pre-authorization", a.ID().String(), "key", fmt.Sprintf("%x", cert.KeyID()))
	}
}

func (d *Device) instrumentsDiffer(ctx context.Context, rows []store.Instrument) bool {
	old, err := d.store.Instruments(ctx)
	if err != nil || len(old) != len(rows) {
		return true
	}
	byID := make(map[preauth.ID]store.Instrument, len(old))
	for _, i := range old {
		byID[i.ID] = i
	}
	for _, i := range rows {
		if byID[i.ID] != i {
			return true
		}
	}
	return false
}

func instrumentRows(in []syncer.Instrument) []store.Instrument {
	rows := make([]store.Instrument, len(in))
	for i, x := range in {
		rows[i] = store.Instrument{
			ID: x.ID, Type: x.Type, Label: x.Label, Currency: x.Currency, Balance: x.Balance,
			PreAuthCapable: x.PreAuthCapable, Delegated: x.Delegated,
		}
	}
	return rows
}

func preauthEvent(id preauth.ID, s preauth.Status) *paymentv1.Event {
	return &paymentv1.Event{Event: &paymentv1.Event_PreAuthorizationChanged{
		PreAuthorizationChanged: &paymentv1.PreAuthorizationChanged{PreAuthorizationId: id.String(), Status: string(s)},
	}}
}
