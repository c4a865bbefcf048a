package device

import (
	"path/filepath"
	"testing"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/cmd/internal/backend"
	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/store"
	server "github.com/vipaso/vipasod/syncer/backend"
)

// rotateRoot replaces the backend's root key, while it serves.
func (r *rig) rotateRoot() preauth.PublicKey {
	r.t.Helper()
	got, err := backend.RotateRoot(r.ctx, filepath.Join(r.dir, "backend"), r.admin)
	r.must(err)
	return got.Public
}

// knows checks which root key a device has stored.
func (p *party) knows(root preauth.PublicKey) {
	p.rig.t.Helper()
	if id := p.identity(); id.RootKey != root {
		p.rig.t.Errorf("%s knows root key %x, not %x", p.name, id.RootKey.KeyID(), root.KeyID())
	}
}

func (p *party) identity() store.Identity {
	p.rig.t.Helper()
	id, err := p.node.Store.Identity(p.rig.ctx)
	p.rig.must(err)
	return id
}

// trust is by what the party judges others.
func (p *party) trust() preauth.Trust {
	p.rig.t.Helper()
	id := p.identity()
	trust, err := preauth.OpenTrust(id.RootKey, id.TrustBundle)
	p.rig.must(err)
	return trust
}

// epoch is that of the bundle the party holds.
func (p *party) epoch() uint64 {
	p.rig.t.Helper()
	return p.trust().Epoch()
}

func (p *party) cert() *peerv1.DeviceCert {
	p.rig.t.Helper()
	c, err := preauth.Open[*peerv1.DeviceCert](p.identity().DeviceCert)
	p.rig.must(err)
	return c.Body
}

// TestDevicesFollowTheRoot: the root key is replaced twice. A device that hears
// of both from the backend only afterwards follows, one that hears of them from
// another device too, and their payments settle; both stay who they are.
func TestDevicesFollowTheRoot(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "40.00")
		setOffline(true, till, ann)
		r.rotateRoot()
		root := r.rotateRoot()
		ann.says("ROOT_CHANGED", func() { setOffline(false, ann) })
		ann.knows(root)
		setOffline(true, ann)

		events := ann.listen(r.ctx)
		till.says("ROOT_CHANGED", func() {
			result := till.request("2.00", offline)
			ann.accept(r.received(events), card)
			if got := r.result(result); got.GetPaymentSuccessful() == nil {
				t.Fatal(got)
			}
		})
		till.knows(root)
		r.cut = true
		till = till.restart()
		till.knows(root)
		result := till.request("3.00", offline)
		ann.accept(r.received(events), card)
		if got := r.result(result); got.GetPaymentSuccessful() == nil {
			t.Fatal(got)
		}

		root = r.rotateRoot()
		business, err := preauth.IDFrom(till.cert().BusinessId)
		r.must(err)
		setOffline(false, till)
		till.enroll(server.Party{Business: business}) // the same backend, though money waits
		till.knows(root)
		r.balanced(nil, till, ann)
		ann.knows(root)
	})
}

// TestIssuersOverlap: a device that is certified after the issuer key was
// replaced is dealt with by one that has not heard of that, and one whose
// certificates the new key has signed by everybody who has.
func TestIssuersOverlap(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		setOffline(true, till)
		_, err := backend.RotateIssuer(r.ctx, filepath.Join(r.dir, "backend"), r.admin, 48*time.Hour)
		r.must(err)
		ann, card := r.payer("ann", "40.00")
		setOffline(true, ann)
		pays := func(from *party, instrument string) {
			t.Helper()
			events := from.listen(r.ctx)
			result := till.request("2.00", offline)
			from.accept(r.received(events), instrument)
			if got := r.result(result); got.GetPaymentSuccessful() == nil {
				t.Fatal(got)
			}
		}
		pays(ann, card)
		r.until("the till has Ann's bundle", func() bool { return till.epoch() == ann.epoch() })
		ann.stop()
		till.stop()
		<-time.After(49 * time.Hour)
		r.cut = true
		till = r.start(till.name, till.role)
		r.cut = false
		bob, other := r.payer("bob", "40.00") // of the new key
		setOffline(true, bob)
		pays(bob, other)
		r.balanced(nil, till, ann.restart(), bob)
	})
}

// TestAwayForAHundredDays: devices whose certificates have ended meanwhile, and
// that know neither the root key nor the issuer key of today, come back.
func TestAwayForAHundredDays(t *testing.T) {
	play(t, func(t *testing.T, r *rig) {
		till := r.till("till")
		ann, card := r.payer("ann", "")
		till.stop()
		ann.stop()
		r.rotateRoot()
		_, err := backend.RotateIssuer(r.ctx, filepath.Join(r.dir, "backend"), r.admin, 0)
		r.must(err)
		<-time.After(100 * 24 * time.Hour)
		root := r.rotateRoot()
		till, ann = r.start(till.name, till.role), r.start(ann.name, ann.role)
		for _, p := range []*party{till, ann} {
			r.until(p.name+" has a certificate that lasts", func() bool { return p.cert().NotAfterMs > time.Now().UnixMilli() })
			p.knows(root)
		}
		instrument, err := preauth.ParseID(card)
		r.must(err)
		ann.preAuthorize(instrument, "10.00")
		setOffline(true, till, ann)
		r.pays(till, ann, "1.00", card)
		r.balanced(nil, till, ann)
	})
}

// until waits for what the devices do by themselves.
func (r *rig) until(what string, ok func() bool) {
	r.t.Helper()
	for range 300 {
		if ok() {
			return
		}
		<-time.After(time.Second)
	}
	r.t.Fatalf("it does not come to pass that %s", what)
}
