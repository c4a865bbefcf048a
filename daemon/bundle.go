package daemon

import (
	"context"
	"fmt"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/ble/secure"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
)

const (
	bundlePart = 3500            // how much of a trust bundle goes into one message
	bundleWait = 3 * time.Second // for a till to pass on its bundle when all else is said
)

// passBundle sends our trust bundle if it is newer than the one that the peer
// announced. It is called when nobody waits.
func (d *Device) passBundle(p *peer) {
	if d.self.Load().trust.Epoch() > p.sess.PeerEpoch() {
		d.sendBundle(p)
	}
}

// sendBundle sends our trust bundle, in pieces, once in a session.
func (d *Device) sendBundle(p *peer) {
	if p.bundled.Swap(true) {
		return
	}
	who := d.self.Load()
	b := who.TrustBundle
	count := (len(b) + bundlePart - 1) / bundlePart
	for i := range count {
		p.send(secure.BundlePart, mustEncode(&peerv1.BundlePart{
			Epoch: who.trust.Epoch(), Index: uint32(i), Count: uint32(count),
			Part: b[i*bundlePart : min(len(b), (i+1)*bundlePart)],
		}))
	}
}

// gatherBundle collects the pieces of a peer's bundle. A complete one that the
// root signed and that is newer than ours becomes ours, and its time raises
// the floor; anything else is dropped or, if it breaks the protocol, ends the
// session. There is one bundle in a session.
func (d *Device) gatherBundle(ctx context.Context, p *peer, body []byte) error {
	var m peerv1.BundlePart
	if err := preauth.DecodeStrict(body, &m); err != nil {
		return err
	}
	if p.took.Load() || m.Index != p.parts || m.Count == 0 || m.Count > 5 || m.Index >= m.Count || len(m.Part) > bundlePart {
		return fmt.Errorf("bundle part %d of %d: %w", m.Index, m.Count, secure.ErrProtocol)
	}
	if m.Index == 0 {
		p.bundle = nil
	}
	p.bundle, p.parts = append(p.bundle, m.Part...), m.Index+1
	if p.parts < m.Count {
		return nil
	}
	p.took.Store(true)
	return d.adoptBundle(ctx, p.bundle)
}

// adoptBundle takes a bundle of a higher epoch that a peer passed on.
func (d *Device) adoptBundle(ctx context.Context, b []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	who := d.self.Load()
	t, err := preauth.OpenTrust(who.RootKey, b)
	if err != nil {
		return fmt.Errorf("peer's bundle: %w", err)
	}
	if t.Epoch() <= who.trust.Epoch() {
		return nil
	}
	d.clock.Raise(t.SignedAt())
	d.log.Info("trust bundle from a peer", "epoch", t.Epoch())
	c := &store.Change{}
	return d.become(ctx, who.with(t, c), c)
}

// with is the identity that trusts t, which is not older than what it trusts
// now. A new root key that comes with t is an event. A bundle of an earlier
// root key, which has been handed over since the bundle was asked for, changes
// nothing.
func (who *self) with(t preauth.Trust, c *store.Change) store.Identity {
	id := who.Identity
	if _, err := preauth.OpenTrust(who.RootKey, t.Bundle.Bytes); err != nil {
		return id
	}
	id.TrustBundle, id.RootKey = t.Bundle.Bytes, t.Root
	if t.Root != who.RootKey {
		c.Events = append(c.Events, deviceEvent("ROOT_CHANGED", fmt.Sprintf("%x", t.Root.KeyID())))
	}
	return id
}

// disowned says that this device's own certificate is of an issuer key that its
// bundle does not list, such as one that was withdrawn: whoever has that bundle
// refuses it, until the backend has certified it anew. The error wraps
// preauth.ErrIssuer.
func (who *self) disowned() error {
	if _, err := who.trust.GenuineDevice(who.DeviceCert); err != nil {
		return fmt.Errorf("this device's certificate: %w", err)
	}
	return nil
}

// leadsTo reports whether the root key that who knows is that of t, or is
// followed by it. An earlier root key does not count: whoever has come by one
// could show bundles of their own by it.
func (who *self) leadsTo(t preauth.Trust) bool {
	if t.Root == who.RootKey {
		return true
	}
	_, err := preauth.OpenTrust(who.RootKey, t.Bundle.Bytes)
	return err == nil
}

// shares reports whether t is of the backend that who is enrolled at: one
// root key leads to the other. That t was opened by a root key which who knew
// is for the caller to know.
func (who *self) shares(t preauth.Trust) bool {
	if who.leadsTo(t) {
		return true
	}
	_, err := preauth.OpenTrust(t.Root, who.TrustBundle)
	return err == nil
}
