package daemon

import (
	"errors"
	"testing"
	"time"

	peerv1 "github.com/vipaso/vipasod/proto/vipaso/peer/v1"

	"github.com/vipaso/vipasod/preauth"
	"github.com/vipaso/vipasod/syncer"
)

// passed is a bundle that a peer passes on: of a later epoch and time than the
// device's own, but for what change alters.
func passed(t testing.TB, own *peerv1.TrustBundle, signer string, change func(*peerv1.TrustBundle)) []byte {
	t.Helper()
	stolen := namedID("stolen")
	b := &peerv1.TrustBundle{
		Epoch: own.Epoch + 1, ServerTimeMs: own.ServerTimeMs + (10 * time.Hour).Milliseconds(),
		Issuers: own.Issuers, RevokedDevices: [][]byte{stolen[:]},
	}
	if change != nil {
		change(b)
	}
	return signedBy(t, signer, b).Bytes
}

// TestBundleOfAPeer: a peer's bundle counts if the root signed it and its epoch
// is higher; only then does its time raise the floor, and both are on disk.
func TestBundleOfAPeer(t *testing.T) {
	next := preauth.PublicKeyOf(&fixedKey("next root").PublicKey)
	handover := func(signer string) func(*peerv1.TrustBundle) {
		return func(b *peerv1.TrustBundle) {
			b.Handovers = [][]byte{signedBy(t, signer, &peerv1.RootHandover{RootKey: next[:], TimeMs: 1}).Bytes}
		}
	}
	tests := []struct {
		name   string
		signer string
		change func(*peerv1.TrustBundle)
		taken  bool
		err    error
	}{
		{"a newer one", "root", nil, true, nil},
		{"of the epoch that is known, though signed later", "root", func(b *peerv1.TrustBundle) { b.Epoch-- }, false, nil},
		{"of an older epoch, though signed later", "root", func(b *peerv1.TrustBundle) { b.Epoch -= 2 }, false, nil},
		{"of a stranger", "stranger", nil, false, preauth.ErrSignature},
		{"of the next root", "next root", handover("root"), true, nil},
		{"of the next root, which a stranger named", "next root", handover("stranger"), false, preauth.ErrSignature},
		{"of the next root, which nobody named", "next root", nil, false, preauth.ErrSignature},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var own *peerv1.TrustBundle
			b := newBench(t, asTill, func(_ *Options, p *papers) {
				p.bundle.Epoch = 5
				own = p.bundle
			})
			b.clock.Hear(time.UnixMilli(own.ServerTimeMs))
			signed := passed(t, own, tt.signer, tt.change)
			err := b.adoptBundle(t.Context(), signed)
			if !errors.Is(err, tt.err) || (tt.err == nil) != (err == nil) {
				t.Fatalf("%v, want %v", err, tt.err)
			}
			raised := b.clock.Floor().Sub(time.UnixMilli(own.ServerTimeMs)) >= 10*time.Hour
			if b.self.Load().trust.Revoked(namedID("stolen")) != tt.taken || raised != tt.taken {
				t.Errorf("epoch %d, floor %s; want it taken: %v", b.self.Load().trust.Epoch(), b.clock.Floor(), tt.taken)
			}
			must(t, b.store.Close())
			again := reopen(t, b)
			if again.self.Load().trust.Revoked(namedID("stolen")) != tt.taken {
				t.Errorf("after a restart: epoch %d", again.self.Load().trust.Epoch())
			}
			if tt.taken && again.clock.Floor().Before(time.UnixMilli(own.ServerTimeMs).Add(10*time.Hour)) {
				t.Errorf("after a restart the floor is %s", again.clock.Floor())
			}
			id, err := again.store.Identity(t.Context())
			must(t, err)
			if changed := id.RootKey == next; changed != (tt.taken && tt.signer == "next root") {
				t.Errorf("root key %x", id.RootKey.KeyID())
			}
		})
	}
}

// A root key that was handed over counts no more, also in an answer of the
// backend that was asked for before.
func TestRefreshedFollowsNoEarlierRoot(t *testing.T) {
	var own *peerv1.TrustBundle
	b := newBench(t, asTill, func(_ *Options, p *papers) { own = p.bundle })
	next := preauth.PublicKeyOf(&fixedKey("next root").PublicKey)
	must(t, b.adoptBundle(t.Context(), passed(t, own, "next root", func(in *peerv1.TrustBundle) {
		in.Handovers = [][]byte{signedBy(t, "root", &peerv1.RootHandover{RootKey: next[:], TimeMs: 1}).Bytes}
	})))
	earlier, err := preauth.OpenTrust(preauth.PublicKeyOf(&fixedKey("root").PublicKey),
		passed(t, own, "root", func(in *peerv1.TrustBundle) { in.Epoch += 10 }))
	must(t, err)
	must(t, b.Refreshed(t.Context(), syncer.Refresh{Trust: earlier}))
	if who := b.self.Load(); who.RootKey != next || who.trust.Epoch() != own.Epoch+1 {
		t.Errorf("root key %x, epoch %d", who.RootKey.KeyID(), who.trust.Epoch())
	}
}

// deviceEvents returns what the log says of the device itself.
func deviceEvents(t testing.TB, b *bench) (all []string) {
	t.Helper()
	log, err := b.store.Events(t.Context(), 0, 100)
	must(t, err)
	for _, e := range log {
		if what := e.GetDeviceChanged().GetWhat(); what != "" {
			all = append(all, what)
		}
	}
	return all
}
